/* What wire takes and what it refuses, and that what it writes can be read again. */
#include "cleanup.h"
#include "same_json.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- Texts that are not the JSON we take ---- */

static const char *const refused[] = {
	"",
	" ",
	"[]",
	"1",
	"\"a\"",
	"null",
	"{",
	"{}}",
	"{} {}",
	"{\"a\"}",
	"{\"a\":}",
	"{\"a\":1,}",
	"{,}",
	"{a:1}",
	"{'a':1}",
	"{\"a\":1 \"b\":2}",
	"{\"a\":[1,]}",
	"{\"a\":[1 2]}",
	"{\"a\":01}",
	"{\"a\":+1}",
	"{\"a\":.5}",
	"{\"a\":1.}",
	"{\"a\":1e}",
	"{\"a\":-}",
	"{\"a\":1e999}",
	"{\"a\":123456789012345678901234567890123}",
	"{\"a\":NaN}",
	"{\"a\":nan}",
	"{\"a\":Infinity}",
	"{\"a\":-Infinity}",
	"{\"a\":True}",
	"{\"a\":nul}",
	"{\"a\":0x10}",
	"{\"a\":\"\\u0000\"}",
	"{\"a\":\"\\u00\"}",
	"{\"a\":\"\\x41\"}",
	"{\"a\":\"\\ud800\"}",
	"{\"a\":\"\\udc00\"}",
	"{\"a\":\"\\ud800\\u0041\"}",
	"{\"a\":\"tab\there\"}",
	"{\"a\":\"\x01\"}",
	"{\"a\":\"\xff\"}",
	"{\"a\":\"\xc0\x80\"}",
	"{\"a\":\"\xed\xa0\x80\"}",
	"{\"a\":\"\xf4\x90\x80\x80\"}",
	"{\"a\":\"\xe2\x82\"}",
	"{\"a\":\"open}",
	"{\"a\":1,\"a\":2}",
	"{\"x\":{\"b\":1,\"c\":2,\"b\":1}}",
	"{\"\\u0061\":1}",
	"{\"a\":1}//",
	"{/**/\"a\":1}",
};

/* Reads and forgets. */
static int read_text(const char *text, size_t length, struct hs_wire_fault *fault)
{
	struct hs_arena *arena = hs_arena_create();
	const struct hs_json *json;
	int result = hs_wire_parse(text, length, arena, &json, fault);

	hs_arena_destroy(arena);
	return result;
}

static void test_refused_texts(void **state)
{
	for (size_t i = 0; i < HS_COUNT(refused); i++) {
		struct hs_wire_fault fault;

		if (read_text(refused[i], strlen(refused[i]), &fault) != -EINVAL)
			fail_msg("taken: %s", refused[i]);
		assert_true(strlen(fault.why) > 0);
	}
}

static void test_nul_byte_and_size(void **state)
{
	AUTO(free) char *large = hs_zalloc(HS_WIRE_MAX_BYTES + 1);
	struct hs_wire_fault fault;

	assert_int_equal(read_text("{\"a\":\"x\0y\"}", 11, &fault), -EINVAL);
	assert_int_equal(read_text("{}\0", 3, &fault), -EINVAL);
	memset(large, ' ', HS_WIRE_MAX_BYTES + 1);
	assert_int_equal(read_text(large, HS_WIRE_MAX_BYTES + 1, &fault), -EMSGSIZE);
	large[0] = '{';
	large[1] = '}';
	assert_int_equal(read_text(large, HS_WIRE_MAX_BYTES, &fault), 0);
}

static int parse_nested(int depth)
{
	char text[256] = "";
	struct hs_wire_fault fault;
	size_t used = 0;

	for (int i = 0; i < depth; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "{\"a\":");
	text[used++] = '1';
	for (int i = 0; i < depth; i++)
		text[used++] = '}';
	return read_text(text, used, &fault);
}

static void test_depth_and_members(void **state)
{
	AUTO(free) char *text = hs_zalloc(8192);
	struct hs_wire_fault fault;
	size_t used;

	assert_int_equal(parse_nested(HS_WIRE_MAX_DEPTH), 0);
	assert_int_equal(parse_nested(HS_WIRE_MAX_DEPTH + 1), -EINVAL);
	used = (size_t)snprintf(text, 8192, "{\"m\":0");
	for (int i = 0; i < 255; i++)
		used += (size_t)snprintf(text + used, 8192 - used, ",\"m%d\":%d", i, i);
	text[used] = '}';
	assert_int_equal(read_text(text, used + 1, &fault), 0);
	used += (size_t)snprintf(text + used, 8192 - used, ",\"m7\":1}");
	assert_int_equal(read_text(text, used, &fault), -EINVAL);
	assert_string_equal(fault.why, "has the member \"m7\" twice");
	used -= strlen("\"m7\":1}");
	used += (size_t)snprintf(text + used, 8192 - used, "\"one_more\":1}");
	assert_int_equal(read_text(text, used, &fault), -EINVAL);
}

static const char *const taken[] = {
	" {\"a\" : [1, -2.5e3, true, null, {}, []], \"b\":\"\\u00e9\\ud83d\\ude00\\n\xc3\xa9\"}\n",
	"{}",
	"{\"\":\"\"}",
	"{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0001\\uFFFF\\u07ff\\uDBFF\\uDFFF\"}",
	"{\"a\":[[[0,-0,0.0,1E+2,9223372036854775807,-9223372036854775808,99999999999999999999]]]}",
	"{\"12345678\":\"12345678\",\"1234567\":\"\x7f\",\"123456789\":\"~ !#[]\"}",
	"{\"a\":{\"a\":{\"b\":false}},\"b\":[{\"a\":1},{\"a\":2}]}",
	"{\"n\":1,\"t\":\"a text of more than eight, of more than sixteen bytes \xe2\x82\xac and so on\"}",
};

/* Every value is where it should be, in the words of another reader too. */
static void test_what_is_taken(void **state)
{
	for (size_t i = 0; i < HS_COUNT(taken); i++) {
		struct hs_arena *arena = hs_arena_create();
		AUTO(json_put) struct json_object *other = read_by_other(taken[i], strlen(taken[i]));
		const struct hs_json *json;
		struct hs_wire_fault fault;

		if (hs_wire_parse(taken[i], strlen(taken[i]), arena, &json, &fault) < 0)
			fail_msg("%s: %s", taken[i], fault.why);
		if (!same_json(json, other, arena))
			fail_msg("not the same: %s", taken[i]);
		hs_arena_destroy(arena);
	}
}

/* What we wrote ourselves may quote anything, which its field then judges; the grammar stays. */
static void test_text_of_our_own(void **state)
{
	static const char quoted[] = "{\"leg\":\"a\\u0000b\",\"cause\":\"busy\"}",
			  longer[] = "{\"leg\":\"a\",\"cause\":\"busy\\u0000\\u0000\\u0000\\u0000\\u0000\"}",
			  odd[] = "{\"leg\":\"\xff\",\"cause\":\"busy\"}";
	struct hs_arena *arena = hs_arena_create();
	const struct hs_json *json;
	struct hs_wire_fault fault;
	struct hs_leg_hangup hangup;

	assert_int_equal(hs_wire_reread(quoted, strlen(quoted), arena, &json, &fault), 0);
	assert_int_equal(hs_wire_decode(hs_messages[HS_LEG_HANGUP].body, json, true, arena, &hangup, &fault), -EINVAL);
	assert_string_equal(fault.why, "must be text without NUL");
	assert_int_equal(hs_wire_reread(longer, strlen(longer), arena, &json, &fault), 0);
	assert_int_equal(hs_wire_decode(hs_messages[HS_LEG_HANGUP].body, json, true, arena, &hangup, &fault), -EINVAL);
	assert_string_equal(fault.field, "cause");
	assert_int_equal(hs_wire_reread(odd, strlen(odd), arena, &json, &fault), 0);
	assert_int_equal(hs_wire_decode(hs_messages[HS_LEG_HANGUP].body, json, true, arena, &hangup, &fault), -EINVAL);
	assert_string_equal(fault.field, "leg");
	assert_int_equal(hs_wire_reread("{\"a\":1,}", 8, arena, &json, &fault), -EINVAL);
	hs_arena_destroy(arena);
}

static void test_pieces(void **state)
{
	static const char expected[] =
		"{\"a\":-9223372036854775808,\"b\":\"x\\\"\\\\\\n\\u0001\xc3\xa9\x7f\",\"c\":null}";
	struct hs_wire_out out = {0};

	hs_wire_put_name(&out, "a");
	hs_wire_put_int(&out, INT64_MIN);
	hs_wire_put_name(&out, "b");
	hs_wire_put_text(&out, "x\"\\\n\x01\xc3\xa9\x7f");
	hs_wire_put_name(&out, "c");
	hs_wire_put_text(&out, NULL);
	hs_wire_put(&out, "}", 2);
	assert_string_equal(out.bytes, expected);
	free(out.bytes);
}

/* ---- Messages: shape, text, and what is said about it ---- */

static const struct {
	enum hs_message_id message;
	const char *text;
	const char *field, *why; /* NULL: taken */
} decoded[] = {
	{HS_LEG_HANGUP, "{\"leg\":\"l1\",\"cause\":\"busy\"}", NULL, NULL},
	{HS_LEG_HANGUP, "{\"leg\":\"l1\"}", "cause", "is missing"},
	{HS_LEG_HANGUP, "{\"leg\":\"l1\",\"cause\":\"tired\"}", "cause", "must be one of normal, busy, "},
	{HS_LEG_HANGUP, "{\"leg\":\"l1\",\"cause\":3}", "cause", "must be one of"},
	{HS_LEG_HANGUP, "{\"leg\":\"l1\",\"cause\":\"busy\",\"x\":1}", "x", "is not a member here"},
	{HS_LEG_HANGUP, "{\"leg\":\"\",\"cause\":\"busy\"}", "leg", "must be an id"},
	{HS_LEG_HANGUP, "{\"leg\":\"a/b\",\"cause\":\"busy\"}", "leg", "must be an id"},
	{HS_LEG_HANGUP, "{\"leg\":null,\"cause\":\"busy\"}", "leg", "must be text"},
	{HS_LEG_HANGUP, "{\"leg\":[\"a\"],\"cause\":\"busy\"}", "leg", "must be text"},
	{HS_LEG_HANGUP,
	 "{\"leg\":\"0123456789012345678901234567890123456789012345678901234567890123x\",\"cause\":\"busy\"}", "leg",
	 "must have at most 64 bytes"},
	{HS_LEG_DIGITS, "{\"leg\":\"l1\",\"digits\":\"1*#D\",\"duration_ms\":100}", NULL, NULL},
	{HS_LEG_DIGITS, "{\"leg\":\"l1\",\"digits\":\"1e\",\"duration_ms\":100}", "digits", "must be digits"},
	{HS_LEG_DIGITS, "{\"leg\":\"l1\",\"digits\":\"1\",\"duration_ms\":39}", "duration_ms",
	 "must be from 40 to 5000 ms"},
	{HS_LEG_DIGITS, "{\"leg\":\"l1\",\"digits\":\"1\",\"duration_ms\":5001}", "duration_ms", "must be from"},
	{HS_LEG_DIGITS, "{\"leg\":\"l1\",\"digits\":\"1\",\"duration_ms\":100.0}", "duration_ms",
	 "must be a whole number"},
	{HS_LEG_DIGITS, "{\"leg\":\"l1\",\"digits\":\"1\",\"duration_ms\":1e2}", "duration_ms",
	 "must be a whole number"},
	{HS_LEG_DIGITS, "{\"leg\":\"l1\",\"digits\":\"1\",\"duration_ms\":\"100\"}", "duration_ms",
	 "must be a whole number"},
	{HS_LEG_DIGITS, "{\"leg\":\"l1\",\"digits\":\"1\",\"duration_ms\":99999999999999999999}", "duration_ms",
	 "must be from"},
	{HS_LEG_HOLD, "{\"leg\":\"l1\",\"held\":1}", "held", "must be true or false"},
	{HS_LEG_HOLD, "{\"leg\":\"l1\",\"held\":true}", NULL, NULL},
	{HS_LEG_ENDED, "{\"leg\":\"l1\",\"cause\":\"busy\",\"by_far_end\":true,\"why\":\"a\\u0007b\"}", "why",
	 "must be UTF-8 text"},
	{HS_LEG_ENDED, "{\"leg\":\"l1\",\"cause\":\"busy\",\"by_far_end\":true,\"why\":\"a\\u009bb\"}", "why",
	 "must be UTF-8 text"},
	{HS_LEG_ENDED, "{\"leg\":\"l1\",\"cause\":\"busy\",\"by_far_end\":true,\"why\":\"a\\tb\\r\\n\"}", NULL, NULL},
	{HS_CALLS_CREATE, "{\"line\":\"a\",\"caller_name\":\"J\u00f6rg \\\"J\\\"\",\"caller_number\":\"\"}", NULL,
	 NULL},
	{HS_CALLS_CREATE, "{\"line\":\"a\",\"caller_name\":\"a\\r\\nb\"}", "caller_name", "must be one line of text"},
	{HS_CALLS_CREATE, "{\"line\":\"a\",\"caller_number\":\"1\\t2\"}", "caller_number", "must be one line of text"},
	{HS_CALLS_CREATE, "{\"line\":\"a\",\"caller_number\":\"1\\u0007\"}", "caller_number", "must be UTF-8 text"},
	{HS_WEBHOOKS_CREATE, "{\"url\":\"https://a.example/x\",\"events\":[\"dtmf\",\"call.ended\"]}", NULL, NULL},
	{HS_WEBHOOKS_CREATE, "{\"url\":\"https://a.example/ x\"}", "url", "must be a URL"},
	{HS_WEBHOOKS_CREATE, "{\"url\":\"\"}", "url", "must be a URL"},
	{HS_WEBHOOKS_CREATE, "{\"url\":\"https://a\",\"events\":[\"dtmf\",7]}", "events[1]", "must be text"},
	{HS_WEBHOOKS_CREATE, "{\"url\":\"https://a\",\"events\":{}}", "events", "must be a list"},
};

static int decode(enum hs_message_id message, const char *text, bool strict, struct hs_arena *arena, void *ret_body,
		  struct hs_wire_fault *fault)
{
	const struct hs_json *json;
	int result = hs_wire_parse(text, strlen(text), arena, &json, fault);

	return result < 0 ? result : hs_wire_decode(hs_messages[message].body, json, strict, arena, ret_body, fault);
}

static void test_decoded_messages(void **state)
{
	for (size_t i = 0; i < HS_COUNT(decoded); i++) {
		struct hs_arena *arena = hs_arena_create();
		void *body = hs_arena_alloc(arena, hs_messages[decoded[i].message].body->size);
		struct hs_wire_fault fault = {"", ""};
		int result = decode(decoded[i].message, decoded[i].text, true, arena, body, &fault);

		if (result != (decoded[i].field ? -EINVAL : 0) ||
		    (decoded[i].field && (strcmp(fault.field, decoded[i].field) != 0 ||
					  strncmp(fault.why, decoded[i].why, strlen(decoded[i].why)) != 0)))
			fail_msg("%s: %d, %s %s", decoded[i].text, result, fault.field, fault.why);
		hs_arena_destroy(arena);
	}
}

static void test_values(void **state)
{
	struct hs_arena *arena = hs_arena_create();
	struct hs_wire_fault fault;
	struct hs_leg_ended ended = {0};
	struct hs_webhooks_create create = {0};

	assert_int_equal(
		decode(HS_LEG_ENDED,
		       "{\"leg\":\"l1\",\"cause\":\"no_answer\",\"by_far_end\":true,\"status\":408,\"new\":{}}", false,
		       arena, &ended, &fault),
		0);
	assert_string_equal(ended.leg, "l1");
	assert_int_equal(ended.cause, HS_CAUSE_NO_ANSWER);
	assert_true(ended.by_far_end);
	assert_true(ended.has_status);
	assert_int_equal(ended.status, 408);
	assert_null(ended.why);
	assert_int_equal(decode(HS_LEG_ENDED, "{\"leg\":\"l1\",\"cause\":\"busy\",\"by_far_end\":false}", true, arena,
				&ended, &fault),
			 0);
	assert_false(ended.has_status);
	assert_int_equal(decode(HS_WEBHOOKS_CREATE, "{\"url\":\"http://a\",\"events\":[\"x\",\"yy\"]}", true, arena,
				&create, &fault),
			 0);
	assert_int_equal(create.events_count, 2);
	assert_string_equal(create.events ? create.events[1] : "", "yy");
	hs_arena_destroy(arena);
}

#define LEG                                                                                                            \
	"{\"id\":\"l1\",\"kind\":\"line\",\"line\":\"phone1\",\"state\":\"up\",\"held\":true,"                         \
	"\"answered_at\":\"2025-02-08T14:30:00.123Z\"}"
#define CALL(first, state, more)                                                                                       \
	"{\"id\":\"c1\",\"state\":\"up\",\"direction\":\"outgoing\",\"line\":\"phone1\","                              \
	"\"created_at\":\"2025-02-08T14:29:59.000Z\",\"digits\":3,\"legs\":[" first                                    \
	",{\"id\":\"l2\",\"kind\":\"operator\",\"state\":" state                                                       \
	",\"held\":false,\"cause\":\"busy\",\"sip_status\":486,\"why\":\"B\xc3\xbcsy\"" more "}]}"

/* Lists of structs, times, enumerations: written and read. */
static void test_there_and_back(void **state)
{
	struct hs_leg legs[] = {
		{.id = "l1",
		 .kind = "line",
		 .line = "phone1",
		 .state = "up",
		 .held = true,
		 .answered_at = 1739025000123},
		{.id = "l2",
		 .kind = "operator",
		 .state = "ended",
		 .cause = HS_CAUSE_BUSY,
		 .has_sip_status = true,
		 .sip_status = 486,
		 .why = "B\xc3\xbcsy"},
	};
	struct hs_call call = {.id = "c1",
			       .state = HS_CALL_STATE_UP,
			       .direction = HS_CALL_DIRECTION_OUTGOING,
			       .line = "phone1",
			       .created_at = 1739024999000,
			       .digits = 3,
			       .legs_count = 2,
			       .legs = legs};
	struct hs_arena *arena = hs_arena_create();
	struct hs_wire_fault fault;
	const struct hs_json *json;
	struct hs_call read;
	size_t bytes;
	AUTO(free) char *text = hs_wire_text(&hs_shape_call, &call, &bytes);

	assert_int_equal(bytes, strlen(text));
	assert_string_equal(text, CALL(LEG, "\"ended\"", ""));
	assert_int_equal(hs_wire_parse(text, bytes, arena, &json, &fault), 0);
	assert_int_equal(hs_wire_decode(&hs_shape_call, json, true, arena, &read, &fault), 0);
	assert_int_equal(read.legs_count, 2);
	assert_int_equal(read.legs[0].answered_at, 1739025000123);
	assert_true(read.legs[0].held);
	assert_int_equal(read.legs[1].cause, HS_CAUSE_BUSY);
	assert_int_equal(read.legs[1].sip_status, 486);
	assert_string_equal(read.legs[1].why, "B\xc3\xbcsy");
	hs_arena_destroy(arena);
}

static void expect_call(const char *text, bool strict, const char *field)
{
	struct hs_arena *arena = hs_arena_create();
	struct hs_wire_fault fault = {"", ""};
	const struct hs_json *json;
	struct hs_call read;

	assert_int_equal(hs_wire_parse(text, strlen(text), arena, &json, &fault), 0);
	assert_int_equal(hs_wire_decode(&hs_shape_call, json, strict, arena, &read, &fault), field ? -EINVAL : 0);
	assert_string_equal(fault.field, field ? field : "");
	hs_arena_destroy(arena);
}

static void test_paths_of_faults(void **state)
{
	expect_call(CALL(LEG, "\"ended\"", ",\"answered_at\":\"yesterday\""), true, "legs[1].answered_at");
	expect_call(CALL(LEG, "\"ended\"", ",\"more\":null"), true, "legs[1].more");
	expect_call(CALL(LEG, "\"ended\"", ",\"more\":null"), false, NULL);
	expect_call(CALL(LEG, "7", ",\"more\":null"), false, "legs[1].state");
	expect_call(CALL("1", "\"ended\"", ""), false, "legs[0]");
}

/* Members of type JSON are the text they came as. */
static void test_json_members_are_borrowed(void **state)
{
	static const char text[] = "{\"events\":[{\"type\":\"dtmf\"},{}],\"cursor\":\"1.g1.2\",\"more\":false}";
	struct hs_arena *arena = hs_arena_create();
	struct hs_events_list_answer answer;
	struct hs_wire_fault fault;
	const struct hs_json *json;
	char *again;
	size_t bytes;

	assert_int_equal(hs_wire_parse(text, strlen(text), arena, &json, &fault), 0);
	assert_int_equal(hs_wire_decode(hs_messages[HS_EVENTS_LIST].answer, json, false, arena, &answer, &fault), 0);
	assert_int_equal(answer.events_count, 2);
	assert_true(hs_json_is(hs_json_member(answer.events[0], "type"), "dtmf"));
	assert_ptr_equal(answer.events[0]->text, text + 11);
	again = hs_wire_text(hs_messages[HS_EVENTS_LIST].answer, &answer, &bytes);
	assert_string_equal(again, text);
	free(again);
	hs_arena_destroy(arena);
}

/* The configuration's defaults come from the tables, nested ones too. */
static void test_defaults(void **state)
{
	struct hs_arena *arena = hs_arena_create();
	struct hs_wire_fault fault = {"", ""};
	const struct hs_json *json;
	struct hs_config config;

	assert_int_equal(hs_wire_parse("{}", 2, arena, &json, &fault), 0);
	assert_int_equal(hs_wire_decode(&hs_shape_config, json, true, arena, &config, &fault), 0);
	assert_non_null(config.server);
	assert_true(config.server->rest_port > 0);
	hs_arena_destroy(arena);
}

/* What no reader would take is never written. */
static void test_texts_are_cleaned(void **state)
{
	char device[400];
	struct hs_line_changed changed = {
		.line = "p", .reachable = true, .contacts = 1, .address = "a\x01\xff\xc2\x9bz", .device = device};
	struct hs_arena *arena = hs_arena_create();
	struct hs_wire_fault fault;
	struct hs_line_changed read;
	const struct hs_json *json;
	char *text;
	size_t bytes;

	memset(device, 'x', sizeof(device));
	memcpy(device + 127, "\xc3\xa9", 2); /* would be cut in two */
	device[sizeof(device) - 1] = '\0';
	text = hs_wire_text(hs_messages[HS_LINE_CHANGED].body, &changed, &bytes);
	assert_int_equal(hs_wire_parse(text, bytes, arena, &json, &fault), 0);
	assert_int_equal(hs_wire_decode(hs_messages[HS_LINE_CHANGED].body, json, true, arena, &read, &fault), 0);
	assert_string_equal(read.address, "a???z");
	assert_int_equal(strlen(read.device), 127);
	free(text);
	hs_arena_destroy(arena);
}

static void test_names(void **state)
{
	for (int i = 0; i < HS_MESSAGES; i++)
		assert_int_equal(hs_wire_find(hs_messages[i].name), i);
	assert_int_equal(hs_wire_find("leg"), -ENOENT);
	assert_int_equal(hs_wire_find(""), -ENOENT);
	assert_int_equal(hs_wire_word(&hs_enum_cause, "busy"), HS_CAUSE_BUSY);
	assert_int_equal(hs_wire_word(&hs_enum_cause, "Busy"), 0);
	assert_int_equal(hs_wire_word(&hs_enum_cause, NULL), 0);
}

static void test_arena(void **state)
{
	struct hs_arena *arena = hs_arena_create();

	for (size_t bytes = 1; bytes < 20000; bytes = bytes * 3 + 1) {
		unsigned char *memory = hs_arena_alloc(arena, bytes);

		assert_int_equal((uintptr_t)memory % sizeof(void *), 0);
		for (size_t i = 0; i < bytes; i++)
			assert_int_equal(memory[i], 0);
		memset(memory, 0xff, bytes);
	}
	assert_string_equal(hs_arena_copy(arena, "abcdef", 3), "abc");
	hs_arena_destroy(arena);
	hs_arena_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused_texts),
		cmocka_unit_test(test_nul_byte_and_size),
		cmocka_unit_test(test_depth_and_members),
		cmocka_unit_test(test_what_is_taken),
		cmocka_unit_test(test_text_of_our_own),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_decoded_messages),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_paths_of_faults),
		cmocka_unit_test(test_json_members_are_borrowed),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_texts_are_cleaned),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_arena),
	};

	return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
