/* Request: what comes in, and where it goes: to its dialog or a room of its own. No transaction exists before the
 * sender proved who it is. Called by agent; calls admission, inside, auth, overload, callee, registrar. Owns nothing.
 */
#ifndef REQUEST_H
#define REQUEST_H

#include "agent.h"

/* A request; context is the struct sipd, msg is its own from now on. */
void request_arrived(void *context, msg_t *msg, sip_t *sip);

#endif
