/* Inside: requests within a dialog: BYE, INFO, re-INVITE, UPDATE, OPTIONS, and the polite refusal of others.
 * Called by request, and by leg to send digits; calls auth, change, info, refresh, tell. Owns nothing.
 */
#ifndef INSIDE_H
#define INSIDE_H

#include "dialog.h"

/* Takes an admitted request of a dialog: it finds the leg, asks who sends, and only then makes a transaction of it, so
 * that a forgery changes nothing. False: of no dialog, and msg is still the caller's. */
bool inside_arrived(struct sipd *sipd, msg_t *msg, sip_t *sip, const struct peer *peer);

/* Sends the digits that wait in the dialog by INFO, one after the other. */
void inside_send_digits(struct dialog *dialog);

#endif
