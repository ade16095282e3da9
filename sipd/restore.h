/* Restore: what a predecessor that died left. Dialogs go on: transactions that matter begin again under the same
 * branch, so that a phone takes what we send for a repetition, and answers to what the predecessor sent find them. What
 * cannot go on is ended politely, and apid hears of it. Called by begin at every start and by agent for answers that
 * belong to no transaction. Owns nothing.
 */
#ifndef RESTORE_H
#define RESTORE_H

#include "agent.h"

struct sipd;

/* Goes on with every dialog that the journal still has. */
void restore_dialogs(struct sipd *sipd);

/* An answer that belongs to no transaction: a 2xx that is repeated is acknowledged again; one to an INVITE that nobody
 * goes on with is acknowledged, and a 2xx ended by BYE. context is the struct sipd, msg is its own from now on. */
void restore_response(void *context, msg_t *msg, sip_t *sip);

/* True for an INVITE that is sent again after the predecessor died with it. */
bool restore_refuses(const struct sipd *sipd, const sip_t *sip);

#endif
