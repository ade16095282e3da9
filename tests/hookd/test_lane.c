#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lane.h"
#include <cmocka.h>

static void push(struct lane *lane, const char *call, int number, bool first, uint64_t generation)
{
	struct outbox_delivery *delivery = outbox_delivery_make(1, "m", "dtmf", call, "phone1", "{}", 2);

	delivery->number = number;
	lane_push(lane, delivery, first, generation);
}

static struct job *expect(struct lane *lane, int number)
{
	struct job *job = lane_pick(lane, 2);

	assert_non_null(job);
	assert_int_equal(job->delivery->number, number);
	return job;
}

static void first_attempts_of_a_call_wait_for_each_other(void **state)
{
	struct lane lane = {0};
	struct job *a, *b;

	push(&lane, "c1", 1, true, 1);
	push(&lane, "c1", 2, true, 1);
	push(&lane, "c2", 3, true, 1);
	push(&lane, "c1", 4, true, 1);
	a = expect(&lane, 1);
	b = expect(&lane, 3);
	assert_null(lane_pick(&lane, 2));
	assert_true(lane_is_flying(&lane, 1));
	lane_land(&lane, a);
	assert_false(lane_is_flying(&lane, 1));
	a = expect(&lane, 2);
	assert_null(lane_pick(&lane, 2));
	lane_land(&lane, b);
	assert_null(lane_pick(&lane, 2));
	lane_land(&lane, a);
	lane_land(&lane, expect(&lane, 4));
	assert_int_equal(lane.waiting, 0);
	assert_int_equal(lane.flying_count, 0);
	assert_null(lane.tail);
}

static void retries_keep_no_order_and_block_nobody(void **state)
{
	struct lane lane = {0};
	struct job *retry, *first;

	push(&lane, "c1", 1, false, 1);
	push(&lane, "c1", 2, true, 1);
	push(&lane, "c1", 3, false, 1);
	assert_int_equal(lane.retries, 2);
	retry = expect(&lane, 1);
	first = expect(&lane, 2);
	lane_land(&lane, retry);
	lane_land(&lane, expect(&lane, 3));
	lane_land(&lane, first);
	assert_int_equal(lane.retries, 0);
}

static void what_is_not_committed_may_not_leave(void **state)
{
	struct lane lane = {0};

	push(&lane, "c1", 1, true, 1);
	push(&lane, "c2", 2, true, 2);
	lane_land(&lane, expect(&lane, 1));
	assert_null(lane_pick(&lane, 2));
	lane_land(&lane, lane_pick(&lane, 3));
}

static void lines_keep_order_without_a_call(void **state)
{
	struct lane lane = {0};
	struct job *job;

	push(&lane, "", 1, true, 1);
	push(&lane, "", 2, true, 1);
	job = expect(&lane, 1);
	assert_null(lane_pick(&lane, 2));
	lane_land(&lane, job);
	lane_land(&lane, expect(&lane, 2));
}

static void clearing_keeps_what_is_flying(void **state)
{
	struct lane lane = {0};
	struct job *job;

	push(&lane, "c1", 1, false, 1);
	push(&lane, "c2", 2, false, 1);
	push(&lane, "c3", 3, true, 1);
	job = expect(&lane, 1);
	lane_clear(&lane);
	assert_int_equal(lane.waiting, 0);
	assert_int_equal(lane.retries, 1);
	assert_null(lane_pick(&lane, 2));
	push(&lane, "c4", 4, true, 1);
	lane_land(&lane, job);
	lane_land(&lane, expect(&lane, 4));
	assert_int_equal(lane.retries, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_attempts_of_a_call_wait_for_each_other),
		cmocka_unit_test(retries_keep_no_order_and_block_nobody),
		cmocka_unit_test(what_is_not_committed_may_not_leave),
		cmocka_unit_test(lines_keep_order_without_a_call),
		cmocka_unit_test(clearing_keeps_what_is_flying),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
