#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lane.h"
#include <cmocka.h>

static void push(struct lane *lane, const char *call, int number, bool first)
{
	struct outbox_delivery *delivery = outbox_delivery_make(1, "m", "dtmf", call, "phone1", "", "{}", 2);

	delivery->number = number;
	lane_push(lane, delivery, first);
}

static struct job *expect(struct lane *lane, int number)
{
	struct job *job = lane_pick(lane);

	assert_non_null(job);
	assert_int_equal(job->delivery->number, number);
	return job;
}

static void first_attempts_of_a_call_wait_for_each_other(void **state)
{
	struct lane lane = {0};
	struct job *a, *b;

	push(&lane, "c1", 1, true);
	push(&lane, "c1", 2, true);
	push(&lane, "c2", 3, true);
	push(&lane, "c1", 4, true);
	a = expect(&lane, 1);
	b = expect(&lane, 3);
	assert_null(lane_pick(&lane));
	assert_true(lane_is_flying(&lane, 1));
	lane_land(&lane, a);
	assert_false(lane_is_flying(&lane, 1));
	a = expect(&lane, 2);
	assert_null(lane_pick(&lane));
	lane_land(&lane, b);
	assert_null(lane_pick(&lane));
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

	push(&lane, "c1", 1, false);
	push(&lane, "c1", 2, true);
	push(&lane, "c1", 3, false);
	assert_int_equal(lane.retries, 2);
	retry = expect(&lane, 1);
	first = expect(&lane, 2);
	lane_land(&lane, retry);
	lane_land(&lane, expect(&lane, 3));
	lane_land(&lane, first);
	assert_int_equal(lane.retries, 0);
}

static void number_next(void *context, struct outbox_delivery *delivery)
{
	delivery->number = ++*(int64_t *)context;
}

static void what_leaves_before_it_is_kept_needs_no_number(void **state)
{
	struct lane lane = {0};
	int64_t last = 6;
	struct job *flying;

	push(&lane, "c1", 5, true);
	push(&lane, "c2", 0, true);
	push(&lane, "c1", 0, true);
	push(&lane, "c3", 0, true);
	assert_int_equal(lane.unkept, 3);
	lane_land(&lane, expect(&lane, 5));
	flying = expect(&lane, 0);
	lane_land(&lane, flying); /* c2: accepted before anybody wrote it */
	assert_int_equal(lane.unkept, 2);
	flying = expect(&lane, 0);
	lane_keep(&lane, number_next, &last);
	assert_int_equal(lane.unkept, 0);
	assert_int_equal(flying->delivery->number, 7);
	assert_true(lane_is_flying(&lane, 7));
	lane_keep(&lane, number_next, &last);
	assert_int_equal(last, 8);
	push(&lane, "c1", 0, true);
	lane_clear(&lane);
	assert_int_equal(lane.unkept, 0);
	lane_land(&lane, flying);
}

static void a_long_queue_of_one_call_hides_nobody(void **state)
{
	struct lane lane = {0};
	struct job *a, *b;

	for (int number = 1; number <= 5; number++)
		push(&lane, "c1", number, true);
	a = expect(&lane, 1);
	assert_null(lane_pick(&lane));
	push(&lane, "c2", 6, true);
	push(&lane, "c2", 7, true);
	push(&lane, "c1", 8, true);
	b = expect(&lane, 6);
	assert_null(lane_pick(&lane));
	lane_land(&lane, b);
	lane_land(&lane, a);
	a = lane_pick(&lane);
	b = lane_pick(&lane);
	assert_int_equal(a->delivery->number + b->delivery->number, 2 + 7);
	assert_null(lane_pick(&lane));
	lane_land(&lane, b);
	lane_land(&lane, a);
	for (int number = 3; number <= 5; number++) {
		a = expect(&lane, number);
		assert_null(lane_pick(&lane));
		lane_land(&lane, a);
	}
	lane_land(&lane, expect(&lane, 8));
	assert_null(lane.head);
	assert_null(lane.tail);
	assert_int_equal(lane.waiting, 0);
	push(&lane, "c1", 9, true);
	push(&lane, "c1", 10, true);
	a = expect(&lane, 9);
	assert_null(lane_pick(&lane));
	lane_clear(&lane);
	lane_land(&lane, a);
	assert_null(lane_pick(&lane));
}

static void lines_keep_order_without_a_call(void **state)
{
	struct lane lane = {0};
	struct job *job;

	push(&lane, "", 1, true);
	push(&lane, "", 2, true);
	job = expect(&lane, 1);
	assert_null(lane_pick(&lane));
	lane_land(&lane, job);
	lane_land(&lane, expect(&lane, 2));
}

static void clearing_keeps_what_is_flying(void **state)
{
	struct lane lane = {0};
	struct job *job;

	push(&lane, "c1", 1, false);
	push(&lane, "c2", 2, false);
	push(&lane, "c3", 3, true);
	job = expect(&lane, 1);
	lane_clear(&lane);
	assert_int_equal(lane.waiting, 0);
	assert_int_equal(lane.retries, 1);
	assert_null(lane_pick(&lane));
	push(&lane, "c4", 4, true);
	lane_land(&lane, job);
	lane_land(&lane, expect(&lane, 4));
	assert_int_equal(lane.retries, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_attempts_of_a_call_wait_for_each_other),
		cmocka_unit_test(retries_keep_no_order_and_block_nobody),
		cmocka_unit_test(what_leaves_before_it_is_kept_needs_no_number),
		cmocka_unit_test(a_long_queue_of_one_call_hides_nobody),
		cmocka_unit_test(lines_keep_order_without_a_call),
		cmocka_unit_test(clearing_keeps_what_is_flying),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
