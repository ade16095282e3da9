/* Facts we tell apid: one function each, so that every fact is counted, traced and logged the same way.
 * Called by the rooms; calls the bus. Owns nothing.
 * All return 0, or -ENOSPC when the journal is full: nothing was told then.
 */
#ifndef TELL_H
#define TELL_H

#include "hs_proto.h"

struct sipd;

int tell_incoming(struct sipd *sipd, const struct hs_leg_incoming *fact);
int tell_progressing(struct sipd *sipd, const struct hs_leg_progressing *fact);
int tell_ringing(struct sipd *sipd, const struct hs_leg_ringing *fact);
int tell_answered(struct sipd *sipd, const struct hs_leg_answered *fact);
int tell_digit(struct sipd *sipd, const struct hs_leg_digit *fact);
int tell_flash(struct sipd *sipd, const struct hs_leg_flash *fact);
int tell_held(struct sipd *sipd, const struct hs_leg_held *fact);
int tell_hold_failed(struct sipd *sipd, const struct hs_leg_hold_failed *fact);
int tell_ended(struct sipd *sipd, const struct hs_leg_ended *fact);
int tell_line(struct sipd *sipd, const struct hs_line_changed *fact);
int tell_suspected(struct sipd *sipd, const struct hs_line_suspected *fact);

/* True while there is room for a new call: the ends of those in progress must always find theirs. */
bool tell_has_room(const struct sipd *sipd);

#endif
