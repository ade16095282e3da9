/* Registrar: REGISTER, from the admitted and authenticated request to the binding, and what apid hears of it.
 * Called by request; calls locations, tell. Owns the timer of expiry and what was last told of each line.
 */
#ifndef REGISTRAR_H
#define REGISTRAR_H

#include "agent.h"
#include "users.h"

struct sipd;
struct registrar;

struct registrar *registrar_create(struct sipd *sipd);

/* Serves a REGISTER of this user; msg is its own from now on. */
void registrar_serve(struct registrar *registrar, msg_t *msg, sip_t *sip, const struct user *user,
		     const struct peer *peer);

/* After a start: bindings are in place. all: apid may know nothing, so every line is told. */
void registrar_restored(struct registrar *registrar, bool all);

/* A contact cannot be reached any more (its connection is gone, or it stopped answering): it is forgotten. */
void registrar_lost(struct registrar *registrar, const char *line, const char *contact, const char *why);

void registrar_stop(struct registrar *registrar);
void registrar_destroy(struct registrar *registrar); /* NULL is fine */

#endif
