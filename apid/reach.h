/* Reaching: which lines ring for the second party of a call, and who comes next when nobody is there: forwards, the
 * next line of a group, whoever the group names for then.
 * Called by call (actions and guards); calls lines, routes and outside. Owns nothing: all it knows is the call's.
 */
#ifndef REACH_H
#define REACH_H

#include "calls.h"

/* Rings the second party: call->group, else the party outside, else call->target, or who they name in their place. May
 * step the call: CALL_REFUSE when nobody can be rung, CALL_OPERATOR when it is the operator's now. */
void reach_second(struct call *call);

/* Nobody is there: whether there is somebody else to be rung, and rings him. */
bool reach_has_next(const struct call *call);
void reach_next(struct call *call);

/* How long a leg rings before its line or group wants somebody else to be rung. */
int64_t reach_ring_ms(const struct leg *leg);

#endif
