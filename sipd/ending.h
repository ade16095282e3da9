/* Ending: how every dialog ends, whoever wants it: BYE, the fact leg.ended, and the last transactions.
 * Called by the call rooms and by restore; calls tell. Owns nothing.
 */
#ifndef ENDING_H
#define ENDING_H

#include "dialog.h"

/* Sends BYE in the dialog. Its record stays until the far end confirms. */
void ending_bye(struct dialog *dialog);

/* Sends ACK for a 2xx, then BYE: for an answer that nobody waits for any more. leg and peer: of that fork. */
void ending_ack_bye(struct dialog *dialog, nta_leg_t *leg, const struct peer *peer, const sip_t *sip);

/* Tells apid that the leg is over, once; tries again each second while the journal is full. The caller writes the
 * record, or lets it go. */
void ending_say(struct dialog *dialog, enum hs_cause cause, bool by_far_end, int status, const char *why);

/* The same, and writes it down where something is still to be done. */
void ending_tell(struct dialog *dialog, enum hs_cause cause, bool by_far_end, int status, const char *why);

/* Frees a dialog that is over, told, and has nothing left under way. */
void ending_check(struct dialog *dialog);

#endif
