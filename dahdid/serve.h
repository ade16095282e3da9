/* Requests dahdid answers: the table message -> handler.
 * Given to the skeleton by main.c. Owns nothing.
 */
#ifndef SERVE_H
#define SERVE_H

#include "bus.h"

#define SERVE_DOORS 9

extern const struct hs_door serve_doors[SERVE_DOORS];

#endif
