/* Descriptions of channel legs: read, written, refused. */
#include "words.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void round_trip(void **state)
{
	struct words words = {.codec = HS_CODEC_PCMA, .ptime_ms = 30, .name = "dahdi/3", .grant = "l1-abc"}, read;
	char text[WORDS_BYTES];

	words_write(&words, text);
	assert_string_equal(text, "channel/1 codec=pcma ptime=30 name=dahdi/3 grant=l1-abc");
	assert_int_equal(words_read(text, &read), 0);
	assert_memory_equal(&words, &read, sizeof(words));
}

static void what_is_not_said_is_left_out(void **state)
{
	struct words words = {.codec = HS_CODEC_PCMU}, read;
	char text[WORDS_BYTES];

	words_write(&words, text);
	assert_string_equal(text, "channel/1 codec=pcmu");
	assert_int_equal(words_read("channel/1", &read), 0);
	assert_int_equal(read.codec, 0);
	assert_int_equal(words_read("channel/1  tomorrow=yes grant=x  noise", &read), 0);
	assert_string_equal(read.grant, "x");
}

static void what_is_none(void **state)
{
	static const char *const texts[] = {
		"",
		"v=0\r\no=- 1 1 IN IP4 10.0.0.1",
		"channel/2 grant=x",
		"channel/1 codec=opus",
		"channel/1 ptime=25",
		"channel/1 ptime=",
		"channel/1 ptime=20x",
		"channel/1 grant=",
		"channel/1 grant=a/b",
		"channel/1 grant=123456789012345678901234567890123",
		"channel/1 name=",
	};
	struct words words = {.ptime_ms = 7};
	char longest[400];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(words_read(texts[i], &words), -EINVAL);
	memset(longest, ' ', sizeof(longest));
	memcpy(longest, "channel/1", 9);
	longest[sizeof(longest) - 1] = 0;
	assert_int_equal(words_read(longest, &words), -EINVAL);
	assert_int_equal(words_read(NULL, &words), -EINVAL);
	assert_int_equal(words.ptime_ms, 7); /* untouched */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(what_is_not_said_is_left_out),
		cmocka_unit_test(what_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
