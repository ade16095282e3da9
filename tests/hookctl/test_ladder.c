#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include "cleanup.h"
#include "ladder.h"
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static const int64_t noon_ms = 1739016000000; /* 2025-02-08T12:00:00Z */

static void add(struct ladder *ladder, int64_t us, const char *daemon, enum hs_trace_kind kind, const char *from,
		const char *to, const char *what)
{
	ladder_add(ladder, &(struct hs_trace){.at = noon_ms + us / 1000,
					      .at_us = noon_ms * 1000 + us,
					      .daemon = daemon,
					      .kind = kind,
					      .call = "c1-x",
					      .from = from,
					      .to = to,
					      .what = what});
}

static char *draw(struct ladder *ladder)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	ladder_draw(ladder, out);
	fclose(out);
	return text;
}

static int rows_with(const char *text, const char *word)
{
	int count = 0;
	while ((text = strstr(text, word))) {
		text++;
		count++;
	}
	return count;
}

static void test_picture(void **state)
{
	struct ladder *ladder = ladder_create(100);
	add(ladder, 3000, "sipd", HS_TRACE_KIND_SIP, "sipd", "192.0.2.7:5060", "INVITE");
	add(ladder, 1000, "apid", HS_TRACE_KIND_BUS, "apid", "mediad", "media.open");
	add(ladder, 2000, "apid", HS_TRACE_KIND_BUS, "apid", "sipd", "leg.originate");
	add(ladder, 9000, "mediad", HS_TRACE_KIND_MEDIA, "192.0.2.7:20000", "mediad", "first packet");
	add(ladder, 12000, "hookd", HS_TRACE_KIND_HTTP, "hookd", "203.0.113.9:443", "POST 200");
	AUTO(free) char *text = draw(ladder);
	assert_string_equal(text, "far A = 192.0.2.7:5060\n"
				  "web A = 203.0.113.9:443\n"
				  "              far A  sipd  mediad  apid   hookd  web A\n"
				  "12:00:00.001    |      |      |<-----|      |      |   media.open\n"
				  "12:00:00.002    |      |<------------|      |      |   leg.originate\n"
				  "12:00:00.003    |<-----|      |      |      |      |   INVITE\n"
				  "12:00:00.009    |------------>|      |      |      |   first packet\n"
				  "12:00:00.012    |      |      |      |      |----->|   POST 200\n");
	ladder_destroy(ladder);
}

static void test_both_ends_of_a_message_are_one_row(void **state)
{
	struct ladder *ladder = ladder_create(100);
	add(ladder, 1000, "apid", HS_TRACE_KIND_BUS, "apid", "sipd", "leg.hangup");
	add(ladder, 1300, "sipd", HS_TRACE_KIND_BUS, "apid", "sipd", "leg.hangup");
	add(ladder, 2000, "apid", HS_TRACE_KIND_BUS, "apid", "sipd", "leg.hangup");
	add(ladder, 900000, "sipd", HS_TRACE_KIND_BUS, "apid", "sipd", "leg.hangup");
	char *text = draw(ladder);
	assert_int_equal(rows_with(text, "leg.hangup"), 3);
	free(text);
	ladder_destroy(ladder);
}

static void test_more_is_drawn_later_with_a_new_head_for_a_newcomer(void **state)
{
	struct ladder *ladder = ladder_create(100);
	add(ladder, 1000, "apid", HS_TRACE_KIND_BUS, "apid", "sipd", "one");
	AUTO(free) char *first = draw(ladder);
	add(ladder, 2000, "apid", HS_TRACE_KIND_BUS, "apid", "sipd", "two");
	AUTO(free) char *second = draw(ladder);
	add(ladder, 3000, "apid", HS_TRACE_KIND_BUS, "apid", "mediad", "three");
	AUTO(free) char *third = draw(ladder);
	AUTO(free) char *nothing = draw(ladder);
	assert_non_null(strstr(first, "one"));
	assert_null(strstr(second, "one"));
	assert_null(strstr(second, "sipd"));
	assert_non_null(strstr(third, "mediad"));
	assert_string_equal(nothing, "");
	ladder_destroy(ladder);
}

static void test_a_state_is_a_star(void **state)
{
	struct ladder *ladder = ladder_create(80);
	add(ladder, 1000, "apid", HS_TRACE_KIND_STATE, "apid", "apid", "ringing -> up");
	AUTO(free) char *text = draw(ladder);
	assert_non_null(strstr(text, "*"));
	ladder_destroy(ladder);
}

static void test_hostile_texts_stay_within_the_page(void **state)
{
	struct ladder *ladder = ladder_create(100);
	char longest[256];
	memset(longest, 'x', sizeof(longest) - 1);
	longest[255] = '\0';
	for (int i = 0; i < 40; i++) {
		AUTO(free) char *address = hs_printf("192.0.2.%d:5060", i);
		add(ladder, 1000 + i, "sipd", HS_TRACE_KIND_SIP, "sipd", address, longest);
	}
	add(ladder, 5000, "sipd", HS_TRACE_KIND_SIP, "", "", "\033[2Jgone\r\n");
	AUTO(free) char *text = draw(ladder);
	assert_null(strchr(text, '\033'));
	assert_null(strchr(text, '\r'));
	for (const char *row = text; *row; row = strchr(row, '\n') + 1)
		assert_true(strchr(row, '\n') - row <= 100);
	ladder_destroy(ladder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_picture),
		cmocka_unit_test(test_both_ends_of_a_message_are_one_row),
		cmocka_unit_test(test_more_is_drawn_later_with_a_new_head_for_a_newcomer),
		cmocka_unit_test(test_a_state_is_a_star),
		cmocka_unit_test(test_hostile_texts_stay_within_the_page),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
