/* Callee: a phone calls us. From its INVITE to the ACK of our 200, or to the final refusal.
 * Called by request (begin) and by the state machine (actions); calls ask, tell, ending. Owns nothing.
 */
#ifndef CALLEE_H
#define CALLEE_H

#include "dialog.h"
#include "users.h"

/* Takes an admitted and authenticated INVITE; msg is its own from now on. */
void callee_begin(struct sipd *sipd, msg_t *msg, sip_t *sip, const struct user *user, const struct peer *peer,
		  const char *dialled);

/* Goes on with the INVITE of a phone that a predecessor had, in the state of the record. False: it is not known well
 * enough; then only a refusal is possible. */
bool callee_restore(struct dialog *dialog);

/* Actions and guards of the state machine. */
void callee_offer(void *object, const void *argument);
void callee_note_progress(void *object, const void *early_media);
void callee_progress(void *object, const void *early_media);
void callee_note_answer(void *object, const void *argument);
void callee_answer(void *object, const void *argument);
void callee_acked(void *object, const void *argument);
void callee_refuse(void *object, const void *end);
void callee_cancelled(void *object, const void *argument);
void callee_unheard(void *object, const void *argument);
bool callee_is_described(const void *object, const void *argument);

#endif
