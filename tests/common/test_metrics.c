#include "check.h"
#include "cleanup.h"
#include "metrics.h"

static void finds_again(void **state)
{
	struct hs_metric *first = hs_metric_counter("hookswitch_a_total", "kind=\"x\"", "A.");

	assert_ptr_equal(hs_metric_counter("hookswitch_a_total", "kind=\"x\"", "A."), first);
	assert_ptr_not_equal(hs_metric_counter("hookswitch_a_total", "kind=\"y\"", "A."), first);
	hs_metric_add(first, 3);
	hs_metric_add(first, 2);
	assert_int_equal(hs_metric_value(first), 5);
}

static void writes_the_format(void **state)
{
	struct hs_metric *histogram = hs_metric_histogram("hookswitch_wait_seconds", "", "Waiting.");
	AUTO(free) char *text = NULL;

	hs_metric_set(hs_metric_gauge("hookswitch_b", "", "B."), -7);
	hs_metric_observe_us(histogram, 50);
	hs_metric_observe_us(histogram, 100);
	hs_metric_observe_us(histogram, 101);
	hs_metric_observe_us(histogram, 60000000);
	text = hs_metrics_text("sipd");
	assert_non_null(
		strstr(text, "# HELP hookswitch_b B.\n# TYPE hookswitch_b gauge\nhookswitch_b{daemon=\"sipd\"} -7\n"));
	assert_non_null(strstr(text, "hookswitch_a_total{daemon=\"sipd\",kind=\"x\"} 5\n"));
	assert_non_null(strstr(text, "hookswitch_wait_seconds_bucket{daemon=\"sipd\",le=\"0.0001\"} 2\n"));
	assert_non_null(strstr(text, "hookswitch_wait_seconds_bucket{daemon=\"sipd\",le=\"0.00025\"} 3\n"));
	assert_non_null(strstr(text, "hookswitch_wait_seconds_bucket{daemon=\"sipd\",le=\"30\"} 3\n"));
	assert_non_null(strstr(text, "hookswitch_wait_seconds_bucket{daemon=\"sipd\",le=\"+Inf\"} 4\n"));
	assert_non_null(strstr(text, "hookswitch_wait_seconds_sum{daemon=\"sipd\"} 60.000251\n"));
	assert_non_null(strstr(text, "hookswitch_wait_seconds_count{daemon=\"sipd\"} 4\n"));
}

static void knows_its_process(void **state)
{
	AUTO(free) char *text = hs_metrics_text(NULL);
	static const char *const names[] = {"hookswitch_process_resident_bytes{} ", "hookswitch_process_open_fds{} ",
					    "hookswitch_process_cpu_seconds_total{} ",
					    "hookswitch_log_lines_total{level=\"dropped\"} "};

	for (size_t i = 0; i < HS_COUNT(names); i++)
		assert_non_null(strstr(text, names[i]));
	assert_true(strtol(strstr(text, names[0]) + strlen(names[0]), NULL, 10) > 4096);
	assert_true(strtol(strstr(text, names[1]) + strlen(names[1]), NULL, 10) >= 3);
}

/* One block a name: HELP and TYPE stand once. */
static void families_stay_together(void **state)
{
	AUTO(free) char *text = hs_metrics_text("sipd");
	char *help = strstr(text, "# HELP hookswitch_a_total");

	assert_non_null(help);
	assert_null(strstr(help + 1, "# HELP hookswitch_a_total"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_again),
		cmocka_unit_test(writes_the_format),
		cmocka_unit_test(knows_its_process),
		cmocka_unit_test(families_stay_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
