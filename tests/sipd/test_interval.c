#include "interval.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static const struct interval_rules usual = {.wanted_s = 1800, .min_s = 90}, unasked = {.min_s = 90},
				   always = {.wanted_s = 1800, .min_s = 90, .always = true};

struct row {
	const struct interval_rules *rules;
	struct interval_said said;
	struct interval expected;
};

static void check(const struct row *row, struct interval got)
{
	assert_int_equal(got.s, row->expected.s);
	assert_int_equal(got.min_s, row->expected.min_s);
	assert_int_equal(got.ours, row->expected.ours);
	assert_int_equal(got.spoken, row->expected.spoken);
}

static void too_brief(void **state)
{
	assert_true(interval_is_too_brief(&usual, &(struct interval_said){.supported = true, .expires_s = 89}));
	assert_false(interval_is_too_brief(&usual, &(struct interval_said){.supported = true, .expires_s = 90}));
	assert_false(interval_is_too_brief(&usual, &(struct interval_said){.supported = true}));
	/* put in by somebody between us: the phone would not understand the 422 */
	assert_false(interval_is_too_brief(&usual, &(struct interval_said){.expires_s = 10}));
}

static void requests(void **state)
{
	static const struct row rows[] = {
		{&usual, {0}, {0}},
		{&usual, {.min_s = 100}, {0}},
		{&always, {0}, {1800, 0, true, false}},
		{&unasked, {.supported = true}, {0}},
		{&unasked, {.supported = true, .expires_s = 300, .refresher = INTERVAL_UAC}, {300, 0, false, true}},
		{&usual, {.supported = true}, {1800, 0, true, true}},
		{&usual, {.supported = true, .min_s = 2000}, {2000, 2000, true, true}},
		{&usual, {.supported = true, .expires_s = 180}, {180, 0, true, true}},
		{&usual, {.supported = true, .expires_s = 180, .refresher = INTERVAL_UAS}, {180, 0, true, true}},
		{&usual, {.supported = true, .expires_s = 9000}, {1800, 0, true, true}},
		{&usual, {.supported = true, .expires_s = 9000, .min_s = 4000}, {4000, 4000, true, true}},
		{&usual, {.expires_s = 60, .refresher = INTERVAL_UAC}, {60, 0, true, false}},
		{&unasked,
		 {.supported = true, .expires_s = 1LL << 40, .min_s = 1LL << 40},
		 {INTERVAL_LONGEST_S, INTERVAL_LONGEST_S, true, true}},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check(&rows[i], interval_of_request(rows[i].rules, &rows[i].said));
}

static void answers(void **state)
{
	static const struct row rows[] = {
		{&usual, {0}, {0}},
		{&usual, {.supported = true}, {0}},
		{&always, {0}, {1800, 0, true, false}},
		{&usual, {.expires_s = 1800}, {1800, 0, true, true}},
		{&usual, {.expires_s = 600, .refresher = INTERVAL_UAC}, {600, 0, true, true}},
		{&usual, {.expires_s = 600, .refresher = INTERVAL_UAS}, {600, 0, false, true}},
		{&always, {.expires_s = 600, .refresher = INTERVAL_UAS}, {600, 0, false, true}},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check(&rows[i], interval_of_answer(rows[i].rules, &rows[i].said, 1800));
}

static void longer(void **state)
{
	assert_int_equal(interval_after_422(300, 180), 300);
	assert_int_equal(interval_after_422(180, 180), 0);
	assert_int_equal(interval_after_422(0, 180), 0);
	assert_int_equal(interval_after_422(INTERVAL_LONGEST_S + 1, 180), 0);
}

static void times(void **state)
{
	struct interval usual_one = {.s = 1800}, shortest = {.s = 90}, tiny = {.s = 6};
	assert_int_equal(interval_refresh_ms(&usual_one), 900000);
	assert_int_equal(interval_end_ms(&usual_one), 1768000);
	assert_int_equal(interval_end_ms(&shortest), 60000);
	assert_int_equal(interval_refresh_ms(&tiny), 3000);
	assert_int_equal(interval_end_ms(&tiny), 4000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(too_brief), cmocka_unit_test(requests), cmocka_unit_test(answers),
		cmocka_unit_test(longer),    cmocka_unit_test(times),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
