/* Serve: the requests we answer, as a table.
 * Read by main.c. Owns nothing.
 */
#ifndef SERVE_H
#define SERVE_H

#include "bus.h"

#define SERVE_DOORS 8

extern const struct hs_door serve_doors[SERVE_DOORS];

#endif
