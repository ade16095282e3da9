/* Routes, path parameters, query typing. */
#include "check.h"
#include "cleanup.h"
#include "route.h"

static int set_up(void **state)
{
	*state = routes_create();
	return 0;
}

static int tear_down(void **state)
{
	routes_destroy(*state);
	return 0;
}

static const struct {
	const char *method, *path;
	int result;
	enum hs_message_id message;
	const char *value; /* of the one parameter; or what is allowed */
} found[] = {
	{"GET", "/api/v1/phone/status", 0, HS_PHONE_STATUS, NULL},
	{"HEAD", "/api/v1/phone/status", 0, HS_PHONE_STATUS, NULL},
	{"POST", "/api/v1/phone/ring", 0, HS_PHONE_RING, NULL},
	{"GET", "/api/v1/lines", 0, HS_LINES_LIST, NULL},
	{"GET", "/api/v1/lines/phone1", 0, HS_LINES_GET, "phone1"},
	{"GET", "/api/v1/lines/ph%6fne1", 0, HS_LINES_GET, "phone1"},
	{"GET", "/api/v1/lines/a%2Fb", 0, HS_LINES_GET, "a/b"},
	{"GET", "/api/v1/lines/a+b", 0, HS_LINES_GET, "a+b"},
	{"POST", "/api/v1/calls/c1-x/hangup", 0, HS_CALLS_HANGUP, "c1-x"},
	{"DELETE", "/api/v1/webhooks/w1", 0, HS_WEBHOOKS_DELETE, "w1"},
	{"GET", "/api/v1/webhooks/dead-letters", 0, HS_WEBHOOKS_DEAD, NULL},
	{"POST", "/api/v1/webhooks/dead-letters/d1/replay", 0, HS_WEBHOOKS_REPLAY, "d1"},
	{"POST", "/api/v1/webhooks/dead-letters/replay", 0, HS_WEBHOOKS_REVIVE, NULL},
	{"POST", "/api/v1/webhooks/w1/replay", 0, HS_WEBHOOKS_AGAIN, "w1"},
	{"DELETE", "/api/v1/webhooks/dead-letters", -EPERM, 0, "GET, HEAD"},
	{"PUT", "/api/v1/calls", -EPERM, 0, "GET, HEAD, POST"},
	{"get", "/api/v1/calls", -EPERM, 0, "GET, HEAD, POST"},
	{"GET", "", -ENOENT, 0, NULL},
	{"GET", "/", -ENOENT, 0, NULL},
	{"GET", "*", -ENOENT, 0, NULL},
	{"GET", "/api/v1/lines/", -ENOENT, 0, NULL},
	{"GET", "/api//v1/lines", -ENOENT, 0, NULL},
	{"GET", "//api/v1/lines", -ENOENT, 0, NULL},
	{"GET", "/api/v1/LINES", -ENOENT, 0, NULL},
	{"GET", "/api/v1/lines/x/y/z/a/b/c/d/e/f", -ENOENT, 0, NULL},
	{"GET", "/api/v1/lines/%", -ENOENT, 0, NULL},
	{"GET", "/api/v1/lines/%4", -ENOENT, 0, NULL},
	{"GET", "/api/v1/lines/%zz", -ENOENT, 0, NULL},
	{"GET", "/api/v1/lines/%00", -ENOENT, 0, NULL},
	{"GET", "/api/v1/lines/%7f", -ENOENT, 0, NULL},
};

static void test_find(void **state)
{
	for (size_t i = 0; i < HS_COUNT(found); i++) {
		struct route_match match;
		int result = routes_find(*state, found[i].method, found[i].path, &match);
		if (result != found[i].result)
			fail_msg("%s %s: %d", found[i].method, found[i].path, result);
		if (result == 0) {
			assert_int_equal(match.message, found[i].message);
			assert_int_equal(match.params_count, found[i].value ? 1 : 0);
			if (found[i].value)
				assert_string_equal(match.params[0].value, found[i].value);
		} else if (result == -EPERM) {
			assert_string_equal(match.allow, found[i].value);
		}
	}
}

/* A route of each public message leads to it and to no other. */
static void test_every_route(void **state)
{
	for (int i = 0; i < HS_MESSAGES; i++) {
		struct route_match match;
		char path[128];
		size_t used = 0;
		if (!hs_messages[i].path)
			continue;
		for (const char *c = hs_messages[i].path; *c; c++) {
			if (*c != '{' && *c != '}')
				path[used++] = *c;
		}
		path[used] = '\0';
		assert_int_equal(routes_find(*state, hs_messages[i].method, path, &match), 0);
		assert_int_equal(match.message, i);
		for (size_t p = 0; p < match.params_count; p++)
			assert_string_equal(match.params[p].name, match.params[p].value);
	}
}

/* A query can carry what the contract puts there: scalars only. */
static void test_every_query_is_scalar(void **state)
{
	for (int i = 0; i < HS_MESSAGES; i++) {
		const struct hs_message *message = &hs_messages[i];
		if (!message->path || strcmp(message->method, "GET") != 0)
			continue;
		for (size_t f = 0; f < message->body->fields_count; f++) {
			assert_false(message->body->fields[f].list);
			assert_int_not_equal(message->body->fields[f].type, HS_TYPE_STRUCT);
			assert_int_not_equal(message->body->fields[f].type, HS_TYPE_JSON);
		}
	}
}

static const struct {
	const char *query, *json, *field;
} queries[] = {
	{"", "{}", NULL},
	{"limit=5", "{\"limit\":5}", NULL},
	{"limit=-5", "{\"limit\":-5}", NULL},
	{"active=true&line=a", "{\"active\":true,\"line\":\"a\"}", NULL},
	{"active=false", "{\"active\":false}", NULL},
	{"line=a+b%2Bc", "{\"line\":\"a b+c\"}", NULL},
	{"line=", "{\"line\":\"\"}", NULL},
	{"line", "{\"line\":\"\"}", NULL},
	{"%6cine=a", "{\"line\":\"a\"}", NULL},
	{"limit=5&", "{\"limit\":5}", NULL},
	{"limit=", NULL, "limit"},
	{"limit=5.0", NULL, "limit"},
	{"limit=+5", NULL, "limit"},
	{"limit=0x5", NULL, "limit"},
	{"limit= 5", NULL, "limit"},
	{"limit=--5", NULL, "limit"},
	{"limit=1234567890123456789", NULL, "limit"},
	{"active=1", NULL, "active"},
	{"active=TRUE", NULL, "active"},
	{"line=a&line=a", NULL, "line"},
	{"other=1", NULL, "other"},
	{"LIMIT=5", NULL, "LIMIT"},
	{"=5", NULL, ""},
	{"&limit=5", NULL, ""},
	{"line=%", NULL, ""},
	{"line=%2", NULL, ""},
	{"line=%g0", NULL, ""},
	{"line=%0a", NULL, ""},
	{"line=%00", NULL, ""},
};

static void test_query(void **state)
{
	for (size_t i = 0; i < HS_COUNT(queries); i++) {
		struct hs_arena *arena = hs_arena_create();
		const struct hs_json *json;
		struct route_body body;
		struct hs_wire_fault fault;
		route_body_begin(&body, NULL);
		int error = route_add_query(hs_messages[HS_CALLS_LIST].body, queries[i].query, &body, &fault);
		if (error != (queries[i].json ? 0 : -EINVAL))
			fail_msg("%s: %d", queries[i].query, error);
		if (error) {
			assert_string_equal(fault.field, queries[i].field);
		} else {
			assert_int_equal(route_body_read(&body, arena, &json, &fault), 0);
			assert_int_equal(json->bytes, strlen(queries[i].json));
			assert_memory_equal(json->text, queries[i].json, json->bytes);
		}
		route_body_end(&body);
		hs_arena_destroy(arena);
	}
}

static void test_query_is_bounded(void **state)
{
	struct route_body body = {0};
	AUTO(free) char *many = hs_zalloc(2000), *long_one = hs_zalloc(2000);
	struct hs_wire_fault fault;
	memset(many, '&', 1999);
	memset(long_one, 'a', 1999);
	memcpy(long_one, "line=", 5);
	assert_int_equal(route_add_query(hs_messages[HS_CALLS_LIST].body, many, &body, &fault), -EINVAL);
	assert_int_equal(route_add_query(hs_messages[HS_CALLS_LIST].body, long_one, &body, &fault), -EINVAL);
	route_body_end(&body);
}

static void test_params_are_not_given_twice(void **state)
{
	static const char sent[] = "{\"line\":\"b\"}", other[] = "{\"ring_for_ms\":1}";
	struct hs_arena *arena = hs_arena_create();
	struct route_body body;
	struct hs_wire_fault fault;
	struct route_match match;
	const struct hs_json *json;
	assert_int_equal(routes_find(*state, "POST", "/api/v1/lines/a/ring", &match), 0);
	route_body_begin(&body, NULL);
	assert_int_equal(route_add_params(&match, &body, &fault), 0);
	assert_int_equal(route_add_params(&match, &body, &fault), -EINVAL);
	assert_string_equal(fault.field, "line");
	route_body_end(&body);

	assert_int_equal(hs_wire_parse(sent, strlen(sent), arena, &json, &fault), 0);
	route_body_begin(&body, json);
	assert_int_equal(route_add_params(&match, &body, &fault), -EINVAL);
	assert_string_equal(fault.field, "line");
	route_body_end(&body);

	assert_int_equal(hs_wire_parse(other, strlen(other), arena, &json, &fault), 0);
	route_body_begin(&body, json);
	assert_int_equal(route_add_params(&match, &body, &fault), 0);
	assert_int_equal(route_body_read(&body, arena, &json, &fault), 0);
	assert_int_equal(json->count, 2);
	assert_true(hs_json_is(hs_json_member(json, "line"), "a"));
	route_body_end(&body);
	hs_arena_destroy(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_find, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_every_route, set_up, tear_down),
		cmocka_unit_test(test_every_query_is_scalar),
		cmocka_unit_test(test_query),
		cmocka_unit_test(test_query_is_bounded),
		cmocka_unit_test_setup_teardown(test_params_are_not_given_twice, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
