/* Faults: counted down, skipped first, bounded; errno by name. */
#include "check.h"

static void test_counting(void **state)
{
	struct faults faults = {.short_bytes = 0};

	assert_int_equal(faults_add(&faults, "HOOK", EIO, 2, 1), 0);
	assert_int_equal(faults_due(&faults, "GETEVENT"), 0);
	assert_int_equal(faults_due(&faults, "HOOK"), 0);
	assert_int_equal(faults_due(&faults, "HOOK"), EIO);
	assert_int_equal(faults_due(&faults, "HOOK"), EIO);
	assert_int_equal(faults_due(&faults, "HOOK"), 0);
	for (int i = 0; i < FAULTS_MAX; i++)
		assert_int_equal(faults_add(&faults, "read", EIO, 1, 0), 0);
	assert_int_equal(faults_add(&faults, "read", EIO, 1, 0), -ENOSPC);
	faults_clear(&faults);
	assert_int_equal(faults_due(&faults, "read"), 0);
}

static void test_names(void **state)
{
	assert_int_equal(faults_errno("EBUSY"), EBUSY);
	assert_int_equal(faults_errno("ELAST"), 500);
	assert_int_equal(faults_errno("19"), 19);
	assert_true(faults_errno("EWHAT") < 0);
	assert_true(faults_errno("512") < 0);
	assert_true(faults_errno("-1") < 0);
	assert_true(faults_errno("5x") < 0);
	assert_true(faults_errno("") < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counting),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
