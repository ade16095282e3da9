/* The life of a port as a table: what may happen in which state, and what follows.
 * Given to ports_create; its rows name the actions of find, ring and lift.
 * Owns nothing.
 */
#ifndef LIFE_H
#define LIFE_H

#include "fsm.h"
#include "hs_proto.h"

extern const struct hs_fsm life_of_ports, life_of_exchange_lines;

/* The machine for a signalling. */
const struct hs_fsm *life_of(enum hs_signalling signalling);

/* What both machines have in common. */
extern const char *const life_states[], *const life_events[];
const char *life_id_of(const void *object);
void life_changed(void *object, int old_state);

#endif
