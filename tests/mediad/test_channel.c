/* Descriptions of analog channels. */
#include "cases.h"
#include "channel.h"
#include <errno.h>

static void test_good_ones(void **state)
{
	static const struct {
		const char *text;
		enum hs_codec codec;
		int ptime_ms;
		const char *name;
	} rows[] = {
		{"channel/1 codec=pcmu ptime=20 name=dahdi/3", HS_CODEC_PCMU, 20, "dahdi/3"},
		{"channel/1  name=x ptime=60 codec=pcma grant=l1-abc", HS_CODEC_PCMA, 60, "x"},
		{"channel/1 ptime=10 more codec=pcma speed=9=9 name=dahdi/250 ", HS_CODEC_PCMA, 10, "dahdi/250"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct channel channel;
		const char *why;
		assert_int_equal(channel_read(rows[i].text, &channel, &why), 0);
		assert_int_equal(channel.codec, rows[i].codec);
		assert_int_equal(channel.ptime_ms, rows[i].ptime_ms);
		assert_string_equal(channel.name, rows[i].name);
	}
}

static void test_bad_ones(void **state)
{
	static const char *const rows[] = {
		"",
		" ",
		"channel/2 codec=pcmu ptime=20 name=a",
		"channel/11 codec=pcmu ptime=20 name=a",
		"v=0\r\n",
		"channel/1",
		"channel/1 codec=pcmu ptime=20",
		"channel/1 codec=pcmu name=a",
		"channel/1 ptime=20 name=a",
		"channel/1 codec=opus ptime=20 name=a",
		"channel/1 codec= ptime=20 name=a",
		"channel/1 codec=pcmu ptime=9 name=a",
		"channel/1 codec=pcmu ptime=61 name=a",
		"channel/1 codec=pcmu ptime=-20 name=a",
		"channel/1 codec=pcmu ptime=20x name=a",
		"channel/1 codec=pcmu ptime=99999999999999999999 name=a",
		"channel/1 codec=pcmu ptime=20 name=",
		"channel/1 codec=pcmu ptime=20 name=a\nb",
		("channel/1 codec=pcmu ptime=20 name="
		 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
		("channel/1 codec=pcmu ptime=20 name="
		 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		 "a"
		 "aa"),
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct channel channel = {.ptime_ms = 77};
		const char *why = NULL;
		assert_int_equal(channel_read(rows[i], &channel, &why), -EINVAL);
		assert_non_null(why);
		assert_int_equal(channel.ptime_ms, 77);
	}
}

static void test_what_we_write_can_be_read(void **state)
{
	struct channel channel = {HS_CODEC_PCMA, 30, ""}, again;
	char text[CHANNEL_BYTES], longest[HS_FRAME_GRANT_BYTES + 1];
	const char *why;
	memset(channel.name, 'n', CHANNEL_NAME - 1);
	memset(longest, 'g', HS_FRAME_GRANT_BYTES);
	longest[HS_FRAME_GRANT_BYTES] = 0;
	channel_write(&channel, longest, text);
	assert_int_equal(text[strlen(text) - 1], 'g');
	assert_int_equal(channel_read(text, &again, &why), 0);
	assert_memory_equal(&channel, &again, sizeof channel);
	channel_write(NULL, "l1-x", text);
	assert_string_equal(text, "channel/1 grant=l1-x");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_ones),
		cmocka_unit_test(test_bad_ones),
		cmocka_unit_test(test_what_we_write_can_be_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
