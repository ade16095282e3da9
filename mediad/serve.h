/* The requests mediad answers.
 * Called by the bus; calls session, leg_rtp, leg_channel, leg_stream, leg_player. Owns nothing.
 */
#ifndef MEDIAD_SERVE_H
#define MEDIAD_SERVE_H

#include "bus.h"

#define SERVE_DOORS 12

extern const struct hs_door serve_doors[SERVE_DOORS];

#endif
