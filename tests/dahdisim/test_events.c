/* The event queue: 63 fit, the newest are lost, order is kept over the end of the ring. */
#include "check.h"

static void test_order_and_overflow(void **state)
{
	struct events events = {.first = 0};

	assert_int_equal(events_take(&events), 0);
	for (int i = 1; i <= 80; i++)
		assert_int_equal(events_put(&events, i), i <= 63);
	assert_int_equal(events.lost, 17);
	for (int i = 1; i <= 63; i++)
		assert_int_equal(events_take(&events), i);
	assert_false(events_waiting(&events));
}

static void test_round_and_round(void **state)
{
	struct events events = {.first = 0};

	for (int i = 1; i <= 1000; i++) {
		assert_true(events_put(&events, i));
		assert_true(events_put(&events, -i));
		assert_int_equal(events_take(&events), i);
		assert_int_equal(events_take(&events), -i);
	}
	events_put(&events, 5);
	events_clear(&events);
	assert_int_equal(events_take(&events), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_and_overflow),
		cmocka_unit_test(test_round_and_round),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
