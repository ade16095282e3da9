/* Descriptions of analog channels: read, written, refused. */
#include "channel.h"
#include "check.h"
#include "cleanup.h"
#include <errno.h>
#include <string.h>

static void reads_in_any_order(void **state)
{
	static const struct {
		const char *text;
		struct hs_channel channel;
	} rows[] = {
		{"channel/1 codec=pcmu ptime=20 name=dahdi/3", {HS_CODEC_PCMU, 20, "dahdi/3", ""}},
		{"channel/1  name=x ptime=60 codec=pcma grant=l1-abc", {HS_CODEC_PCMA, 60, "x", "l1-abc"}},
		{"channel/1 ptime=10 more codec=pcma speed=9=9 name=dahdi/250 ", {HS_CODEC_PCMA, 10, "dahdi/250", ""}},
		{"channel/1  tomorrow=yes grant=x  noise", {0, 0, "", "x"}},
		{"channel/1", {0, 0, "", ""}},
	};
	for (size_t i = 0; i < HS_COUNT(rows); i++) {
		struct hs_channel channel;
		const char *why;
		assert_int_equal(hs_channel_read(rows[i].text, &channel, &why), 0);
		assert_int_equal(channel.codec, rows[i].channel.codec);
		assert_int_equal(channel.ptime_ms, rows[i].channel.ptime_ms);
		assert_string_equal(channel.name, rows[i].channel.name);
		assert_string_equal(channel.grant, rows[i].channel.grant);
	}
}

#define LONG "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* 64 */

static void refuses(void **state)
{
	static const char *const rows[] = {
		"",
		" ",
		"v=0\r\no=- 1 1 IN IP4 10.0.0.1",
		"channel/2 codec=pcmu ptime=20 name=a",
		"channel/11 codec=pcmu ptime=20 name=a",
		"channel/1 codec=opus",
		"channel/1 codec=",
		"channel/1 ptime=9",
		"channel/1 ptime=25",
		"channel/1 ptime=70",
		"channel/1 ptime=-20",
		"channel/1 ptime=20x",
		"channel/1 ptime=",
		"channel/1 ptime=99999999999999999999",
		"channel/1 name=",
		"channel/1 name=a\nb",
		"channel/1 name=" LONG,
		"channel/1 name=" LONG LONG,
		"channel/1 grant=",
		"channel/1 grant=a/b",
		"channel/1 grant=123456789012345678901234567890123",
		"channel/1 grant=" LONG LONG,
	};
	for (size_t i = 0; i < HS_COUNT(rows); i++) {
		struct hs_channel channel = {.ptime_ms = 77};
		const char *why = NULL;
		assert_int_equal(hs_channel_read(rows[i], &channel, &why), -EINVAL);
		assert_non_null(why);
		assert_int_equal(channel.ptime_ms, 77);
		assert_int_equal(hs_channel_read(NULL, &channel, &why), -EINVAL);
	}
}

static void what_we_write_can_be_read(void **state)
{
	struct hs_channel channel = {HS_CODEC_PCMA, 30, "", ""}, again;
	char text[HS_CHANNEL_BYTES];
	const char *why;
	memset(channel.name, 'n', sizeof channel.name - 1);
	memset(channel.grant, 'g', sizeof channel.grant - 1);
	hs_channel_write(&channel, text);
	assert_int_equal(text[strlen(text) - 1], 'g');
	assert_int_equal(hs_channel_read(text, &again, &why), 0);
	assert_string_equal(again.name, channel.name);
	assert_string_equal(again.grant, channel.grant);
	hs_channel_write(&(struct hs_channel){.grant = "l1-x"}, text);
	assert_string_equal(text, "channel/1 grant=l1-x");
	hs_channel_write(&(struct hs_channel){HS_CODEC_PCMA, 30, "dahdi/3", "l1-abc"}, text);
	assert_string_equal(text, "channel/1 codec=pcma ptime=30 name=dahdi/3 grant=l1-abc");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_in_any_order),
		cmocka_unit_test(refuses),
		cmocka_unit_test(what_we_write_can_be_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
