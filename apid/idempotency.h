/* Idempotency: a repeated POST gets the first answer and does nothing.
 * Called by serve; calls the store. Owns the keys of the last minute in memory; all of them are rows of the store,
 * written in the transaction of what they answer for. A client's Idempotency-Key holds for 24 h for its token and path.
 * Without one the id of the request holds for a minute: our predecessor may have died between commit and answer, and
 * the front asks again by itself.
 */
#ifndef IDEMPOTENCY_H
#define IDEMPOTENCY_H

#include "store.h"

#define IDEMPOTENCY_KEY 33 /* hex, with NUL */

struct idempotency;

/* Makes the table's key from what names a request; key NULL: by request_id. */
void idempotency_key(const char *token, const char *path, const char *key, const char *request_id,
		     char ret_key[IDEMPOTENCY_KEY]);

struct idempotency *idempotency_create(struct store *store);

/* Begins a request. found is called, now or later, exactly once: with the first answer's JSON, or with NULL when it is
 * new (then idempotency_put or idempotency_drop must follow). While the first one is in work, later ones wait.
 * brief: the key is a request id; repetitions within this process are the bus's business. */
void idempotency_begin(struct idempotency *idempotency, const char *key, bool brief,
		       void (*found)(void *context, const char *answer), void *context);

/* The request was done; answer is JSON. stored false: only this process remembers it (the answer holds a secret). */
void idempotency_put(struct idempotency *idempotency, const char *key, bool brief, const char *answer, bool stored);

/* The request was refused and did nothing: who waits for it begins anew. */
void idempotency_drop(struct idempotency *idempotency, const char *key);

void idempotency_destroy(struct idempotency *idempotency); /* NULL is fine */

#endif
