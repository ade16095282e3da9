/* Subscriptions: WebSocket clients of /api/v1/events.
 * Called by ws; calls feed, ring, and apid for what is older than the ring. Owns the client's place in the log.
 * First {"type":"hello"} with the cursor it begins after, then events; each names its predecessor in this subscription
 * (prev), so that a client can prove that it got all. Who is too slow for the ring is closed with his cursor.
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
	struct filter filter;
};

/* Reads since, type (or types), line and call. 0, or -EINVAL with the fault. Pure. */
int subscription_read(const char *query, struct subscription_query *ret_query, struct hs_wire_fault *ret_fault);

#endif
