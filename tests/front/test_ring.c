/* The ring of events, what a subscription asks for and wants. */
#include "check.h"
#include "cleanup.h"
#include "ring.h"
#include "subscription.h"
#include "upload.h"

static void add(struct ring *ring, int number, const char *line)
{
	char cursor[32], text[64];
	snprintf(cursor, sizeof(cursor), "1.g1.%d", number);
	snprintf(text, sizeof(text), "{\"seq\":%d}", number);
	ring_add(ring, &(struct ring_event){.seq = number,
					    .message = HS_CALL_ENDED,
					    .cursor = cursor,
					    .line = line,
					    .call = "",
					    .text = text,
					    .bytes = strlen(text)});
}

static void test_ring_keeps_the_last(void **state)
{
	struct ring *ring = ring_create();
	uint64_t number;
	ring_begin(ring, "1.g1.0");
	uint64_t first = ring_first(ring);
	assert_true(ring_after(ring, "1.g1.0", &number));
	assert_true(number == first && ring_next(ring) == first);
	for (int i = 1; i <= RING_EVENTS; i++)
		add(ring, i, "a");
	assert_true(ring_after(ring, "1.g1.0", &number) && number == first);
	add(ring, RING_EVENTS + 1, "a");
	assert_false(ring_after(ring, "1.g1.0", &number));
	assert_null(ring_get(ring, first));
	assert_true(ring_after(ring, "1.g1.1", &number) && number == first + 1);
	assert_int_equal(ring_get(ring, number)->seq, 2);
	assert_string_equal(ring_cursor(ring), "1.g1.4097");
	assert_true(ring_after(ring, "1.g1.4097", &number) && number == ring_next(ring));
	assert_null(ring_get(ring, number));
	assert_false(ring_after(ring, "1.g1.4098", &number));
	assert_false(ring_after(ring, "", &number));
	ring_destroy(ring);
}

static void test_ring_copies(void **state)
{
	struct ring *ring = ring_create();
	char text[] = "{\"a\":1}", line[] = "phone1";
	ring_begin(ring, "x");
	ring_add(ring,
		 &(struct ring_event){.cursor = "y", .line = line, .call = "c", .text = text, .bytes = strlen(text)});
	memset(text, 'z', sizeof(text) - 1);
	memset(line, 'z', sizeof(line) - 1);
	const struct ring_event *event = ring_get(ring, ring_first(ring));
	assert_string_equal(event->text, "{\"a\":1}");
	assert_string_equal(event->line, "phone1");
	assert_string_equal(event->call, "c");
	ring_destroy(ring);
}

/* Who stood at the end of the old log has lost his place, even if he had everything. */
static void test_ring_that_begins_anew(void **state)
{
	struct ring *ring = ring_create();
	ring_begin(ring, "a");
	add(ring, 1, "");
	uint64_t end = ring_next(ring);
	ring_begin(ring, "b");
	assert_true(end < ring_first(ring));
	assert_string_equal(ring_cursor(ring), "b");
	ring_destroy(ring);
}

static void test_types(void **state)
{
	struct filter filter = {0};
	assert_int_equal(filter_types(&filter, "dtmf,call.ended"), 0);
	for (const char *const *bad = (const char *const[]){"", ",", "dtmf,", ",dtmf", "dtm", "dtmfx", "call.*",
							    "phone.ring", "dtmf ", NULL};
	     *bad; bad++)
		if (filter_types(&(struct filter){0}, *bad) != -EINVAL)
			fail_msg("'%s' was taken", *bad);
	struct ring_event event = {.message = HS_CALL_ENDED, .line = "a", .call = "c"};
	assert_true(filter_wants(&filter, &event));
	event.message = HS_CALL_RINGING;
	assert_false(filter_wants(&filter, &event));
	event.message = -1;
	assert_false(filter_wants(&filter, &event));
	assert_true(filter_wants(&(struct filter){0}, &event));
}

static void test_wants(void **state)
{
	struct ring_event event = {.message = HS_DTMF, .is_digits = true, .line = "a", .call = "c"};
	assert_false(filter_wants(&(struct filter){.digits = false}, &event));
	assert_true(filter_wants(&(struct filter){.digits = true}, &event));
	assert_true(filter_wants(&(struct filter){.digits = true, .line = "a", .call = "c"}, &event));
	assert_false(filter_wants(&(struct filter){.digits = true, .line = "b"}, &event));
	assert_false(filter_wants(&(struct filter){.digits = true, .call = "d"}, &event));
}

static const struct {
	const char *query, *field; /* NULL: good */
} queries[] = {
	{"", NULL},
	{"since=1.g1.5&types=dtmf&line=a&call=b", NULL},
	{"type=dtmf%2Ccall.ended", NULL},
	{"since=", "since"},
	{"since=a%20b", "since"},
	{"since=a&since=b", "since"},
	{"types=dtmf&type=dtmf", "type"},
	{"types=all", "types"},
	{"line=%2e%2f", "line"},
	{"access_token=x", "access_token"},
	{"%zz=1", ""},
};

static void test_subscription_query(void **state)
{
	for (size_t i = 0; i < HS_COUNT(queries); i++) {
		struct subscription_query query;
		struct hs_wire_fault fault;
		int error = subscription_read(queries[i].query, &query, &fault);
		if (error != (queries[i].field ? -EINVAL : 0))
			fail_msg("%s: %d", queries[i].query, error);
		if (error)
			assert_string_equal(fault.field, queries[i].field);
	}
	struct subscription_query query;
	struct hs_wire_fault fault;
	assert_int_equal(subscription_read("since=1.g1.5&types=dtmf&line=a&call=b", &query, &fault), 0);
	assert_string_equal(query.since, "1.g1.5");
	assert_string_equal(query.filter.line, "a");
	assert_string_equal(query.filter.call, "b");
	assert_true(query.filter.has_types);
	assert_false(query.filter.digits);
}

static void test_upload_formats(void **state)
{
	assert_int_equal(upload_format("audio/wav"), HS_UPLOAD_FORMAT_WAV);
	assert_int_equal(upload_format("AUDIO/X-WAV; charset=binary"), HS_UPLOAD_FORMAT_WAV);
	assert_int_equal(upload_format("audio/wave"), HS_UPLOAD_FORMAT_WAV);
	assert_int_equal(upload_format("audio/basic"), HS_UPLOAD_FORMAT_PCMU);
	assert_int_equal(upload_format("audio/PCMU;rate=8000"), HS_UPLOAD_FORMAT_PCMU);
	assert_int_equal(upload_format("audio/PCMA"), HS_UPLOAD_FORMAT_PCMA);
	assert_int_equal(upload_format("audio/pcmax"), 0);
	assert_int_equal(upload_format("audio"), 0);
	assert_int_equal(upload_format(""), 0);
}

static void test_tokens(void **state)
{
	assert_string_equal(front_token("Bearer abc"), "abc");
	assert_string_equal(front_token("bearer   abc="), "abc=");
	assert_null(front_token(""));
	assert_null(front_token("Bearer"));
	assert_null(front_token("Bearer "));
	assert_null(front_token("Bearer a b"));
	assert_null(front_token("Bearer \"x\""));
	assert_null(front_token("Basic abc"));
	assert_null(front_token("Bearerabc"));
}

static void test_problems(void **state)
{
	struct problem problem = {.error = HS_ERROR_FORBIDDEN, .detail = "no", .field = "a\xff\n\"b", .scope = "audio"};
	AUTO(free) char *text = problem_text(&problem);
	char challenge[160];
	assert_string_equal(text,
			    "{\"type\":\"urn:hookswitch:forbidden\",\"title\":\"The token lacks the scope for this\","
			    "\"status\":403,\"detail\":\"no\",\"field\":\"a??\\\"b\"}");
	problem_challenge(&problem, challenge, sizeof(challenge));
	assert_string_equal(challenge, "Bearer realm=\"hookswitch\", error=\"insufficient_scope\", scope=\"audio\"");
	assert_int_equal(problem_retry_after(&problem), 0);
	problem = (struct problem){.error = HS_ERROR_UNAVAILABLE};
	problem_challenge(&problem, challenge, sizeof(challenge));
	assert_string_equal(challenge, "");
	assert_int_equal(problem_retry_after(&problem), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ring_keeps_the_last),
		cmocka_unit_test(test_ring_copies),
		cmocka_unit_test(test_ring_that_begins_anew),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_wants),
		cmocka_unit_test(test_subscription_query),
		cmocka_unit_test(test_upload_formats),
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_problems),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
