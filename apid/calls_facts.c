/* What drivers and mediad tell of calls. */
#include "calls.h"
#include "cleanup.h"
#include "clock.h"
#include "gather.h"
#include "log.h"
#include "reach.h"
#include <stdlib.h>
#include <string.h>

/* ---- facts of drivers ---- */

void calls_leg_progresses(struct leg *leg, bool early_media, int64_t at_ms)
{
	leg->call->calls->at = at_ms;
	if (leg_step(leg, LEG_PROGRESSES, true, at_ms) != 0)
		return;
	calls_changed(leg->call);
	if (early_media)
		call_step(leg->call, CALL_EARLY, NULL);
}

void calls_leg_rings(struct leg *leg, int64_t at_ms)
{
	struct call_step step = {.leg = leg};
	bool is_news = leg->state != LEG_RINGING; /* a forked or repeated 180 is none */

	leg->call->calls->at = at_ms;
	if (leg_step(leg, LEG_RINGS, false, at_ms) != 0 || !is_news)
		return;
	calls_changed(leg->call);
	call_step(leg->call, CALL_RINGS, &step);
}

/* Who was not asked to answer, or came too late: another line has the call already. */
static bool is_expected(struct call *call, const struct leg *leg)
{
	if (leg->hung_up)
		return call->state >= CALL_ENDING;
	if (call->state == CALL_PLACING || call->state == CALL_RINGING)
		return call_is_rung(call, leg);
	return leg == call_first(call) || call->state >= CALL_ENDING;
}

void calls_leg_answered(struct leg *leg, bool measured, int64_t at_ms)
{
	struct call *call = leg->call;
	struct call_step step = {.leg = leg};
	bool expected = is_expected(call, leg);

	call->calls->at = at_ms;
	if (leg->state == LEG_UP)
		return; /* told again by a driver that died meanwhile */
	if (leg_step(leg, LEG_ANSWERS, measured, at_ms) != 0)
		return;
	calls_changed(call);
	if (expected && call->second_at && call_is_rung(call, leg) && call->state < CALL_UP)
		call->second = (size_t)(leg - call->legs);
	if (expected) {
		call_step(call, CALL_ANSWERED, &step);
		return;
	}
	hs_log(WARN, "leg.answered_unasked", LOG_CALL(call->id), LOG_LEG(leg->id));
	call_let_go(leg, HS_CAUSE_CANCELLED);
}

static bool anybody_lives(const struct call *call)
{
	for (size_t i = 0; i < call->legs_count; i++)
		if (leg_lives(&call->legs[i]))
			return true;
	return false;
}

/* Another line rings for the same party. */
static bool others_ring(const struct call *call, const struct leg *gone)
{
	for (size_t i = call->second_at; call->second_at && i < call->legs_count; i++)
		if (&call->legs[i] != gone && leg_lives(&call->legs[i]) && !call->legs[i].hung_up)
			return true;
	return false;
}

/* CALL_EVENTS: nothing. */
static enum call_event what_that_means(struct call *call, const struct leg *gone)
{
	bool is_rung = call->state != CALL_UP && call_is_rung(call, gone);

	if (!anybody_lives(call))
		return CALL_EMPTY;
	if ((gone->hung_up && call_is_active(call)) || (is_rung && others_ring(call, gone)))
		return CALL_EVENTS;
	return is_rung ? CALL_FAILED : CALL_LEFT;
}

static void close_media(struct leg *leg)
{
	struct hs_media_close body = {leg->id};

	if (leg->media != LEG_MEDIA_OPEN && leg->media != LEG_MEDIA_OPENING)
		return;
	leg->media = LEG_MEDIA_CLOSING;
	calls_ask_media(leg, HS_MEDIA_CLOSE, &body);
}

struct search {
	const struct line *line;
	const struct leg *found;
};

static bool lives_at(void *context, const char *key, void *object)
{
	struct search *search = context;
	const struct leg *leg = object;

	if (leg->line == search->line && leg_lives(leg))
		search->found = leg;
	return !search->found;
}

/* A phone in several calls of its own: another of them is now the line's call. */
static void relink_line(struct calls *calls, struct line *line, const struct call *gone)
{
	struct search search = {line, NULL};

	if (!line || line->legs == 0 || strcmp(line->call, gone->id) != 0)
		return;
	hs_table_each(calls->legs, lives_at, &search);
	if (search.found)
		hs_copy(line->call, sizeof(line->call), search.found->call->id);
}

/* Causes that say something of the line, not of who was called over it. */
static bool is_of_line(enum hs_cause cause)
{
	return cause == HS_CAUSE_BUSY || cause == HS_CAUSE_UNREACHABLE || cause == HS_CAUSE_FAILED ||
	       cause == HS_CAUSE_OVERLOADED || cause == HS_CAUSE_DRIVER_RESTARTED;
}

void calls_leg_over(struct leg *leg, const struct call_step *step)
{
	struct call *call = leg->call;
	const struct calls_setup *setup = &call->calls->setup;
	bool was_new = leg->state == LEG_NEW;
	enum call_event event;

	if (leg_step(leg, LEG_ENDS, false, call->calls->at) != 0)
		return;
	leg->unbegun = was_new && !leg->hung_up && is_of_line(step->cause);
	calls_changed(call);
	relink_line(call->calls, leg->line, call);
	leg->cause = step->cause;
	free(leg->why);
	leg->why = hs_strdup(step->why);
	setup->forget(setup->context, leg->driver, leg->id);
	close_media(leg);
	hs_log(INFO, "leg.ended", LOG_CALL(call->id), LOG_LEG(leg->id), LOG_LINE(leg->line_id),
	       LOG_TEXT("cause", hs_enum_cause.names[step->cause]), LOG_WHY(step->why));
	event = what_that_means(call, leg);
	if (event != CALL_EVENTS)
		call_step(call, event, step);
}

void calls_leg_ended(struct leg *leg, const struct hs_leg_ended *fact, int64_t at_ms)
{
	struct call_step step = {leg, fact->cause, fact->by_far_end ? "line" : "system", fact->why};

	leg->call->calls->at = at_ms;
	leg->status = fact->has_status ? fact->status : 0;
	calls_leg_over(leg, &step);
}

void calls_leg_held(struct leg *leg, const struct hs_leg_held *fact, int64_t at_ms)
{
	struct hs_call_held event = {leg->id, fact->held, fact->by_far_end};

	leg->call->calls->at = at_ms;
	leg->held = fact->held;
	calls_changed(leg->call);
	calls_tell(leg->call, HS_CALL_HELD, leg->line_id, &event);
}

void calls_leg_not_held(struct leg *leg, bool held, const char *why, int64_t at_ms)
{
	struct hs_call_hold_failed event = {leg->id, held, why};

	leg->call->calls->at = at_ms;
	calls_tell(leg->call, HS_CALL_HOLD_FAILED, leg->line_id, &event);
}

void calls_leg_flashed(struct leg *leg, int64_t at_ms)
{
	struct hs_call_flash event = {leg->id};

	leg->call->calls->at = at_ms;
	calls_tell(leg->call, HS_CALL_FLASH, leg->line_id, &event);
}

void calls_leg_digit(struct leg *leg, const struct hs_leg_digit *fact, int64_t at_ms)
{
	struct call *call = leg->call;
	int64_t sequence = 0;
	enum digits_verdict verdict = digits_take(&leg->digits, fact, at_ms, &call->digits, &sequence);
	struct hs_dtmf ended = {fact->digit, sequence, fact->duration_ms, fact->source};
	struct hs_dtmf_begin began = {fact->digit, sequence};

	call->calls->at = at_ms;
	calls_changed(call);
	if (verdict == DIGITS_BEGAN) {
		calls_tell(call, HS_DTMF_BEGIN, leg->line_id, &began);
		gather_key_down(leg);
		if (leg == call_first(call))
			call_key_down(call);
	} else if (verdict == DIGITS_ENDED) {
		calls_tell(call, HS_DTMF, leg->line_id, &ended);
		gather_key_up(leg, fact->digit[0]);
		if (leg == call_first(call))
			call_key_up(call, fact->digit[0]);
	}
}

/* What the new process does not know it takes for ended already; what was sent to it again rings no longer. */
static void leg_lost(struct leg *leg)
{
	struct call_step step = {leg, HS_CAUSE_DRIVER_RESTARTED, "system",
				 "the driver died and could not keep the leg"};
	struct hs_leg_hangup body = {leg->id, HS_CAUSE_DRIVER_RESTARTED};

	calls_leg_over(leg, &step);
	calls_ask_leg(leg, HS_LEG_HANGUP, &body);
}

void calls_driver_restarted(struct calls *calls, enum hs_role driver, int64_t at_ms)
{
	size_t count;
	AUTO(free) char(*ids)[65] = calls_all(calls, &count);

	calls->at = at_ms;
	for (size_t i = 0; i < count; i++) {
		struct call *call = calls_find(calls, ids[i]);

		for (size_t j = 0; call && j < call->legs_count; j++) {
			struct leg *leg = &call->legs[j];

			if (leg->driver == driver && leg_lives(leg) && leg->asked_at > 0 && leg->asked_at <= at_ms)
				leg_lost(leg);
		}
	}
}

/* ---- mediad ---- */

/* Who is shown to the one who is called: the other party; to the first one what the API says. */
static void show_caller(struct call *call, const struct leg *leg, struct hs_leg_originate *body)
{
	const struct leg *first = call_first(call);
	const struct hs_config_line *from = first->line ? first->line->config : NULL;

	if (leg == first || first->incoming || !from) {
		body->caller_number = call->caller_number || leg == first ? call->caller_number : first->line_id;
		body->caller_name = call->caller_name;
	} else if (first->number) {
		body->caller_number = call->dialled;
	} else {
		body->caller_number = from->number ? from->number : from->id;
		body->caller_name = from->name;
	}
}

void calls_media_opened(struct leg *leg, const char *description, enum hs_cause cause)
{
	struct call *call = leg->call;
	struct call_step failed = {leg, cause, "system", "the audio engine has no room for the call"};
	struct call_step undialled = {leg, HS_CAUSE_REJECTED, "system", "nothing is left to dial on the exchange line"};
	struct hs_leg_originate body = {
		.leg = leg->id,
		.call = call->id,
		.line = leg->line_id,
		.description = description,
		.ring_timeout_ms = reach_ring_ms(leg),
		.cadence = leg == call_first(call) ? call->cadence : NULL,
		.number = leg->number,
	};

	if (leg->media != LEG_MEDIA_OPENING)
		return;
	call->calls->at = hs_clock_wall_ms();
	leg->media = description ? LEG_MEDIA_OPEN : LEG_MEDIA_NONE;
	calls_changed(call);
	if (!leg_lives(leg) || leg->hung_up)
		return;
	if (!description) {
		calls_leg_over(leg, &failed);
		return;
	}
	if (leg->line && line_is_exchange(leg->line) && !leg->number) { /* its dial tone is nobody's */
		calls_leg_over(leg, &undialled);
		return;
	}
	show_caller(call, leg, &body);
	leg->asked_at = call->calls->at;
	calls_ask_leg(leg, HS_LEG_ORIGINATE, &body);
}

void calls_media_started(struct leg *leg, const struct hs_media_started *fact, int64_t at_ms)
{
	struct hs_call_audio event = {leg->id, fact->codec};

	leg->call->calls->at = at_ms;
	leg->codec = fact->codec;
	calls_changed(leg->call);
	calls_tell(leg->call, HS_CALL_AUDIO, leg->line_id, &event);
}

void calls_media_silent(struct leg *leg, const struct hs_media_silent *fact, int64_t at_ms)
{
	struct hs_call_silent event = {leg->id, fact->silent_ms};

	leg->call->calls->at = at_ms;
	calls_tell(leg->call, HS_CALL_SILENT, leg->line_id, &event);
}

void calls_media_closed(struct leg *leg, const struct hs_media_figures *figures)
{
	size_t bytes;

	if (figures) {
		free(leg->figures);
		leg->figures = hs_wire_text(&hs_shape_media_figures, figures, &bytes);
	}
	leg->media = LEG_MEDIA_CLOSED;
	gather_leg_closed(leg);
	calls_changed(leg->call);
	call_check_closed(leg->call);
}

void calls_media_lost(struct leg *leg)
{
	const struct call_step step = {NULL, HS_CAUSE_MEDIA_FAILED, "system", "the audio engine lost the session"};
	struct call *call = leg->call;

	leg->media = LEG_MEDIA_CLOSED;
	call->calls->setup.forget(call->calls->setup.context, HS_ROLE_MEDIAD, leg->id);
	calls_changed(call);
	if (call_is_active(call))
		call_step(call, CALL_HANGUP, &step);
	call_check_closed(call);
}

void calls_media_failed(struct leg *leg, const char *why)
{
	calls_hang_up(leg->call, HS_CAUSE_MEDIA_FAILED, "system", why);
}

static bool media_lost(struct calls *calls, struct call *call, int64_t at_ms)
{
	bool any = false;

	for (size_t i = 0; i < call->legs_count; i++) {
		struct leg *leg = &call->legs[i];

		if (leg->media == LEG_MEDIA_NONE || leg->media == LEG_MEDIA_CLOSED || leg->media_at > at_ms)
			continue;
		leg->media = LEG_MEDIA_CLOSED;
		calls->setup.forget(calls->setup.context, HS_ROLE_MEDIAD, leg->id);
		any = true;
	}
	return any;
}

void calls_media_restarted(struct calls *calls, int64_t at_ms)
{
	const struct call_step step = {NULL, HS_CAUSE_MEDIA_FAILED, "system", "the audio engine lost the session"};
	size_t count;
	AUTO(free) char(*ids)[65] = calls_all(calls, &count);

	calls->at = at_ms;
	for (size_t i = 0; i < count; i++) {
		struct call *call = calls_find(calls, ids[i]);

		if (!call || !media_lost(calls, call, at_ms))
			continue;
		calls_changed(call);
		if (call_is_active(call))
			call_step(call, CALL_HANGUP, &step);
		call_check_closed(call);
	}
}
