/* What apid may ask of the kernel beside what every daemon may.
 * Used by main.c; shown by apid --dump-sandbox.
 * Owns nothing.
 */
#ifndef APID_WALL_H
#define APID_WALL_H

#include "sandbox.h"

extern const struct hs_sandbox apid_wall;

#endif
