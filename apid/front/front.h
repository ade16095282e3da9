/* api-front: HTTP and WebSocket towards operators. It holds foreign sockets and no state: kill -9 of it costs a
 * reconnection. Shared by its rooms: the daemon's struct, and who a request is made for.
 */
#ifndef FRONT_H
#define FRONT_H

#include "daemon.h"

struct front {
	struct hs_house *house;
	struct http *http;
	struct rest *rest;
	struct hs_lwsio *lwsio;
	struct ws *ws;
	struct feed *feed;
	struct audio *audio;
	struct streams *streams;
	size_t max_clients;
	uv_timer_t draining; /* while stopping */
};

/* The life of the daemon (daemon.h). stop tells clients to come back; answers under way still go out. */
int front_start(struct hs_house *house);
void front_stop(struct hs_house *house);
void front_finish(struct hs_house *house);

/* Whom a request to apid is made for. Texts are borrowed for the call of front_ask. */
struct caller {
	const char *token, *client, *request_id, *idempotency_key; /* each may be NULL */
};

/* Asks apid. body: struct hs_<message>. answered: once, later. Returns a ticket for hs_bus_forget. */
uint64_t front_ask(struct front *front, enum hs_message_id message, const void *body, const struct caller *caller,
		   void (*answered)(void *context, const struct hs_answer *answer), void *context);

/* Subscribes to apid's events for the feed. */
void front_hear(struct front *front);

/* The token of an Authorization field, or NULL when it is no bearer token of a possible form. */
const char *front_token(const char *authorization);

#endif
