/* Numbers as people write them, and what fits a pattern. */
#include "check.h"
#include "cleanup.h"
#include "number.h"

static void plain(void **state)
{
	static const struct {
		const char *text, *number; /* NULL: it is none */
	} rows[] = {
		{"112", "112"},
		{"+49 30 / 123-45", "+493012345"},
		{"(415) 555.0100", "4155550100"},
		{"*21#", "*21#"},
		{"", NULL},
		{" - ", NULL},
		{"+", NULL},
		{"1+2", NULL},
		{"++1", NULL},
		{"hotline", NULL},
		{"12x", NULL},
		{"1;2", NULL},
		{"1\n2", NULL},
		{"12345678901234567890123456789012345678901234567890123456789012345", NULL},
		{"A", NULL},
	};

	for (size_t i = 0; i < HS_COUNT(rows); i++) {
		char number[HS_NUMBER_BYTES] = "untouched";

		assert_int_equal(hs_number_plain(rows[i].text, number), rows[i].number != NULL);
		assert_string_equal(number, rows[i].number ? rows[i].number : "untouched");
	}
}

static void fits(void **state)
{
	static const struct {
		const char *pattern, *number;
		bool fits;
	} rows[] = {
		{"112", "112", true},
		{"112", "1123", false},
		{"112", "11", false},
		{"9.", "9", false},
		{"9.", "91", true},
		{"9.", "9*#", true},
		{"9.", "81", false},
		{".", "1", true},
		{"9XX", "900", true},
		{"9XX", "99*", false},
		{"9Z", "90", false},
		{"9Z", "91", true},
		{"N", "1", false},
		{"N", "2", true},
		{"+.", "+1", true},
		{"+.", "1", false},
		{"+49.", "+493012", true},
		{"NXX", "12", false},
		{"*21#", "*21#", true},
		{"", "", true},
		{"9NXXXXXX", "95551234", true},
	};

	for (size_t i = 0; i < HS_COUNT(rows); i++)
		assert_int_equal(hs_number_fits(rows[i].pattern, rows[i].number), rows[i].fits);
}

static void patterns(void **state)
{
	static const char *const good[] = {"112", "9.", ".", "+.", "9NXXXXXX", "*X#"};
	static const char *const bad[] = {"", "9.1", "1+", "9x", "_9X", "[1-5]", "9 1", "a"};

	for (size_t i = 0; i < HS_COUNT(good); i++)
		assert_null(hs_number_pattern_fault(good[i]));
	for (size_t i = 0; i < HS_COUNT(bad); i++)
		assert_non_null(hs_number_pattern_fault(bad[i]));
	assert_true(hs_number_pattern_is_number("+4930"));
	assert_false(hs_number_pattern_is_number("9."));
	assert_false(hs_number_pattern_is_number("9X"));
}

static void keys(void **state)
{
	static const struct {
		const char *text, *keys;
	} rows[] = {{"0W0 (0)-49A1", "000491"}, {"112", "112"}, {"+49*#", "49*#"}, {"wW", ""}, {"", ""}};
	char keys[HS_NUMBER_BYTES];

	for (size_t i = 0; i < HS_COUNT(rows); i++) {
		hs_number_keys(rows[i].text, keys);
		assert_string_equal(keys, rows[i].keys);
	}
}

static void may_grow(void **state)
{
	static const struct {
		const char *pattern, *number;
		bool may;
	} rows[] = {
		{"112", "", true},
		{"112", "11", true},
		{"112", "112", false},
		{"112", "1123", false},
		{"112", "12", false},
		{"9.", "9", true},
		{"9.", "95", true},
		{"9.", "8", false},
		{".", "", true},
		{"9NXXXXXX", "9555123", true},
		{"9NXXXXXX", "95551234", false},
		{"9NXXXXXX", "91", false},
		{"", "", false},
	};

	for (size_t i = 0; i < HS_COUNT(rows); i++)
		assert_int_equal(hs_number_may_grow(rows[i].pattern, rows[i].number), rows[i].may);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(plain), cmocka_unit_test(fits), cmocka_unit_test(may_grow),
					   cmocka_unit_test(keys), cmocka_unit_test(patterns)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
