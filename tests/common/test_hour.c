#include "hour.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define MINUTE INT64_C(60000)
#define NOW (1000 * MINUTE + 7)
#define WALL (INT64_C(28000000) * MINUTE + 30000)

static void an_hour_later_it_is_forgotten(void **state)
{
	struct hs_hour hour = {0};

	for (int i = 0; i < 3; i++)
		hs_hour_take(&hour, NOW + i * 20 * MINUTE);
	assert_int_equal(hs_hour_taken(&hour, NOW + 40 * MINUTE), 3);
	assert_int_equal(hs_hour_taken(&hour, NOW + 60 * MINUTE), 2);
	assert_int_equal(hs_hour_taken(&hour, NOW + 99 * MINUTE), 1);
	assert_int_equal(hs_hour_taken(&hour, NOW + 5000 * MINUTE), 0);
}

static void a_clock_that_goes_back_gives_nothing_back(void **state)
{
	struct hs_hour hour = {0};

	hs_hour_take(&hour, NOW);
	assert_int_equal(hs_hour_taken(&hour, NOW - 30 * MINUTE), 1);
	assert_int_equal(hs_hour_taken(&hour, NOW + 29 * MINUTE), 1);
}

static int64_t read_back(struct hs_hour *hour, int64_t wall_later, int64_t later)
{
	struct hs_hour read;
	char text[HS_HOUR_TEXT];

	hs_hour_write(hour, NOW, WALL, text);
	hs_hour_read(&read, text, 5 * MINUTE, WALL + wall_later);
	return hs_hour_taken(&read, 5 * MINUTE + later);
}

static void a_restart_keeps_it(void **state)
{
	struct hs_hour hour = {0};

	hs_hour_take(&hour, NOW - 50 * MINUTE);
	hs_hour_take(&hour, NOW);
	assert_int_equal(read_back(&hour, 0, 0), 2);
	assert_int_equal(read_back(&hour, 0, 20 * MINUTE), 1);
	assert_int_equal(read_back(&hour, 20 * MINUTE, 0), 1);
	assert_int_equal(read_back(&hour, 70 * MINUTE, 0), 0);
	assert_int_equal(read_back(&hour, -500 * MINUTE, 0), 2); /* the clock was set back */
}

static void the_longest_text_fits(void **state)
{
	struct hs_hour hour = {.minute = NOW / MINUTE};

	for (size_t i = 0; i < HS_HOUR_MINUTES; i++)
		hour.taken[i] = UINT32_MAX;
	assert_int_equal(read_back(&hour, 0, 0), HS_HOUR_MINUTES * (int64_t)UINT32_MAX);
}

static void rubbish_is_nothing(void **state)
{
	static const char *const texts[] = {
		"", "x", "28000000", "28000000 x", "28000000,7", " 1 2 3", "-9999999999999999999 4"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct hs_hour hour;

		hs_hour_read(&hour, texts[i], NOW, WALL);
		assert_int_equal(hs_hour_taken(&hour, NOW), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_hour_later_it_is_forgotten),
		cmocka_unit_test(a_clock_that_goes_back_gives_nothing_back),
		cmocka_unit_test(a_restart_keeps_it),
		cmocka_unit_test(the_longest_text_fits),
		cmocka_unit_test(rubbish_is_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
