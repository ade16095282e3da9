#include "check.h"
#include "cleanup.h"
#include "log.h"
#include <fcntl.h>
#include <json-c/json.h>

static char text[65536];

/* What a log call writes on standard error. */
#define WRITTEN(call)                                                                                                  \
	({                                                                                                             \
		int old_ = begin_catch(&catcher);                                                                      \
		call;                                                                                                  \
		end_catch(old_, catcher);                                                                              \
	})

static int catcher;

static int begin_catch(int *ret_reader)
{
	int pair[2], old = dup(STDERR_FILENO);

	assert_int_equal(pipe(pair), 0);
	dup2(pair[1], STDERR_FILENO);
	close(pair[1]);
	*ret_reader = pair[0];
	return old;
}

static const char *end_catch(int old, int reader)
{
	ssize_t bytes;

	dup2(old, STDERR_FILENO);
	close(old);
	bytes = read(reader, text, sizeof(text) - 1);
	close(reader);
	text[bytes > 0 ? bytes : 0] = 0;
	return text;
}

static const struct {
	const char *value, *shown;
} escapes[] = {
	{"plain", " x=plain\n"},
	{"", " x=\"\"\n"},
	{"two words", " x=\"two words\"\n"},
	{"a=b", " x=\"a=b\"\n"},
	{"a\"b\\", " x=\"a\\\"b\\\\\"\n"},
	{"line\r\nevent=forged", " x=\"line\\r\\nevent=forged\"\n"},
	{"\x1b[31mred", " x=\"\\u001b[31mred\"\n"},
	{"\xc3\xa4", " x=\xc3\xa4\n"},
	{"\xff\xc3", " x=\"\\xff\\xc3\"\n"},
	{"\xed\xa0\x80", " x=\"\\xed\\xa0\\x80\"\n"},
	{"\xc0\xaf", " x=\"\\xc0\\xaf\"\n"},
	{"\xe2\x80\xae"
	 "evil",
	 " x=\"\\u202eevil\"\n"},
	{"\xc2\x9b"
	 "1m",
	 " x=\"\\u009b1m\"\n"},
};

static void escapes_in_logfmt(void **state)
{
	hs_log_setup("sipd", HS_LOG_FORMAT_LOGFMT, HS_LOG_LEVEL_INFO);
	for (size_t i = 0; i < HS_COUNT(escapes); i++) {
		const char *line = WRITTEN(hs_log(INFO, "a.b", LOG_TEXT("x", escapes[i].value)));
		const char *tail = strstr(line, " x=");

		assert_non_null(strstr(line, " level=info daemon=sipd event=a.b x="));
		assert_memory_equal(line, "time=2", 6);
		assert_string_equal(tail, escapes[i].shown);
	}
}

static void json_stays_json(void **state)
{
	hs_log_setup("sipd", HS_LOG_FORMAT_JSON, HS_LOG_LEVEL_INFO);
	for (size_t i = 0; i < HS_COUNT(escapes); i++) {
		const char *line = WRITTEN(
			hs_log(WARN, "a.b", LOG_TEXT("x", escapes[i].value), LOG_INT("n", -5), LOG_TEXT("none", NULL)));
		struct json_object *json = json_tokener_parse(line), *member;

		assert_non_null(json);
		assert_true(json_object_object_get_ex(json, "x", &member));
		if (!strpbrk(escapes[i].value, "\xff\xc0\xed"))
			assert_string_equal(json_object_get_string(member), escapes[i].value);
		assert_true(json_object_object_get_ex(json, "n", &member));
		assert_int_equal(json_object_get_int(member), -5);
		assert_true(json_object_object_get_ex(json, "level", &member));
		assert_string_equal(json_object_get_string(member), "warn");
		assert_false(json_object_object_get_ex(json, "none", &member));
		json_object_put(json);
	}
}

static void long_lines_end_whole(void **state)
{
	char value[20000];

	memset(value, '\n', sizeof(value));
	value[sizeof(value) - 1] = 0;
	hs_log_setup("sipd", HS_LOG_FORMAT_JSON, HS_LOG_LEVEL_INFO);
	for (int fields = 1; fields < 3; fields++) {
		const char *line = WRITTEN(hs_log(INFO, "long", LOG_TEXT("a", value), LOG_TEXT("b", value),
						  LOG_TEXT("c", value), LOG_TEXT("d", value), LOG_TEXT("e", value)));
		struct json_object *json = json_tokener_parse(line);

		assert_non_null(json);
		assert_true(strlen(line) <= 4096);
		assert_int_equal(line[strlen(line) - 1], '\n');
		assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
		json_object_put(json);
	}
}

static void levels_filter(void **state)
{
	hs_log_setup("sipd", HS_LOG_FORMAT_LOGFMT, HS_LOG_LEVEL_WARN);
	assert_string_equal(WRITTEN(hs_log(INFO, "quiet")), "");
	assert_string_not_equal(WRITTEN(hs_log(ERROR, "loud")), "");
	hs_log_set_level(HS_LOG_LEVEL_DEBUG);
	assert_true(hs_log_wants(HS_LOG_LEVEL_DEBUG));
	hs_log_set_level((enum hs_log_level)77);
	assert_true(hs_log_wants(HS_LOG_LEVEL_DEBUG));
}

static void numbers_are_shortened(void **state)
{
	static const struct {
		const char *number, *shown;
	} rows[] = {
		{"+14155551212", "+1415***1212"},
		{"0", "0"},
		{"1234", "1234"},
		{"12345", "1***5"},
		{"4155551212", "415***1212"},
		{"+1 (415) 555-1212", "+1415***1212"},
		{"sip:14155551212@10.0.0.1", "sip:1415***1212@10.0.0.1"},
		{"*67#123456", "*67***3456"},
		{"", ""},
		{"operator", "operator"},
		{"a\r\nb", "a\\r\\nb"},
		{"49123456789012345678901234567890", "4912***7890"},
	};
	char shown[64], small[6];

	for (size_t i = 0; i < HS_COUNT(rows); i++) {
		hs_log_shorten(rows[i].number, shown, sizeof(shown));
		assert_string_equal(shown, rows[i].shown);
	}
	hs_log_shorten("+14155551212", small, sizeof(small));
	assert_true(strlen(small) < sizeof(small));
	hs_log_shorten(NULL, shown, sizeof(shown));
	assert_string_equal(shown, "");
	hs_log_setup("sipd", HS_LOG_FORMAT_LOGFMT, HS_LOG_LEVEL_INFO);
	assert_non_null(strstr(WRITTEN(hs_log(INFO, "x", LOG_NUMBER("to", "+14155551212"))), " to=+1415***1212\n"));
}

/* Nobody reads: the line is dropped and counted, and the caller goes on. */
static void a_stuck_reader_stops_nobody(void **state)
{
	uint64_t before = hs_log_lines(0);
	int reader, old = begin_catch(&reader);

	hs_log_setup("sipd", HS_LOG_FORMAT_LOGFMT, HS_LOG_LEVEL_INFO);
	for (int i = 0; i < 10000; i++)
		hs_log(INFO, "flood", LOG_INT("i", i));
	end_catch(old, reader);
	assert_true(hs_log_lines(0) > before + 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(escapes_in_logfmt),     cmocka_unit_test(json_stays_json),
		cmocka_unit_test(long_lines_end_whole),  cmocka_unit_test(levels_filter),
		cmocka_unit_test(numbers_are_shortened), cmocka_unit_test(a_stuck_reader_stops_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
