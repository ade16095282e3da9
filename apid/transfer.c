#include "transfer.h"
#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include <stdlib.h>
#include <string.h>

size_t transfer_parties(struct call *call, struct leg **ret_found)
{
	size_t count = 0;

	for (size_t i = 0; i < call->legs_count; i++) {
		struct leg *leg = &call->legs[i];

		if (leg_lives(leg) && !leg->hung_up && ret_found)
			ret_found[count] = leg;
		count += leg_lives(leg) && !leg->hung_up;
	}
	return count;
}

/* A party that is on hold hears nobody; it is taken back to hear somebody else. */
static void take_back(struct leg *leg)
{
	struct hs_leg_hold resume = {leg->id, false};

	if (leg->held)
		calls_ask_leg(leg, HS_LEG_HOLD, &resume);
}

/* Its partner in the audio is let go of at once, not when his driver says that he has left; streams are kept. */
static void part(struct leg *leg)
{
	struct hs_media_part body = {leg->id};

	calls_ask_media(leg, HS_MEDIA_PART, &body);
	call_join_streams(leg);
}

/* The call is this leg's alone. */
static void keep_only(struct leg *leg)
{
	struct leg *parties[CALL_LEGS] = {0};
	struct call *call = leg->call;
	size_t count = transfer_parties(call, parties);

	call->calls->at = hs_clock_wall_ms();
	call->first = (size_t)(leg - call->legs);
	call->second_at = call->second = 0;
	call_set_group(call, NULL);
	for (size_t i = 0; i < count; i++)
		if (parties[i] != leg)
			call_let_go(parties[i], HS_CAUSE_NORMAL);
	if (count > 1)
		part(leg);
	calls_changed(call);
}

void transfer_blind(struct leg *stays, const struct transfer_order *order)
{
	struct call *call = stays->call;
	struct hs_call_transfer event = {stays->id, order->line ? order->line->config->id : NULL, order->number};

	transfer_part(call);
	keep_only(stays);
	take_back(stays);
	call->is_onward = true;
	call->hops = 0;
	call->target = order->line;
	call_set_group(call, order->group);
	call_set_to_route(call, order->route);
	free(call->to_number);
	call->to_number = order->route ? hs_strdup(order->number) : NULL;
	call->ring_ms = order->ring_ms;
	calls_tell(call, HS_CALL_TRANSFER, stays->line_id, &event);
	hs_log(INFO, "call.transfer", LOG_CALL(call->id), LOG_LEG(stays->id), LOG_LINE(event.to_line),
	       LOG_NUMBER("to", order->number));
	call_step(call, CALL_TRANSFER, NULL);
}

static void tell_bridged(struct leg *leg, const struct leg *with)
{
	struct call *call = leg->call;
	struct hs_call_bridged event = {with->call->id, leg->id};

	hs_copy(call->bridged, sizeof(call->bridged), with->call->id);
	calls_tell(call, HS_CALL_BRIDGED, leg->line_id, &event);
	calls_changed(call);
}

void transfer_bridge(struct leg *one, struct leg *other)
{
	struct hs_media_join join = {one->id, other->id};

	transfer_part(one->call);
	transfer_part(other->call);
	keep_only(one);
	keep_only(other);
	calls_ask_media(one, HS_MEDIA_JOIN, &join);
	take_back(one);
	take_back(other);
	tell_bridged(one, other);
	tell_bridged(other, one);
	hs_log(INFO, "call.bridged", LOG_CALL(one->call->id), LOG_LEG(one->id), LOG_TEXT("with", other->call->id));
}

/* The other one, when both know of each other; then neither does. */
static struct call *take_apart(struct call *call)
{
	struct call *other = call->bridged[0] ? calls_find(call->calls, call->bridged) : NULL;

	call->bridged[0] = '\0';
	calls_changed(call);
	if (!other || strcmp(other->bridged, call->id) != 0)
		return NULL;
	other->bridged[0] = '\0';
	calls_changed(other);
	return other;
}

static void go_on_alone(struct call *call, const char *with)
{
	struct hs_call_unbridged event = {with};
	struct leg *leg = call_first(call);

	if (leg_lives(leg))
		part(leg);
	calls_tell(call, HS_CALL_UNBRIDGED, leg->line_id, &event);
}

bool transfer_part(struct call *call)
{
	struct call *other = take_apart(call);

	if (!other)
		return false;
	call->calls->at = hs_clock_wall_ms();
	go_on_alone(call, other->id);
	go_on_alone(other, call->id);
	return true;
}

void transfer_ends(struct call *call, const struct call_step *step)
{
	struct call *other = take_apart(call);
	const struct call_step end = {.cause = HS_CAUSE_NORMAL,
				      .by = step && step->by ? step->by : "system",
				      .why = "the call that it was bridged with has ended"};

	if (other && call_is_active(other))
		call_step(other, CALL_HANGUP, &end);
}
