#include "curve.h"
#include "cleanup.h"
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define MAC crypto_box_MACBYTES
#define SHORT_NONCE 8
#define LONG_NONCE 16
#define HAS_MORE 1 /* flags in a box */
#define IS_COMMAND 2
#define HEAD_HAS_MORE 1 /* flags of a frame */
#define HEAD_IS_COMMAND 4

/* Offsets and lengths of the handshake's commands, from their names on. */
enum {
	HELLO_PADDING = 8,
	HELLO_KEY = HELLO_PADDING + 72,
	HELLO_NONCE = HELLO_KEY + CURVE_KEY_BYTES,
	HELLO_BOX = HELLO_NONCE + SHORT_NONCE,
	HELLO_ZEROS = 64,
	HELLO_BYTES = HELLO_BOX + MAC + HELLO_ZEROS,
	COOKIE_PLAIN = 2 * CURVE_KEY_BYTES,
	COOKIE_BYTES = LONG_NONCE + MAC + COOKIE_PLAIN,
	WELCOME_NONCE = 8,
	WELCOME_BOX = WELCOME_NONCE + LONG_NONCE,
	WELCOME_PLAIN = CURVE_KEY_BYTES + COOKIE_BYTES,
	WELCOME_BYTES = WELCOME_BOX + MAC + WELCOME_PLAIN,
	VOUCH_PLAIN = 2 * CURVE_KEY_BYTES,
	VOUCH_BYTES = LONG_NONCE + MAC + VOUCH_PLAIN,
	INITIATE_COOKIE = 9,
	INITIATE_NONCE = INITIATE_COOKIE + COOKIE_BYTES,
	INITIATE_BOX = INITIATE_NONCE + SHORT_NONCE,
	INITIATE_PROPERTIES = CURVE_KEY_BYTES + VOUCH_BYTES, /* in the box */
	INITIATE_LEAST = INITIATE_BOX + MAC + INITIATE_PROPERTIES,
	READY_NONCE = 6,
	READY_BOX = READY_NONCE + SHORT_NONCE,
	READY_LEAST = READY_BOX + MAC,
	MESSAGE_NONCE = 8,
	MESSAGE_BOX = MESSAGE_NONCE + SHORT_NONCE,
	MESSAGE_LEAST = MESSAGE_BOX + MAC + 1,
	HANDSHAKE_MOST = INITIATE_LEAST + 1024,
};

_Static_assert(MESSAGE_LEAST == CURVE_MORE, "what a box adds");
_Static_assert(HANDSHAKE_MOST <= ZMTP_COMMAND_MAX, "a command of the handshake is one that zmtp lets through");

static const uint8_t mechanism[ZMTP_MECHANISM_BYTES] = "CURVE", no_mechanism[ZMTP_MECHANISM_BYTES] = "NULL";

enum stage { GREETING, HELLO, WELCOME, INITIATE, READY, UP };

struct curve {
	enum stage stage; /* what is expected */
	bool is_server;
	struct curve_pair own[CURVE_OWN_MAX];
	size_t own_count, own_used;
	uint8_t their_key[CURVE_KEY_BYTES];  /* lasting */
	struct curve_pair passing;           /* ours, of this connection: a client's */
	uint8_t cookie_key[CURVE_KEY_BYTES]; /* a server's */
	uint8_t shared[crypto_box_BEFORENMBYTES];
	uint64_t said, heard; /* numbers of boxes */
	uint8_t ready[CURVE_METADATA_MAX];
	size_t ready_bytes;
	bool (*is_welcome)(void *context, const uint8_t *key);
	void *context;
};

/* ---- Nonces ---- */

struct nonce {
	uint8_t bytes[crypto_box_NONCEBYTES];
};

static void write_number(uint8_t *to, uint64_t number)
{
	for (int i = SHORT_NONCE - 1; i >= 0; i--, number >>= 8)
		to[i] = (uint8_t)number;
}

static uint64_t read_number(const uint8_t *from)
{
	uint64_t number = 0;

	for (int i = 0; i < SHORT_NONCE; i++)
		number = number << 8 | from[i];
	return number;
}

/* A word of 16 letters and 8 bytes of the message, or of 8 letters and 16. */
static struct nonce nonce_of(const char *word, const uint8_t *rest)
{
	struct nonce nonce;
	size_t length = strlen(word);

	memcpy(nonce.bytes, word, length);
	memcpy(nonce.bytes + length, rest, sizeof(nonce.bytes) - length);
	return nonce;
}

static const char *word_of_messages(bool of_server)
{
	return of_server ? "CurveZMQMESSAGES" : "CurveZMQMESSAGEC";
}

/* Our next number, also left in the message. */
static struct nonce next_nonce(struct curve *curve, const char *word, uint8_t *ret_short)
{
	write_number(ret_short, ++curve->said);
	return nonce_of(word, ret_short);
}

/* Their next number: it must be higher than all before. */
static int take_nonce(struct curve *curve, const uint8_t *from)
{
	uint64_t number = read_number(from);

	if (number <= curve->heard)
		return -EBADMSG;
	curve->heard = number;
	return 0;
}

/* ---- The beginning and the end ---- */

/* The first frame of ours: its head's bytes, and how many follow. */
static size_t read_own_head(const uint8_t *frame, size_t bytes, size_t *ret_length)
{
	static const struct zmtp_limits any = {SIZE_MAX, SIZE_MAX};
	uint64_t length = 0;
	int head = zmtp_head_read(frame, bytes, &any, &length);

	if (head <= 0 || length > bytes - (size_t)head)
		abort(); /* frames of ours are whole */
	*ret_length = length;
	return (size_t)head;
}

struct curve *curve_create(const struct curve_setup *setup, uint8_t ret_greeting[ZMTP_GREETING_BYTES])
{
	struct curve *curve = hs_zalloc(sizeof(*curve));
	struct zmtp_part rest = {NULL, 0};
	size_t bytes, head = read_own_head(setup->ready.data, setup->ready.bytes, &bytes);

	if (sodium_init() < 0 || zmtp_command_read(setup->ready.data + head, bytes, &rest) != ZMTP_READY ||
	    rest.bytes > CURVE_METADATA_MAX || !setup->own_count || setup->own_count > CURVE_OWN_MAX)
		abort();
	memcpy(curve->ready, rest.data, rest.bytes);
	curve->ready_bytes = rest.bytes;
	curve->is_server = setup->is_server;
	memcpy(curve->own, setup->own, setup->own_count * sizeof(curve->own[0]));
	curve->own_count = setup->own_count;
	if (setup->server)
		memcpy(curve->their_key, setup->server, CURVE_KEY_BYTES);
	curve->is_welcome = setup->is_welcome;
	curve->context = setup->context;
	zmtp_greeting_write(ret_greeting);
	memcpy(ret_greeting + ZMTP_MECHANISM_AT, mechanism, sizeof(mechanism));
	ret_greeting[ZMTP_AS_SERVER_AT] = setup->is_server;
	return curve;
}

void curve_destroy(struct curve *curve)
{
	if (!curve)
		return;
	sodium_memzero(curve, sizeof(*curve));
	free(curve);
}

bool curve_is_up(const struct curve *curve)
{
	return curve->stage == UP;
}

const uint8_t *curve_their_key(const struct curve *curve)
{
	return curve->their_key;
}

const uint8_t *curve_own_key(const struct curve *curve)
{
	return curve->own[curve->own_used].public;
}

/* From now on only what both share is needed. */
static void come_up(struct curve *curve)
{
	for (size_t i = 0; i < curve->own_count; i++)
		sodium_memzero(curve->own[i].secret, sizeof(curve->own[i].secret));
	sodium_memzero(&curve->passing, sizeof(curve->passing));
	sodium_memzero(curve->cookie_key, sizeof(curve->cookie_key));
	curve->stage = UP;
}

/* ---- Saying ---- */

/* A command of the handshake with its head: where its name begins. */
static uint8_t *begin(struct curve_heard *heard, const char *name, size_t bytes)
{
	uint8_t *at = heard->say + zmtp_head_write(heard->say, bytes, false, true);

	heard->say_bytes = (size_t)(at - heard->say) + bytes;
	*at = (uint8_t)strlen(name);
	memcpy(at + 1, name, strlen(name));
	return at;
}

static void say_hello(struct curve *curve, struct curve_heard *heard)
{
	static const uint8_t zeros[HELLO_ZEROS];
	uint8_t *to = begin(heard, "HELLO", HELLO_BYTES);
	struct nonce nonce;

	crypto_box_keypair(curve->passing.public, curve->passing.secret);
	memset(to + HELLO_PADDING - 2, 0, HELLO_KEY - HELLO_PADDING + 2);
	to[HELLO_PADDING - 2] = 1; /* version 1.0 */
	memcpy(to + HELLO_KEY, curve->passing.public, CURVE_KEY_BYTES);
	nonce = next_nonce(curve, "CurveZMQHELLO---", to + HELLO_NONCE);
	if (crypto_box_easy(to + HELLO_BOX, zeros, sizeof(zeros), nonce.bytes, curve->their_key,
			    curve->passing.secret) == 0)
		curve->stage = WELCOME;
}

/* What we must know of the client when it comes again, for the client to keep: only we can read it. */
static void bake(struct curve *curve, const uint8_t *their_passing, const uint8_t *secret, uint8_t *ret_cookie)
{
	uint8_t plain[COOKIE_PLAIN];
	struct nonce nonce;

	randombytes_buf(curve->cookie_key, sizeof(curve->cookie_key));
	randombytes_buf(ret_cookie, LONG_NONCE);
	nonce = nonce_of("COOKIE--", ret_cookie);
	memcpy(plain, their_passing, CURVE_KEY_BYTES);
	memcpy(plain + CURVE_KEY_BYTES, secret, CURVE_KEY_BYTES);
	crypto_secretbox_easy(ret_cookie + LONG_NONCE, plain, sizeof(plain), nonce.bytes, curve->cookie_key);
	sodium_memzero(plain, sizeof(plain));
}

static void say_welcome(struct curve *curve, const uint8_t *their_passing, struct curve_heard *heard)
{
	uint8_t *to = begin(heard, "WELCOME", WELCOME_BYTES);
	uint8_t plain[WELCOME_PLAIN], secret[CURVE_KEY_BYTES];
	struct nonce nonce;

	crypto_box_keypair(plain, secret);
	bake(curve, their_passing, secret, plain + CURVE_KEY_BYTES);
	sodium_memzero(secret, sizeof(secret));
	randombytes_buf(to + WELCOME_NONCE, LONG_NONCE);
	nonce = nonce_of("WELCOME-", to + WELCOME_NONCE);
	if (crypto_box_easy(to + WELCOME_BOX, plain, sizeof(plain), nonce.bytes, their_passing,
			    curve->own[curve->own_used].secret) == 0)
		curve->stage = INITIATE;
}

/* Proof that who has the lasting key also has the passing one, for this server. */
static int vouch(const struct curve *curve, const uint8_t *server_passing, uint8_t *ret_vouch)
{
	uint8_t plain[VOUCH_PLAIN];
	struct nonce nonce;

	randombytes_buf(ret_vouch, LONG_NONCE);
	nonce = nonce_of("VOUCH---", ret_vouch);
	memcpy(plain, curve->passing.public, CURVE_KEY_BYTES);
	memcpy(plain + CURVE_KEY_BYTES, curve->their_key, CURVE_KEY_BYTES);
	return crypto_box_easy(ret_vouch + LONG_NONCE, plain, sizeof(plain), nonce.bytes, server_passing,
			       curve->own[0].secret);
}

static int say_initiate(struct curve *curve, const uint8_t *server_passing, const uint8_t *cookie,
			struct curve_heard *heard)
{
	uint8_t plain[INITIATE_PROPERTIES + CURVE_METADATA_MAX];
	size_t bytes = INITIATE_PROPERTIES + curve->ready_bytes;
	uint8_t *to = begin(heard, "INITIATE", INITIATE_LEAST + curve->ready_bytes);
	struct nonce nonce;

	memcpy(to + INITIATE_COOKIE, cookie, COOKIE_BYTES);
	memcpy(plain, curve->own[0].public, CURVE_KEY_BYTES);
	memcpy(plain + INITIATE_PROPERTIES, curve->ready, curve->ready_bytes);
	if (vouch(curve, server_passing, plain + CURVE_KEY_BYTES) != 0 ||
	    crypto_box_beforenm(curve->shared, server_passing, curve->passing.secret) != 0)
		return -EKEYREJECTED;
	nonce = next_nonce(curve, "CurveZMQINITIATE", to + INITIATE_NONCE);
	crypto_box_easy_afternm(to + INITIATE_BOX, plain, bytes, nonce.bytes, curve->shared);
	curve->stage = READY;
	return 0;
}

static void say_ready(struct curve *curve, struct curve_heard *heard)
{
	uint8_t *to = begin(heard, "READY", READY_LEAST + curve->ready_bytes);
	struct nonce nonce = next_nonce(curve, "CurveZMQREADY---", to + READY_NONCE);

	crypto_box_easy_afternm(to + READY_BOX, curve->ready, curve->ready_bytes, nonce.bytes, curve->shared);
}

/* ---- Hearing the handshake: body begins with the name; each is 0 or -errno ---- */

static bool is_named(const uint8_t *body, size_t bytes, const char *name)
{
	size_t length = strlen(name);

	return bytes > length && body[0] == length && memcmp(body + 1, name, length) == 0;
}

/* Writes, before its properties, what a READY without security begins with. */
static void give_ready(uint8_t *properties, size_t bytes, struct curve_heard *heard)
{
	static const uint8_t name[] = {5, 'R', 'E', 'A', 'D', 'Y'};
	uint8_t head[ZMTP_HEAD_BYTES];
	size_t head_bytes = zmtp_head_write(head, sizeof(name) + bytes, false, true);
	uint8_t *to = properties - sizeof(name) - head_bytes;

	memcpy(to, head, head_bytes);
	memcpy(to + head_bytes, name, sizeof(name));
	heard->plain = (struct zmtp_part){to, head_bytes + sizeof(name) + bytes};
}

/* Which of our keys it is meant for. */
static int find_own(const struct curve *curve, const uint8_t *body)
{
	struct nonce nonce = nonce_of("CurveZMQHELLO---", body + HELLO_NONCE);
	uint8_t zeros[HELLO_ZEROS];

	for (size_t i = 0; i < curve->own_count; i++)
		if (crypto_box_open_easy(zeros, body + HELLO_BOX, MAC + sizeof(zeros), nonce.bytes, body + HELLO_KEY,
					 curve->own[i].secret) == 0)
			return sodium_is_zero(zeros, sizeof(zeros)) ? (int)i : -EPROTO;
	return -EKEYREJECTED;
}

static int hear_hello(struct curve *curve, uint8_t *body, size_t bytes, struct curve_heard *heard)
{
	int used;

	if (bytes != HELLO_BYTES || !is_named(body, bytes, "HELLO") || body[HELLO_PADDING - 2] != 1 ||
	    !sodium_is_zero(body + HELLO_PADDING - 1, HELLO_KEY - HELLO_PADDING + 1))
		return -EPROTO;
	used = find_own(curve, body);
	if (used < 0)
		return used;
	curve->own_used = (size_t)used;
	curve->heard = read_number(body + HELLO_NONCE);
	say_welcome(curve, body + HELLO_KEY, heard);
	return curve->stage == INITIATE ? 0 : -EKEYREJECTED;
}

static int hear_welcome(struct curve *curve, uint8_t *body, size_t bytes, struct curve_heard *heard)
{
	uint8_t plain[WELCOME_PLAIN];
	struct nonce nonce;

	if (bytes != WELCOME_BYTES || !is_named(body, bytes, "WELCOME"))
		return -EPROTO;
	nonce = nonce_of("WELCOME-", body + WELCOME_NONCE);
	if (crypto_box_open_easy(plain, body + WELCOME_BOX, MAC + sizeof(plain), nonce.bytes, curve->their_key,
				 curve->passing.secret) != 0)
		return -EKEYREJECTED;
	return say_initiate(curve, plain, plain + CURVE_KEY_BYTES, heard);
}

/* The shared key, and in ret_passing the client's, from the cookie that we gave away. */
static int eat_cookie(struct curve *curve, const uint8_t *cookie, uint8_t *ret_plain)
{
	struct nonce nonce = nonce_of("COOKIE--", cookie);

	if (crypto_secretbox_open_easy(ret_plain, cookie + LONG_NONCE, MAC + COOKIE_PLAIN, nonce.bytes,
				       curve->cookie_key) != 0 ||
	    crypto_box_beforenm(curve->shared, ret_plain, ret_plain + CURVE_KEY_BYTES) != 0)
		return -EKEYREJECTED;
	return 0;
}

/* Opens the box of INITIATE and asks whether who it is from is welcome, before his proof is looked at: it costs more.
 */
static int prove(struct curve *curve, const uint8_t *cookie, const uint8_t *plain)
{
	const uint8_t *key = plain, *proof = plain + CURVE_KEY_BYTES;
	struct nonce nonce = nonce_of("VOUCH---", proof);
	uint8_t said[VOUCH_PLAIN];

	if (!curve->is_welcome(curve->context, key))
		return -ENOKEY;
	if (crypto_box_open_easy(said, proof + LONG_NONCE, MAC + sizeof(said), nonce.bytes, key,
				 cookie + CURVE_KEY_BYTES) != 0 ||
	    memcmp(said, cookie, CURVE_KEY_BYTES) != 0 ||
	    memcmp(said + CURVE_KEY_BYTES, curve_own_key(curve), CURVE_KEY_BYTES) != 0)
		return -EKEYREJECTED;
	memcpy(curve->their_key, key, CURVE_KEY_BYTES);
	return 0;
}

static int hear_initiate(struct curve *curve, uint8_t *body, size_t bytes, struct curve_heard *heard)
{
	uint8_t cookie[COOKIE_PLAIN], *plain = body + INITIATE_BOX + MAC;
	struct nonce nonce;
	int result;

	if (bytes < INITIATE_LEAST || !is_named(body, bytes, "INITIATE"))
		return -EPROTO;
	result = eat_cookie(curve, body + INITIATE_COOKIE, cookie);
	if (result == 0)
		result = take_nonce(curve, body + INITIATE_NONCE);
	nonce = nonce_of("CurveZMQINITIATE", body + INITIATE_NONCE);
	if (result == 0 && crypto_box_open_easy_afternm(plain, body + INITIATE_BOX, bytes - INITIATE_BOX, nonce.bytes,
							curve->shared) != 0)
		result = -EBADMSG;
	if (result == 0)
		result = prove(curve, cookie, plain);
	sodium_memzero(cookie, sizeof(cookie));
	if (result < 0)
		return result;
	say_ready(curve, heard);
	give_ready(plain + INITIATE_PROPERTIES, bytes - INITIATE_LEAST, heard);
	come_up(curve);
	return 0;
}

static int hear_ready(struct curve *curve, uint8_t *body, size_t bytes, struct curve_heard *heard)
{
	uint8_t *plain = body + READY_BOX + MAC;
	struct nonce nonce;

	if (bytes < READY_LEAST || !is_named(body, bytes, "READY"))
		return -EPROTO;
	nonce = nonce_of("CurveZMQREADY---", body + READY_NONCE);
	if (take_nonce(curve, body + READY_NONCE) < 0 ||
	    crypto_box_open_easy_afternm(plain, body + READY_BOX, bytes - READY_BOX, nonce.bytes, curve->shared) != 0)
		return -EBADMSG;
	give_ready(plain, bytes - READY_LEAST, heard);
	come_up(curve);
	return 0;
}

static int hear_message(struct curve *curve, uint8_t *body, size_t bytes, struct curve_heard *heard)
{
	uint8_t *box = body + MESSAGE_BOX, *plain = box + MAC, head[ZMTP_HEAD_BYTES];
	struct nonce nonce;
	size_t length;

	if (bytes < MESSAGE_LEAST || !is_named(body, bytes, "MESSAGE"))
		return -EPROTO;
	nonce = nonce_of(word_of_messages(!curve->is_server), body + MESSAGE_NONCE);
	if (take_nonce(curve, body + MESSAGE_NONCE) < 0 ||
	    crypto_box_open_detached_afternm(plain, plain, box, bytes - MESSAGE_BOX - MAC, nonce.bytes,
					     curve->shared) != 0)
		return -EBADMSG;
	if (*plain & ~(HAS_MORE | IS_COMMAND))
		return -EPROTO;
	length = zmtp_head_write(head, bytes - MESSAGE_LEAST, *plain & HAS_MORE, *plain & IS_COMMAND);
	memcpy(plain + 1 - length, head, length);
	heard->plain = (struct zmtp_part){plain + 1 - length, length + bytes - MESSAGE_LEAST};
	return 0;
}

static int (*const hearers[])(struct curve *curve, uint8_t *body, size_t bytes, struct curve_heard *heard) = {
	[HELLO] = hear_hello, [WELCOME] = hear_welcome, [INITIATE] = hear_initiate,
	[READY] = hear_ready, [UP] = hear_message,
};

/* ---- Pieces ---- */

static int hear_greeting(struct curve *curve, uint8_t *data, size_t bytes, struct curve_heard *heard)
{
	size_t there = bytes < ZMTP_GREETING_BYTES ? bytes : ZMTP_GREETING_BYTES - 1;
	int minor, result = zmtp_greeting_read(data, there, &minor);

	if (result != -EAGAIN)
		return result < 0 ? result : -EPROTO;
	if (bytes < ZMTP_GREETING_BYTES)
		return 0;
	if (memcmp(data + ZMTP_MECHANISM_AT, mechanism, sizeof(mechanism)) != 0)
		return -EPROTO;
	memcpy(data + ZMTP_MECHANISM_AT, no_mechanism, sizeof(no_mechanism));
	heard->plain = (struct zmtp_part){data, ZMTP_GREETING_BYTES};
	heard->passed = ZMTP_GREETING_BYTES;
	curve->stage = HELLO;
	if (!curve->is_server)
		say_hello(curve, heard);
	return curve->is_server || curve->stage == WELCOME ? 1 : -EKEYREJECTED;
}

int curve_hear(struct curve *curve, uint8_t *data, size_t bytes, const struct zmtp_limits *limits,
	       struct curve_heard *ret_heard)
{
	size_t most = curve->stage == UP ? limits->frame + CURVE_MORE : HANDSHAKE_MOST;
	const struct zmtp_limits sealed = {most, most};
	uint64_t length = 0;
	int head, result;

	ret_heard->passed = ret_heard->say_bytes = 0;
	ret_heard->plain = (struct zmtp_part){NULL, 0};
	if (curve->stage == GREETING)
		return hear_greeting(curve, data, bytes, ret_heard);
	head = zmtp_head_read(data, bytes, &sealed, &length);
	if (head <= 0)
		return head;
	if (data[0] & HEAD_HAS_MORE || (curve->stage != UP && !(data[0] & HEAD_IS_COMMAND)))
		return -EPROTO; /* each box stands alone; MESSAGE is a command to some, and none to others */
	if (bytes - (size_t)head < length)
		return 0;
	if (curve->stage != UP && is_named(data + head, length, "ERROR"))
		return -EACCES;
	result = hearers[curve->stage](curve, data + head, length, ret_heard);
	ret_heard->passed = (size_t)head + length;
	return result < 0 ? result : 1;
}

/* ---- Sealing ---- */

size_t curve_sealed_most(const uint8_t *frames, size_t bytes)
{
	size_t all = 0, length;

	for (size_t at = 0; at < bytes; at += length) {
		at += read_own_head(frames + at, bytes - at, &length);
		all += ZMTP_HEAD_BYTES + CURVE_MORE + length;
	}
	return all;
}

static size_t seal_one(struct curve *curve, uint8_t flags, const uint8_t *data, size_t bytes, uint8_t *to)
{
	size_t head = zmtp_head_write(to, CURVE_MORE + bytes, false, false);
	uint8_t *body = to + head, *box = body + MESSAGE_BOX, *plain = box + MAC;
	struct nonce nonce = next_nonce(curve, word_of_messages(curve->is_server), body + MESSAGE_NONCE);

	body[0] = 7;
	memcpy(body + 1, "MESSAGE", 7);
	plain[0] = (uint8_t)((flags & HEAD_HAS_MORE ? HAS_MORE : 0) | (flags & HEAD_IS_COMMAND ? IS_COMMAND : 0));
	if (bytes)
		memcpy(plain + 1, data, bytes);
	crypto_box_detached_afternm(plain, box, plain, 1 + bytes, nonce.bytes, curve->shared);
	return head + CURVE_MORE + bytes;
}

size_t curve_seal(struct curve *curve, const uint8_t *frames, size_t bytes, uint8_t *ret_sealed)
{
	size_t written = 0, length;

	if (curve->stage != UP)
		abort();
	for (size_t at = 0; at < bytes; at += length) {
		uint8_t flags = frames[at];

		at += read_own_head(frames + at, bytes - at, &length);
		written += seal_one(curve, flags, frames + at, length, ret_sealed + written);
	}
	return written;
}
