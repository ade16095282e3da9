/* The leg protocol as dahdid answers it: sipd's leg.h laid beside it reads alike.
 * Named in serve's table, with the daemon as context; calls ring, lift and frames. Owns nothing.
 */
#ifndef LEG_H
#define LEG_H

#include "bus.h"

void leg_originate(void *context, struct hs_request *request);
void leg_progress(void *context, struct hs_request *request);
void leg_answer(void *context, struct hs_request *request);
void leg_hangup(void *context, struct hs_request *request);
void leg_hold(void *context, struct hs_request *request);
void leg_digits(void *context, struct hs_request *request);
void leg_recall(void *context, struct hs_request *request);

#endif
