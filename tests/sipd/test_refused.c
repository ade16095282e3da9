#include "refused.h"
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void remembers_for_64_t1(void **state)
{
	struct refused *refused = refused_create();
	struct refused_name name = {"1@a", "z9hG4bK1", 2};
	assert_int_equal(refused_status(refused, &name, 0), 0);
	refused_note(refused, &name, 503, 1000);
	assert_int_equal(refused_status(refused, &name, 1000), 503);
	assert_int_equal(refused_status(refused, &name, 32999), 503);
	assert_int_equal(refused_status(refused, &name, 33000), 0);
	refused_note(refused, &name, 486, 40000);
	assert_int_equal(refused_status(refused, &name, 40001), 486);
	refused_destroy(refused);
	refused_destroy(NULL);
}

static void another_is_another(void **state)
{
	struct refused *refused = refused_create();
	static const struct refused_name others[] = {
		{"2@a", "z9hG4bK1", 2}, {"1@a", "z9hG4bK2", 2}, {"1@a", NULL, 2},
		{"1@a", "z9hG4bK1", 3}, {"z9hG4bK1", "1@a", 2},
	};
	refused_note(refused, &(struct refused_name){"1@a", "z9hG4bK1", 2}, 503, 0);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(refused_status(refused, &others[i], 1), 0);
	refused_note(refused, &others[2], 486, 0);
	assert_int_equal(refused_status(refused, &others[2], 1), 486);
	refused_destroy(refused);
}

/* A flood takes places, nothing else. */
static void stays_bounded(void **state)
{
	struct refused *refused = refused_create();
	char call_id[32];
	int found = 0;
	for (int i = 0; i < 200000; i++) {
		snprintf(call_id, sizeof(call_id), "%d@x", i);
		refused_note(refused, &(struct refused_name){call_id, "z", 1}, 503, 0);
	}
	for (int i = 0; i < 200000; i++) {
		snprintf(call_id, sizeof(call_id), "%d@x", i);
		found += refused_status(refused, &(struct refused_name){call_id, "z", 1}, 1) == 503;
	}
	assert_in_range(found, 16000, 16384);
	refused_destroy(refused);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(remembers_for_64_t1),
		cmocka_unit_test(another_is_another),
		cmocka_unit_test(stays_bounded),
	};
	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
