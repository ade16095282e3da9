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

/* Rows of a state in which the channel is open and not in alarm; their actions are find's. */
#define LIFE_WORKING(state)                                                                                            \
	{state, PORT_LOST, NULL, find_away, PORT_AWAY},                                                                \
	{                                                                                                              \
		state, PORT_ALARMED, NULL, find_alarmed, PORT_ALARM                                                    \
	}

/* A machine of struct port's, by its word and its rows. */
#define LIFE_MACHINE(word, table)                                                                                      \
	{                                                                                                              \
		.name = (word), .states = life_states, .events = life_events, .states_count = PORT_STATES,             \
		.events_count = PORT_EVENTS, .rules = (table), .rules_count = sizeof(table) / sizeof((table)[0]),      \
		.state_offset = offsetof(struct port, r.state), .id = life_id_of, .changed = life_changed,             \
	}

#endif
