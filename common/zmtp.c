#include "zmtp.h"
#include <errno.h>
#include <string.h>
#include <strings.h>

#define HAS_MORE 1
#define IS_LONG 2
#define IS_COMMAND 4
#define SHORT_MAX 255
#define TTL_UNIT_MS 100

/* Offsets in the greeting. */
enum { SIGNATURE = 0, SIGNATURE_END = 9, MAJOR = 10, MINOR = 11 };

static const uint8_t no_security[ZMTP_MECHANISM_BYTES] = "NULL";

static const char *const command_names[ZMTP_COMMANDS] = {
	[ZMTP_READY] = "READY", [ZMTP_ERROR] = "ERROR",         [ZMTP_PING] = "PING",
	[ZMTP_PONG] = "PONG",   [ZMTP_SUBSCRIBE] = "SUBSCRIBE", [ZMTP_CANCEL] = "CANCEL",
};

/* A name may stand for several: whom PUB and XPUB talk to, and whom ROUTER does, makes no difference here. */
static const struct {
	const char *name;
	enum zmtp_type type;
} type_names[] = {
	{"DEALER", ZMTP_DEALER}, {"ROUTER", ZMTP_ROUTER}, {"PUB", ZMTP_PUB},  {"SUB", ZMTP_SUB},
	{"REQ", ZMTP_DEALER},    {"REP", ZMTP_ROUTER},    {"XPUB", ZMTP_PUB}, {"XSUB", ZMTP_SUB},
};

/* ---- Greeting ---- */

void zmtp_greeting_write(uint8_t ret_greeting[ZMTP_GREETING_BYTES])
{
	memset(ret_greeting, 0, ZMTP_GREETING_BYTES);
	ret_greeting[SIGNATURE] = 0xff;
	ret_greeting[SIGNATURE_END - 1] = 1; /* to peers of 1.0 all this is a frame: with an empty name */
	ret_greeting[SIGNATURE_END] = 0x7f;
	ret_greeting[MAJOR] = 3;
	ret_greeting[MINOR] = 1;
	memcpy(ret_greeting + ZMTP_MECHANISM_AT, no_security, ZMTP_MECHANISM_BYTES);
}

int zmtp_greeting_read(const uint8_t *data, size_t bytes, int *ret_minor)
{
	if ((bytes > SIGNATURE && data[SIGNATURE] != 0xff) || (bytes > SIGNATURE_END && !(data[SIGNATURE_END] & 1)) ||
	    (bytes > MAJOR && data[MAJOR] < 3))
		return -EPROTO;
	if (bytes < ZMTP_GREETING_BYTES)
		return -EAGAIN;
	if (memcmp(data + ZMTP_MECHANISM_AT, no_security, ZMTP_MECHANISM_BYTES) != 0)
		return -EPROTO;
	*ret_minor = data[MAJOR] > 3 ? 1 : data[MINOR];
	return 0;
}

/* ---- Frames ---- */

size_t zmtp_frame_bytes(size_t bytes)
{
	return bytes + (bytes > SHORT_MAX ? ZMTP_HEAD_BYTES : 2);
}

size_t zmtp_head_write(uint8_t ret_head[ZMTP_HEAD_BYTES], size_t bytes, bool has_more, bool is_command)
{
	uint64_t rest = bytes;

	ret_head[0] = (uint8_t)((has_more ? HAS_MORE : 0) | (is_command ? IS_COMMAND : 0));
	if (bytes <= SHORT_MAX) {
		ret_head[1] = (uint8_t)bytes;
		return 2;
	}
	ret_head[0] |= IS_LONG;
	for (int i = ZMTP_HEAD_BYTES - 1; i > 0; i--, rest >>= 8)
		ret_head[i] = (uint8_t)rest;
	return ZMTP_HEAD_BYTES;
}

int zmtp_head_read(const uint8_t *head, size_t there, const struct zmtp_limits *limits, uint64_t *ret_bytes)
{
	uint64_t bytes = 0;
	size_t length;

	if (there == 0)
		return 0;
	if (head[0] & ~(HAS_MORE | IS_LONG | IS_COMMAND) || (head[0] & IS_COMMAND && head[0] & HAS_MORE))
		return -EPROTO;
	length = head[0] & IS_LONG ? ZMTP_HEAD_BYTES : 2;
	if (there < length)
		return 0;
	for (size_t i = 1; i < length; i++)
		bytes = bytes << 8 | head[i];
	if (bytes > (head[0] & IS_COMMAND ? ZMTP_COMMAND_MAX : limits->frame))
		return -EMSGSIZE;
	*ret_bytes = bytes;
	return (int)length;
}

int zmtp_decode(struct zmtp_decoder *decoder, const uint8_t *data, size_t bytes, const struct zmtp_limits *limits)
{
	for (;;) {
		const uint8_t *head = data + decoder->at;
		uint64_t length = 0;
		int result = zmtp_head_read(head, bytes - decoder->at, limits, &length);
		size_t at = decoder->at + (size_t)result;

		if (result < 0)
			return result;
		decoder->wanted = result == 0 ? decoder->at + ZMTP_HEAD_BYTES : at + length;
		if (result > 0 && decoder->wanted > limits->message)
			return -EMSGSIZE;
		if (result == 0 || decoder->wanted > bytes)
			return ZMTP_NOTHING;
		decoder->at = decoder->wanted;
		if (head[0] & IS_COMMAND) {
			decoder->command_at = (uint32_t)at;
			decoder->command_bytes = (uint32_t)length;
			return ZMTP_COMMAND;
		}
		if (decoder->count == ZMTP_FRAMES_MAX)
			return -EMSGSIZE;
		decoder->frames[decoder->count].at = (uint32_t)at;
		decoder->frames[decoder->count++].bytes = (uint32_t)length;
		if (!(head[0] & HAS_MORE))
			return ZMTP_MESSAGE;
	}
}

size_t zmtp_pass(struct zmtp_decoder *decoder, bool is_message)
{
	size_t passed = decoder->at;

	if (!is_message && decoder->count > 0)
		return 0; /* a command between frames: they all stay where they are */
	decoder->at = 0;
	decoder->wanted = 0;
	decoder->count = 0;
	return passed;
}

/* ---- Commands ---- */

int zmtp_command_read(const uint8_t *data, size_t bytes, struct zmtp_part *ret_rest)
{
	size_t length = bytes ? data[0] : 0;

	if (length == 0 || length > bytes - 1)
		return -EPROTO;
	*ret_rest = (struct zmtp_part){data + 1 + length, bytes - 1 - length};
	for (int i = ZMTP_UNKNOWN + 1; i < ZMTP_COMMANDS; i++)
		if (strlen(command_names[i]) == length && memcmp(command_names[i], data + 1, length) == 0)
			return i;
	return ZMTP_UNKNOWN;
}

size_t zmtp_command_write(uint8_t ret_command[ZMTP_ANSWER_MAX], enum zmtp_command command,
			  const struct zmtp_part *parts, int count)
{
	size_t name = strlen(command_names[command]), bytes = 1 + name, at;

	for (int i = 0; i < count; i++)
		bytes += parts[i].bytes;
	at = zmtp_head_write(ret_command, bytes, false, true);
	ret_command[at++] = (uint8_t)name;
	memcpy(ret_command + at, command_names[command], name);
	at += name;
	for (int i = 0; i < count; i++) {
		if (parts[i].bytes)
			memcpy(ret_command + at, parts[i].data, parts[i].bytes);
		at += parts[i].bytes;
	}
	return at;
}

static size_t write_property(uint8_t *to, const char *name, const char *value)
{
	size_t name_bytes = strlen(name), value_bytes = strlen(value);

	to[0] = (uint8_t)name_bytes;
	memcpy(to + 1, name, name_bytes);
	to += 1 + name_bytes;
	to[0] = to[1] = to[2] = 0;
	to[3] = (uint8_t)value_bytes;
	memcpy(to + 4, value, value_bytes);
	return 1 + name_bytes + 4 + value_bytes;
}

static const char *name_of(enum zmtp_type type)
{
	for (size_t i = 0; i < sizeof(type_names) / sizeof(type_names[0]); i++)
		if (type_names[i].type == type)
			return type_names[i].name;
	return "";
}

size_t zmtp_ready_write(uint8_t ret_command[ZMTP_ANSWER_MAX], enum zmtp_type type, const char *name, const char *value)
{
	uint8_t properties[ZMTP_ANSWER_MAX / 2];
	struct zmtp_part part = {properties, write_property(properties, "Socket-Type", name_of(type))};

	if (name)
		part.bytes += write_property(properties + part.bytes, name, value);
	return zmtp_command_write(ret_command, ZMTP_READY, &part, 1);
}

/* Takes the first property off. */
static int take_property(struct zmtp_part *rest, struct zmtp_part *ret_name, struct zmtp_part *ret_value)
{
	const uint8_t *at = rest->data, *end = at + rest->bytes;
	size_t bytes;

	bytes = *at++;
	if (bytes == 0 || (size_t)(end - at) < bytes + 4)
		return -EPROTO;
	*ret_name = (struct zmtp_part){at, bytes};
	at += bytes;
	bytes = (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
	at += 4;
	if ((size_t)(end - at) < bytes)
		return -EPROTO;
	*ret_value = (struct zmtp_part){at, bytes};
	at += bytes;
	*rest = (struct zmtp_part){at, (size_t)(end - at)};
	return 0;
}

static bool is_named(const struct zmtp_part *part, const char *name)
{
	return part->bytes == strlen(name) && strncasecmp((const char *)part->data, name, part->bytes) == 0;
}

static enum zmtp_type type_of(const struct zmtp_part *value)
{
	for (size_t i = 0; i < sizeof(type_names) / sizeof(type_names[0]); i++)
		if (is_named(value, type_names[i].name))
			return type_names[i].type;
	return ZMTP_NO_TYPE;
}

int zmtp_ready_read(const struct zmtp_part *rest, const char *name, enum zmtp_type *ret_type,
		    struct zmtp_part *ret_value)
{
	struct zmtp_part left = *rest, key, value;

	*ret_type = ZMTP_NO_TYPE;
	*ret_value = (struct zmtp_part){NULL, 0};
	for (int i = 0; left.bytes > 0; i++) {
		if (i == ZMTP_PROPERTIES_MAX || take_property(&left, &key, &value) < 0)
			return -EPROTO;
		if (is_named(&key, "Socket-Type"))
			*ret_type = type_of(&value);
		else if (is_named(&key, name))
			*ret_value = value;
	}
	return 0;
}

bool zmtp_is_match(enum zmtp_type ours, enum zmtp_type theirs)
{
	static const enum zmtp_type other[ZMTP_TYPES] = {
		[ZMTP_DEALER] = ZMTP_ROUTER,
		[ZMTP_ROUTER] = ZMTP_DEALER,
		[ZMTP_PUB] = ZMTP_SUB,
		[ZMTP_SUB] = ZMTP_PUB,
	};

	return theirs != ZMTP_NO_TYPE && other[ours] == theirs;
}

int zmtp_ping_read(const struct zmtp_part *rest, int64_t *ret_ttl_ms, struct zmtp_part *ret_context)
{
	if (rest->bytes < 2 || rest->bytes > 2 + ZMTP_CONTEXT_MAX)
		return -EPROTO;
	*ret_ttl_ms = (int64_t)(rest->data[0] << 8 | rest->data[1]) * TTL_UNIT_MS;
	*ret_context = (struct zmtp_part){rest->data + 2, rest->bytes - 2};
	return 0;
}

size_t zmtp_ping_write(uint8_t ret_command[ZMTP_ANSWER_MAX], int64_t ttl_ms)
{
	int64_t units = ttl_ms / TTL_UNIT_MS;
	const uint8_t ttl[] = {(uint8_t)(units >> 8), (uint8_t)units};
	const struct zmtp_part part = {ttl, sizeof(ttl)};

	return zmtp_command_write(ret_command, ZMTP_PING, &part, 1);
}
