/* Subscriptions: WebSocket clients of /api/v1/events.
 * Called by ws; calls feed, ring, and apid for what is older than the ring. Owns the client's place in the log.
 * Every message is an event and names its predecessor in this subscription (prev), so that a client can prove that it
 * got all; with ?hello=true a first {"type":"hello"} tells the cursor it begins after. Who is too slow for the ring is
 * closed with his cursor.
 */
#ifndef FRONT_SUBSCRIPTION_H
#define FRONT_SUBSCRIPTION_H

#include "ring.h"
#include "ws.h"

extern const struct ws_kind subscription_kind;

/* What a client asked for in the query. */
struct subscription_query {
	char since[RING_CURSOR]; /* "": from now on */
	char types[256];
	char hello[8]; /* "true": say where it begins */
	struct filter filter;
};

/* Reads since, type (or types), line, call and hello. 0, or -EINVAL with the fault. Pure. */
int subscription_read(const char *query, struct subscription_query *ret_query, struct hs_wire_fault *ret_fault);

#endif
