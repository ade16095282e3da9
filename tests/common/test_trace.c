/* The trace ring: what it keeps, by call, and that it forgets the oldest. */
#include "cleanup.h"
#include "trace.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_ring(void **state)
{
	struct hs_trace records[3000];
	char odd[600];

	hs_trace_setup("sipd", NULL);
	assert_int_equal(hs_trace_read(NULL, records, 10), 0);
	for (int i = 0; i < 5000; i++)
		hs_trace_add(HS_TRACE_KIND_SIP, i % 2 ? "c1" : NULL, i % 2 ? "l1" : "l0", "phone", "sipd", "INVITE %d",
			     i);
	assert_int_equal(hs_trace_read(NULL, records, 3000), 3000);
	assert_string_equal(records[2999].what, "INVITE 4999");
	assert_string_equal(records[0].what, "INVITE 2000");
	assert_null(records[0].call);
	assert_int_equal(hs_trace_read("c1", records, 3000), 2048);
	assert_string_equal(records[0].what, "INVITE 905");
	assert_string_equal(records[0].daemon, "sipd");
	assert_string_equal(records[0].to, "sipd");
	assert_int_equal(records[0].at, records[0].at_us / 1000);
	assert_int_equal(hs_trace_read("c1", records, 2), 2);
	assert_string_equal(records[0].what, "INVITE 4997");
	assert_int_equal(hs_trace_read("c2", records, 10), 0);
	/* A leg's call is remembered: what names only the leg belongs to it. */
	hs_trace_add(HS_TRACE_KIND_BUS, NULL, "l1", "apid", "sipd", "leg.hangup");
	assert_int_equal(hs_trace_read("c1", records, 1), 1);
	assert_string_equal(records[0].what, "leg.hangup");

	memset(odd, 'x', sizeof(odd));
	odd[sizeof(odd) - 1] = '\0';
	hs_trace_add(HS_TRACE_KIND_BUS, "c2", NULL, NULL, NULL, "%s", odd);
	assert_int_equal(hs_trace_read("c2", records, 10), 1);
	assert_int_equal(strlen(records[0].what), 255);
	assert_string_equal(records[0].from, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_ring)};

	return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
