/* What hook-stream may ask of the kernel beside what every daemon may.
 * Used by main.c; shown by hook-stream --dump-sandbox.
 * Owns nothing.
 */
#ifndef HOOKD_STREAM_WALL_H
#define HOOKD_STREAM_WALL_H

#include "sandbox.h"

extern const struct hs_sandbox stream_wall;

#endif
