/* What mediad may ask of the kernel beside what every daemon may.
 * Used by main.c; shown by mediad --dump-sandbox.
 * Owns nothing.
 */
#ifndef MEDIAD_WALL_H
#define MEDIAD_WALL_H

#include "sandbox.h"

extern const struct hs_sandbox mediad_wall;

#endif
