/* What sipd may ask of the kernel beside what every daemon may.
 * Used by main.c; shown by sipd --dump-sandbox.
 * Owns nothing.
 */
#ifndef SIPD_WALL_H
#define SIPD_WALL_H

#include "sandbox.h"

extern const struct hs_sandbox sipd_wall;

#endif
