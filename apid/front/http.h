/* HTTP requests and their answers, over libmicrohttpd. The only code that knows it.
 * Called by main, rest and upload; calls the setup's callbacks. Owns the listening socket, connections and exchanges.
 *
 * libmicrohttpd's epoll descriptor is polled in our loop; an exchange is suspended while its answer is awaited, and all
 * that were answered in a turn of the loop go out with one MHD_run. What libmicrohttpd lets pass and RFC 9112 tells to
 * refuse is refused here: Content-Length with Transfer-Encoding, or twice, folded lines, NUL, names with blanks.
 */
#ifndef FRONT_HTTP_H
#define FRONT_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#define HTTP_MAX_BODY 1048576
#define HTTP_MAX_HEAD 16384

struct http;
struct http_exchange; /* one request and its answer */

struct http_setup {
	uv_loop_t *loop;
	int fd;                 /* listening; ours from now on */
	size_t max_clients;     /* connections at once */
	size_t max_per_address; /* of one address; loopback has no limit of its own */

	/* A client waits for a word before it sends a body: answering now spares the body, and closes. */
	void (*announced)(void *context, struct http_exchange *exchange);

	/* A whole request has come: answer exactly once, now or later. full: there are too many connections, refuse. */
	void (*asked)(void *context, struct http_exchange *exchange, bool full);

	/* A head or body that cannot be taken: answer now with this status (400, 413, 431) and close. */
	void (*malformed)(void *context, struct http_exchange *exchange, int status, const char *why);

	/* The answer is out, or the client has gone; the exchange is freed after this. Not called before the answer. */
	void (*ended)(void *context, struct http_exchange *exchange);
	void *context;
};

/* Begins to serve. NULL with a log line. */
struct http *http_create(const struct http_setup *setup);

/* What came. Texts live as long as the exchange; "" when absent. */
const char *http_method(const struct http_exchange *exchange);
const char *http_path(const struct http_exchange *exchange);                       /* as sent, without query */
const char *http_query(const struct http_exchange *exchange);                      /* as sent, without '?' */
const char *http_client(const struct http_exchange *exchange);                     /* numeric address */
const uint8_t *http_body(const struct http_exchange *exchange, size_t *ret_bytes); /* ends with a NUL not counted */
int64_t http_begun_us(const struct http_exchange *exchange); /* hs_clock_us when the request line came */

/* A header field's value, or "". Only within announced, asked and malformed. */
const char *http_header(const struct http_exchange *exchange, const char *name);

/* The caller's own object that belongs to an exchange. */
void http_set_owner(struct http_exchange *exchange, void *owner);
void *http_owner(const struct http_exchange *exchange);

struct http_header {
	const char *name, *value;
};

struct http_answer {
	int status;
	const char *type; /* NULL: no body */
	const void *body; /* copied */
	size_t bytes;
	const struct http_header *headers; /* ends with a NULL name; or NULL */
	bool close;                        /* the connection */
};

void http_answer(struct http_exchange *exchange, const struct http_answer *answer);

/* An answer without an end: read is asked for the next bytes whenever the client can take some, until it is gone. It
 * returns how many it wrote, 0: nothing now, until http_stream_ready; -1: that was all. The body of the answer is not
 * used. */
void http_answer_stream(struct http_exchange *exchange, const struct http_answer *answer,
			ssize_t (*read)(void *context, char *buffer, size_t size), void *context);

/* There are bytes again. */
void http_stream_ready(struct http_exchange *exchange);

/* Connections there are now. */
size_t http_clients(const struct http *http);

/* No more connections; those that are open are closed within a second. */
void http_shut(struct http *http);

/* Ends all connections; exchanges that wait for an answer are ended without one. NULL is fine. */
void http_destroy(struct http *http);

#endif
