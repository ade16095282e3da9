/* Subscriptions: who gets events, from a cursor on and without a gap, whatever he is connected by.
 * Called by subscriber (WebSocket) and sse; calls feed, ring, and apid for what is older than the ring. Owns the
 * client's place in the log. Every message is an event and names its predecessor in this subscription (prev), so that a
 * client can prove that it got all; with ?hello=true a first {"type":"hello"} tells the cursor it begins after. Who is
 * too slow for the ring is closed with his cursor.
 */
#ifndef FRONT_SUBSCRIPTION_H
#define FRONT_SUBSCRIPTION_H

#include "front.h"
#include "ring.h"
#include "wire.h"

struct subscription;

/* What a client asked for in the query. */
struct subscription_query {
	char since[RING_CURSOR]; /* "": from now on */
	char types[256];
	char hello[8]; /* "true": say where it begins */
	struct filter filter;
};

/* Reads since, type (or types), line, call and hello. 0, or -EINVAL with the fault. Pure. */
int subscription_read(const char *query, struct subscription_query *ret_query, struct hs_wire_fault *ret_fault);

/* Goes on after this cursor, whatever the query said. false: it is none. Pure. */
bool subscription_since(struct subscription_query *query, const char *cursor);

/* How its client is reached; to is the client's object. */
struct subscription_way {
	/* A message; cursor: of the event, or NULL. Within writable only. 0; -EAGAIN: no room, writable will be called
	 * again; -EPIPE: it is closing. */
	int (*send)(void *to, const char *text, size_t bytes, const char *cursor);
	void (*want_write)(void *to); /* one call of subscription_writable, later */
	void (*close)(void *to, int code, const char *why);
	void (*accept)(void *to); /* calls subscription_opened */
	void (*refuse)(void *to, const struct hs_answer *answer);
};

/* Texts are copied. */
struct subscription_setup {
	struct front *front;
	const struct subscription_way *way;
	void *to;
	const char *token, *client, *request_id;
	const struct subscription_query *query;
};

/* Asks apid whether he may; accept or refuse follows, later. */
struct subscription *subscription_create(const struct subscription_setup *setup);

/* He is connected. */
void subscription_opened(struct subscription *sub);

/* There is room for messages. */
void subscription_writable(struct subscription *sub);

void subscription_destroy(struct subscription *sub); /* NULL is fine */

#endif
