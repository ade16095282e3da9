#include "outside.h"
#include "ceiling.h"
#include "cleanup.h"
#include "log.h"
#include <string.h>

bool outside_may(const struct hs_config_route *route, const struct line *from)
{
	return routes_may(route, from ? from->config->may_dial : NULL, from ? from->config->may_dial_count : 0);
}

bool outside_may_connect(const struct calls *calls)
{
	return calls->setup.config->calls->outside_to_outside;
}

static bool was_tried(const struct call *call, const struct line *line)
{
	for (size_t i = 0; call && i < call->legs_count; i++)
		if (call->legs[i].line == line)
			return true;
	return false;
}

static bool works(const struct calls *calls, const struct line *line)
{
	return line && line->state != HS_LINE_STATE_OFFLINE &&
	       calls->setup.is_up(calls->setup.context, line_driver(line));
}

const char *outside_why_not(const struct calls *calls, const struct line *line)
{
	if (!line)
		return "there is no such line";
	if (!calls->setup.is_up(calls->setup.context, line_driver(line)))
		return "its driver is away";
	if (line->state == HS_LINE_STATE_OFFLINE)
		return "it does not work: no battery, an alarm, or not registered";
	return line_is_free(line) ? NULL : "it is in a call";
}

struct line *outside_line(const struct calls *calls, const struct hs_config_route *route, const struct call *call,
			  const struct line *taken)
{
	for (size_t i = 0; i < route->lines_count; i++) {
		struct line *line = lines_find(calls->setup.lines, route->lines[i]);

		if (line != taken && works(calls, line) && line_is_free(line) && !was_tried(call, line) &&
		    (route->emergency || ceiling_has_room(calls->setup.ceiling, line)))
			return line;
	}
	return NULL;
}

enum hs_cause outside_why_none(const struct calls *calls, const struct hs_config_route *route, const char **ret_why)
{
	for (size_t i = 0; i < route->lines_count; i++) {
		const struct line *line = lines_find(calls->setup.lines, route->lines[i]);

		if (!works(calls, line))
			continue;
		if (!route->emergency && line_is_free(line) && !ceiling_has_room(calls->setup.ceiling, line)) {
			*ret_why = ceiling_is_full(calls->setup.ceiling, line);
			return HS_CAUSE_REJECTED;
		}
		*ret_why = "all exchange lines of the route that work are in a call";
		return HS_CAUSE_OVERLOADED;
	}
	*ret_why = "no exchange line of the route works";
	return HS_CAUSE_UNREACHABLE;
}

void outside_number(struct leg *leg)
{
	char number[HS_NUMBER_BYTES];
	const char *dialled;
	const struct hs_config_route *route = call_route_of(leg, &dialled);

	if (route && dialled && routes_write(leg->call->calls->setup.routes, route, dialled, number) == 0)
		leg->number = hs_strdup(number);
}

void outside_tell(struct leg *leg)
{
	struct call *call = leg->call;
	const char *dialled;
	const struct hs_config_route *route = call_route_of(leg, &dialled);
	struct hs_call_routed event = {leg->id, route->id, dialled, leg->number};

	ceiling_taken(call->calls->setup.ceiling, leg->line);
	calls_tell(call, HS_CALL_ROUTED, leg->line_id, &event);
	hs_log(INFO, "call.routed", LOG_CALL(call->id), LOG_LEG(leg->id), LOG_LINE(leg->line_id),
	       LOG_TEXT("route", route->id), LOG_NUMBER("number", leg->number));
}
