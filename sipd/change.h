/* Change: re-INVITEs both ways: hold, resume, session refreshes, and two at once (glare).
 * Called by inside (theirs), leg and refresh (ours); calls ask, path, refresh, tell. Owns nothing.
 */
#ifndef CHANGE_H
#define CHANGE_H

#include "dialog.h"

/* A re-INVITE, or an UPDATE with a description, came in an established dialog. Returns the status to send at once, or
 * 0: it is answered later. */
int change_arrived(struct dialog *dialog, nta_incoming_t *irq, const sip_t *sip);

/* Sends a re-INVITE that changes nothing, to refresh the session; refresh hears how it went. Not while another one is
 * under way. */
void change_refresh(struct dialog *dialog);

/* Puts the far end on hold or takes it back; leg.held is told when it agreed. */
void change_hold(struct dialog *dialog, bool held);

#endif
