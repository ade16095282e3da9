/* Leg: the leg protocol's requests, mapped to dialogs.
 * Called by serve; calls dialog and the call rooms. Owns nothing.
 */
#ifndef LEG_H
#define LEG_H

#include "bus.h"

struct sipd;

/* Each answers or refuses the request exactly once. */
void leg_originate(struct sipd *sipd, struct hs_request *request);
void leg_progress(struct sipd *sipd, struct hs_request *request);
void leg_answer(struct sipd *sipd, struct hs_request *request);
void leg_hangup(struct sipd *sipd, struct hs_request *request);
void leg_hold(struct sipd *sipd, struct hs_request *request);
void leg_digits(struct sipd *sipd, struct hs_request *request);
void leg_recall(struct sipd *sipd, struct hs_request *request);

#endif
