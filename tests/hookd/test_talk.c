#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backoff.h"
#include "talk.h"
#include "wire.h"
#include <cmocka.h>

static const uint8_t sound[400] = {1, 2, 3};

static void expect_text(struct talk *talk, int64_t now_ms, const char *expected)
{
	const void *data;
	size_t bytes;
	bool text;

	assert_true(talk_next(talk, now_ms, &text, &data, &bytes));
	assert_true(text);
	assert_int_equal(bytes, strlen(expected));
	assert_memory_equal(data, expected, bytes);
	talk_sent(talk);
}

static void expect_audio(struct talk *talk, uint8_t first, size_t length)
{
	const void *data;
	size_t bytes;
	bool text;

	assert_true(talk_next(talk, 0, &text, &data, &bytes));
	assert_false(text);
	assert_int_equal(bytes, length);
	assert_int_equal(*(const uint8_t *)data, first);
	talk_sent(talk);
}

static void expect_nothing(struct talk *talk)
{
	const void *data;
	size_t bytes;
	bool text;

	assert_false(talk_next(talk, 0, &text, &data, &bytes));
}

static void happen(struct talk *talk, const char *type, const char *line)
{
	struct hs_event_head head = {.type = type, .line = line, .call_id = "c1-a", .cursor = "1.g1.9"};
	static const char text[] = "{\"type\":\"x\"}";
	const struct hs_json event = {.text = text, .bytes = sizeof(text) - 1, .nodes = 1, .kind = HS_JSON_OBJECT};

	talk_event(talk, &head, &event);
}

static void hello_comes_first_and_once(void **state)
{
	struct talk *talk = talk_create("phone1");

	talk_audio(talk, HS_CODEC_PCMU, sound, 160);
	happen(talk, "state_change", "phone1");
	expect_nothing(talk);
	talk_hello(talk, HS_LINE_STATE_OFF_HOOK, "c1-a", HS_CODEC_PCMU);
	talk_hello(talk, HS_LINE_STATE_ON_HOOK, NULL, HS_CODEC_PCMA);
	expect_text(talk, 0,
		    "{\"type\":\"hello\",\"line\":\"phone1\",\"codec\":\"pcmu\",\"state\":\"off_hook\",\"call_id\":"
		    "\"c1-a\"}");
	expect_audio(talk, 1, 160);
	expect_nothing(talk);
	talk_destroy(talk);
	talk = talk_create("phone2");
	talk_hello(talk, 0, NULL, 0);
	expect_text(talk, 0, "{\"type\":\"hello\",\"line\":\"phone2\",\"codec\":null,\"state\":null,\"call_id\":null}");
	assert_int_equal(talk_codec(talk), HS_CODEC_PCMU);
	talk_destroy(talk);
}

static struct talk *greeted(void)
{
	struct talk *talk = talk_create("phone1");

	talk_hello(talk, HS_LINE_STATE_ON_HOOK, NULL, HS_CODEC_PCMU);
	talk_sent(talk);
	return talk;
}

static void only_the_lines_own_events_are_told(void **state)
{
	struct talk *talk = greeted();

	happen(talk, "call.created", "phone1");
	happen(talk, "call.answered", "phone2");
	happen(talk, "dtmf.begin", "phone1");
	happen(talk, "state_change", NULL);
	expect_nothing(talk);
	happen(talk, "call.answered", "phone1");
	happen(talk, "dtmf", "phone1");
	happen(talk, "call.ended", "phone1");
	expect_text(talk, 0,
		    "{\"type\":\"call_started\",\"line\":\"phone1\",\"call_id\":\"c1-a\",\"cursor\":\"1.g1.9\"}");
	expect_text(talk, 0, "{\"type\":\"x\"}");
	expect_text(talk, 0,
		    "{\"type\":\"call_ended\",\"line\":\"phone1\",\"call_id\":\"c1-a\",\"cursor\":\"1.g1.9\"}");
	talk_destroy(talk);
}

static void the_oldest_audio_is_dropped_and_told(void **state)
{
	struct talk *talk = greeted();
	uint8_t frame[160] = {0};

	for (int i = 0; i < TALK_FRAMES + 3; i++) {
		frame[0] = (uint8_t)i;
		assert_int_equal(talk_audio(talk, HS_CODEC_PCMU, frame, sizeof(frame)), i < TALK_FRAMES);
	}
	talk_lost(talk);
	expect_text(talk, 1000, "{\"type\":\"dropped\",\"to_you\":3,\"from_you\":1}");
	for (int i = 3; i < TALK_FRAMES + 3; i++)
		expect_audio(talk, (uint8_t)i, 160);
	talk_lost(talk);
	expect_nothing(talk); /* not before a second is over */
	expect_text(talk, 2000, "{\"type\":\"dropped\",\"to_you\":0,\"from_you\":1}");
	talk_destroy(talk);
}

static void a_new_codec_is_told_before_its_audio(void **state)
{
	struct talk *talk = greeted();

	talk_audio(talk, HS_CODEC_PCMU, sound, 160);
	talk_audio(talk, HS_CODEC_PCMA, sound, 80);
	expect_audio(talk, 1, 160);
	assert_int_equal(talk_codec(talk), HS_CODEC_PCMU);
	expect_text(talk, 0, "{\"type\":\"codec\",\"codec\":\"pcma\"}");
	expect_audio(talk, 1, 80);
	assert_int_equal(talk_codec(talk), HS_CODEC_PCMA);
	talk_destroy(talk);
}

static void what_is_no_frame_is_lost(void **state)
{
	struct talk *talk = greeted();

	assert_false(talk_audio(talk, HS_CODEC_PCMU, sound, TALK_FRAME + 1));
	assert_false(talk_audio(talk, HS_CODEC_PCMU, sound, 0));
	assert_false(talk_audio(talk, 0, sound, 160));
	expect_text(talk, 1000, "{\"type\":\"dropped\",\"to_you\":3,\"from_you\":0}");
	talk_destroy(talk);
}

static void who_reads_no_texts_is_stuck(void **state)
{
	struct talk *talk = greeted();

	for (int i = 0; i < TALK_TEXTS; i++)
		happen(talk, "dtmf", "phone1");
	assert_false(talk_is_stuck(talk));
	happen(talk, "dtmf", "phone1");
	assert_true(talk_is_stuck(talk));
	talk_destroy(talk);
}

static void words_are_understood_or_ignored(void **state)
{
	static const char *const unknown[] = {"",
					      "clear",
					      "{}",
					      "[\"clear\"]",
					      "{\"type\":5}",
					      "{\"type\":\"Clear\"}",
					      "{\"type\":\"clear\"",
					      "{\"type\":\"clear\",\"type\":\"clear\"}"};

	assert_int_equal(talk_read("{\"type\":\"clear\"}", 16), TALK_CLEAR);
	for (size_t i = 0; i < sizeof(unknown) / sizeof(*unknown); i++)
		assert_int_equal(talk_read(unknown[i], strlen(unknown[i])), TALK_UNKNOWN);
}

static void the_back_off_doubles_up_to_half_a_minute(void **state)
{
	static const int64_t expected[] = {500, 1000, 2000, 4000, 8000, 16000, 30000, 30000};

	for (int i = 0; i < 8; i++) {
		assert_int_equal(backoff_ms(i + 1, 0), expected[i]);
		assert_int_equal(backoff_ms(i + 1, UINT32_MAX), expected[i] * 12 / 10);
	}
	assert_int_equal(backoff_ms(1000000, 0), 30000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hello_comes_first_and_once),
		cmocka_unit_test(only_the_lines_own_events_are_told),
		cmocka_unit_test(the_oldest_audio_is_dropped_and_told),
		cmocka_unit_test(a_new_codec_is_told_before_its_audio),
		cmocka_unit_test(what_is_no_frame_is_lost),
		cmocka_unit_test(who_reads_no_texts_is_stuck),
		cmocka_unit_test(words_are_understood_or_ignored),
		cmocka_unit_test(the_back_off_doubles_up_to_half_a_minute),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
