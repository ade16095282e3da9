/* Caller: we ring a line: one INVITE to each of its contacts at once; the first to lift wins, the others are cancelled.
 * Called by leg (begin) and by the state machine (actions); calls ask, tell, ending. Owns nothing.
 */
#ifndef CALLER_H
#define CALLER_H

#include "dialog.h"

struct hs_leg_originate;

/* Makes the dialog and its forks and lets it begin. -EHOSTUNREACH: the line has no contact that can be reached;
 * -ENOSPC: the journal is full. */
int caller_begin(struct sipd *sipd, const struct hs_leg_originate *request);

/* Goes on with the INVITEs of a predecessor. False: none of them can be gone on with. */
bool caller_restore(struct dialog *dialog);

/* Hands mediad what the phone answered: the dialog's description. */
void caller_describe(struct dialog *dialog);

/* Actions of the state machine. */
void caller_call(void *object, const void *originate);
void caller_rings(void *object, const void *rings);
void caller_accepted(void *object, const void *argument);
void caller_refused(void *object, const void *end);
void caller_timeout(void *object, const void *argument);
void caller_cancel(void *object, const void *end);

#endif
