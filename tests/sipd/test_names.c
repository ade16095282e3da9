#include "cause.h"
#include "cleanup.h"
#include "info.h"
#include "names.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void dialled(void **state)
{
	static const struct {
		const char *user, *number; /* NULL: refused */
	} rows[] = {
		{"101", "101"},
		{"%2A72", "*72"},
		{"+1-415-555.12(12)", "+14155551212"},
		{"hot-line", "hot-line"},
		{"101;isub=1", "101"},
		{"J%C3%B6rg", "J\xc3\xb6rg"},
		{"", NULL},
		{"%00", NULL},
		{"%4", NULL},
		{"%0d%0aX", NULL},
		{"%ff", NULL},
		{"%e2%80%ae12", NULL},
		{";x", NULL},
		{"0123456789012345678901234567890123456789012345678901234567890123",
		 "0123456789012345678901234567890123456789012345678901234567890123"},
		{"01234567890123456789012345678901234567890123456789012345678901234", NULL},
	};
	char out[65];
	for (size_t i = 0; i < HS_COUNT(rows); i++) {
		int result = names_dialled(rows[i].user, out, sizeof(out));
		assert_int_equal(result == 0, rows[i].number != NULL);
		if (rows[i].number)
			assert_string_equal(out, rows[i].number);
	}
	assert_int_not_equal(names_dialled(NULL, out, sizeof(out)), 0);
}

static void uri_user(void **state)
{
	char out[32];
	names_uri_user("+1 (415) 555#*", out, sizeof(out));
	assert_string_equal(out, "+1415555%23*");
	names_uri_user("a@b>\r\n", out, sizeof(out));
	assert_string_equal(out, "a%40b%3E%0D%0A");
	names_uri_user("##########################", out, sizeof(out));
	assert_true(strlen(out) < sizeof(out));
	names_uri_user(NULL, out, sizeof(out));
	assert_string_equal(out, "");
}

static void quoted(void **state)
{
	static const struct {
		const char *name, *text;
	} rows[] = {
		{"Bob", "\"Bob\""},
		{"J\xc3\xb6rg \"J\" \\", "\"J\xc3\xb6rg \\\"J\\\" \\\\\""},
		{"a\r\nX: y", "\"a??X: y\""},
		{"\xff\xfe", ""},
		{"   ", ""},
		{"", ""},
		{NULL, ""},
	};
	char out[160];
	for (size_t i = 0; i < HS_COUNT(rows); i++) {
		names_quoted(rows[i].name, out, sizeof(out));
		assert_string_equal(out, rows[i].text);
	}
	names_clean("aaaa\xc3\xb6", out, 6); /* never half a character */
	assert_string_equal(out, "aaaa");
}

static void infos(void **state)
{
	static const struct {
		const char *type, *body;
		enum info_kind kind;
		const char *digit;
		int duration_ms;
	} rows[] = {
		{"application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", INFO_DIGIT, "5", 160},
		{"Application/DTMF-Relay", "signal = a \r\nduration = 90", INFO_DIGIT, "A", 90},
		{"application/dtmf-relay", "Duration=70\nSignal=*", INFO_DIGIT, "*", 70},
		{"application/dtmf-relay", "Signal=12", INFO_DIGIT, "A", 160},
		{"application/dtmf-relay", "Signal=16", INFO_FLASH, "", 160},
		{"application/dtmf-relay", "Signal=17", INFO_NOTHING, "", 160},
		{"application/dtmf-relay", "Signal=\r\nDuration=-4", INFO_NOTHING, "", 160},
		{"application/dtmf-relay", "Signal=5\r\nDuration=70000", INFO_DIGIT, "5", 160},
		{"application/dtmf-relay", "Signal=5\r\nDuration=90x", INFO_DIGIT, "5", 160},
		{"application/dtmf-relay", "Signal=5\r\nDuration=4294967386", INFO_DIGIT, "5", 160},
		{"application/dtmf-relay", "Signal=+1\r\nDuration=65535", INFO_NOTHING, "", 65535},
		{"application/dtmf", " # ", INFO_DIGIT, "#", 160},
		{"application/dtmf", "x", INFO_NOTHING, "", 160},
		{"application/dtmf", "", INFO_NOTHING, "", 160},
		{"application/hook-flash", "", INFO_FLASH, "", 160},
		{"text/plain", "5", INFO_NOTHING, "", 160},
		{NULL, "5", INFO_NOTHING, "", 160},
	};
	struct info info;
	for (size_t i = 0; i < HS_COUNT(rows); i++) {
		info_read(rows[i].type, rows[i].body, strlen(rows[i].body), &info);
		assert_int_equal(info.kind, rows[i].kind);
		assert_string_equal(info.digit, rows[i].digit);
		assert_int_equal(info.duration_ms, rows[i].duration_ms);
	}
}

static void causes(void **state)
{
	assert_int_equal(cause_of_status(486), HS_CAUSE_BUSY);
	assert_int_equal(cause_of_status(603), HS_CAUSE_DECLINED);
	assert_int_equal(cause_of_status(480), HS_CAUSE_NO_ANSWER);
	assert_int_equal(cause_of_status(499), HS_CAUSE_FAILED);
	assert_int_equal(cause_of_status(302), HS_CAUSE_FAILED);
	assert_int_equal(cause_of_status(699), HS_CAUSE_BUSY);
	for (int status = 0; status < 1000; status++)
		assert_non_null(cause_sentence(status));
	for (int cause = 1; cause < HS_CAUSE_COUNT; cause++)
		assert_in_range(status_of_cause((enum hs_cause)cause), 400, 699);
	assert_int_equal(status_of_cause((enum hs_cause)0), 500);
	assert_int_equal(cause_better_status(404, 486), 486);
	assert_int_equal(cause_better_status(486, 404), 486);
	assert_int_equal(cause_better_status(0, 503), 503);
	assert_int_equal(cause_better_status(603, 486), 603);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(dialled), cmocka_unit_test(uri_user),
					   cmocka_unit_test(quoted), cmocka_unit_test(infos), cmocka_unit_test(causes)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
