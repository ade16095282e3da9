/* What api-front may ask of the kernel beside what every daemon may.
 * Used by main.c; shown by api-front --dump-sandbox.
 * Owns nothing.
 */
#ifndef APID_FRONT_WALL_H
#define APID_FRONT_WALL_H

#include "sandbox.h"

extern const struct hs_sandbox front_wall;

#endif
