#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "backoff.h"
#include <cmocka.h>

static void the_back_off_doubles_up_to_half_a_minute(void **state)
{
	static const int64_t expected[] = {500, 1000, 2000, 4000, 8000, 16000, 30000, 30000};

	for (int i = 0; i < 8; i++) {
		assert_int_equal(backoff_ms(i + 1, 0), expected[i]);
		assert_int_equal(backoff_ms(i + 1, UINT32_MAX), expected[i] * 12 / 10);
	}
	assert_int_equal(backoff_ms(1000000, 0), 30000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(the_back_off_doubles_up_to_half_a_minute)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
