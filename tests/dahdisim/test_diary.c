/* The diary: found by name and number, bounded, and honest about what it no longer knows. */
#include "check.h"

static void test_find(void **state)
{
	static struct diary diary;

	diary_note(&diary, 5, "ring_on", "%d", 1);
	diary_note(&diary, 9, "hook_off", "%s", "");
	diary_note(&diary, 12, "ring_on", "%d", 2);
	assert_int_equal(diary_find(&diary, 0, "ring_on")->at_ms, 5);
	assert_string_equal(diary_find(&diary, 1, "ring_on")->detail, "2");
	assert_null(diary_find(&diary, 3, "ring_on"));
	assert_null(diary_find(&diary, 0, "ring"));
}

static void test_only_the_last(void **state)
{
	static struct diary diary;
	int seen = 0;

	for (int i = 1; i <= 1000; i++)
		diary_note(&diary, i, "x", "%d", i);
	assert_int_equal(diary_next(&diary, 0)->number, 1000 - DIARY_ENTRIES + 1);
	for (const struct diary_entry *entry = diary_next(&diary, 0); entry; entry = diary_next(&diary, entry->number))
		seen++;
	assert_int_equal(seen, DIARY_ENTRIES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_only_the_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
