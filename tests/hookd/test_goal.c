#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "goal.h"
#include <cmocka.h>

static void the_first_that_does_not_rest_is_next(void **state)
{
	struct goal goals[3] = {{0}};

	assert_int_equal(goal_next(goals, 3, 0), 0);
	goal_failed(&goals[0], 1000);
	assert_int_equal(goal_next(goals, 3, 1000), 1);
	goal_failed(&goals[1], 2000);
	assert_int_equal(goal_next(goals, 3, 2000), 2);
	assert_int_equal(goal_next(goals, 3, 1000 + GOAL_REST_MS - 1), 2);
	assert_int_equal(goal_next(goals, 3, 1000 + GOAL_REST_MS), 0);
}

static void when_all_rest_the_one_that_rests_no_longer_soonest(void **state)
{
	struct goal goals[2] = {{0}};

	goal_failed(&goals[0], 5000);
	goal_failed(&goals[1], 6000);
	assert_int_equal(goal_next(goals, 2, 6000), 0);
	goal_failed(&goals[0], 7000);
	assert_int_equal(goal_next(goals, 2, 7000), 1);
	assert_int_equal(goal_next(goals, 1, 7000), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_that_does_not_rest_is_next),
		cmocka_unit_test(when_all_rest_the_one_that_rests_no_longer_soonest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
