/* What dahdid may ask of the kernel beside what every daemon may.
 * Used by main.c; shown by dahdid --dump-sandbox.
 * Owns nothing.
 */
#ifndef DAHDID_WALL_H
#define DAHDID_WALL_H

#include "sandbox.h"

extern const struct hs_sandbox dahdid_wall;

#endif
