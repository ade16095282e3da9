/* Requests about one party of a call: hold, mute, keys, sounds. */
#include "cleanup.h"
#include "clock.h"
#include "gather.h"
#include "serve.h"
#include <string.h>

#define KEY_MS 100
#define GATHER_MIN 1
#define GATHER_MAX DIGITS_MAX

/* ---- hold and mute ---- */

static void calls_hold(struct visit *visit)
{
	const struct hs_calls_hold *body = visit->request->body;
	struct leg *leg = visit_party(visit, body->call, body->line);
	struct hs_leg_hold hold;

	if (!leg)
		return;
	if (leg->call->state != CALL_UP) {
		visit_refuse(visit, HS_ERROR_WRONG_STATE, NULL, hs_enum_call_state.names[leg->call->shown],
			     "only an answered call can be held");
		return;
	}
	if (visit_is_away(visit, leg->driver) || visit_is_away(visit, HS_ROLE_MEDIAD))
		return;
	calls_requested(leg->call, visit->request->request_id);
	hold = (struct hs_leg_hold){leg->id, body->held};
	calls_ask_leg(leg, HS_LEG_HOLD, &hold);
	visit_answer_call(visit, leg->call);
}

static void calls_mute(struct visit *visit)
{
	const struct hs_calls_mute *body = visit->request->body;
	struct leg *leg = visit_party(visit, body->call, body->line);
	struct hs_media_mute mute;
	struct hs_call_muted event;

	if (!leg || visit_is_away(visit, HS_ROLE_MEDIAD))
		return;
	calls_requested(leg->call, visit->request->request_id);
	mute = (struct hs_media_mute){leg->id, body->muted};
	calls_ask_media(leg, HS_MEDIA_MUTE, &mute);
	if (leg->muted != body->muted) {
		leg->muted = body->muted;
		leg->call->calls->at = hs_clock_wall_ms();
		event = (struct hs_call_muted){leg->id, body->muted};
		calls_tell(leg->call, HS_CALL_MUTED, leg->line_id, &event);
		calls_changed(leg->call);
	}
	visit_answer_call(visit, leg->call);
}

/* ---- keys ---- */

/* The leg that keys are on their way to; NULL: it is gone, and the visit is refused. */
static struct leg *leg_of_keys(struct visit *visit)
{
	const struct hs_calls_digits *body = visit->request->body;

	return visit_party(visit, body->call, body->line);
}

static void keys_sent(void *context, const struct hs_answer *answer)
{
	struct visit *visit = context;
	const struct hs_calls_digits *body = visit->request->body;
	struct leg *leg;
	struct hs_call_digits_sent event;

	if (answer->error != HS_OK) {
		visit_pass_refusal(visit, answer);
		return;
	}
	leg = leg_of_keys(visit);
	if (!leg)
		return;
	event = (struct hs_call_digits_sent){leg->id, body->digits};
	leg->call->calls->at = hs_clock_wall_ms();
	calls_tell(leg->call, HS_CALL_DIGITS_SENT, leg->line_id, &event);
	visit_answer_call(visit, leg->call);
}

/* Asked at once and once only: keys that are pressed twice are others. */
static void ask_for_keys(struct visit *visit, enum hs_role to, enum hs_message_id message, const void *body,
			 void (*answered)(void *context, const struct hs_answer *answer))
{
	struct hs_ask ask = {.to = to,
			     .message = message,
			     .body = body,
			     .request_id = visit->request->request_id,
			     .answered = answered,
			     .context = visit};

	hs_bus_ask(visit->apid->house->bus, &ask);
}

/* Who did not agree to keys beside the audio gets them in signalling. */
static void keys_in_audio(void *context, const struct hs_answer *answer)
{
	struct visit *visit = context;
	const struct hs_calls_digits *body = visit->request->body;
	struct hs_leg_digits in_signalling;
	struct leg *leg;

	if (answer->error != HS_ERROR_WRONG_STATE || answer->field) {
		keys_sent(context, answer);
		return;
	}
	leg = leg_of_keys(visit);
	if (!leg)
		return;
	in_signalling =
		(struct hs_leg_digits){leg->id, body->digits, body->has_duration_ms ? body->duration_ms : KEY_MS};
	ask_for_keys(visit, leg->driver, HS_LEG_DIGITS, &in_signalling, keys_sent);
}

static void calls_digits(struct visit *visit)
{
	const struct hs_calls_digits *body = visit->request->body;
	const struct leg *leg = leg_of_keys(visit);
	struct hs_media_digits in_audio;

	if (!leg)
		return;
	in_audio = (struct hs_media_digits){leg->id, body->digits, body->has_duration_ms ? body->duration_ms : KEY_MS};
	ask_for_keys(visit, HS_ROLE_MEDIAD, HS_MEDIA_DIGITS, &in_audio, keys_in_audio);
}

/* ---- gathering ---- */

static bool are_keys(const char *text)
{
	return strspn(text, "0123456789*#ABCD") == strlen(text);
}

static void begin(struct visit *visit, struct leg *leg)
{
	const struct hs_calls_gather *body = visit->request->body;
	const struct hs_config_calls *config = visit->apid->house->config->calls;
	struct gather_order order = {
		.leg = leg,
		.min = body->has_min ? body->min : GATHER_MIN,
		.max = body->has_max ? body->max : GATHER_MAX,
		.terminators = body->terminators ? body->terminators : "#",
		.first_timeout_ms =
			body->has_first_timeout_ms ? body->first_timeout_ms : config->first_digit_timeout_ms,
		.digit_timeout_ms = body->has_digit_timeout_ms ? body->digit_timeout_ms : config->digit_timeout_ms,
		.prompt = body->prompt,
	};
	struct hs_calls_gather_answer answer;

	if (order.min > order.max) {
		visit_refuse(visit, HS_ERROR_INVALID, "min", NULL, "min is more than max");
		return;
	}
	if (!are_keys(order.terminators)) {
		visit_refuse(visit, HS_ERROR_INVALID, "terminators", NULL, "keys are 0-9 * # A-D");
		return;
	}
	calls_requested(leg->call, visit->request->request_id);
	answer = (struct hs_calls_gather_answer){gather_begin(&order), leg->call->id, leg->line_id};
	visit_answer(visit, &answer);
}

static void calls_gather(struct visit *visit)
{
	const struct hs_calls_gather *body = visit->request->body;
	struct leg *leg = visit_party(visit, body->call, body->line);

	if (leg)
		begin(visit, leg);
}

static void calls_gather_stop(struct visit *visit)
{
	const struct hs_calls_gather_stop *body = visit->request->body;
	struct call *call = visit_call(visit, body->call);
	char id[65];
	struct hs_calls_gather_stop_answer answer;

	if (!call)
		return;
	call->calls->at = hs_clock_wall_ms();
	answer = (struct hs_calls_gather_stop_answer){id, call->id};
	if (gather_end(call, HS_GATHER_END_STOPPED, id))
		visit_answer(visit, &answer);
	else
		visit_refuse(visit, HS_ERROR_WRONG_STATE, NULL, hs_enum_call_state.names[call->shown],
			     "no digits are being gathered");
}

/* ---- sounds ---- */

static void calls_stop(struct visit *visit)
{
	const struct hs_calls_stop *body = visit->request->body;
	struct leg *leg = visit_party(visit, body->call, body->line);
	struct hs_media_stop stop;

	if (!leg || visit_is_away(visit, HS_ROLE_MEDIAD))
		return;
	calls_requested(leg->call, visit->request->request_id);
	stop = (struct hs_media_stop){leg->id};
	calls_ask_media(leg, HS_MEDIA_STOP, &stop);
	visit_answer_call(visit, leg->call);
}

const struct serve_row serve_party_rows[] = {
	{.message = HS_CALLS_HOLD, .handle = calls_hold, .changes = true},
	{.message = HS_CALLS_MUTE, .handle = calls_mute, .changes = true},
	{.message = HS_CALLS_DIGITS, .handle = calls_digits, .changes = true},
	{.message = HS_CALLS_GATHER, .handle = calls_gather, .changes = true},
	{.message = HS_CALLS_GATHER_STOP, .handle = calls_gather_stop, .changes = true},
	{.message = HS_CALLS_STOP, .handle = calls_stop, .changes = true},
	{.handle = NULL},
};
