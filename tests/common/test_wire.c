/* What wire takes and what it refuses, and that what it writes can be read again. */
#include "cleanup.h"
#include "wire.h"
#include <errno.h>
#include <json-c/json.h>
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

static void test_refused_texts(void **state)
{
	for (size_t i = 0; i < HS_COUNT(refused); i++) {
		struct json_object *json = NULL;
		struct hs_wire_fault fault;

		if (hs_wire_parse(refused[i], strlen(refused[i]), &json, &fault) != -EINVAL)
			fail_msg("taken: %s", refused[i]);
		assert_null(json);
		assert_true(strlen(fault.why) > 0);
	}
}

static void test_nul_byte_and_size(void **state)
{
	AUTO(free) char *large = hs_zalloc(HS_WIRE_MAX_BYTES + 1);
	struct json_object *json = NULL;
	struct hs_wire_fault fault;

	assert_int_equal(hs_wire_parse("{\"a\":\"x\0y\"}", 11, &json, &fault), -EINVAL);
	assert_int_equal(hs_wire_parse("{}\0", 3, &json, &fault), -EINVAL);
	memset(large, ' ', HS_WIRE_MAX_BYTES + 1);
	assert_int_equal(hs_wire_parse(large, HS_WIRE_MAX_BYTES + 1, &json, &fault), -EMSGSIZE);
	large[0] = '{';
	large[1] = '}';
	assert_int_equal(hs_wire_parse(large, HS_WIRE_MAX_BYTES, &json, &fault), 0);
	json_object_put(json);
}

static int parse_nested(int depth)
{
	char text[256] = "";
	AUTO(json_put) struct json_object *json = NULL;
	struct hs_wire_fault fault;
	size_t used = 0;

	for (int i = 0; i < depth; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "{\"a\":");
	text[used++] = '1';
	for (int i = 0; i < depth; i++)
		text[used++] = '}';
	return hs_wire_parse(text, used, &json, &fault);
}

static void test_depth_and_members(void **state)
{
	AUTO(free) char *text = hs_zalloc(8192);
	AUTO(json_put) struct json_object *json = NULL;
	struct hs_wire_fault fault;
	size_t used;

	assert_int_equal(parse_nested(HS_WIRE_MAX_DEPTH), 0);
	assert_int_equal(parse_nested(HS_WIRE_MAX_DEPTH + 1), -EINVAL);
	used = (size_t)snprintf(text, 8192, "{\"m\":0");
	for (int i = 0; i < 255; i++)
		used += (size_t)snprintf(text + used, 8192 - used, ",\"m%d\":%d", i, i);
	text[used] = '}';
	assert_int_equal(hs_wire_parse(text, used + 1, &json, &fault), 0);
	used += (size_t)snprintf(text + used, 8192 - used, ",\"one_more\":1}");
	json_object_put(TAKE(json));
	assert_int_equal(hs_wire_parse(text, used, &json, &fault), -EINVAL);
}

static void test_what_is_taken(void **state)
{
	static const char text[] =
		" {\"a\" : [1, -2.5e3, true, null, {}, []], \"b\":\"\\u00e9\\ud83d\\ude00\\n\xc3\xa9\"}\n";
	AUTO(json_put) struct json_object *json = NULL;
	struct json_object *member;
	struct hs_wire_fault fault;

	assert_int_equal(hs_wire_parse(text, strlen(text), &json, &fault), 0);
	assert_true(json_object_object_get_ex(json, "b", &member));
	assert_string_equal(json_object_get_string(member), "\xc3\xa9\xf0\x9f\x98\x80\n\xc3\xa9");
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
	AUTO(json_put) struct json_object *json = NULL;
	int result = hs_wire_parse(text, strlen(text), &json, fault);

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

/* Lists of structs, times, enumerations, JSON members: written, read, and the path of a fault deep inside. */
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
	AUTO(json_put) struct json_object *json = hs_wire_encode(&hs_shape_call, &call);
	struct hs_arena *arena = hs_arena_create();
	struct hs_wire_fault fault;
	struct json_object *list, *leg;
	struct hs_call read;

	assert_string_equal(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN),
			    "{\"id\":\"c1\",\"state\":\"up\",\"direction\":\"outgoing\",\"line\":\"phone1\","
			    "\"created_at\":\"2025-02-08T14:29:59.000Z\",\"digits\":3,\"legs\":[{\"id\":\"l1\","
			    "\"kind\":\"line\",\"line\":\"phone1\",\"state\":\"up\",\"held\":true,"
			    "\"answered_at\":\"2025-02-08T14:30:00.123Z\"},{\"id\":\"l2\",\"kind\":\"operator\","
			    "\"state\":\"ended\",\"held\":false,\"cause\":\"busy\",\"sip_status\":486,"
			    "\"why\":\"B\xc3\xbcsy\"}]}");
	assert_int_equal(hs_wire_decode(&hs_shape_call, json, true, arena, &read, &fault), 0);
	assert_int_equal(read.legs_count, 2);
	assert_int_equal(read.legs[0].answered_at, 1739025000123);
	assert_true(read.legs[0].held);
	assert_int_equal(read.legs[1].cause, HS_CAUSE_BUSY);
	assert_int_equal(read.legs[1].sip_status, 486);
	assert_string_equal(read.legs[1].why, "B\xc3\xbcsy");

	json_object_object_get_ex(json, "legs", &list);
	leg = json_object_array_get_idx(list, 1);
	json_object_object_add(leg, "answered_at", json_object_new_string("yesterday"));
	assert_int_equal(hs_wire_decode(&hs_shape_call, json, true, arena, &read, &fault), -EINVAL);
	assert_string_equal(fault.field, "legs[1].answered_at");
	json_object_object_del(leg, "answered_at");
	json_object_object_add(leg, "more", NULL);
	assert_int_equal(hs_wire_decode(&hs_shape_call, json, true, arena, &read, &fault), -EINVAL);
	assert_string_equal(fault.field, "legs[1].more");
	assert_int_equal(hs_wire_decode(&hs_shape_call, json, false, arena, &read, &fault), 0);
	json_object_array_put_idx(list, 0, json_object_new_int(1));
	assert_int_equal(hs_wire_decode(&hs_shape_call, json, false, arena, &read, &fault), -EINVAL);
	assert_string_equal(fault.field, "legs[0]");
	hs_arena_destroy(arena);
}

/* JSON members are borrowed: the arena keeps them when everybody else has let go. */
static void test_json_members_live_with_the_arena(void **state)
{
	static const char text[] = "{\"events\":[{\"type\":\"dtmf\"},{}],\"cursor\":\"1.g1.2\",\"more\":false}";
	struct hs_arena *arena = hs_arena_create();
	struct hs_events_list_answer answer;
	struct json_object *json = NULL, *type;
	struct hs_wire_fault fault;

	assert_int_equal(hs_wire_parse(text, strlen(text), &json, &fault), 0);
	assert_int_equal(hs_wire_decode(hs_messages[HS_EVENTS_LIST].answer, json, false, arena, &answer, &fault), 0);
	json_object_put(json);
	assert_int_equal(answer.events_count, 2);
	assert_true(json_object_object_get_ex(answer.events[0], "type", &type));
	assert_string_equal(json_object_get_string(type), "dtmf");
	json = hs_wire_encode(hs_messages[HS_EVENTS_LIST].answer, &answer);
	assert_string_equal(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN), text);
	json_object_put(json);
	hs_arena_destroy(arena);
}

/* The configuration's defaults come from the tables, nested ones too. */
static void test_defaults(void **state)
{
	AUTO(json_put) struct json_object *json = json_object_new_object();
	struct hs_arena *arena = hs_arena_create();
	struct hs_wire_fault fault = {"", ""};
	struct hs_config config;

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
	AUTO(json_put) struct json_object *json = NULL;
	struct hs_arena *arena = hs_arena_create();
	struct hs_wire_fault fault;
	struct hs_line_changed read;

	memset(device, 'x', sizeof(device));
	memcpy(device + 127, "\xc3\xa9", 2); /* would be cut in two */
	device[sizeof(device) - 1] = '\0';
	json = hs_wire_encode(hs_messages[HS_LINE_CHANGED].body, &changed);
	assert_int_equal(hs_wire_decode(hs_messages[HS_LINE_CHANGED].body, json, true, arena, &read, &fault), 0);
	assert_string_equal(read.address, "a???z");
	assert_int_equal(strlen(read.device), 127);
	hs_arena_destroy(arena);
}

static void test_names(void **state)
{
	assert_int_equal(hs_wire_find("leg.hangup"), HS_LEG_HANGUP);
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
		cmocka_unit_test(test_decoded_messages),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_json_members_live_with_the_arena),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_texts_are_cleaned),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_arena),
	};

	return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
