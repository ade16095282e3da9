/* The wire of ZeroMQ, byte by byte: what is written, what is read, however it is cut, and what is refused. */
#include "cleanup.h"
#include "zmtp.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct zmtp_limits limits = {1000, 3000};

static void test_greeting(void **state)
{
	uint8_t greeting[ZMTP_GREETING_BYTES];
	int minor = -1;

	zmtp_greeting_write(greeting);
	for (size_t bytes = 0; bytes < sizeof(greeting); bytes++)
		assert_int_equal(zmtp_greeting_read(greeting, bytes, &minor), -EAGAIN);
	assert_int_equal(zmtp_greeting_read(greeting, sizeof(greeting), &minor), 0);
	assert_int_equal(minor, 1);
	greeting[11] = 0;
	assert_int_equal(zmtp_greeting_read(greeting, sizeof(greeting), &minor), 0);
	assert_int_equal(minor, 0);
	greeting[10] = 4; /* those after us understand us */
	assert_int_equal(zmtp_greeting_read(greeting, sizeof(greeting), &minor), 0);
	greeting[10] = 1;
	assert_int_equal(zmtp_greeting_read(greeting, 11, &minor), -EPROTO);
	zmtp_greeting_write(greeting);
	memcpy(greeting + 12, "CURVE", 5);
	assert_int_equal(zmtp_greeting_read(greeting, sizeof(greeting), &minor), -EPROTO);
	assert_int_equal(zmtp_greeting_read((const uint8_t *)"GET / HTTP/1.1", 1, &minor), -EPROTO);
}

/* A message with frames of these sizes, in memory of its exact size. */
static uint8_t *make(const size_t *sizes, int count, size_t *ret_bytes)
{
	uint8_t *text, *at;

	*ret_bytes = 0;
	for (int i = 0; i < count; i++)
		*ret_bytes += zmtp_frame_bytes(sizes[i]);
	text = at = hs_zalloc(*ret_bytes);
	for (int i = 0; i < count; i++) {
		uint8_t head[ZMTP_HEAD_BYTES];
		size_t length = zmtp_head_write(head, sizes[i], i + 1 < count, false);

		memcpy(at, head, length);
		memset(at + length, 'a' + i, sizes[i]);
		at += length + sizes[i];
	}
	return text;
}

static void test_messages_however_they_are_cut(void **state)
{
	static const size_t sizes[] = {0, 1, 255, 256, 1000};
	struct zmtp_decoder decoder = {0};
	size_t bytes;
	AUTO(free) uint8_t *text = make(sizes, HS_COUNT(sizes), &bytes);

	for (size_t there = 0; there < bytes; there++) {
		assert_int_equal(zmtp_decode(&decoder, text, there, &limits), ZMTP_NOTHING);
		assert_true(decoder.wanted > there);
		assert_true(decoder.wanted <= bytes || decoder.wanted - decoder.at <= ZMTP_HEAD_BYTES);
	}
	assert_int_equal(zmtp_decode(&decoder, text, bytes, &limits), ZMTP_MESSAGE);
	assert_int_equal(decoder.count, HS_COUNT(sizes));
	for (size_t i = 0; i < HS_COUNT(sizes); i++) {
		assert_int_equal(decoder.frames[i].bytes, sizes[i]);
		assert_true(sizes[i] == 0 || text[decoder.frames[i].at + sizes[i] - 1] == 'a' + i);
	}
	assert_int_equal(zmtp_pass(&decoder, true), bytes);
	assert_int_equal(decoder.count, 0);
}

/* A ping may come between the frames of a message. */
static void test_command_between_frames(void **state)
{
	uint8_t text[ZMTP_ANSWER_MAX + 16] = {1, 2, 'a', 'b'};
	struct zmtp_decoder decoder = {0};
	size_t bytes = 4 + zmtp_ping_write(text + 4, 4000);
	struct zmtp_part rest, context;
	int64_t ttl_ms;

	memcpy(text + bytes, "\0\1c\4\1", 5);
	bytes += 5;
	assert_int_equal(zmtp_decode(&decoder, text, bytes, &limits), ZMTP_COMMAND);
	assert_int_equal(zmtp_command_read(text + decoder.command_at, decoder.command_bytes, &rest), ZMTP_PING);
	assert_int_equal(zmtp_ping_read(&rest, &ttl_ms, &context), 0);
	assert_int_equal(ttl_ms, 4000);
	assert_int_equal(context.bytes, 0);
	assert_int_equal(zmtp_pass(&decoder, false), 0);
	assert_int_equal(zmtp_decode(&decoder, text, bytes, &limits), ZMTP_MESSAGE);
	assert_int_equal(decoder.count, 2);
	assert_memory_equal(text + decoder.frames[0].at, "ab", 2);
	assert_memory_equal(text + decoder.frames[1].at, "c", 1);
	assert_int_equal(zmtp_pass(&decoder, true), bytes - 2);
}

static const struct {
	const char *text;
	size_t bytes;
	int result;
} wrong[] = {
	{"\x08", 1, -EPROTO},                                 /* a flag that is none */
	{"\x05", 1, -EPROTO},                                 /* a command with more */
	{"\2\377\377\377\377\377\377\377\377", 9, -EMSGSIZE}, /* all the memory of the world */
	{"\2\0\0\0\0\0\0\3\351", 9, -EMSGSIZE},               /* 1001 bytes */
	{"\6\0\0\0\0\0\0\20\1", 9, -EMSGSIZE},                /* a command of 4097 */
	{"\2\0\0\0\0\0\0\3\350", 9, ZMTP_NOTHING},            /* 1000 bytes */
};

static void test_what_is_too_much(void **state)
{
	size_t sizes[ZMTP_FRAMES_MAX + 1] = {0}, bytes;
	struct zmtp_decoder decoder;

	for (size_t i = 0; i < HS_COUNT(wrong); i++) {
		decoder = (struct zmtp_decoder){0};
		if (zmtp_decode(&decoder, (const uint8_t *)wrong[i].text, wrong[i].bytes, &limits) != wrong[i].result)
			fail_msg("row %zu", i);
	}
	for (int count = ZMTP_FRAMES_MAX; count <= ZMTP_FRAMES_MAX + 1; count++) {
		AUTO(free) uint8_t *text = make(sizes, count, &bytes);

		decoder = (struct zmtp_decoder){0};
		assert_int_equal(zmtp_decode(&decoder, text, bytes, &limits),
				 count > ZMTP_FRAMES_MAX ? -EMSGSIZE : ZMTP_MESSAGE);
	}
	sizes[0] = sizes[1] = sizes[2] = 1000; /* each is small enough, all are not */
	{
		AUTO(free) uint8_t *text = make(sizes, 3, &bytes);

		decoder = (struct zmtp_decoder){0};
		assert_int_equal(zmtp_decode(&decoder, text, 2100, &limits), -EMSGSIZE);
	}
}

static void test_ready(void **state)
{
	uint8_t text[ZMTP_ANSWER_MAX];
	size_t bytes = zmtp_ready_write(text, ZMTP_DEALER, "X-role", "api-front");
	struct zmtp_decoder decoder = {0};
	struct zmtp_part rest, value;
	enum zmtp_type type;

	assert_int_equal(zmtp_decode(&decoder, text, bytes, &limits), ZMTP_COMMAND);
	assert_int_equal(zmtp_command_read(text + decoder.command_at, decoder.command_bytes, &rest), ZMTP_READY);
	assert_int_equal(zmtp_ready_read(&rest, "x-ROLE", &type, &value), 0);
	assert_int_equal(type, ZMTP_DEALER);
	assert_int_equal(value.bytes, 9);
	assert_memory_equal(value.data, "api-front", 9);
	for (size_t cut = 1; cut < rest.bytes; cut++) {
		struct zmtp_part part = {rest.data, rest.bytes - cut};

		if (part.bytes != 22) /* then the second property is simply not there */
			assert_int_equal(zmtp_ready_read(&part, "X-role", &type, &value), -EPROTO);
	}
	assert_true(zmtp_is_match(ZMTP_ROUTER, ZMTP_DEALER));
	assert_false(zmtp_is_match(ZMTP_ROUTER, ZMTP_SUB));
	assert_false(zmtp_is_match(ZMTP_ROUTER, ZMTP_NO_TYPE));
}

static void test_endless_properties(void **state)
{
	uint8_t text[7 * (ZMTP_PROPERTIES_MAX + 1)];
	struct zmtp_part rest = {text, sizeof(text)}, value;
	enum zmtp_type type;

	for (size_t i = 0; i < sizeof(text); i += 7)
		memcpy(text + i, "\1x\0\0\0\1y", 7);
	assert_int_equal(zmtp_ready_read(&rest, "X-role", &type, &value), -EPROTO);
	rest.bytes -= 7;
	assert_int_equal(zmtp_ready_read(&rest, "X-role", &type, &value), 0);
	assert_int_equal(type, ZMTP_NO_TYPE);
	assert_null(value.data);
}

static void test_commands(void **state)
{
	static const uint8_t context[ZMTP_CONTEXT_MAX + 3] = "\0\51who";
	struct zmtp_part rest = {context, 5}, value;
	int64_t ttl_ms;

	assert_int_equal(zmtp_ping_read(&rest, &ttl_ms, &value), 0);
	assert_int_equal(ttl_ms, 4100);
	assert_memory_equal(value.data, "who", 3);
	rest.bytes = 1;
	assert_int_equal(zmtp_ping_read(&rest, &ttl_ms, &value), -EPROTO);
	rest.bytes = sizeof(context);
	assert_int_equal(zmtp_ping_read(&rest, &ttl_ms, &value), -EPROTO);
	assert_int_equal(zmtp_command_read((const uint8_t *)"", 0, &rest), -EPROTO);
	assert_int_equal(zmtp_command_read((const uint8_t *)"\0", 1, &rest), -EPROTO);
	assert_int_equal(zmtp_command_read((const uint8_t *)"\4PIN", 4, &rest), -EPROTO);
	assert_int_equal(zmtp_command_read((const uint8_t *)"\4PONG", 5, &rest), ZMTP_PONG);
	assert_int_equal(rest.bytes, 0);
	assert_int_equal(zmtp_command_read((const uint8_t *)"\4PANGX", 6, &rest), ZMTP_UNKNOWN);
	assert_int_equal(zmtp_command_read((const uint8_t *)"\11SUBSCRIBEabc", 13, &rest), ZMTP_SUBSCRIBE);
	assert_memory_equal(rest.data, "abc", 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_greeting),
		cmocka_unit_test(test_messages_however_they_are_cut),
		cmocka_unit_test(test_command_between_frames),
		cmocka_unit_test(test_what_is_too_much),
		cmocka_unit_test(test_ready),
		cmocka_unit_test(test_endless_properties),
		cmocka_unit_test(test_commands),
	};

	return cmocka_run_group_tests_name("zmtp", tests, NULL, NULL);
}
