#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "match.h"
#include <cmocka.h>

#define STATE                                                                                                          \
	"{\"type\":\"state_change\",\"seq\":1,\"cursor\":\"1.g1.1\",\"timestamp\":\"2025-02-08T14:30:00.000Z\","       \
	"\"line\":\"phone1\",\"call_id\":\"c1-a\",\"old_state\":\"on_hook\",\"new_state\":\"off_hook\","               \
	"\"state_source\":\"inferred\"}"
#define DIGIT                                                                                                          \
	"{\"type\":\"dtmf\",\"seq\":2,\"cursor\":\"1.g1.2\",\"timestamp\":\"2025-02-08T14:30:00.000Z\","               \
	"\"line\":\"phone1\",\"call_id\":\"c1-a\",\"digit\":\"5\",\"sequence\":1,\"duration_ms\":250,"                 \
	"\"source\":\"rfc4733\"}"

static bool wants(enum match_kind kind, const char *const *words, const char *type, const char *text)
{
	struct hs_arena *arena = hs_arena_create();
	const struct hs_json *event;
	struct hs_wire_fault fault;
	struct match_filter filter = {kind, {words, 0}, {0}, {0}};
	struct hs_event_head head = {.type = type, .line = "phone1", .call_id = "c1-a"};
	bool wanted;

	while (words && words[filter.types.count])
		filter.types.count++;
	assert_int_equal(hs_wire_parse(text, strlen(text), arena, &event, &fault), 0);
	wanted = match_wants(&filter, &head, event);
	hs_arena_destroy(arena);
	return wanted;
}

static void state_is_filtered_by_new_state(void **state)
{
	static const char *const off[] = {"off_hook", "ringing", NULL}, *const on[] = {"on_hook", NULL};

	assert_true(wants(MATCH_STATE, NULL, "state_change", STATE));
	assert_true(wants(MATCH_STATE, off, "state_change", STATE));
	assert_false(wants(MATCH_STATE, on, "state_change", STATE));
	assert_false(wants(MATCH_STATE, NULL, "dtmf", DIGIT));
	assert_true(wants(MATCH_DTMF, NULL, "dtmf", DIGIT));
	assert_false(wants(MATCH_DTMF, NULL, "dtmf.begin", DIGIT));
	assert_false(wants(MATCH_DTMF, NULL, "state_change", STATE));
}

static void events_are_filtered_by_type_group_or_state(void **state)
{
	static const struct {
		const char *word;
		bool state, digit, ended;
	} rows[] = {
		{"*", true, true, true},
		{"state_change", true, false, false},
		{"off_hook", true, false, false},
		{"on_hook", false, false, false},
		{"dtmf", false, true, false},
		{"call.*", false, false, true},
		{"call", false, false, false},
		{"dtmf.*", false, false, false},
		{"call.ended", false, false, true},
		{"call.end", false, false, false},
		{".*", false, false, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *const words[] = {"nothing", rows[i].word, NULL};

		assert_int_equal(wants(MATCH_EVENT, words, "state_change", STATE), rows[i].state);
		assert_int_equal(wants(MATCH_EVENT, words, "dtmf", DIGIT), rows[i].digit);
		assert_int_equal(wants(MATCH_EVENT, words, "call.ended", "{}"), rows[i].ended);
	}
	assert_true(wants(MATCH_EVENT, NULL, "call.ended", "{}"));
}

static void events_are_filtered_by_line_and_call(void **state)
{
	static const char *const ids[] = {"phone1", "c1-a"};
	struct match_words one = {ids, 1}, other = {ids + 1, 1};
	static const struct {
		const char *line, *call;
		bool by_line, by_call, by_both;
	} rows[] = {
		{"phone1", "c1-a", true, true, true},   {"phone2", "c1-a", false, true, false},
		{"phone1", NULL, true, false, false},   {NULL, "c1-a", false, true, false},
		{"phone1", "c1-b", true, false, false}, {NULL, NULL, false, false, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct hs_event_head head = {.type = "call.ended", .line = rows[i].line, .call_id = rows[i].call};
		struct match_filter by_line = {MATCH_EVENT, {0}, one, {0}}, by_call = {MATCH_EVENT, {0}, {0}, other},
				    by_both = {MATCH_EVENT, {0}, one, other};

		assert_int_equal(match_wants(&by_line, &head, NULL), rows[i].by_line);
		assert_int_equal(match_wants(&by_call, &head, NULL), rows[i].by_call);
		assert_int_equal(match_wants(&by_both, &head, NULL), rows[i].by_both);
	}
}

static void its_own_failure_is_never_wanted(void **state)
{
	static const char *const all[] = {"*", "webhook.*", "webhook.failed", NULL};

	assert_false(wants(MATCH_EVENT, NULL, "webhook.failed", "{}"));
	assert_false(wants(MATCH_EVENT, all, "webhook.failed", "{}"));
}

static void words_must_be_able_to_match(void **state)
{
	static const char *const good[] = {"*",          "call.*",   "call.ended", "state_change", "dtmf",
					   "dtmf.begin", "off_hook", "offline",    "operator.*"};
	static const char *const bad[] = {"",           "call.endet", "webhook.failed",
					  "webhook.*",  "calls.*",    "call.ended.*",
					  "media.open", "OFF_HOOK",   ".*"};

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_true(hs_wire_event_word(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(hs_wire_event_word(bad[i]));
}

static void expect_body(enum match_kind kind, const char *text, const char *expected)
{
	struct hs_arena *arena = hs_arena_create();
	const struct hs_json *event;
	struct hs_wire_fault fault;
	char *body;

	assert_int_equal(hs_wire_parse(text, strlen(text), arena, &event, &fault), 0);
	body = match_body(kind, event, text, strlen(text));
	assert_string_equal(body, expected);
	free(body);
	hs_arena_destroy(arena);
}

static void bodies_have_the_promised_members_in_order(void **state)
{
	expect_body(MATCH_STATE, STATE,
		    "{\"type\":\"state_change\",\"old_state\":\"on_hook\",\"new_state\":\"off_hook\","
		    "\"timestamp\":\"2025-02-08T14:30:00.000Z\",\"call_id\":\"c1-a\"}");
	expect_body(MATCH_DTMF, DIGIT,
		    "{\"type\":\"dtmf\",\"digit\":\"5\",\"timestamp\":\"2025-02-08T14:30:00.000Z\","
		    "\"call_id\":\"c1-a\",\"sequence\":1,\"duration_ms\":250}");
	expect_body(MATCH_EVENT, DIGIT, DIGIT);
	expect_body(MATCH_STATE, "{\"type\":\"state_change\",\"new_state\":\"offline\"}",
		    "{\"type\":\"state_change\",\"old_state\":null,\"new_state\":\"offline\",\"timestamp\":null,"
		    "\"call_id\":null}");
}

static void odd_events_do_no_harm(void **state)
{
	static const char *const off[] = {"off_hook", NULL};

	assert_false(wants(MATCH_STATE, off, "state_change", "{\"new_state\":7}"));
	assert_false(wants(MATCH_STATE, off, "state_change", "{\"new_state\":null}"));
	assert_false(wants(MATCH_STATE, off, "state_change", "{}"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(state_is_filtered_by_new_state),
		cmocka_unit_test(events_are_filtered_by_line_and_call),
		cmocka_unit_test(events_are_filtered_by_type_group_or_state),
		cmocka_unit_test(its_own_failure_is_never_wanted),
		cmocka_unit_test(words_must_be_able_to_match),
		cmocka_unit_test(bodies_have_the_promised_members_in_order),
		cmocka_unit_test(odd_events_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
