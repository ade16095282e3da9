/* CURVE of ZMTP 3.1 (https://rfc.zeromq.org/spec/26): what a bus connection over TCP wears around what zmtp.h speaks.
 * Pure: bytes in, bytes out, no descriptor, no clock; random bytes and the boxes are libsodium's. Called by bus_veil.c;
 * calls zmtp. Owns a record of fixed size, wiped at its end, and nothing that grows.
 *
 * It stands between a connection and its bytes: inwards it sounds like a peer without security (greeting, READY,
 * frames), outwards each frame is a box with a rising number. Both ends have a lasting pair of keys each; a client
 * knows its server's key before, a server learns its client's and asks whether it is welcome. What either says of
 * itself is in a box that only the other opens. Between WELCOME and INITIATE a server knows nothing of the client but
 * the key of its cookie.
 */
#ifndef HS_CURVE_H
#define HS_CURVE_H

#include "zmtp.h"

#define CURVE_KEY_BYTES 32
#define CURVE_OWN_MAX 2        /* own pairs that count at a time */
#define CURVE_SAY_MAX 640      /* bytes that are said at once in the handshake */
#define CURVE_METADATA_MAX 255 /* bytes that we tell of ourselves */
#define CURVE_MORE 33          /* bytes that a frame has more in its box */

struct curve_pair {
	uint8_t secret[CURVE_KEY_BYTES], public[CURVE_KEY_BYTES];
};

struct curve_setup {
	bool is_server;
	const struct curve_pair *own; /* copied; a server answers to each of them, a client uses the first */
	size_t own_count;             /* 1 to CURVE_OWN_MAX */
	const uint8_t *server;        /* a client: key of whom it expects */
	struct zmtp_part ready;       /* READY without security, whole (zmtp_ready_write); copied */
	bool (*is_welcome)(void *context, const uint8_t key[CURVE_KEY_BYTES]); /* a server; may not end the curve */
	void *context;
};

struct curve;

/* What to say first is left in ret_greeting. */
struct curve *curve_create(const struct curve_setup *setup, uint8_t ret_greeting[ZMTP_GREETING_BYTES]);

/* What came of one piece. */
struct curve_heard {
	size_t passed;          /* bytes that are done with */
	struct zmtp_part plain; /* what was in it, for a peer without security; lies in the data, may be empty */
	uint8_t say[CURVE_SAY_MAX];
	size_t say_bytes; /* to be sent before all else */
};

/* Opens the first piece of what came, where it lies: 1; 0: it is not whole yet. Or the connection is to end: -EPROTO
 * (no CURVE), -EMSGSIZE (limits, of what is in the boxes), -EKEYREJECTED (not meant for our keys, or not from who it
 * says), -ENOKEY (proved, and not welcome), -EBADMSG (a box was changed, repeated or left out), -EACCES (it refuses
 * us). */
int curve_hear(struct curve *curve, uint8_t *data, size_t bytes, const struct zmtp_limits *limits,
	       struct curve_heard *ret_heard);

/* Whether frames may be sealed: the other end has proved its key. */
bool curve_is_up(const struct curve *curve);

/* Bytes that whole frames (with heads, as for a peer without security) have at most when sealed. */
size_t curve_sealed_most(const uint8_t *frames, size_t bytes);

/* Seals whole frames: how many bytes it wrote. */
size_t curve_seal(struct curve *curve, const uint8_t *frames, size_t bytes, uint8_t *ret_sealed);

/* Lasting public keys of the other end (a client's server: from the beginning; a server's client: once it is up) and of
 * ours that it stands on. */
const uint8_t *curve_their_key(const struct curve *curve);
const uint8_t *curve_own_key(const struct curve *curve);

void curve_destroy(struct curve *curve); /* NULL is fine */

#endif
