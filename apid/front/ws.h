/* WebSockets of operators: who may come in, and to which room.
 * Called by main; calls lwsio, subscriber (events) and stream (audio). Owns nothing but figures: a connection's state
 * is its room's. A handshake that cannot succeed is answered with a plain HTTP problem document.
 */
#ifndef FRONT_WS_H
#define FRONT_WS_H

#include "front.h"
#include "lwsio.h"
#include "problem.h"
#include "route.h"

#define WS_MAX_MESSAGE 65536

struct ws;

/* What each room keeps first in its object for a connection. */
struct ws_client {
	const struct ws_kind *kind;
	struct front *front;
	struct hs_ws *ws;
	char request_id[65];
};

/* A handshake, borrowed for the call of asked. */
struct ws_request {
	struct front *front;
	struct hs_ws *ws;
	const struct hs_ws_head *head;
	const char *token;
	const char *line; /* of the path, or "" */
	char request_id[65];
};

/* A room. asked makes the client (ws_client_begin) or refuses; the others are hs_ws_events. */
struct ws_kind {
	const char *name;           /* of metrics */
	const char *before, *after; /* of the path, around {line}; after NULL: the path has none */
	void (*asked)(const struct ws_request *request);
	void (*opened)(struct ws_client *client);
	void (*received)(struct ws_client *client, bool text, const uint8_t *data, size_t bytes);
	void (*writable)(struct ws_client *client);
	void (*closed)(struct ws_client *client, int code, const char *why);
};

struct ws *ws_create(struct front *front);

/* Begins to serve a listening socket. 0 or -errno. */
int ws_listen(struct ws *ws, int fd);

/* Ties a room's object to the connection. */
void ws_client_begin(struct ws_client *client, const struct ws_kind *kind, const struct ws_request *request);

/* Answers a handshake with a problem; logged at most once a second for each error. */
void ws_refuse(struct front *front, struct hs_ws *conn, const char *request_id, struct problem *problem);

/* Same, with apid's own words. */
void ws_refuse_answer(const struct ws_client *client, const char *scope, const struct hs_answer *answer);

void ws_destroy(struct ws *ws); /* NULL is fine */

#endif
