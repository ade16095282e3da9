/* A first look at bytes from the network, before the parser: what they are and whether the parser may see them.
 * Called by wiretap for each datagram and stream chunk, both ways; calls nobody. Pure.
 * Owns nothing: slices point into the bytes given.
 */
#ifndef PEEK_H
#define PEEK_H

#include <stdbool.h>
#include <stddef.h>

#define PEEK_METHOD 16
#define PEEK_COMMAS 512 /* in the headers of a message: each may part two items of a list */

enum peek_kind {
	PEEK_BLANK,   /* keep-alive: nothing but CR, LF, NUL */
	PEEK_GARBAGE, /* no SIP at all: STUN, noise */
	PEEK_REQUEST,
	PEEK_RESPONSE,
};

struct peek {
	enum peek_kind kind;
	char method[PEEK_METHOD]; /* request: method, cut; response: method of its CSeq */
	int status;               /* response */
	const char *call_id;      /* or NULL; not terminated */
	size_t call_id_bytes;
	unsigned headers; /* header lines up to the blank line */
	unsigned vias;    /* Via lines */
	unsigned routes;  /* Route and Record-Route lines */
	unsigned commas;  /* in header lines */
	size_t longest;   /* bytes of the longest header line */
	bool bare_cr;     /* a CR without LF in the head: the parser would see other lines than we do */
	bool redirected;  /* a Via carries maddr: an answer would go to somebody else */
};

/* Looks at one message, or at the start of one. Never fails: what is no SIP is PEEK_GARBAGE. */
void peek_look(const char *data, size_t bytes, struct peek *ret_peek);

/* Reads only kind, method, status and Call-ID of a message that is one: of ours. */
void peek_glance(const char *data, size_t bytes, struct peek *ret_peek);

#define PEEK_WHOLE_MAX 65536 /* bytes of a message in a stream */
#define PEEK_UNFRAMED ((size_t)-1)

/* Bytes of the first whole message of a stream, or of the keep-alives that are all there is. 0: its rest must come
 * first, which is at least ret_needed bytes from the beginning. PEEK_UNFRAMED: where it ends cannot be told. */
size_t peek_whole(const char *data, size_t bytes, size_t *ret_needed);

/* Why the parser must not see this (security model 6.9), as a word for metrics; NULL: it may. */
const char *peek_refuse(const struct peek *peek);

#endif
