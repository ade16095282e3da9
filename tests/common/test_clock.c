#include "check.h"
#include "cleanup.h"
#include "clock.h"

static const struct {
	const char *text;
	int64_t ms;
	const char *again; /* NULL: the same */
} good[] = {
	{"1970-01-01T00:00:00.000Z", 0, NULL},
	{"2025-02-08T14:30:00.000Z", 1739025000000, NULL},
	{"2025-02-08T14:30:00Z", 1739025000000, "2025-02-08T14:30:00.000Z"},
	{"2025-02-08t14:30:00z", 1739025000000, "2025-02-08T14:30:00.000Z"},
	{"2025-02-08 14:30:00+01:00", 1739021400000, "2025-02-08T13:30:00.000Z"},
	{"2025-02-08T14:30:00.1234567-05:30", 1739044800123, "2025-02-08T20:00:00.123Z"},
	{"2024-02-29T23:59:59.999Z", 1709251199999, NULL},
	{"1969-12-31T23:59:59.999Z", -1, NULL},
	{"2016-12-31T23:59:60Z", 1483228800000, "2017-01-01T00:00:00.000Z"},
	{"9999-12-31T23:59:59.999Z", 253402300799999, NULL},
	{"0000-01-01T00:00:00.000Z", -62167219200000, NULL},
};

static const char *const bad[] = {
	"",
	"2025",
	"2025-02-08",
	"2025-02-08T14:30Z",
	"2025-02-08T14:30:00",
	"2025-13-08T14:30:00Z",
	"2025-02-30T14:30:00Z",
	"2023-02-29T00:00:00Z",
	"1900-02-29T00:00:00Z",
	"2025-02-08T24:00:00Z",
	"2025-02-08T14:60:00Z",
	"2025-02-08T14:30:61Z",
	"2025-02-08T14:30:00.Z",
	"2025-02-08T14:30:00Zx",
	"2025-02-08T14:30:00+0100",
	"2025-02-08T14:30:00+24:00",
	" 2025-02-08T14:30:00Z",
	"2025-2-08T14:30:00Z",
	"-025-02-08T14:30:00Z",
	"2025-00-08T14:30:00Z",
	"2025-02-00T14:30:00Z",
};

static void reads_and_writes(void **state)
{
	for (size_t i = 0; i < HS_COUNT(good); i++) {
		char text[HS_CLOCK_TEXT];
		int64_t ms;

		assert_int_equal(hs_clock_parse(good[i].text, &ms), 0);
		assert_int_equal(ms, good[i].ms);
		hs_clock_format(ms, text);
		assert_string_equal(text, good[i].again ? good[i].again : good[i].text);
	}
}

static void refuses_what_is_no_time(void **state)
{
	for (size_t i = 0; i < HS_COUNT(bad); i++) {
		int64_t ms = 42;

		assert_int_equal(hs_clock_parse(bad[i], &ms), -EINVAL);
		assert_int_equal(ms, 42);
	}
	assert_int_equal(hs_clock_parse(NULL, &(int64_t){0}), -EINVAL);
}

static void never_writes_beyond_four_digits(void **state)
{
	char text[HS_CLOCK_TEXT];

	hs_clock_format(INT64_MAX, text);
	assert_string_equal(text, "9999-12-31T23:59:59.999Z");
	hs_clock_format(INT64_MIN, text);
	assert_string_equal(text, "0000-01-01T00:00:00.000Z");
}

static void clocks_agree(void **state)
{
	int64_t ms = hs_clock_ms(), us = hs_clock_us(), wall = hs_clock_wall_ms(), wall_us = hs_clock_wall_us();

	assert_true(us / 1000 >= ms && us / 1000 < ms + 1000);
	assert_true(wall_us / 1000 >= wall && wall_us / 1000 < wall + 1000);
	assert_true(wall > 1700000000000);
	hs_clock_begin();
	wall = hs_clock_wall_ms();
	assert_in_range(hs_clock_lasting_ms(), wall - 1, wall + 1000);
	assert_true(hs_clock_lasting_us() / 1000 >= wall - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_and_writes),
		cmocka_unit_test(refuses_what_is_no_time),
		cmocka_unit_test(never_writes_beyond_four_digits),
		cmocka_unit_test(clocks_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
