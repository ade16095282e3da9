/* Asking: requests to drivers and mediad that are committed before they are sent, and sent until they are confirmed.
 * Called by calls and streams (through main's wiring); calls the bus and, with the answers, calls and streams.
 * Owns the intents: each is a row of the store from its commit to its confirmation, with the id it has on the bus, so
 * that our successor repeats it and the peer knows it again.
 */
#ifndef ASK_H
#define ASK_H

#include "apid.h"

/* Restores what was not confirmed; it is sent again when the loop runs. */
struct asks *asks_create(struct apid *apid);

/* Adds a request to this turn's transaction and sends it after the commit. */
void asks_add(void *context, const struct calls_ask *ask);

/* Forgets what a peer was asked about a leg and has not confirmed. */
void asks_forget(void *context, enum hs_role to, const char *leg);

void asks_destroy(struct asks *asks); /* NULL is fine; rows stay */

#endif
