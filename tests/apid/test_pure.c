/* Rooms without a store: routes, digits, cursors, tokens, figures of several daemons. */
#include "../common/check.h"
#include "auth.h"
#include "cleanup.h"
#include "cursor.h"
#include "digits.h"
#include "explain.h"
#include "keys.h"
#include "metrics_merge.h"
#include "route.h"
#include "secret.h"
#include <errno.h>
#include <sys/stat.h>

/* ---- routes ---- */

static struct hs_config_numbers numbers = {.national = "0", .international = "00"};

static void test_routes(void **state)
{
	struct hs_config_port port = {.signalling = HS_SIGNALLING_FXSLS};
	struct hs_config_line lines[] = {
		{.id = "kitchen", .number = "20-1"},
		{.id = "hall", .hotline = "up"},
		{.id = "trunk", .number = "9", .driver = HS_DRIVER_DAHDI, .port = &port},
	};
	struct hs_config_route out[] = {{.id = "help", .pattern = "112"}, {.id = "all", .pattern = "NX."}};
	struct hs_config_calls calls = {.operator_number = "0", .hotline = "hotline"};
	struct hs_config config = {.lines_count = 3,
				   .lines = lines,
				   .calls = &calls,
				   .numbers = &numbers,
				   .routes_count = 2,
				   .routes = out};
	struct routes *routes = routes_create(&config);
	static const struct {
		int from;
		const char *dialled;
		enum route_kind kind;
		int to;
	} rows[] = {
		{0, NULL, ROUTE_HOTLINE, -1}, {0, "", ROUTE_HOTLINE, -1},        {0, "hotline", ROUTE_HOTLINE, -1},
		{1, "up", ROUTE_HOTLINE, -1}, {1, "hotline", ROUTE_NOTHING, -1}, {0, "up", ROUTE_NOTHING, -1},
		{0, "0", ROUTE_OPERATOR, -1}, {1, "201", ROUTE_LINE, 0},         {0, "hall", ROUTE_LINE, 1},
		{0, "201", ROUTE_LINE, 0},    {0, "1011", ROUTE_NOTHING, -1},    {-1, "hotline", ROUTE_HOTLINE, -1},
		{0, "(20) 1", ROUTE_LINE, 0}, {0, "1-1-2", ROUTE_OUT, 0},        {0, "2011", ROUTE_OUT, 1},
		{0, "9", ROUTE_NOTHING, -1},  {0, "trunk", ROUTE_NOTHING, -1},   {0, "+2011", ROUTE_NOTHING, -1},
	};

	for (size_t i = 0; i < HS_COUNT(rows); i++) {
		const struct hs_config_line *from = rows[i].from < 0 ? NULL : &lines[rows[i].from];
		struct route route = routes_find(routes, from, rows[i].dialled);

		assert_int_equal(route.kind, rows[i].kind);
		assert_ptr_equal(route.line, rows[i].kind == ROUTE_LINE ? &lines[rows[i].to] : NULL);
		assert_ptr_equal(route.out, rows[i].kind == ROUTE_OUT ? &out[rows[i].to] : NULL);
	}
	assert_ptr_equal(routes_of_id(routes, "all"), &out[1]);
	assert_null(routes_of_id(routes, "none"));
	routes_destroy(routes);
}

static void test_emergency_numbers_come_first(void **state)
{
	struct hs_config_line lines[] = {{.id = "kitchen", .number = "112", .hotline = "110"}, {.id = "911"}};
	struct hs_config_route out[] = {{.id = "barred", .pattern = "1XX"},
					{.id = "help", .pattern = "112", .emergency = true},
					{.id = "fire", .pattern = "NZ1", .emergency = true},
					{.id = "police", .pattern = "110", .emergency = true}};
	struct hs_config_calls calls = {.operator_number = "112", .hotline = "hotline"};
	struct hs_config config = {.lines_count = 2,
				   .lines = lines,
				   .calls = &calls,
				   .numbers = &numbers,
				   .routes_count = 4,
				   .routes = out};
	struct routes *routes = routes_create(&config);

	assert_ptr_equal(routes_find(routes, &lines[1], "112").out, &out[1]);
	assert_ptr_equal(routes_find(routes, NULL, "1 1 2").out, &out[1]);
	assert_ptr_equal(routes_find(routes, &lines[0], "911").out, &out[2]);
	assert_ptr_equal(routes_find(routes, &lines[0], "110").out, &out[3]);
	assert_ptr_equal(routes_find(routes, &lines[0], "111").out, &out[0]);
	assert_int_equal(routes_find(routes, &lines[0], "hotline").kind, ROUTE_NOTHING);
	routes_destroy(routes);
}

/* A number goes out at its last key where none that is longer could be meant. */
static void test_complete_numbers(void **state)
{
	static const char *may[] = {"town", "near"};
	struct hs_config_line lines[] = {
		{.id = "kitchen", .number = "20-1", .may_dial = may, .may_dial_count = 2},
		{.id = "30", .number = "2011"},
		{.id = "hall", .number = "40"},
	};
	struct hs_config_route out[] = {{.id = "help", .pattern = "112", .emergency = true},
					{.id = "odd", .pattern = "40X"},
					{.id = "near", .pattern = "8NXX"},
					{.id = "town", .pattern = "9.", .has_max_length = true, .max_length = 4},
					{.id = "all", .pattern = "11."}};
	struct hs_config_calls calls = {.operator_number = "0", .hotline = "55"};
	struct hs_config config = {.lines_count = 3,
				   .lines = lines,
				   .calls = &calls,
				   .numbers = &numbers,
				   .routes_count = 5,
				   .routes = out};
	struct routes *routes = routes_create(&config);
	static const struct {
		const char *number;
		bool kitchen, hall; /* is it complete there? */
	} rows[] = {
		{"0", true, true},    {"2", false, false},   {"201", false, false}, {"2011", true, true},
		{"30", true, true},   {"40", true, true},    {"401", true, true},   {"8", false, false},
		{"8234", true, true}, {"823", false, false}, {"9", false, false},   {"912", false, true},
		{"9123", true, true}, {"112", true, true},   {"11", false, false},  {"1134", true, true},
		{"55", false, false}, {"7", false, false},
	};

	for (size_t i = 0; i < HS_COUNT(rows); i++) {
		assert_int_equal(routes_is_complete(routes, &lines[0], rows[i].number), rows[i].kitchen);
		assert_int_equal(routes_is_complete(routes, &lines[2], rows[i].number), rows[i].hall);
	}
	assert_int_equal(routes_find(routes, NULL, "9123").kind, ROUTE_OUT);
	assert_int_equal(routes_find(routes, NULL, "91234").kind, ROUTE_NOTHING);
	routes_destroy(routes);
}

/* With + in front a number is dialled as one does here, where no line and no route takes it as it is. */
static void test_numbers_of_the_world(void **state)
{
	struct hs_config_numbers here = {.country = "49", .national = "0", .international = "00"};
	struct hs_config_line lines[] = {{.id = "desk", .number = "+49 30 77"}};
	struct hs_config_route out[] = {
		{.id = "usa", .pattern = "+1."}, {.id = "abroad", .pattern = "00."}, {.id = "town", .pattern = "0."}};
	struct hs_config_calls calls = {.operator_number = "0", .hotline = "hotline"};
	struct hs_config config = {
		.lines_count = 1, .lines = lines, .calls = &calls, .numbers = &here, .routes_count = 3, .routes = out};
	struct routes *routes = routes_create(&config);
	static const struct {
		const char *dialled;
		int out;
		const char *sent;
	} rows[] = {{"+49 (30) 123", 2, "030123"},
		    {"+44 20 5", 1, "0044205"},
		    {"+1 415 5550100", 0, NULL},
		    {"+49", -1, NULL}};

	for (size_t i = 0; i < HS_COUNT(rows); i++) {
		struct route route = routes_find(routes, NULL, rows[i].dialled);
		char sent[HS_NUMBER_BYTES];

		assert_ptr_equal(route.out, rows[i].out < 0 ? NULL : &out[rows[i].out]);
		if (!route.out)
			continue;
		assert_int_equal(routes_write(routes, route.out, rows[i].dialled, sent), rows[i].sent ? 0 : -EINVAL);
		if (rows[i].sent)
			assert_string_equal(sent, rows[i].sent);
	}
	assert_ptr_equal(routes_find(routes, NULL, "+493077").line, &lines[0]);
	routes_destroy(routes);
}

static void test_numbers_sent(void **state)
{
	static const struct {
		int64_t strip;
		const char *prepend, *dialled, *sent; /* NULL: nothing can be dialled */
	} rows[] = {
		{0, NULL, "112", "112"},
		{1, NULL, "9 555-1234", "5551234"},
		{1, "00", "+49 30 1", "0049301"},
		{1, "8W", "91", "8W1"},
		{1, NULL, "9", NULL},
		{3, NULL, "12", NULL},
		{0, NULL, "+49", NULL},
		{0, NULL, "x", NULL},
		{3, "1", "911", "1"},
		{0, "12345678901234567890123456789012", "1234567890123456789012345678901234", NULL},
	};

	struct hs_config_calls calls = {.operator_number = "0"};
	struct hs_config config = {.calls = &calls, .numbers = &numbers};
	struct routes *routes = routes_create(&config);

	for (size_t i = 0; i < HS_COUNT(rows); i++) {
		struct hs_config_route out = {.pattern = "+.", .strip = rows[i].strip, .prepend = rows[i].prepend};
		char sent[HS_NUMBER_BYTES];

		assert_int_equal(routes_write(routes, &out, rows[i].dialled, sent), rows[i].sent ? 0 : -EINVAL);
		if (rows[i].sent)
			assert_string_equal(sent, rows[i].sent);
	}
	routes_destroy(routes);
}

static void test_who_may_dial(void **state)
{
	static const char *const may[] = {"town", "abroad"};
	struct hs_config_route abroad = {.id = "abroad"}, help = {.id = "help", .emergency = true};

	assert_true(routes_may(&abroad, may, 2));
	assert_false(routes_may(&abroad, may, 1));
	assert_false(routes_may(&abroad, NULL, 0));
	assert_true(routes_may(&help, NULL, 0));
	assert_true(routes_may(&help, may, 2));
}

/* ---- digits ---- */

struct keys {
	struct digits_leg leg;
	int64_t count, sequence, at_ms;
};

static enum digits_verdict take(struct keys *keys, char digit, enum hs_digit_phase phase, enum hs_digit_source source)
{
	const char text[2] = {digit, '\0'};
	struct hs_leg_digit report = {"l", text, phase, phase == HS_DIGIT_PHASE_END ? 80 : 0, source};

	return digits_take(&keys->leg, &report, keys->at_ms, &keys->count, &keys->sequence);
}

#define BEGIN HS_DIGIT_PHASE_BEGIN
#define END HS_DIGIT_PHASE_END
#define RTP HS_DIGIT_SOURCE_RFC4733
#define INFO HS_DIGIT_SOURCE_INFO

static void test_digits_are_numbered(void **state)
{
	struct keys keys = {0};

	assert_int_equal(take(&keys, '5', BEGIN, RTP), DIGITS_BEGAN);
	assert_int_equal(keys.sequence, 1);
	assert_int_equal(take(&keys, '5', BEGIN, RTP), DIGITS_IGNORED);
	assert_int_equal(take(&keys, '5', END, RTP), DIGITS_ENDED);
	assert_int_equal(keys.sequence, 1);
	assert_int_equal(take(&keys, '5', END, RTP), DIGITS_ENDED); /* known only as a whole */
	assert_int_equal(keys.sequence, 2);
	assert_int_equal(take(&keys, '6', BEGIN, RTP), DIGITS_BEGAN);
	assert_int_equal(take(&keys, '7', END, RTP), DIGITS_ENDED); /* the end of 6 was lost */
	assert_int_equal(keys.sequence, 4);
}

static void test_audio_outranks_info(void **state)
{
	struct keys keys = {.at_ms = 1000};

	/* INFO alone counts */
	assert_int_equal(take(&keys, '1', END, INFO), DIGITS_ENDED);
	keys.at_ms += 200;
	assert_int_equal(take(&keys, '1', END, INFO), DIGITS_ENDED);
	assert_int_equal(keys.sequence, 2);
	/* both come in the audio as well: the same keys */
	assert_int_equal(take(&keys, '1', BEGIN, RTP), DIGITS_IGNORED);
	assert_int_equal(take(&keys, '1', END, RTP), DIGITS_IGNORED);
	assert_int_equal(take(&keys, '1', END, RTP), DIGITS_IGNORED);
	/* from now on only the audio counts */
	assert_int_equal(take(&keys, '2', END, INFO), DIGITS_IGNORED);
	assert_int_equal(take(&keys, '2', BEGIN, RTP), DIGITS_BEGAN);
	assert_int_equal(take(&keys, '2', END, RTP), DIGITS_ENDED);
	assert_int_equal(keys.sequence, 3);
}

static void test_old_info_is_another_key(void **state)
{
	const int64_t far_ms[] = {DIGITS_TWICE_MS + 1, -DIGITS_TWICE_MS - 1}; /* or the clock was set back */

	for (size_t i = 0; i < HS_COUNT(far_ms); i++) {
		struct keys keys = {.at_ms = 100000};

		assert_int_equal(take(&keys, '1', END, INFO), DIGITS_ENDED);
		keys.at_ms += far_ms[i];
		assert_int_equal(take(&keys, '1', BEGIN, RTP), DIGITS_BEGAN);
		assert_int_equal(keys.sequence, 2);
	}
}

static void test_many_info_digits(void **state)
{
	struct keys keys = {.at_ms = 1000};

	for (int i = 0; i < 3 * DIGITS_INFO; i++)
		assert_int_equal(take(&keys, '1', END, INFO), DIGITS_ENDED);
	assert_int_equal(keys.count, 3 * DIGITS_INFO);
}

static void test_collecting(void **state)
{
	char number[DIGITS_MAX + 1] = "";

	assert_false(digits_collect(number, '#'));
	assert_false(digits_collect(number, '2'));
	assert_false(digits_collect(number, '*'));
	assert_true(digits_collect(number, '#'));
	assert_string_equal(number, "2*");
	number[0] = '\0';
	for (int i = 1; i < DIGITS_MAX; i++)
		assert_false(digits_collect(number, '7'));
	assert_true(digits_collect(number, '7'));
	assert_true(digits_collect(number, '7'));
	assert_int_equal(strlen(number), DIGITS_MAX);
}

/* ---- cursors ---- */

static void test_cursors(void **state)
{
	static const struct {
		const char *text;
		int error;
	} rows[] = {
		{"1.g3.12", 0},        {"1.g1.0", 0},         {"2.g3.12", -ESTALE}, {"", -EINVAL},
		{"1", -EINVAL},        {"1.g3", -EINVAL},     {"1.3.12", -EINVAL},  {"1.g.12", -EINVAL},
		{"1.g3.", -EINVAL},    {".g3.12", -EINVAL},   {"1.g03.1", -EINVAL}, {"1.g3.01", -EINVAL},
		{"1.g3.-1", -EINVAL},  {"1.g3.+1", -EINVAL},  {"1.g3.1 ", -EINVAL}, {"1.g3.9999999999999999", -EINVAL},
		{"1.1.g3.1", -ESTALE}, {"1.g3.1.1", -EINVAL}, {"11.g3.1", -ESTALE}, {"1.g1x.1", -EINVAL},
	};
	char text[CURSOR_BYTES];
	int64_t generation = 0, seq = 0;

	for (size_t i = 0; i < HS_COUNT(rows); i++)
		assert_int_equal(cursor_parse(rows[i].text, "1", &generation, &seq), rows[i].error);
	cursor_format("node.with-dots.and-more", INT64_C(999999999999999), INT64_C(999999999999999), text);
	assert_int_equal(cursor_parse(text, "node.with-dots.and-more", &generation, &seq), 0);
	assert_int_equal(seq, INT64_C(999999999999999));
}

static void test_types(void **state)
{
	char types[CURSOR_TYPES_BYTES], unknown[64];

	assert_int_equal(cursor_types("dtmf,call.ended", types, unknown), 0);
	assert_string_equal(types, ",dtmf,call.ended,");
	assert_true(cursor_has_type(types, "dtmf"));
	assert_true(cursor_has_type(types, "call.ended"));
	assert_false(cursor_has_type(types, "ended"));
	assert_false(cursor_has_type(types, "dtmf.begin"));
	assert_true(cursor_has_type("", "anything"));
	assert_int_equal(cursor_types("", types, unknown), -EINVAL);
	assert_int_equal(cursor_types("dtmf,", types, unknown), -EINVAL);
	assert_int_equal(cursor_types(",dtmf", types, unknown), -EINVAL);
	assert_int_equal(cursor_types("dtmf,bells", types, unknown), -EINVAL);
	assert_string_equal(unknown, "bells");
	assert_int_equal(cursor_types("phone.ring", types, unknown), -EINVAL);
}

/* ---- tokens ---- */

static void test_tokens(void **state)
{
	AUTO(free) char *home = make_folder();
	AUTO(free) char *keys = hs_printf("%s/keys", home);
	AUTO(free) char *key = hs_printf("%s/token.key", keys);
	char good[HS_TOKEN_TEXT], other[HS_TOKEN_TEXT], hash[65];
	const char *scopes[] = {"calls:read", "audio"};
	struct hs_config_token rows[] = {{.name = "a", .hash = "short"},
					 {.name = "b", .hash = hash, .scopes_count = 2, .scopes = scopes}};
	struct hs_config_api api = {.tokens_count = 2, .tokens = rows, .requests_per_s = 10};
	struct hs_config config = {.api = &api};
	struct auth *auth;

	hs_token_make(good);
	hs_token_make(other);
	assert_int_equal(hs_keys_make(home, HS_ROLE_APID), 0);
	assert_int_equal(hs_token_hash(home, good, hash), 0);
	auth = auth_create(&config, home);
	for (int i = 0; i < 2; i++) { /* the second time it is known */
		assert_ptr_equal(auth_find(auth, good), &rows[1]);
		assert_null(auth_find(auth, other));
	}
	assert_null(auth_find(auth, NULL));
	assert_null(auth_find(auth, ""));
	assert_null(auth_find(auth, "hs_short"));
	assert_true(auth_has_scope(&rows[1], "audio"));
	assert_true(auth_has_scope(&rows[1], NULL));
	assert_false(auth_has_scope(&rows[1], "calls"));
	assert_false(auth_has_scope(&rows[0], "audio"));
	assert_false(auth_has_scope(NULL, "audio"));
	for (int i = 0; i < 10; i++)
		assert_true(auth_admit(auth, &rows[1], 5000));
	assert_false(auth_admit(auth, &rows[1], 5000));
	assert_true(auth_admit(auth, &rows[0], 5000));
	assert_false(auth_admit(auth, &rows[1], 5099));
	assert_true(auth_admit(auth, &rows[1], 5100));
	for (int i = 0; i < 10; i++)
		assert_true(auth_admit(auth, &rows[1], 900000));
	assert_false(auth_admit(auth, &rows[1], 900000));
	for (int i = 0; i < AUTH_READS_MAX; i++)
		assert_int_equal(auth_begin_read(auth, &rows[1], HS_ROLE_API_FRONT), i + 1);
	assert_int_equal(auth_begin_read(auth, &rows[1], HS_ROLE_API_FRONT), -EBUSY);
	assert_int_equal(auth_begin_read(auth, &rows[0], HS_ROLE_API_FRONT), 1);
	assert_int_equal(auth_begin_read(auth, NULL, HS_ROLE_API_FRONT), 1);
	auth_end_read(auth, &rows[1], HS_ROLE_API_FRONT);
	assert_int_equal(auth_begin_read(auth, &rows[1], HS_ROLE_API_FRONT), AUTH_READS_MAX);
	auth_destroy(auth);
	unlink(key);
	rmdir(keys);
	rmdir(home);
}

/* ---- figures ---- */

static void test_figures_are_merged(void **state)
{
	struct metrics_merge *merge = metrics_merge_create();
	AUTO(free) char *text = NULL, *cut = NULL;

	metrics_merge_add(merge,
			  "# HELP a first\n# TYPE a counter\na{d=\"1\"} 1\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\n"
			  "h_sum 2\nh_count 1\n");
	metrics_merge_add(merge,
			  "# HELP a first\n# TYPE a counter\na{d=\"2\"} 2\nnonsense\n\n# comment\nb_sum 3\n# TYPE h "
			  "histogram\nh_count 5");
	text = metrics_merge_text(merge, 10000);
	assert_string_equal(text, "# HELP a first\n# TYPE a counter\na{d=\"1\"} 1\na{d=\"2\"} 2\n# TYPE h histogram\n"
				  "h_bucket{le=\"1\"} 1\nh_sum 2\nh_count 1\nh_count 5\nb_sum 3\n");
	cut = metrics_merge_text(merge, 60);
	assert_string_equal(cut, "# HELP a first\n# TYPE a counter\na{d=\"1\"} 1\na{d=\"2\"} 2\n");
	metrics_merge_destroy(merge);
}

/* ---- explanations ---- */

static struct explanation explained(const struct hs_call *call)
{
	static struct explanation explanation;

	explain_call(call, 20000, &explanation);
	return explanation;
}

static void test_every_cause_has_a_sentence(void **state)
{
	struct hs_leg legs[] = {{.line = "kitchen", .ended_at = 9000}, {.line = "hall", .ended_at = 8000}};
	struct hs_call call = {.state = HS_CALL_STATE_ENDED, .line = "kitchen", .legs_count = 2, .legs = legs};

	for (call.cause = HS_CAUSE_NORMAL; call.cause < HS_CAUSE_COUNT; call.cause++) {
		struct explanation said = explained(&call);

		assert_true(strlen(said.sentence) > 10 && said.sentence[strlen(said.sentence) - 1] == '.');
		assert_null(strstr(said.sentence, "(null)"));
	}
	call.cause = legs[0].cause = HS_CAUSE_BUSY;
	legs[0].has_sip_status = true;
	legs[0].sip_status = 486;
	assert_string_equal(explained(&call).sentence, "kitchen was busy (SIP 486).");
	call.cause = HS_CAUSE_NORMAL;
	call.ended_by = "line";
	call.answered_at = 6000;
	call.duration_ms = 2500;
	assert_string_equal(explained(&call).sentence, "It was hung up by hall after 2.5 s of conversation.");
	call.state = HS_CALL_STATE_UP;
	assert_string_equal(explained(&call).sentence, "It is up, for 14.0 s.");
	call.legs_count = 0;
	call.state = HS_CALL_STATE_RINGING;
	assert_non_null(strstr(explained(&call).sentence, "kitchen"));
}

static void test_findings_about_audio(void **state)
{
	struct hs_media_figures media = {
		.packets_received = 970, .packets_sent = 1000, .packets_lost = 30, .jitter_us = 2000};
	struct hs_leg leg = {
		.line = "hall", .answered_at = 1000, .ended_at = 21000, .media = &media, .why = "it was late"};
	struct hs_call call = {.state = HS_CALL_STATE_ENDED, .line = "hall", .legs_count = 1, .legs = &leg};

	assert_string_equal(explained(&call).findings[1], "hall: it was late");
	assert_string_equal(explained(&call).findings[2], "3.0 % of what hall said was lost on its way to us.");
	media.packets_lost = 2;
	assert_string_equal(explained(&call).findings[2],
			    "The audio of hall was good: 970 packets heard, 2 lost, jitter 2 ms.");
	media.packets_received = media.packets_sent = 0;
	assert_non_null(strstr(explained(&call).findings[2], "Nothing was heard from hall: no packet"));
	assert_non_null(strstr(explained(&call).findings[3], "Nothing was sent to hall"));
	media.packets_refused = 60;
	assert_non_null(strstr(explained(&call).findings[2], "60 packets came and were refused"));
	leg.ended_at = 1500; /* too short to judge */
	assert_int_equal(explained(&call).count, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_cause_has_a_sentence),
		cmocka_unit_test(test_findings_about_audio),
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_emergency_numbers_come_first),
		cmocka_unit_test(test_complete_numbers),
		cmocka_unit_test(test_numbers_sent),
		cmocka_unit_test(test_numbers_of_the_world),
		cmocka_unit_test(test_who_may_dial),
		cmocka_unit_test(test_digits_are_numbered),
		cmocka_unit_test(test_audio_outranks_info),
		cmocka_unit_test(test_old_info_is_another_key),
		cmocka_unit_test(test_many_info_digits),
		cmocka_unit_test(test_collecting),
		cmocka_unit_test(test_cursors),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_figures_are_merged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
