/* WebSockets on our libuv loop, server and client side. The only code that knows libwebsockets.
 * Called by api-front (ws) and hook-stream; calls the events they give it. Owns the connections, from accept or connect
 * until closed was called; after that the pointer is gone.
 *
 * Server: connections are accepted here, and the head of the request is read here first, strictly and bounded (16 KiB,
 * 10 s), so that the verdict may take its time (a bus round trip) and a refusal is plain HTTP. libwebsockets gets the
 * connection when it is accepted, with a head that we wrote: shake of hands, frames, UTF-8, close codes are its own.
 * Writing is pulled: hs_ws_want_write, then writable is called when the socket has room. So nothing queues up here.
 */
#ifndef HS_LWSIO_H
#define HS_LWSIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define HS_WS_MAX_HEAD 16384   /* request head a server reads */
#define HS_WS_MAX_REASON 123   /* bytes of a close reason (RFC 6455 5.5) */
#define HS_WS_MAX_SEND 1048576 /* longest message that can be sent */

/* Close codes that we use (RFC 6455 7.4, and 4000-4999 of our own). */
enum hs_ws_code {
	HS_WS_NORMAL = 1000,
	HS_WS_GOING_AWAY = 1001,
	HS_WS_PROTOCOL = 1002,
	HS_WS_UNSUPPORTED = 1003,
	HS_WS_BAD_TEXT = 1007,
	HS_WS_POLICY = 1008,
	HS_WS_TOO_LARGE = 1009,
	HS_WS_INTERNAL = 1011,
	HS_WS_TRY_AGAIN = 1013,
	HS_WS_UNAUTHORIZED = 4401,
};

struct hs_lwsio;
struct hs_ws;

/* What a client asked for. Borrowed for the call of asked; texts are "" when absent, never NULL. */
struct hs_ws_head {
	const char *method; /* GET, HEAD */
	const char *path;   /* as sent, without query */
	const char *query;  /* as sent, without '?' */
	const char *host, *origin, *authorization, *protocol, *request_id;
	const char *client; /* numeric address, without port */
	bool is_upgrade; /* a well-formed WebSocket handshake; else a plain HTTP request, which can only be refused */
};

struct hs_ws_events {
	/* Server: a request has come. Answer with hs_ws_accept or hs_ws_refuse exactly once, now or later, unless
	 * closed is called first. */
	void (*asked)(void *context, struct hs_ws *ws, const struct hs_ws_head *head);

	/* The connection is open: frames may go both ways. */
	void (*opened)(void *context, struct hs_ws *ws);

	/* A whole message, fragments joined; data is borrowed for the call and ends with a NUL that bytes does not
	 * count. text: valid UTF-8. */
	void (*received)(void *context, struct hs_ws *ws, bool text, const uint8_t *data, size_t bytes);

	/* There is room: send with hs_ws_send until -EAGAIN or until nothing is left. Called after hs_ws_want_write. */
	void (*writable)(void *context, struct hs_ws *ws);

	/* It is over; ws is freed after this. Always called once for a ws that was asked, opened or returned by
	 * hs_ws_connect. code: close code of the peer; 1006 when it was lost without one; for a client whose handshake
	 * failed the HTTP status (401, 403, ...) or 0 when there was none. why: peer's reason or ours, never NULL. */
	void (*closed)(void *context, struct hs_ws *ws, int code, const char *why);
};

/* The keeper, before its sandbox: loads libwebsockets' libuv plugin, since nothing that can be executed is mapped
 * later.
 */
void hs_lwsio_load(void);

/* Starts the engine on the loop. NULL with a log line. */
struct hs_lwsio *hs_lwsio_create(uv_loop_t *loop);

struct hs_ws_listen {
	int fd;                 /* listening TCP socket; owned by us from now on */
	size_t max_clients;     /* connections at once, whatever their state */
	size_t max_per_address; /* of one address; loopback has no limit of its own */
	size_t max_message;     /* bytes a client may send in one message; more: 1009 */
	int sndbuf_bytes;       /* SO_SNDBUF of each connection; 0: the system's */
	const struct hs_ws_events *events;
	void *context;
};

/* Serves a listening socket. 0 or -errno. */
int hs_lwsio_listen(struct hs_lwsio *lwsio, const struct hs_ws_listen *listen);

/* Connections there are now, in whatever state. */
size_t hs_lwsio_clients(const struct hs_lwsio *lwsio);

/* Lets the handshake succeed. opened follows before this returns; -EPIPE
 * when the client has gone meanwhile (closed follows later). */
int hs_ws_accept(struct hs_ws *ws);

/* Answers with a plain HTTP response and closes; closed follows later. headers: "" or whole lines, each ending with
 * CRLF.
 */
void hs_ws_refuse(struct hs_ws *ws, int status, const char *headers, const char *content_type, const char *body);

struct hs_ws_connect {
	const char *address; /* numeric; names are resolved and checked by the caller */
	int port;
	bool tls;                          /* certificate verified against host */
	const char *host;                  /* Host header and TLS name */
	const char *path;                  /* with query */
	const char *protocol;              /* Sec-WebSocket-Protocol, or NULL */
	const char *token;                 /* sent as Authorization: Bearer; or NULL. Not kept */
	size_t max_message;                /* bytes the server may send in one message */
	int timeout_ms;                    /* for TCP, TLS and handshake together */
	const struct hs_ws_events *events; /* asked is not used */
	void *context;
};

/* Begins to connect. opened or closed follows, never before this returns. Never NULL. */
struct hs_ws *hs_ws_connect(struct hs_lwsio *lwsio, const struct hs_ws_connect *connect);

/* The caller's own object that belongs to a connection. */
void hs_ws_set_owner(struct hs_ws *ws, void *owner);
void *hs_ws_owner(const struct hs_ws *ws);

/* Numeric address of the peer. Lives as long as ws. */
const char *hs_ws_peer(const struct hs_ws *ws);

/* Bounds what the kernel keeps of unsent bytes (SO_SNDBUF); the less, the sooner a slow peer is felt. */
void hs_ws_set_sndbuf(struct hs_ws *ws, int bytes);

/* Asks for one call of writable, later, when there is room. */
void hs_ws_want_write(struct hs_ws *ws);

/* Sends one message; only within writable or opened. 0: taken (what the socket does not take at once is kept, one
 * message at most); -EAGAIN: no room, writable will be called again; -EPIPE: it is closing. */
int hs_ws_send(struct hs_ws *ws, bool text, const void *data, size_t bytes);

/* Sends a close frame (reason is cut to HS_WS_MAX_REASON) and closes, after 10 s without the peer's answer. closed
 * follows later; nothing is received or writable from now on. Repeating is fine. */
void hs_ws_close(struct hs_ws *ws, int code, const char *reason);

/* No more guests, and closes everything with 1001. closed follows for each. */
void hs_lwsio_shut(struct hs_lwsio *lwsio);

/* Closes everything with 1001; runs the loop until it is done, at most 1 s; calls closed for each. NULL is fine. */
void hs_lwsio_destroy(struct hs_lwsio *lwsio);

#endif
