#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "breaker.h"
#include "retry.h"
#include <cmocka.h>

static const struct retry_rules seed = {3, 500, 5000};

static void quick_tries_double_up_to_the_limit(void **state)
{
	static const struct retry_rules many = {6, 500, 5000};
	static const int64_t expected[] = {500, 1000, 2000, 4000, 5000, 5000};

	for (int tries = 1; tries <= 6; tries++)
		assert_int_equal(retry_delay_ms(&many, tries, 12345, -1), expected[tries - 1]);
}

static void the_long_schedule_follows_with_jitter(void **state)
{
	static const int64_t seconds[] = {5, 30, 120, 600, 3600, 14400, 43200, 86400};

	for (int i = 0; i < 8; i++) {
		assert_int_equal(retry_delay_ms(&seed, 4 + i, 0, -1), seconds[i] * 800);
		assert_int_equal(retry_delay_ms(&seed, 4 + i, UINT32_MAX, -1), seconds[i] * 1200);
	}
	assert_int_equal(retry_delay_ms(&seed, 12, 0, -1), RETRY_NEVER);
	assert_int_equal(retry_delay_ms(&seed, 1000, 0, -1), RETRY_NEVER);
}

static void no_quick_tries_is_possible(void **state)
{
	static const struct retry_rules none = {0, 500, 5000};

	assert_int_equal(retry_delay_ms(&none, 1, 0, -1), 4000);
	assert_int_equal(retry_delay_ms(&none, 9, 0, -1), RETRY_NEVER);
}

static void retry_after_lengthens_but_never_shortens(void **state)
{
	assert_int_equal(retry_delay_ms(&seed, 1, 0, 7000), 7000);
	assert_int_equal(retry_delay_ms(&seed, 1, 0, 0), 500);
	assert_int_equal(retry_delay_ms(&seed, 1, 0, INT64_MAX), RETRY_AFTER_MAX_MS);
	assert_int_equal(retry_delay_ms(&seed, 12, 0, 7000), RETRY_NEVER);
}

static void retry_after_is_read_in_all_its_forms(void **state)
{
	const int64_t now_ms = 784111777000; /* Sun, 06 Nov 1994 08:49:37 GMT */
	static const struct {
		const char *header;
		int64_t expected_ms;
	} rows[] = {
		{"0", 0},
		{"120", 120000},
		{"  120  ", 120000},
		{"99999999999999999999999999", RETRY_AFTER_MAX_MS},
		{"86401", RETRY_AFTER_MAX_MS},
		{"Sun, 06 Nov 1994 08:49:47 GMT", 10000},
		{"Sunday, 06-Nov-94 08:49:47 GMT", 10000},
		{"Sun Nov  6 08:49:47 1994", 10000},
		{"Sun, 06 Nov 1994 08:49:27 GMT", 0},
		{"Fri, 31 Dec 9999 23:59:59 GMT", RETRY_AFTER_MAX_MS},
		{"", -1},
		{"-1", -1},
		{"1.5", -1},
		{"10 seconds", -1},
		{"soon", -1},
		{"Sun, 06 Nov 1994 08:49:47 CET", -1},
		{"Sun, 99 Nov 1994 08:49:47 GMT", -1},
		{"0x10", -1},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_int_equal(retry_read_after(rows[i].header, now_ms), rows[i].expected_ms);
}

static void only_2xx_is_delivered(void **state)
{
	static const int again[] = {0, 100, 199, 300, 301, 307, 400, 404, 409, 411, 429, 500, 503, 599, 600, 999};

	assert_int_equal(retry_judge(200), RETRY_DELIVERED);
	assert_int_equal(retry_judge(204), RETRY_DELIVERED);
	assert_int_equal(retry_judge(299), RETRY_DELIVERED);
	assert_int_equal(retry_judge(410), RETRY_GONE);
	for (size_t i = 0; i < sizeof(again) / sizeof(*again); i++)
		assert_int_equal(retry_judge(again[i]), RETRY_AGAIN);
}

static void the_breaker_opens_after_failures_and_probes(void **state)
{
	struct breaker breaker = {0};

	for (int i = 0; i < BREAKER_FAILURES - 1; i++)
		breaker_failed(&breaker, 1000);
	assert_false(breaker_is_open(&breaker));
	assert_int_equal(breaker_allows(&breaker, 4, 1000), 4);
	breaker_failed(&breaker, 1000);
	assert_true(breaker_is_open(&breaker));
	assert_int_equal(breaker_allows(&breaker, 4, 1999), 0);
	assert_int_equal(breaker_allows(&breaker, 4, 2000), 1);
	breaker_failed(&breaker, 2010);
	assert_int_equal(breaker_allows(&breaker, 4, 3000), 0);
	assert_true(breaker_succeeded(&breaker));
	assert_int_equal(breaker_allows(&breaker, 4, 3000), 4);
	assert_false(breaker_succeeded(&breaker));
}

static void a_pause_is_never_shortened(void **state)
{
	struct breaker breaker = {0};

	breaker_pause(&breaker, 5000);
	breaker_pause(&breaker, 3000);
	assert_int_equal(breaker_allows(&breaker, 4, 4999), 0);
	assert_int_equal(breaker_allows(&breaker, 4, 5000), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quick_tries_double_up_to_the_limit),
		cmocka_unit_test(the_long_schedule_follows_with_jitter),
		cmocka_unit_test(no_quick_tries_is_possible),
		cmocka_unit_test(retry_after_lengthens_but_never_shortens),
		cmocka_unit_test(retry_after_is_read_in_all_its_forms),
		cmocka_unit_test(only_2xx_is_delivered),
		cmocka_unit_test(the_breaker_opens_after_failures_and_probes),
		cmocka_unit_test(a_pause_is_never_shortened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
