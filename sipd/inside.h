/* Inside: requests within a dialog: BYE, INFO, re-INVITE, OPTIONS, and the polite refusal of others.
 * Bound to each dialog's leg by callee and caller; calls auth, change, info, tell. Owns nothing.
 */
#ifndef INSIDE_H
#define INSIDE_H

#include "dialog.h"

/* nta's callback for a dialog's leg; the magic is the struct dialog. */
int inside_request(nta_leg_magic_t *magic, nta_leg_t *leg, nta_incoming_t *irq, const sip_t *sip);

/* Sends the digits that wait in the dialog by INFO, one after the other. */
void inside_send_digits(struct dialog *dialog);

#endif
