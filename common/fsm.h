/* State machines as tables: one rule a row, one door for every transition.
 * Used by the rooms that have a life (line, call, dialog, delivery). Owns nothing.
 * An event without a row is refused: logged, counted, -EPROTO. Never a silent default.
 */
#ifndef HS_FSM_H
#define HS_FSM_H

#include <stdbool.h>
#include <stddef.h>

struct hs_fsm_rule {
	int state, event;
	bool (*guard)(const void *object, const void *argument); /* NULL: always; rows are tried in order */
	void (*action)(void *object, const void *argument);      /* NULL: nothing; runs in the new state */
	int next;
};

struct hs_fsm {
	const char *name;
	const char *const *states, *const *events; /* words for logs, by number */
	int states_count, events_count;
	const struct hs_fsm_rule *rules;
	size_t rules_count;
	size_t state_offset;                          /* of an int in the object */
	const char *(*id)(const void *object);        /* for logs */
	void (*changed)(void *object, int old_state); /* after each change of state, before the action; NULL: nobody */
};

/* Lets an event happen. 0, or -EPROTO when no row fits (state unchanged). The action may step the same object again. */
int hs_fsm_step(const struct hs_fsm *fsm, void *object, int event, const void *argument);

/* True when some row with this state and event exists, whatever its guard says. */
bool hs_fsm_allows(const struct hs_fsm *fsm, int state, int event);

#endif
