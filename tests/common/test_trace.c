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
	hs_trace_add(HS_TRACE_KIND_BUS, "c3", NULL, NULL, NULL, "%s %5.1f%% %d", "load", 12.34, -7);
	assert_int_equal(hs_trace_read("c3", records, 10), 1);
	assert_string_equal(records[0].what, "load  12.3% -7");
}

/* Records of all sizes go round the ring: what is kept is whole and without a gap. */
static void test_wraps(void **state)
{
	struct hs_trace records[4096];
	char words[300];
	size_t count;
	int last = 0;

	memset(words, 'w', sizeof(words));
	for (int i = 1; i <= 40000; i++) {
		words[i % 251] = 0;
		hs_trace_add(HS_TRACE_KIND_HTTP, i % 3 ? "c4" : NULL, NULL, words, "to", "%d %s", i, words);
		words[i % 251] = 'w';
		if (i % 1999 && i < 39990)
			continue;
		count = hs_trace_read(NULL, records, 4096);
		assert_in_range(count, 2000, 4096);
		last = i;
		while (count-- > 0 && records[count].kind == HS_TRACE_KIND_HTTP) {
			assert_int_equal(strtol(records[count].what, NULL, 10), last);
			assert_int_equal(strlen(records[count].from), last % 251);
			last--;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_ring), cmocka_unit_test(test_wraps)};

	return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
