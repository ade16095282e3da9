/* Restore: what a predecessor that died left. Calls are not kept in this version: each is ended politely, so that no
 * phone is in a call that nobody knows of, and apid hears of each. Called by begin at every start and by agent for
 * answers that belong to no transaction. Owns nothing.
 */
#ifndef RESTORE_H
#define RESTORE_H

#include "agent.h"

struct sipd;

/* Ends every dialog that the journal still has: BYE; CANCEL; a final answer. */
void restore_dialogs(struct sipd *sipd);

/* An answer that belongs to no transaction: one to a predecessor's INVITE is acknowledged, and a 2xx ended by BYE.
 * context is the struct sipd, msg is its own from now on. */
void restore_response(void *context, msg_t *msg, sip_t *sip);

/* True for an INVITE that is sent again after the predecessor died with it. */
bool restore_refuses(const struct sipd *sipd, const sip_t *sip);

#endif
