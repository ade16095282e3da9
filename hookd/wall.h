/* What hookd may ask of the kernel beside what every daemon may.
 * Used by main.c; shown by hookd --dump-sandbox.
 * Owns nothing.
 */
#ifndef HOOKD_WALL_H
#define HOOKD_WALL_H

#include "sandbox.h"

extern const struct hs_sandbox hookd_wall;

#endif
