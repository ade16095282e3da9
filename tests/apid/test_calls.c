/* Calls by stepping: what is asked of drivers and mediad, and what is told, in order. */
#include "call_record.h"
#include "cleanup.h"
#include "clock.h"
#include "outside.h"
#include "scene.h"

static struct call *ring(struct scene *scene, const char *line, const char *to_line)
{
	struct calls_order order = {.line = lines_find(scene->lines, line),
				    .to_line = lines_find(scene->lines, to_line),
				    .caller_number = "77",
				    .ring_ms = 20000};

	return calls_ring(scene->calls, &order);
}

static void test_operator_rings(void **state)
{
	struct scene scene = {0};
	struct call *call;
	struct leg *leg;

	scene_open(&scene);
	call = ring(&scene, "phone1", NULL);
	scene_expect(&scene, "ask media.open", "tell call.created", NULL);
	leg = scene_media_opened(call);
	scene_expect(&scene, "ask leg.originate", NULL);
	assert_false(line_is_free(leg->line));
	calls_leg_rings(leg, hs_clock_wall_ms());
	scene_expect(&scene, "\"new_state\":\"ringing\"", "tell call.ringing", NULL);
	calls_leg_answered(leg, true, hs_clock_wall_ms());
	scene_expect(&scene, "\"state_source\":\"measured\"", "tell call.answered", NULL);
	assert_true(calls_hang_up(call, HS_CAUSE_NORMAL, "api", NULL));
	assert_false(calls_hang_up(call, HS_CAUSE_NORMAL, "api", NULL));
	scene_expect(&scene, "ask leg.hangup", NULL);
	scene_leg_ends(leg, HS_CAUSE_NORMAL, false);
	scene_expect(&scene, "forget sipd", "ask media.close", "\"new_state\":\"on_hook\"", "tell call.ended", NULL);
	assert_int_equal(calls_count(scene.calls), 0);
	scene_end(&scene);
}

static void test_hung_up_before_the_driver_knew(void **state)
{
	struct scene scene = {0};
	struct call *call;

	scene_open(&scene);
	call = ring(&scene, "phone1", NULL);
	calls_hang_up(call, HS_CAUSE_CANCELLED, "api", NULL);
	scene_expect(&scene, "ask media.open", "ask media.close", NULL);
	calls_media_opened(&call->legs[0], "v=0", 0); /* the answer comes too late */
	calls_media_closed(&call->legs[0], NULL);
	scene_expect(&scene, "\"cause\":\"cancelled\",\"ended_by\":\"api\"", NULL);
	scene_expect_none(&scene, "leg.originate");
	scene_end(&scene);
}

static void test_answer_crosses_hangup(void **state)
{
	struct scene scene = {0};
	struct call *call;
	struct leg *leg;

	scene_open(&scene);
	call = ring(&scene, "phone1", NULL);
	leg = scene_media_opened(call);
	calls_hang_up(call, HS_CAUSE_CANCELLED, "api", NULL);
	calls_leg_answered(leg, false, hs_clock_wall_ms());
	scene_expect(&scene, "ask leg.hangup", "off_hook", NULL);
	scene_expect_none(&scene, "call.answered");
	scene_leg_ends(leg, HS_CAUSE_NORMAL, true);
	scene_expect(&scene, "on_hook", "\"cause\":\"cancelled\"", NULL);
	scene_end(&scene);
}

static void test_line_to_line(void **state)
{
	struct scene scene = {0};
	struct leg *first, *second;
	struct call *call;

	scene_open(&scene);
	first = scene_incoming(&scene, "phone1", "202");
	call = first->call;
	second = scene_media_opened(call);
	scene_expect(&scene, "tell call.created", "\"new_state\":\"off_hook\"", NULL);
	calls_leg_rings(second, hs_clock_wall_ms());
	scene_expect(&scene, "ask leg.progress", NULL);
	calls_leg_answered(second, false, hs_clock_wall_ms());
	scene_expect(&scene, "ask leg.answer", "ask media.join", NULL);
	assert_int_equal(call->state, CALL_CONNECTING);
	calls_leg_answered(first, false, hs_clock_wall_ms());
	scene_expect(&scene, "tell call.answered", NULL);
	scene_leg_ends(second, HS_CAUSE_NORMAL, true);
	scene_expect(&scene, "ask leg.hangup", NULL);
	scene_leg_ends(first, HS_CAUSE_NORMAL, false);
	scene_expect(&scene, "\"cause\":\"normal\",\"ended_by\":\"line\"", NULL);
	scene_end(&scene);
}

static void test_callee_fails_after_dial_tone(void **state)
{
	struct scene scene = {0};
	struct leg *first, *second;

	scene_open(&scene);
	first = scene_incoming(&scene, "phone3", "lifted");
	calls_leg_answered(first, false, hs_clock_wall_ms());
	scene_expect(&scene, "ask leg.answer", "\"tone\":\"dial\"", NULL);
	assert_int_equal(first->call->shown, HS_CALL_STATE_DIALLING);
	scene_press(first, "202#");
	scene_expect(&scene, "\"tone\":\"none\"", "ask media.open", "tell call.dialled", NULL);
	second = scene_media_opened(first->call);
	scene_leg_ends(second, HS_CAUSE_BUSY, true);
	scene_expect(&scene, "ask leg.originate", "\"tone\":\"busy\"", NULL);
	assert_int_equal(call_step(first->call, CALL_TIMER, NULL), 0);
	scene_expect(&scene, "ask leg.hangup", NULL);
	scene_leg_ends(first, HS_CAUSE_NORMAL, false);
	scene_expect(&scene, "\"cause\":\"busy\"", NULL);
	scene_end(&scene);
}

/* Messages are kept over the death of apid, and heard in the dial tone. */
static void test_waiting_messages(void **state)
{
	struct scene scene = {0};
	struct hs_line shown;
	struct line *line;

	scene_open(&scene);
	line_set_messages(lines_find(scene.lines, "phone1"), 3);
	scene_turn(&scene);
	scene_close(&scene, false);
	scene_open(&scene);
	line = lines_find(scene.lines, "phone1");
	assert_int_equal(line->messages, 3);
	line_describe(line, &shown);
	assert_true(shown.has_messages_waiting && shown.messages_waiting == 3);
	calls_leg_answered(scene_incoming(&scene, "phone1", NULL), true, hs_clock_wall_ms());
	scene_expect(&scene, "ask leg.answer", "\"tone\":\"stutter\"", NULL);
	line_set_messages(line, 0);
	line_describe(line, &shown);
	assert_false(shown.has_messages_waiting);
	scene_end(&scene);
}

/* A port that does not work: told once, shown with its reason, over the death of apid too, and forgotten when it works.
 */
static void test_trouble_of_a_port(void **state)
{
	struct scene scene = {0};
	struct hs_line_changed change = {.line = "phone1", .trouble = HS_TROUBLE_IN_USE, .why = "stop it"};
	struct hs_line shown;
	struct line *line;

	scene_open(&scene);
	line = lines_find(scene.lines, "phone1");
	line_heard(line, &change, hs_clock_wall_ms());
	scene_expect(&scene, "\"why\":\"stop it\",\"trouble\":\"in_use\"", NULL);
	line_heard(line, &change, hs_clock_wall_ms());
	scene_turn(&scene);
	scene_expect_none(&scene, "line.unregistered");
	change.trouble = HS_TROUBLE_MISSING;
	line_heard(line, &change, hs_clock_wall_ms());
	scene_expect(&scene, "\"trouble\":\"missing\"", NULL);
	line_describe(line, &shown);
	assert_int_equal(shown.trouble, HS_TROUBLE_MISSING);
	assert_string_equal(shown.why, "stop it");
	change = (struct hs_line_changed){.line = "phone1", .reachable = true, .contacts = 1};
	line_heard(line, &change, hs_clock_wall_ms());
	line_describe(line, &shown);
	assert_true(!shown.trouble && !shown.why);
	scene_end(&scene);
}

static void test_distinctive_ring(void **state)
{
	struct scene scene = {0};
	struct calls_order order = {.line = NULL, .cadence = "short", .ring_ms = 20000};

	scene_open(&scene);
	order.line = lines_find(scene.lines, "phone1");
	scene_media_opened(calls_ring(scene.calls, &order));
	scene_expect(&scene, "ask media.open", "\"cadence\":\"short\"", NULL);
	scene_end(&scene);
}

/* ---- out over exchange lines ---- */

static struct call *call_number(struct scene *scene, const char *number, const char *to_line)
{
	struct calls_order order = {.to_line = lines_find(scene->lines, to_line), .dialled = number, .ring_ms = 20000};

	order.route = routes_find(scene->routes, NULL, number).out;
	assert_non_null(order.route);
	order.line = outside_line(scene->calls, order.route, NULL, NULL);
	return calls_ring(scene->calls, &order);
}

static void progresses(struct leg *leg)
{
	calls_leg_progresses(leg, true, hs_clock_wall_ms());
}

static void test_a_phone_calls_out(void **state)
{
	struct scene scene = {0};
	struct leg *first, *second;

	scene_open(&scene);
	first = scene_incoming(&scene, "phone1", "9 555-1234");
	second = scene_media_opened(first->call);
	scene_expect(&scene, "tell call.created", "\"number\":\"8W5551234\"", NULL);
	assert_string_equal(second->line_id, "trunk1");
	assert_string_equal(second->number, "8W5551234");
	assert_int_equal(second->line->state, HS_LINE_STATE_ON_HOOK);
	progresses(second); /* its tones are heard by who called, before anybody answers */
	scene_expect(&scene, "ask leg.progress", "\"new_state\":\"off_hook\"", NULL);
	calls_leg_rings(second, hs_clock_wall_ms());
	assert_int_equal(second->line->state, HS_LINE_STATE_OFF_HOOK);
	calls_leg_answered(second, true, hs_clock_wall_ms());
	scene_expect(&scene, "ask leg.answer", "tell call.ringing", NULL);
	calls_leg_answered(first, false, hs_clock_wall_ms());
	scene_expect(&scene, "tell call.answered", NULL);
	scene_leg_ends(second, HS_CAUSE_NORMAL, true);
	scene_leg_ends(first, HS_CAUSE_NORMAL, false);
	scene_expect(&scene, "\"cause\":\"normal\"", NULL);
	scene_end(&scene);
}

/* A lifted handset that hears its digits go out hears no tone of ours on top. */
static void test_early_audio_ends_our_tones(void **state)
{
	struct scene scene = {0};
	struct leg *first, *second;

	scene_open(&scene);
	first = scene_incoming(&scene, "phone1", NULL);
	calls_leg_answered(first, true, hs_clock_wall_ms());
	scene_press(first, "95#");
	second = scene_media_opened(first->call);
	scene_turn(&scene);
	scene.seen = scene.notes_count;
	progresses(second);
	progresses(second);
	calls_leg_rings(second, hs_clock_wall_ms());
	scene_expect(&scene, "ask media.join", "tell call.ringing", NULL);
	scene_expect_none(&scene, "ringback");
	scene_leg_ends(second, HS_CAUSE_BUSY, true); /* no other line is tried: somebody was called */
	scene_expect(&scene, "\"tone\":\"busy\"", NULL);
	assert_int_equal(first->call->state, CALL_TONE);
	assert_int_equal(first->call->legs_count, 2);
	scene_end(&scene);
}

static void test_the_next_line_of_a_route(void **state)
{
	struct scene scene = {0};
	struct leg *first, *second, *third;

	scene_open(&scene);
	first = scene_incoming(&scene, "phone1", "91");
	second = scene_media_opened(first->call);
	scene_leg_ends(second, HS_CAUSE_BUSY, true); /* the exchange was calling in the same moment */
	third = scene_media_opened(first->call);
	assert_string_equal(third->line_id, "trunk2");
	scene_expect(&scene, "\"line\":\"trunk1\"", "tell call.routed", "\"line\":\"trunk2\"", NULL);
	scene_leg_ends(third, HS_CAUSE_UNREACHABLE, false);
	scene_expect(&scene, "ask leg.hangup", NULL);
	scene_leg_ends(first, HS_CAUSE_UNREACHABLE, false);
	scene_expect(&scene, "\"cause\":\"unreachable\"", NULL);
	scene_end(&scene);
}

static void test_no_line_is_free(void **state)
{
	const struct hs_line_changed away[] = {{.line = "trunk1"}, {.line = "trunk2"}};
	struct scene scene = {0};
	struct leg *first;
	const char *why;

	scene_open(&scene);
	for (int i = 0; i < 2; i++)
		scene_media_opened(scene_incoming(&scene, "phone1", "91")->call);
	first = scene_incoming(&scene, "phone1", "91");
	assert_int_equal(first->call->cause, HS_CAUSE_OVERLOADED);
	for (size_t i = 0; i < HS_COUNT(away); i++)
		line_heard(lines_find(scene.lines, away[i].line), &away[i], hs_clock_wall_ms());
	assert_int_equal(outside_why_none(scene.calls, first->call->route, &why), HS_CAUSE_UNREACHABLE);
	scene_end(&scene);
}

static void test_who_may_not_call_out(void **state)
{
	static const struct {
		const char *line, *dialled;
		enum hs_cause cause;
	} rows[] = {
		{"phone2", "91", HS_CAUSE_REJECTED},
		{"phone1", "9001", HS_CAUSE_REJECTED},
		{"phone1", "trunk1", HS_CAUSE_UNREACHABLE},
		{"phone1", "301", HS_CAUSE_UNREACHABLE},
	};
	struct scene scene = {0};

	scene_open(&scene);
	for (size_t i = 0; i < HS_COUNT(rows); i++) {
		struct leg *leg = scene_incoming(&scene, rows[i].line, rows[i].dialled);

		assert_int_equal(leg->call->state, CALL_ENDING);
		assert_int_equal(leg->call->cause, rows[i].cause);
		scene_leg_ends(leg, rows[i].cause, false);
	}
	scene_expect(&scene, "may_dial does not name the route", NULL);
	scene_expect_none(&scene, "call.routed");
	scene_end(&scene);
}

static void test_emergency_calls_know_no_limit(void **state)
{
	struct scene scene = {0};
	struct leg *leg;

	scene_open(&scene);
	for (int i = 0; i < 4; i++)
		scene_incoming(&scene, "phone1", "0");
	leg = scene_incoming(&scene, "phone2", "112"); /* with no right to dial anything */
	assert_string_equal(scene_media_opened(leg->call)->line_id, "trunk2");
	scene_end(&scene);
}

/* The API calls a number: a line that turns out to be taken is as if it had not been there. */
static void test_calling_a_number(void **state)
{
	struct scene scene = {0};
	struct leg *second, *phone;
	struct call *call;

	scene_open(&scene);
	call = call_number(&scene, "95551234", "phone2");
	scene_leg_ends(scene_media_opened(call), HS_CAUSE_BUSY, true);
	second = scene_media_opened(call);
	assert_ptr_equal(call_first(call), second);
	assert_string_equal(call->line_id, "trunk2");
	assert_int_equal(call->state, CALL_PLACING);
	progresses(second);
	calls_leg_answered(second, false, hs_clock_wall_ms());
	phone = scene_media_opened(call);
	assert_string_equal(phone->line_id, "phone2");
	scene_expect(&scene, "\"line\":\"trunk1\"", "\"line\":\"trunk2\"",
		     "\"line\":\"phone2\",\"description\":\"v=0\",\"caller_number\":\"95551234\"", NULL);
	calls_leg_answered(phone, false, hs_clock_wall_ms());
	scene_expect(&scene, "ask media.join", "tell call.answered", NULL);
	scene_leg_ends(phone, HS_CAUSE_NORMAL, true);
	scene_expect(&scene, "ask leg.hangup", NULL);
	scene_leg_ends(second, HS_CAUSE_NORMAL, false);
	scene_expect(&scene, "tell call.ended", NULL);
	scene_end(&scene);
}

/* Our successor knows where a call leads, and takes the next line too. */
static void test_calls_out_are_kept(void **state)
{
	struct scene scene = {0};
	char id[65];
	struct call *call;

	scene_open(&scene);
	call = scene_incoming(&scene, "phone1", "91")->call;
	hs_copy(id, sizeof(id), call->id);
	scene_media_opened(call);
	scene_turn(&scene);
	scene_close(&scene, false);
	scene_open(&scene);
	call = calls_find(scene.calls, id);
	assert_string_equal(call->route->id, "town");
	assert_string_equal(call->legs[1].number, "8W1");
	scene_leg_ends(&call->legs[1], HS_CAUSE_FAILED, false);
	assert_string_equal(call->legs[2].line_id, "trunk2");
	scene_end(&scene);
}

static struct call *call_two_numbers(struct scene *scene)
{
	struct calls_order order = {.dialled = "91", .to_number = "9 2", .ring_ms = 20000};

	order.route = order.to_route = routes_find(scene->routes, NULL, "91").out;
	order.line = outside_line(scene->calls, order.route, NULL, NULL);
	return calls_ring(scene->calls, &order);
}

/* Both outside: each is called over a line of his own; our successor knows which is whose. */
static void test_two_parties_outside(void **state)
{
	struct scene scene = {0};
	struct hs_arena *arena = hs_arena_create();
	struct hs_call shown;
	struct leg *first, *second;
	struct call *call;
	char id[65];

	scene_open(&scene);
	call = call_two_numbers(&scene);
	hs_copy(id, sizeof(id), call->id);
	first = scene_media_opened(call);
	progresses(first);
	calls_leg_answered(first, false, hs_clock_wall_ms());
	second = scene_media_opened(call);
	assert_string_equal(first->number, "8W1");
	assert_string_equal(second->number, "8W2");
	assert_string_equal(second->line_id, "trunk2");
	scene_expect(&scene, "\"dialled\":\"91\"", "\"dialled\":\"9 2\"", NULL);
	scene_turn(&scene);
	scene_close(&scene, false);
	scene_open(&scene);
	call = calls_find(scene.calls, id);
	assert_string_equal(call->to_route->id, "town");
	assert_ptr_equal(call_first(call), &call->legs[0]);
	call_record_describe(call, arena, &shown);
	assert_string_equal(shown.to_number, "9 2");
	assert_string_equal(shown.to_route, "town");
	calls_leg_answered(&call->legs[1], false, hs_clock_wall_ms());
	assert_int_equal(call->state, CALL_UP);
	scene_leg_ends(&call->legs[1], HS_CAUSE_NORMAL, true);
	assert_int_equal(call->state, CALL_ENDING);
	hs_arena_destroy(arena);
	scene_end(&scene);
}

/* Nobody may tell us that both have hung up. */
static void test_two_parties_outside_end_some_time(void **state)
{
	struct scene scene = {0};
	struct call *call;

	scene_open(&scene);
	scene.config->calls->outside_max_duration_s = 1;
	call = call_two_numbers(&scene);
	calls_leg_answered(scene_media_opened(call), false, hs_clock_wall_ms());
	calls_leg_answered(scene_media_opened(call), false, hs_clock_wall_ms());
	assert_true(call->deadline_at <= hs_clock_wall_ms() + 1000);
	call_step(call, CALL_TIMER, NULL);
	assert_int_equal(call->cause, HS_CAUSE_TIME_LIMIT);
	assert_non_null(strstr(call->why, "two parties outside"));
	scene_end(&scene);
}

/* Each party's line is the first free one of his route: no leg of one is taken for the other's. */
static void test_the_next_line_for_the_second_party(void **state)
{
	const struct hs_line_changed away = {.line = "trunk2"};
	struct scene scene = {0};
	struct call *call;

	scene_open(&scene);
	call = call_two_numbers(&scene);
	scene_leg_ends(scene_media_opened(call), HS_CAUSE_BUSY, true);
	assert_string_equal(call->legs[1].number, "8W1"); /* the first party's still */
	assert_int_equal(call->second_at, 0);
	calls_leg_answered(scene_media_opened(call), false, hs_clock_wall_ms());
	assert_int_equal(call->state, CALL_TONE); /* both lines were taken in this call */
	assert_int_equal(call->cause, HS_CAUSE_OVERLOADED);
	line_heard(lines_find(scene.lines, "trunk2"), &away, hs_clock_wall_ms());
	scene_end(&scene);
}

/* An exchange line's callers are led out again where the configuration says so twice. */
static void test_from_outside_to_outside(void **state)
{
	struct hs_leg_incoming fact = {.leg = "lx", .call = "cx", .line = "trunk1", .dialled = "91"};
	struct scene scene = {0};
	struct call *call;

	scene_open(&scene);
	calls_incoming(scene.calls, HS_ROLE_DAHDID, &fact, hs_clock_wall_ms());
	call = calls_find(scene.calls, "cx");
	assert_non_null(strstr(call->why, "calls.outside_to_outside"));
	scene_leg_ends(&call->legs[0], HS_CAUSE_REJECTED, false);
	scene.config->calls->outside_to_outside = true;
	fact.leg = "ly";
	fact.call = "cy";
	calls_incoming(scene.calls, HS_ROLE_DAHDID, &fact, hs_clock_wall_ms());
	call = calls_find(scene.calls, "cy");
	assert_non_null(strstr(call->why, "may_dial"));
	scene_end(&scene);
}

/* Who calls over an exchange line is shown to who is called. */
static void test_a_call_from_outside(void **state)
{
	struct scene scene = {0};
	struct hs_leg_incoming fact = {.leg = "lx",
				       .call = "cx",
				       .line = "trunk1",
				       .dialled = "202",
				       .caller_number = "4155550100",
				       .caller_name = "Ada"};

	scene_open(&scene);
	calls_incoming(scene.calls, HS_ROLE_DAHDID, &fact, hs_clock_wall_ms());
	scene_expect(&scene, "\"caller_number\":\"4155550100\",\"caller_name\":\"Ada\"", NULL);
	scene_media_opened(calls_find(scene.calls, "cx"));
	scene_expect(&scene, "\"caller_number\":\"4155550100\",\"caller_name\":\"Ada\"", NULL);
	scene_end(&scene);
}

static void test_silence_after_dial_tone(void **state)
{
	struct scene scene = {0};
	struct leg *leg;

	scene_open(&scene);
	leg = scene_incoming(&scene, "phone1", NULL);
	calls_leg_answered(leg, false, hs_clock_wall_ms());
	call_step(leg->call, CALL_TIMER, NULL);
	scene_expect(&scene, "\"tone\":\"dial\"", "\"tone\":\"none\"", "tell call.answered", NULL);
	scene_leg_ends(leg, HS_CAUSE_NORMAL, true);
	leg = scene_incoming(&scene, "phone1", NULL);
	calls_leg_answered(leg, false, hs_clock_wall_ms());
	scene_press(leg, "77");
	call_step(leg->call, CALL_TIMER, NULL);
	scene_expect(&scene, "\"dialled\":\"77\"", NULL);
	assert_int_equal(leg->call->state, CALL_TONE);
	assert_int_equal(leg->call->tone, HS_TONE_CONGESTION);
	scene_end(&scene);
}

static void test_limits(void **state)
{
	struct scene scene = {0};
	struct leg *leg, *last;

	scene_open(&scene);
	for (int i = 0; i < 4; i++)
		leg = scene_incoming(&scene, "phone1", "0");
	last = scene_incoming(&scene, "phone2", "0");
	scene_expect(&scene, "\"cause\":\"overloaded\"", NULL);
	scene_leg_ends(last, HS_CAUSE_OVERLOADED, false);
	calls_leg_answered(leg, false, hs_clock_wall_ms());
	assert_int_equal(leg->call->state, CALL_UP);
	call_step(leg->call, CALL_TIMER, NULL);
	scene_expect(&scene, "\"cause\":\"time_limit\"", NULL);
	scene_end(&scene);
}

static void test_several_legs_of_a_line(void **state)
{
	struct scene scene = {0};
	struct leg *one, *two;

	scene_open(&scene);
	one = scene_incoming(&scene, "phone1", "0");
	two = scene_incoming(&scene, "phone1", "0");
	assert_string_equal(one->line->call, two->call->id);
	scene_leg_ends(two, HS_CAUSE_NORMAL, true);
	scene_turn(&scene);
	assert_int_equal(one->line->state, HS_LINE_STATE_OFF_HOOK);
	assert_ptr_equal(calls_leg_of(scene.calls, one->line), one);
	scene_leg_ends(one, HS_CAUSE_NORMAL, true);
	assert_int_equal(lines_find(scene.lines, "phone1")->state, HS_LINE_STATE_ON_HOOK);
	scene_end(&scene);
}

static void test_drivers_and_mediad_begin_anew(void **state)
{
	struct scene scene = {0};
	struct leg *old, *new;

	scene_open(&scene);
	old = scene_incoming(&scene, "phone1", "0");
	calls_leg_answered(old, false, hs_clock_wall_ms());
	new = scene_incoming(&scene, "phone2", "0");
	new->asked_at = new->media_at = hs_clock_wall_ms() + 1000;
	calls_driver_restarted(scene.calls, HS_ROLE_SIPD, hs_clock_wall_ms());
	assert_false(leg_lives(old));
	assert_true(leg_lives(new));
	calls_media_restarted(scene.calls, hs_clock_wall_ms());
	assert_true(leg_lives(new));
	scene_expect(&scene, "\"cause\":\"driver_restarted\"", NULL);
	new->media_at = 1;
	calls_media_restarted(scene.calls, hs_clock_wall_ms());
	scene_expect(&scene, "ask leg.hangup", NULL);
	scene_expect_none(&scene, "media.close");
	scene_end(&scene);
}

static void test_restored_as_it_was(void **state)
{
	struct scene scene = {0};
	char id[65], leg_id[65];
	struct leg *leg;
	struct call *call;

	scene_open(&scene);
	leg = scene_incoming(&scene, "phone3", "lifted");
	calls_leg_answered(leg, false, hs_clock_wall_ms());
	scene_press(leg, "20");
	hs_copy(id, sizeof(id), leg->call->id);
	hs_copy(leg_id, sizeof(leg_id), leg->id);
	streams_add(scene.streams, "s1", lines_find(scene.lines, "phone3"), HS_ROLE_API_FRONT, "websocket");
	scene_turn(&scene);
	scene_close(&scene, false);
	scene_open(&scene);
	call = calls_find(scene.calls, id);
	leg = calls_find_leg(scene.calls, leg_id);
	assert_non_null(call);
	assert_non_null(leg);
	assert_int_equal(call->state, CALL_DIALLING);
	assert_string_equal(call->collected, "20");
	assert_int_equal(call->digits, 2);
	assert_true(call->deadline_at > 0);
	assert_int_equal(leg->line->state, HS_LINE_STATE_OFF_HOOK);
	assert_int_equal(leg->line->legs, 1);
	assert_true(streams_has(leg->line));
	scene_press(leg, "2#");
	scene_expect(&scene, "\"sequence\":3", "\"dialled\":\"202\"", NULL);
	scene_end(&scene);
}

static void test_a_leg_that_never_ends(void **state)
{
	struct scene scene = {0};
	struct leg *leg;

	scene_open(&scene);
	leg = scene_incoming(&scene, "phone1", "404");
	assert_int_equal(leg->call->state, CALL_ENDING);
	call_step(leg->call, CALL_TIMER, NULL);
	assert_int_equal(leg->call->state, CALL_CLOSING);
	call_step(leg->call, CALL_TIMER, NULL); /* nor does mediad say anything */
	scene_expect(&scene, "tell call.ended", NULL);
	scene_end(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_operator_rings),
		cmocka_unit_test(test_hung_up_before_the_driver_knew),
		cmocka_unit_test(test_answer_crosses_hangup),
		cmocka_unit_test(test_line_to_line),
		cmocka_unit_test(test_callee_fails_after_dial_tone),
		cmocka_unit_test(test_waiting_messages),
		cmocka_unit_test(test_trouble_of_a_port),
		cmocka_unit_test(test_distinctive_ring),
		cmocka_unit_test(test_silence_after_dial_tone),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_several_legs_of_a_line),
		cmocka_unit_test(test_drivers_and_mediad_begin_anew),
		cmocka_unit_test(test_a_phone_calls_out),
		cmocka_unit_test(test_early_audio_ends_our_tones),
		cmocka_unit_test(test_the_next_line_of_a_route),
		cmocka_unit_test(test_no_line_is_free),
		cmocka_unit_test(test_who_may_not_call_out),
		cmocka_unit_test(test_emergency_calls_know_no_limit),
		cmocka_unit_test(test_calling_a_number),
		cmocka_unit_test(test_calls_out_are_kept),
		cmocka_unit_test(test_a_call_from_outside),
		cmocka_unit_test(test_two_parties_outside),
		cmocka_unit_test(test_two_parties_outside_end_some_time),
		cmocka_unit_test(test_the_next_line_for_the_second_party),
		cmocka_unit_test(test_from_outside_to_outside),
		cmocka_unit_test(test_restored_as_it_was),
		cmocka_unit_test(test_a_leg_that_never_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
