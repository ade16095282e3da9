/* The leg protocol as dahdid answers it: sipd's leg.h laid beside it reads alike.
 * Called by serve; calls ring, lift and frames. Owns nothing.
 */
#ifndef LEG_H
#define LEG_H

#include "bus.h"

struct dahdid;

void leg_originate(struct dahdid *dahdid, struct hs_request *request);
void leg_progress(struct dahdid *dahdid, struct hs_request *request);
void leg_answer(struct dahdid *dahdid, struct hs_request *request);
void leg_hangup(struct dahdid *dahdid, struct hs_request *request);
void leg_hold(struct dahdid *dahdid, struct hs_request *request);
void leg_digits(struct dahdid *dahdid, struct hs_request *request);

#endif
