#include "reach.h"
#include "ceiling.h"
#include "cleanup.h"
#include "log.h"
#include "outside.h"
#include <stdlib.h>

#define HOPS_MAX 5 /* forwards in a row: a circle ends */

/* ---- why a line cannot be rung, and who gets its calls then ---- */

static enum hs_forward_reason why_not(const struct calls *calls, const struct line *line)
{
	if (line->forwards[LINE_FORWARD_ALWAYS])
		return HS_FORWARD_REASON_ALWAYS;
	if (line->do_not_disturb)
		return HS_FORWARD_REASON_DO_NOT_DISTURB;
	if (line->state == HS_LINE_STATE_OFFLINE || !calls->setup.is_up(calls->setup.context, line_driver(line)))
		return HS_FORWARD_REASON_UNREACHABLE;
	return line_is_free(line) || line_may_wait(line) ? 0 : HS_FORWARD_REASON_BUSY;
}

static const struct {
	enum line_forward forward;
	enum hs_cause cause;
	const char *why;
} reasons[HS_FORWARD_REASON_COUNT] = {
	[HS_FORWARD_REASON_ALWAYS] = {LINE_FORWARD_ALWAYS, HS_CAUSE_FAILED, "forwards lead in a circle"},
	[HS_FORWARD_REASON_BUSY] = {LINE_FORWARD_BUSY, HS_CAUSE_BUSY, "the called line is in a call"},
	[HS_FORWARD_REASON_DO_NOT_DISTURB] = {LINE_FORWARD_BUSY, HS_CAUSE_BUSY,
					      "the called line is not to be disturbed"},
	[HS_FORWARD_REASON_NO_ANSWER] = {LINE_FORWARD_NO_ANSWER, HS_CAUSE_NO_ANSWER, "nobody lifted in time"},
	[HS_FORWARD_REASON_UNREACHABLE] = {LINE_FORWARD_NO_ANSWER, HS_CAUSE_UNREACHABLE,
					   "the called line cannot be reached"},
};

static const char *forward_of(const struct call *call, const struct line *line, enum hs_forward_reason reason)
{
	return reason && call->hops < HOPS_MAX ? line->forwards[reasons[reason].forward] : NULL;
}

/* What became of a leg, as its line sees it. */
static enum hs_forward_reason reason_of(enum hs_cause cause)
{
	if (cause == HS_CAUSE_BUSY || cause == HS_CAUSE_DECLINED)
		return HS_FORWARD_REASON_BUSY;
	return cause == HS_CAUSE_NO_ANSWER ? HS_FORWARD_REASON_NO_ANSWER : HS_FORWARD_REASON_UNREACHABLE;
}

static void refuse(struct call *call, enum hs_cause cause, const char *by, const char *why)
{
	const struct call_step step = {.cause = cause, .by = by, .why = why};

	call_step(call, CALL_REFUSE, &step);
}

/* ---- going on to another number ---- */

/* A line hands a call on to where it may dial itself; a group, to numbers inside only. */
static bool may_go_out(struct call *call, const struct line *from, const struct hs_config_route *route,
		       const char *number, const char **ret_why)
{
	const struct line *first = call_first(call)->line;
	char sent[HS_NUMBER_BYTES];

	*ret_why = "the line hands its calls on to a number that it may not dial: its may_dial does not name the route";
	if (!from || !outside_may(route, from))
		return false;
	*ret_why = "the caller is outside, too: calls.outside_to_outside is off";
	if (first && line_is_exchange(first) && !outside_may_connect(call->calls))
		return false;
	*ret_why = "what the route leaves of the number cannot be dialled on a line";
	return routes_write(call->calls->setup.routes, route, number, sent) == 0 &&
	       ceiling_lets_out(call->calls, route, sent, from->config->id, ret_why);
}

/* The number is the second party from now on. */
static void go_to(struct call *call, const struct line *from, const char *number)
{
	const struct calls_setup *setup = &call->calls->setup;
	struct route route = routes_find(setup->routes, from ? from->config : NULL, number);
	const char *why;

	call->hops++;
	call->is_onward = true;
	call_set_group(call, route.group);
	call_set_to_route(call, NULL);
	call->target = route.line ? lines_find(setup->lines, route.line->id) : NULL;
	if (route.kind == ROUTE_OPERATOR) {
		call_step(call, CALL_OPERATOR, NULL);
	} else if (route.kind == ROUTE_OUT && !may_go_out(call, from, route.out, number, &why)) {
		refuse(call, HS_CAUSE_REJECTED, "system", why);
	} else if (route.kind == ROUTE_OUT) {
		call_set_to_route(call, route.out);
		free(call->to_number);
		call->to_number = hs_strdup(number);
		reach_second(call);
	} else if (call->target || call->group) {
		reach_second(call);
	} else {
		refuse(call, HS_CAUSE_UNREACHABLE, "system", "calls are handed on to a number that there is not");
	}
}

static void forward(struct call *call, const struct line *line, const char *number, enum hs_forward_reason reason)
{
	struct hs_call_forwarded event = {number, reason};

	calls_tell(call, HS_CALL_FORWARDED, line->config->id, &event);
	hs_log(INFO, "call.forwarded", LOG_CALL(call->id), LOG_LINE(line->config->id), LOG_NUMBER("to", number),
	       LOG_TEXT("reason", hs_enum_forward_reason.names[reason]));
	go_to(call, line, number);
}

/* ---- groups ---- */

/* The next line of the group, from group_at on, that can be rung; NULL: none. */
static struct line *next_line(const struct call *call, int64_t *at)
{
	const struct calls *calls = call->calls;

	while (*at < (int64_t)call->group->lines_count) {
		struct line *line = lines_find(calls->setup.lines, call->group->lines[(*at)++]);

		if (line && why_not(calls, line) == 0)
			return line;
	}
	return NULL;
}

static bool has_room(const struct call *call)
{
	return call->legs_count < CALL_LEGS;
}

/* How many ring now. */
static int ring_lines(struct call *call)
{
	bool all = call->group->strategy == HS_GROUP_STRATEGY_ALL;
	struct line *line;
	int rung = 0;

	call_begin_second(call);
	while (has_room(call) && (all || rung == 0) && (line = next_line(call, &call->group_at))) {
		call_ring(call, line);
		rung++;
	}
	return rung;
}

static void ring_group(struct call *call)
{
	const struct hs_config_group *group = call->group;

	if (ring_lines(call) > 0)
		return;
	if (group->otherwise && call->hops < HOPS_MAX)
		go_to(call, NULL, group->otherwise);
	else
		refuse(call, HS_CAUSE_BUSY, "line", "no line of the group is free");
}

/* ---- the second party ---- */

static void ring_outside(struct call *call, const struct hs_config_route *route)
{
	struct line *line = outside_line(call->calls, route, call, NULL);
	const char *why;
	enum hs_cause cause;

	if (line) {
		call_begin_second(call);
		call_ring(call, line);
		return;
	}
	cause = outside_why_none(call->calls, route, &why);
	refuse(call, cause, "system", why);
}

static void ring_target(struct call *call)
{
	const struct line *line = call->target;
	enum hs_forward_reason reason = why_not(call->calls, line);
	const char *number = forward_of(call, line, reason);

	if (number) {
		forward(call, line, number, reason);
	} else if (reason) {
		refuse(call, reasons[reason].cause, reason == HS_FORWARD_REASON_UNREACHABLE ? "system" : "line",
		       reasons[reason].why);
	} else {
		call_begin_second(call);
		call_ring(call, call->target);
	}
}

void reach_second(struct call *call)
{
	const struct hs_config_route *route = call_second_route(call);

	if (!has_room(call))
		refuse(call, HS_CAUSE_OVERLOADED, "system", "too many parties have been called for this call");
	else if (call->group)
		ring_group(call);
	else if (route)
		ring_outside(call, route);
	else
		ring_target(call);
}

/* ---- nobody is there ---- */

/* The line that was rung, when it hands its calls on for what happened. */
static const char *next_number(const struct call *call, enum hs_forward_reason *ret_reason)
{
	const struct leg *leg = call_second(call);

	*ret_reason = reason_of(leg->cause);
	return leg->line && !leg->number ? forward_of(call, leg->line, *ret_reason) : NULL;
}

bool reach_has_next(const struct call *call)
{
	int64_t at = call->group_at;
	enum hs_forward_reason reason;

	if (call->second_at == 0 || !has_room(call))
		return false;
	if (call->group)
		return next_line(call, &at) || (call->group->otherwise && call->hops < HOPS_MAX);
	return next_number(call, &reason) != NULL;
}

void reach_next(struct call *call)
{
	enum hs_forward_reason reason;
	const char *number;

	if (call->group) {
		ring_group(call);
		return;
	}
	number = next_number(call, &reason);
	forward(call, call_second(call)->line, number, reason);
}

int64_t reach_ring_ms(const struct leg *leg)
{
	const struct call *call = leg->call;
	bool is_second = call->second_at && (size_t)(leg - call->legs) >= call->second_at;

	if (is_second && call->group)
		return call->group->ring_s * 1000;
	if (is_second && leg->line && !leg->number && leg->line->forwards[LINE_FORWARD_NO_ANSWER])
		return leg->line->forward_after_s * 1000;
	return call->ring_ms;
}
