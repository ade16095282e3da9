/* ZMTP 3.1, what ZeroMQ speaks on a stream: greeting, NULL handshake, frames, commands. Pure: bytes in, bytes out.
 * Called by bus_wire.c, bus_out.c and curve.c; calls nothing. Owns nothing.
 * https://rfc.zeromq.org/spec/37 (and 23, for peers of 3.0). Everything that is read may be hostile: what is larger
 * than the limits, or no ZMTP, is said as soon as it is seen, and nothing is believed that has not come.
 */
#ifndef HS_ZMTP_H
#define HS_ZMTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZMTP_GREETING_BYTES 64
#define ZMTP_MECHANISM_AT 12 /* in the greeting */
#define ZMTP_MECHANISM_BYTES 20
#define ZMTP_AS_SERVER_AT 32
#define ZMTP_HEAD_BYTES 9      /* of a frame, at most */
#define ZMTP_FRAMES_MAX 65     /* a message */
#define ZMTP_COMMAND_MAX 4096  /* bytes a command */
#define ZMTP_CONTEXT_MAX 16    /* bytes that a ping asks back */
#define ZMTP_ANSWER_MAX 512    /* bytes of a command that we write */
#define ZMTP_PROPERTIES_MAX 32 /* that a peer tells of itself */

enum zmtp_type { ZMTP_NO_TYPE, ZMTP_DEALER, ZMTP_ROUTER, ZMTP_PUB, ZMTP_SUB, ZMTP_TYPES };

/* Bytes of somebody else's. */
struct zmtp_part {
	const uint8_t *data;
	size_t bytes;
};

/* ---- Greeting ---- */

void zmtp_greeting_write(uint8_t ret_greeting[ZMTP_GREETING_BYTES]);

/* 0 and the minor version of 3; -EAGAIN: so far it is one, more must come; -EPROTO: it is none that we understand. */
int zmtp_greeting_read(const uint8_t *data, size_t bytes, int *ret_minor);

/* ---- Frames ---- */

/* Bytes that a frame takes with its head. */
size_t zmtp_frame_bytes(size_t bytes);

/* Writes a frame's head: how many bytes it has. */
size_t zmtp_head_write(uint8_t ret_head[ZMTP_HEAD_BYTES], size_t bytes, bool has_more, bool is_command);

/* Most bytes of a frame, and of a message with all heads. */
struct zmtp_limits {
	size_t frame, message;
};

/* Reads a head and judges it: its bytes, and how many follow; 0: more must come; -EPROTO, -EMSGSIZE. */
int zmtp_head_read(const uint8_t *head, size_t there, const struct zmtp_limits *limits, uint64_t *ret_bytes);

/* Reads messages where they lie. Begins as zeros; offsets count from a message's first byte. */
struct zmtp_decoder {
	size_t at;     /* what is known so far ends here */
	size_t wanted; /* so many bytes must be there to get on */
	int count;     /* frames of the message */
	struct {
		uint32_t at, bytes;
	} frames[ZMTP_FRAMES_MAX];
	uint32_t command_at, command_bytes;
};

enum zmtp_got { ZMTP_NOTHING, ZMTP_MESSAGE, ZMTP_COMMAND };

/* Goes on reading a message that begins at data and is there with so many bytes: its frames, or a command, which may
 * also come between them. -EPROTO, -EMSGSIZE: the peer is to be left. */
int zmtp_decode(struct zmtp_decoder *decoder, const uint8_t *data, size_t bytes, const struct zmtp_limits *limits);

/* After a message or command was handled: so many bytes are done with, what follows them comes first. */
size_t zmtp_pass(struct zmtp_decoder *decoder, bool is_message);

/* ---- Commands ---- */

enum zmtp_command {
	ZMTP_UNKNOWN, /* to be ignored */
	ZMTP_READY,
	ZMTP_ERROR,
	ZMTP_PING,
	ZMTP_PONG,
	ZMTP_SUBSCRIBE,
	ZMTP_CANCEL,
	ZMTP_COMMANDS,
};

/* What a command is, and what follows its name; or -EPROTO. */
int zmtp_command_read(const uint8_t *data, size_t bytes, struct zmtp_part *ret_rest);

/* Writes a whole command, head and all, with the parts after its name: how many bytes. At most ZMTP_ANSWER_MAX. */
size_t zmtp_command_write(uint8_t ret_command[ZMTP_ANSWER_MAX], enum zmtp_command command,
			  const struct zmtp_part *parts, int count);

/* READY of a socket of ours, with one property more, or NULL. */
size_t zmtp_ready_write(uint8_t ret_command[ZMTP_ANSWER_MAX], enum zmtp_type type, const char *name, const char *value);

/* What follows READY: the peer's type, and the value of a property (NULL data: it has none). -EPROTO. */
int zmtp_ready_read(const struct zmtp_part *rest, const char *name, enum zmtp_type *ret_type,
		    struct zmtp_part *ret_value);

/* Whether the two may talk. */
bool zmtp_is_match(enum zmtp_type ours, enum zmtp_type theirs);

/* What follows PING: within how many milliseconds more will come (0: it does not say), and what the answer repeats.
 * -EPROTO. */
int zmtp_ping_read(const struct zmtp_part *rest, int64_t *ret_ttl_ms, struct zmtp_part *ret_context);

/* A PING that promises more within so many milliseconds. */
size_t zmtp_ping_write(uint8_t ret_command[ZMTP_ANSWER_MAX], int64_t ttl_ms);

#endif
