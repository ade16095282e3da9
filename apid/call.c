#include "call.h"
#include "calls.h"
#include "cleanup.h"
#include "clock.h"
#include "fsm.h"
#include "gather.h"
#include "metrics.h"
#include "outside.h"
#include "reach.h"
#include "trace.h"
#include "transfer.h"
#include <stdlib.h>
#include <string.h>

#define RING_GRACE_MS 5000 /* the driver's own ring timer comes first */
#define ANSWER_MS 32000    /* RFC 3261 timer H: an answer that nobody confirms */
#define END_MS 40000       /* a BYE's time-out (32 s) and some more; then the leg counts as ended */
#define FIGURES_MS                                                                                                     \
	900 /* the record waits that long for mediad: less than a second, so that the end is told in time              \
	     */
#define END_WHY "the driver did not say that the leg ended"

const char *const call_state_names[CALL_STATES] = {"new",       "placing",  "ringing",    "offered",
						   "answering", "dialling", "connecting", "up",
						   "tone",      "ending",   "closing",    "ended"};
static const char *const event_names[CALL_EVENTS] = {"place",  "lift",   "operator", "line",     "accept", "transfer",
						     "refuse", "early",  "rings",    "answered", "failed", "left",
						     "empty",  "hangup", "timer",    "closed"};

/* What the public sees; 0: as before. */
static const enum hs_call_state shown_states[CALL_STATES] = {
	[CALL_NEW] = HS_CALL_STATE_ROUTING,        [CALL_PLACING] = HS_CALL_STATE_ROUTING,
	[CALL_RINGING] = HS_CALL_STATE_RINGING,    [CALL_OFFERED] = HS_CALL_STATE_RINGING,
	[CALL_ANSWERING] = HS_CALL_STATE_ROUTING,  [CALL_DIALLING] = HS_CALL_STATE_DIALLING,
	[CALL_CONNECTING] = HS_CALL_STATE_RINGING, [CALL_UP] = HS_CALL_STATE_UP,
	[CALL_CLOSING] = HS_CALL_STATE_ENDED,      [CALL_ENDED] = HS_CALL_STATE_ENDED,
};

/* ---- helpers ---- */

static bool has_second(const struct call *call)
{
	return call->second_at > 0;
}

static bool is_outside(const struct leg *leg)
{
	return leg->line && line_is_exchange(leg->line);
}

bool call_is_active(const struct call *call)
{
	return call->state < CALL_ENDING;
}

/* The first cause is the cause. */
static void blame(struct call *call, const struct call_step *step)
{
	if (!step || !step->cause || call->cause)
		return;
	call->cause = step->cause;
	call->ended_by = step->by;
	call->why = hs_strdup(step->why);
}

static void timer_due(uv_timer_t *timer)
{
	struct call *call = timer->data;

	call->deadline_at = 0;
	call->calls->at = hs_clock_wall_ms();
	call_step(call, CALL_TIMER, NULL);
}

/* Sets the deadline of the present state; it is stored, for our successor. 0: at once. */
static void arm(struct call *call, int64_t ms)
{
	call->deadline_at = hs_clock_lasting_ms() + ms;
	uv_timer_start(&call->timer, timer_due, (uint64_t)ms, 0);
	calls_changed(call);
}

void call_resume(struct call *call)
{
	int64_t left = call->deadline_at - hs_clock_lasting_ms();

	if (call->answered_at)
		call->up_since = hs_clock_lasting_ms() - (hs_clock_wall_ms() - call->answered_at);
	if (call->state == CALL_CLOSING) /* what mediad told meanwhile is told again */
		arm(call, FIGURES_MS);
	else if (call->deadline_at > 0)
		uv_timer_start(&call->timer, timer_due, left > 0 ? (uint64_t)left : 0, 0);
}

/* Over exchange lines alone: the only ones who could hang up may do so without our hearing of it. */
static bool all_outside(const struct call *call)
{
	return has_second(call) && is_outside(&call->legs[call->first]) && is_outside(call_second(call));
}

static int64_t max_duration_ms(const struct call *call)
{
	const struct hs_config_calls *config = call->calls->setup.config->calls;
	int64_t most = config->max_duration_s * 1000;

	if (all_outside(call) && config->outside_max_duration_s < config->max_duration_s)
		most = config->outside_max_duration_s * 1000;
	return call->max_ms && call->max_ms < most ? call->max_ms : most;
}

static void play_tone(struct call *call, enum hs_tone tone)
{
	struct leg *leg = call_first(call);
	struct hs_media_tone body = {leg->id, tone};

	if (call->tone == tone || (call->tone == 0 && tone == HS_TONE_NONE))
		return;
	call->tone = tone;
	calls_ask_media(leg, HS_MEDIA_TONE, &body);
}

static void join(struct leg *leg, const char *with)
{
	struct hs_media_join body = {leg->id, with};

	calls_ask_media(leg, HS_MEDIA_JOIN, &body);
}

void call_join_streams(struct leg *leg)
{
	if (!leg->line || !leg_lives(leg))
		return;
	for (const struct grant *grant = leg->line->grants; grant; grant = grant->next)
		join(leg, grant->id);
}

/* ---- guards ---- */

static bool first_is_up(const void *object, const void *argument)
{
	const struct call *call = object;

	return call->legs[call->first].state == LEG_UP;
}

static bool first_wants_line(const void *object, const void *argument)
{
	const struct call *call = object;

	return !has_second(call) && (call->target || call->group || call_second_route(call));
}

static bool is_alone(const void *object, const void *argument)
{
	return !has_second(object);
}

/* An exchange line turned out to be busy, or not to work, before anything was dialled: the route has another one. */
static bool has_next_line(const void *object, const void *argument)
{
	const struct call *call = object;
	const struct leg *newest = &call->legs[call->legs_count - 1];
	size_t most = has_second(call) ? CALL_LEGS : CALL_FIRST_LEGS;
	const char *dialled;
	const struct hs_config_route *route = call_route_of(newest, &dialled);

	return newest->unbegun && newest->number && route && call->legs_count < most &&
	       outside_line(call->calls, route, call, NULL);
}

/* Whoever was called is not there, but his line or group names somebody else. */
static bool has_other(const void *object, const void *argument)
{
	return reach_has_next(object);
}

/* Nobody answered whom the operator gave the first party to. */
static bool comes_back(const void *object, const void *argument)
{
	const struct call *call = object;

	return call->is_onward && call->to_operator && call->answered_at && first_is_up(object, argument);
}

/* Several bells ring: there is no telling whose tones are heard. */
static bool rings_several(const void *object, const void *argument)
{
	const struct call *call = object;

	return has_second(call) && call->legs_count - call->second_at > 1 && call->group;
}

static bool waits_for_word(const void *object, const void *argument)
{
	const struct call *call = object;
	const struct line *line = call->legs[call->first].line;

	if (line && line->config->has_operator_answers)
		return line->config->operator_answers;
	return call->calls->setup.config->calls->operator_answers;
}

static bool wants_operator(const void *object, const void *argument)
{
	return ((const struct call *)object)->to_operator;
}

/* ---- actions ---- */

/* Ports are taken first; calls_media_opened goes on with the driver. */
static void open_media(struct leg *leg)
{
	const struct call *call = leg->call;
	const struct leg *first = &call->legs[call->first];
	struct hs_media_open body = {.leg = leg->id,
				     .call = call->id,
				     .kind = leg->line ? line_media(leg->line) : HS_MEDIA_KIND_RTP,
				     .prefer = leg == first ? 0 : first->codec,
				     .peer = leg->line ? leg->line->address : NULL};

	if (leg->number)
		outside_tell(leg);
	leg->media = LEG_MEDIA_OPENING;
	leg->media_at = hs_clock_wall_ms();
	calls_ask_media(leg, HS_MEDIA_OPEN, &body);
}

static void place_first(void *object, const void *argument)
{
	struct call *call = object;

	open_media(call_first(call));
	arm(call, call->ring_ms + RING_GRACE_MS);
}

void call_begin_second(struct call *call)
{
	call->second_at = call->legs_count;
	call->second = 0;
}

void call_ring(struct call *call, struct line *line)
{
	struct leg *leg = calls_add_leg(call, line, NULL, false);

	open_media(leg);
	arm(call, reach_ring_ms(leg) + RING_GRACE_MS);
}

/* The outside party over the next line of the route, which the guard has seen. A call that began with that party is
 * this line's from now on. */
static void place_next(void *object, const void *argument)
{
	struct call *call = object;
	const char *dialled;
	const struct hs_config_route *route = call_route_of(&call->legs[call->legs_count - 1], &dialled);
	struct line *line = outside_line(call->calls, route, call, NULL);

	if (!has_second(call)) {
		hs_copy(call->line_id, sizeof(call->line_id), line->config->id);
		call->first = call->legs_count;
	}
	call_ring(call, line);
}

static void place_second(void *object, const void *argument)
{
	struct call *call = object;

	play_tone(call, HS_TONE_NONE);
	reach_second(call);
}

static void place_other(void *object, const void *argument)
{
	struct call *call = object;

	play_tone(call, HS_TONE_NONE);
	reach_next(call);
}

static void answer_first(void *object, const void *argument)
{
	struct call *call = object;
	struct hs_leg_answer body = {call_first(call)->id};

	calls_ask_leg(call_first(call), HS_LEG_ANSWER, &body);
	arm(call, ANSWER_MS);
}

static void tell_ringing(void *object, const void *argument)
{
	const struct call_step *step = argument;
	struct call *call = object;
	struct leg *first = call_first(call);
	struct hs_call_ringing event = {step->leg->id};
	struct hs_leg_progress progress = {first->id, false};

	calls_tell(call, HS_CALL_RINGING, step->leg->line_id, &event);
	if (step->leg == first || step->leg->early) /* who hears the far end hears its own ringback */
		return;
	if (first->state == LEG_UP)
		play_tone(call, HS_TONE_RINGBACK);
	else
		calls_ask_leg(first, HS_LEG_PROGRESS, &progress);
}

/* Who calls the operator hears ringing until somebody takes the call. */
static void offer(void *object, const void *argument)
{
	struct call *call = object;
	struct leg *first = call_first(call);
	struct hs_call_offered event = {first->id};
	struct hs_leg_progress progress = {first->id, false};

	call->to_operator = true;
	calls_tell(call, HS_CALL_OFFERED, first->line_id, &event);
	if (first->state == LEG_UP)
		play_tone(call, HS_TONE_RINGBACK);
	else
		calls_ask_leg(first, HS_LEG_PROGRESS, &progress);
	arm(call, call->calls->setup.config->calls->ring_timeout_s * 1000);
}

/* What the far end lets hear before it answers, an exchange's tones and announcements, is heard by who called. */
static void hear_early(void *object, const void *argument)
{
	struct call *call = object;
	struct leg *first = call_first(call), *second = call_second(call);
	struct hs_leg_progress progress = {first->id, true};

	if (second->early)
		return;
	second->early = true;
	play_tone(call, HS_TONE_NONE);
	if (first->state != LEG_UP)
		calls_ask_leg(first, HS_LEG_PROGRESS, &progress);
	join(first, second->id);
}

static void arm_limit(struct call *call)
{
	int64_t left = call->up_since + max_duration_ms(call) - hs_clock_lasting_ms();

	arm(call, left > 0 ? left : 0);
}

static void come_up(struct call *call, struct leg *answered)
{
	struct hs_call_answered event = {answered->id};

	if (!call->answered_at) {
		call->answered_at = call->calls->at;
		call->up_since = hs_clock_lasting_ms();
		hs_metric_observe_us(call->calls->setup_seconds, (call->answered_at - call->created_at) * 1000);
	}
	calls_tell(call, HS_CALL_ANSWERED, answered->line_id, &event);
	for (size_t i = 0; i < call->legs_count; i++)
		call_join_streams(&call->legs[i]);
	arm_limit(call);
}

/* Others of the second party that rang, too. */
static void drop_losers(struct call *call)
{
	for (size_t i = call->second_at; i < call->legs_count; i++)
		if (&call->legs[i] != call_second(call))
			call_let_go(&call->legs[i], HS_CAUSE_CANCELLED);
}

static void connect_operator(void *object, const void *argument)
{
	struct call *call = object;

	play_tone(call, HS_TONE_NONE);
	call->to_operator = true;
	come_up(call, call_first(call));
}

/* A forward leads to the operator. */
static void take_for_operator(void *object, const void *argument)
{
	((struct call *)object)->to_operator = true;
	answer_first(object, argument);
}

/* Both legs are up. */
static void connect_legs(void *object, const void *argument)
{
	struct call *call = object;

	play_tone(call, HS_TONE_NONE);
	drop_losers(call);
	join(call_first(call), call_second(call)->id);
	come_up(call, call_second(call));
}

/* Joined while the first leg's answer is on its way, so that no word is lost. */
static void answer_and_join(void *object, const void *argument)
{
	struct call *call = object;

	drop_losers(call);
	answer_first(call, argument);
	join(call_first(call), call_second(call)->id);
}

static void now_joined(void *object, const void *argument)
{
	struct call *call = object;

	come_up(call, call_second(call));
}

static void back_to_operator(void *object, const void *argument)
{
	const struct call_step *step = argument;
	struct call *call = object;
	struct leg *first = call_first(call);
	struct hs_call_transfer_failed event = {first->id, step->cause ? step->cause : HS_CAUSE_FAILED, step->why};

	play_tone(call, HS_TONE_NONE);
	call->second_at = call->second = 0;
	calls_tell(call, HS_CALL_TRANSFER_FAILED, first->line_id, &event);
	arm_limit(call);
}

static void start_dialling(void *object, const void *argument)
{
	struct call *call = object;
	const struct line *line = call_first(call)->line;

	call->collected[0] = '\0';
	play_tone(call, line && line->messages > 0 ? HS_TONE_STUTTER : HS_TONE_DIAL);
	arm(call, call->calls->setup.config->calls->first_digit_timeout_ms);
}

static bool is_busy(enum hs_cause cause)
{
	return cause == HS_CAUSE_BUSY || cause == HS_CAUSE_DECLINED || cause == HS_CAUSE_NO_ANSWER;
}

static void start_tone(void *object, const void *argument)
{
	const struct call_step *step = argument;
	struct call *call = object;

	blame(call, step);
	play_tone(call, is_busy(call->cause) ? HS_TONE_BUSY : HS_TONE_CONGESTION);
	arm(call, call->calls->setup.config->calls->busy_tone_ms);
}

/* A leg that no driver was asked for yet ends by our word. */
void call_let_go(struct leg *leg, enum hs_cause cause)
{
	struct call_step step = {leg, cause, "system", NULL};
	struct hs_leg_hangup body = {leg->id, cause};

	if (!leg_lives(leg) || leg->hung_up)
		return;
	leg->hung_up = true;
	if (!leg->incoming && leg->asked_at == 0)
		calls_leg_over(leg, &step);
	else
		calls_ask_leg(leg, HS_LEG_HANGUP, &body);
}

static void hang_up(void *object, const void *argument)
{
	struct call *call = object;

	blame(call, argument);
	transfer_ends(call, argument);
	arm(call, END_MS);
	for (size_t i = 0; i < call->legs_count; i++)
		call_let_go(&call->legs[i], call->cause);
}

static void ring_too_long(void *object, const void *argument)
{
	const struct call_step step = {NULL, HS_CAUSE_NO_ANSWER, "system", "nobody lifted in time"};

	hang_up(object, &step);
}

static void answer_too_late(void *object, const void *argument)
{
	const struct call_step step = {NULL, HS_CAUSE_FAILED, "system",
				       "the phone did not confirm that it was answered"};

	hang_up(object, &step);
}

static void talked_too_long(void *object, const void *argument)
{
	struct call_step step = {NULL, HS_CAUSE_TIME_LIMIT, "system", "the longest duration was reached"};

	if (all_outside(object))
		step.why = "the longest duration of a call between two parties outside was reached";
	hang_up(object, &step);
}

/* The last leg is gone: only the figures of the audio are awaited, and with them the last digits heard in it. */
static void close_call(void *object, const void *argument)
{
	struct call *call = object;

	blame(call, argument);
	transfer_ends(call, argument);
	call->ended_at = call->calls->at;
	arm(call, FIGURES_MS);
	call_check_closed(call);
}

static void give_up_legs(void *object, const void *argument)
{
	struct call *call = object;

	for (size_t i = 0; i < call->legs_count; i++) {
		struct call_step step = {&call->legs[i], HS_CAUSE_FAILED, "system", END_WHY};

		if (leg_lives(&call->legs[i]))
			calls_leg_over(&call->legs[i], &step);
	}
}

static void end_call(void *object, const void *argument)
{
	struct call *call = object;
	int64_t talked = call->answered_at ? call->ended_at - call->answered_at : 0;
	struct hs_call_ended event = {call->cause ? call->cause : HS_CAUSE_NORMAL,
				      call->ended_by ? call->ended_by : "system", talked > 0 ? talked : 0, call->why};

	uv_timer_stop(&call->timer);
	call->deadline_at = 0;
	gather_end(call, HS_GATHER_END_ENDED, NULL);
	calls_tell(call, HS_CALL_ENDED, call->line_id, &event);
	calls_over(call);
}

/* ---- digits ---- */

static void dialled(struct call *call)
{
	struct hs_call_dialled event = {call->collected};
	struct call_step step;
	enum call_event what;

	free(call->dialled);
	call->dialled = hs_strdup(call->collected);
	calls_tell(call, HS_CALL_DIALLED, call_first(call)->line_id, &event);
	what = calls_lead(call, &step);
	call_step(call, what == CALL_LIFT ? CALL_REFUSE : what, &step); /* dial tone it has had */
}

/* Silence after the dial tone: the operator asks what is wanted. Silence after digits: no more of them will come. */
static void digits_too_late(void *object, const void *argument)
{
	struct call *call = object;

	if (call_first(call)->digits.open)
		arm(call, call->calls->setup.config->calls->digit_timeout_ms);
	else if (call->collected[0])
		dialled(call);
	else
		call_step(call, CALL_OPERATOR, NULL);
}

static bool is_complete(struct call *call)
{
	const struct line *from = call_first(call)->line;

	return routes_is_complete(call->calls->setup.routes, from ? from->config : NULL, call->collected);
}

void call_key_down(struct call *call)
{
	if (call->state != CALL_DIALLING)
		return;
	play_tone(call, HS_TONE_NONE);
	arm(call, call->calls->setup.config->calls->digit_timeout_ms);
}

void call_key_up(struct call *call, char digit)
{
	if (call->state != CALL_DIALLING)
		return;
	call_key_down(call);
	if (digits_collect(call->collected, digit) || is_complete(call))
		dialled(call);
}

void call_check_closed(struct call *call)
{
	if (call->state != CALL_CLOSING)
		return;
	for (size_t i = 0; i < call->legs_count; i++) {
		enum leg_media media = call->legs[i].media;

		if (media != LEG_MEDIA_NONE && media != LEG_MEDIA_CLOSED)
			return;
	}
	call_step(call, CALL_CLOSED, NULL);
}

/* ---- the machine ---- */

static const struct hs_fsm_rule rules[] = {
	{CALL_NEW, CALL_PLACE, NULL, place_first, CALL_PLACING},
	{CALL_NEW, CALL_LIFT, NULL, answer_first, CALL_ANSWERING},
	{CALL_NEW, CALL_OPERATOR, waits_for_word, offer, CALL_OFFERED},
	{CALL_NEW, CALL_OPERATOR, NULL, answer_first, CALL_ANSWERING},
	{CALL_NEW, CALL_LINE, NULL, place_second, CALL_PLACING},
	{CALL_NEW, CALL_REFUSE, NULL, hang_up, CALL_ENDING},

	{CALL_PLACING, CALL_OPERATOR, waits_for_word, offer, CALL_OFFERED},
	{CALL_PLACING, CALL_OPERATOR, first_is_up, connect_operator, CALL_UP},
	{CALL_PLACING, CALL_OPERATOR, NULL, take_for_operator, CALL_ANSWERING},
	{CALL_PLACING, CALL_EARLY, is_alone, NULL, CALL_PLACING},
	{CALL_PLACING, CALL_EARLY, rings_several, NULL, CALL_PLACING},
	{CALL_PLACING, CALL_EARLY, NULL, hear_early, CALL_PLACING},
	{CALL_PLACING, CALL_RINGS, NULL, tell_ringing, CALL_RINGING},
	{CALL_PLACING, CALL_ANSWERED, first_wants_line, place_second, CALL_PLACING},
	{CALL_PLACING, CALL_ANSWERED, is_alone, connect_operator, CALL_UP},
	{CALL_PLACING, CALL_ANSWERED, first_is_up, connect_legs, CALL_UP},
	{CALL_PLACING, CALL_ANSWERED, NULL, answer_and_join, CALL_CONNECTING},
	{CALL_PLACING, CALL_REFUSE, comes_back, back_to_operator, CALL_UP},
	{CALL_PLACING, CALL_REFUSE, first_is_up, start_tone, CALL_TONE},
	{CALL_PLACING, CALL_REFUSE, NULL, hang_up, CALL_ENDING},
	{CALL_PLACING, CALL_FAILED, has_next_line, place_next, CALL_PLACING},
	{CALL_PLACING, CALL_FAILED, has_other, place_other, CALL_PLACING},
	{CALL_PLACING, CALL_FAILED, comes_back, back_to_operator, CALL_UP},
	{CALL_PLACING, CALL_FAILED, first_is_up, start_tone, CALL_TONE},
	{CALL_PLACING, CALL_FAILED, NULL, hang_up, CALL_ENDING},
	{CALL_PLACING, CALL_LEFT, NULL, hang_up, CALL_ENDING},
	{CALL_PLACING, CALL_EMPTY, has_next_line, place_next, CALL_PLACING},
	{CALL_PLACING, CALL_EMPTY, NULL, close_call, CALL_CLOSING},
	{CALL_PLACING, CALL_HANGUP, NULL, hang_up, CALL_ENDING},
	{CALL_PLACING, CALL_TIMER, NULL, ring_too_long, CALL_ENDING},

	{CALL_RINGING, CALL_EARLY, is_alone, NULL, CALL_RINGING},
	{CALL_RINGING, CALL_EARLY, rings_several, NULL, CALL_RINGING},
	{CALL_RINGING, CALL_EARLY, NULL, hear_early, CALL_RINGING},
	{CALL_RINGING, CALL_RINGS, NULL, tell_ringing, CALL_RINGING},
	{CALL_RINGING, CALL_ANSWERED, first_wants_line, place_second, CALL_PLACING},
	{CALL_RINGING, CALL_ANSWERED, is_alone, connect_operator, CALL_UP},
	{CALL_RINGING, CALL_ANSWERED, first_is_up, connect_legs, CALL_UP},
	{CALL_RINGING, CALL_ANSWERED, NULL, answer_and_join, CALL_CONNECTING},
	{CALL_RINGING, CALL_FAILED, has_other, place_other, CALL_PLACING},
	{CALL_RINGING, CALL_FAILED, comes_back, back_to_operator, CALL_UP},
	{CALL_RINGING, CALL_FAILED, first_is_up, start_tone, CALL_TONE},
	{CALL_RINGING, CALL_FAILED, NULL, hang_up, CALL_ENDING},
	{CALL_RINGING, CALL_LEFT, NULL, hang_up, CALL_ENDING},
	{CALL_RINGING, CALL_EMPTY, NULL, close_call, CALL_CLOSING},
	{CALL_RINGING, CALL_HANGUP, NULL, hang_up, CALL_ENDING},
	{CALL_RINGING, CALL_TIMER, NULL, ring_too_long, CALL_ENDING},

	{CALL_OFFERED, CALL_ACCEPT, first_is_up, connect_operator, CALL_UP},
	{CALL_OFFERED, CALL_ACCEPT, NULL, answer_first, CALL_ANSWERING},
	{CALL_OFFERED, CALL_TRANSFER, NULL, place_second, CALL_PLACING},
	{CALL_OFFERED, CALL_EMPTY, NULL, close_call, CALL_CLOSING},
	{CALL_OFFERED, CALL_HANGUP, NULL, hang_up, CALL_ENDING},
	{CALL_OFFERED, CALL_TIMER, NULL, ring_too_long, CALL_ENDING},

	{CALL_ANSWERING, CALL_ANSWERED, wants_operator, connect_operator, CALL_UP},
	{CALL_ANSWERING, CALL_ANSWERED, NULL, start_dialling, CALL_DIALLING},
	{CALL_ANSWERING, CALL_EMPTY, NULL, close_call, CALL_CLOSING},
	{CALL_ANSWERING, CALL_HANGUP, NULL, hang_up, CALL_ENDING},
	{CALL_ANSWERING, CALL_TIMER, NULL, answer_too_late, CALL_ENDING},

	{CALL_DIALLING, CALL_OPERATOR, waits_for_word, offer, CALL_OFFERED},
	{CALL_DIALLING, CALL_OPERATOR, NULL, connect_operator, CALL_UP},
	{CALL_DIALLING, CALL_LINE, NULL, place_second, CALL_PLACING},
	{CALL_DIALLING, CALL_REFUSE, NULL, start_tone, CALL_TONE},
	{CALL_DIALLING, CALL_EMPTY, NULL, close_call, CALL_CLOSING},
	{CALL_DIALLING, CALL_HANGUP, NULL, hang_up, CALL_ENDING},
	{CALL_DIALLING, CALL_TIMER, NULL, digits_too_late, CALL_DIALLING},

	{CALL_CONNECTING, CALL_ANSWERED, NULL, now_joined, CALL_UP},
	{CALL_CONNECTING, CALL_FAILED, NULL, hang_up, CALL_ENDING},
	{CALL_CONNECTING, CALL_LEFT, NULL, hang_up, CALL_ENDING},
	{CALL_CONNECTING, CALL_EMPTY, NULL, close_call, CALL_CLOSING},
	{CALL_CONNECTING, CALL_HANGUP, NULL, hang_up, CALL_ENDING},
	{CALL_CONNECTING, CALL_TIMER, NULL, answer_too_late, CALL_ENDING},

	{CALL_UP, CALL_TRANSFER, NULL, place_second, CALL_PLACING},
	{CALL_UP, CALL_LEFT, NULL, hang_up, CALL_ENDING},
	{CALL_UP, CALL_EMPTY, NULL, close_call, CALL_CLOSING},
	{CALL_UP, CALL_HANGUP, NULL, hang_up, CALL_ENDING},
	{CALL_UP, CALL_TIMER, NULL, talked_too_long, CALL_ENDING},

	{CALL_TONE, CALL_EMPTY, NULL, close_call, CALL_CLOSING},
	{CALL_TONE, CALL_HANGUP, NULL, hang_up, CALL_ENDING},
	{CALL_TONE, CALL_TIMER, NULL, hang_up, CALL_ENDING},

	/* What was on its way when we hung up: the driver ends it all the same. */
	{CALL_ENDING, CALL_EARLY, NULL, NULL, CALL_ENDING},
	{CALL_ENDING, CALL_RINGS, NULL, NULL, CALL_ENDING},
	{CALL_ENDING, CALL_ANSWERED, NULL, NULL, CALL_ENDING},
	{CALL_ENDING, CALL_FAILED, NULL, NULL, CALL_ENDING},
	{CALL_ENDING, CALL_LEFT, NULL, NULL, CALL_ENDING},
	{CALL_ENDING, CALL_EMPTY, NULL, close_call, CALL_CLOSING},
	{CALL_ENDING, CALL_HANGUP, NULL, NULL, CALL_ENDING},
	{CALL_ENDING, CALL_TIMER, NULL, give_up_legs, CALL_ENDING},

	{CALL_CLOSING, CALL_CLOSED, NULL, end_call, CALL_ENDED},
	{CALL_CLOSING, CALL_TIMER, NULL, end_call, CALL_ENDED},
};

static const char *call_id(const void *object)
{
	return ((const struct call *)object)->id;
}

static void call_changed(void *object, int old_state)
{
	struct call *call = object;

	if (shown_states[call->state])
		call->shown = shown_states[call->state];
	if (call->state == CALL_ANSWERING && !call->to_operator)
		call->shown = HS_CALL_STATE_DIALLING;
	hs_trace_add(HS_TRACE_KIND_STATE, call->id, NULL, "apid", "apid", "call: %s -> %s", call_state_names[old_state],
		     call_state_names[call->state]);
	calls_changed(call);
}

const struct hs_fsm call_fsm = {
	.name = "call",
	.states = call_state_names,
	.events = event_names,
	.states_count = CALL_STATES,
	.events_count = CALL_EVENTS,
	.rules = rules,
	.rules_count = HS_COUNT(rules),
	.state_offset = offsetof(struct call, state),
	.id = call_id,
	.changed = call_changed,
};

int call_step(struct call *call, enum call_event event, const struct call_step *step)
{
	static const struct call_step nothing;

	return hs_fsm_step(&call_fsm, call, event, step ? step : &nothing);
}
