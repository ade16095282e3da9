/* POST /api/v1/calls: who is called first, and who he is connected to. */
#include "ceiling.h"
#include "outside.h"
#include "serve.h"
#include "watch.h"
#include <string.h>

static bool find_line(struct visit *visit, const char *field, const char *id, struct party *ret_party)
{
	struct line *line = lines_find(visit->apid->lines, id);

	if (!line)
		visit_refuse(visit, HS_ERROR_NOT_FOUND, field, NULL, "there is no such line");
	else if (line_is_exchange(line))
		visit_refuse(visit, HS_ERROR_INVALID, field, NULL,
			     "%s is an exchange line, at which nobody can be rung; give a number, which a route leads "
			     "out over it",
			     id);
	else
		ret_party->line = line;
	return ret_party->line;
}

static bool find_outside(struct visit *visit, const char *field, const char *number,
			 const struct hs_config_route *route)
{
	const struct hs_config_token *token = visit->token;
	char sent[HS_NUMBER_BYTES];
	const char *why;

	if (!routes_may(route, token ? token->may_dial : NULL, token ? token->may_dial_count : 0))
		visit_refuse(visit, HS_ERROR_FORBIDDEN, field, NULL,
			     "the token may not dial this: its may_dial in api.tokens does not name the route %s",
			     route->id);
	else if (routes_write(visit->apid->routes, route, number, sent) < 0)
		visit_refuse(visit, HS_ERROR_INVALID, field, NULL,
			     "what the route %s leaves of the number cannot be dialled on a line", route->id);
	else if (!ceiling_lets_out(visit->apid->calls, route, sent, NULL, &why))
		visit_refuse(visit, HS_ERROR_CEILING, field, NULL, "%s", why);
	else
		return true;
	return false;
}

static void refuse_number(struct visit *visit, const char *field, const char *number)
{
	char plain[HS_NUMBER_BYTES];

	if (hs_number_plain(number, plain))
		visit_refuse(visit, HS_ERROR_NOT_FOUND, field, NULL,
			     "no line has this number, and no route of the configuration takes it: routes lead "
			     "numbers out over exchange lines");
	else
		visit_refuse(visit, HS_ERROR_INVALID, field, NULL,
			     "a number is at most 64 digits, * and #, perhaps with + in front");
}

/* The operator is no party that can be called: he is there already. */
static bool find_number(struct visit *visit, const char *field, const char *number, bool or_operator,
			struct party *ret_party)
{
	struct route route = routes_find(visit->apid->routes, NULL, number);

	ret_party->route = route.out;
	ret_party->group = route.group;
	if (route.kind == ROUTE_GROUP && or_operator)
		return true;
	if (route.kind == ROUTE_GROUP)
		visit_refuse(visit, HS_ERROR_INVALID, field, NULL,
			     "this is a group, which can be called as to_number, not first");
	else if (route.kind == ROUTE_LINE)
		return find_line(visit, field, route.line->id, ret_party);
	else if (route.kind == ROUTE_OUT)
		return find_outside(visit, field, number, route.out);
	else if (route.kind == ROUTE_OPERATOR && or_operator)
		return true;
	else if (route.kind == ROUTE_OPERATOR)
		visit_refuse(visit, HS_ERROR_INVALID, field, NULL,
			     "this is the operator, who is connected to whoever answers; name a line or another "
			     "number");
	else
		refuse_number(visit, field, number);
	return false;
}

static bool find_first(struct visit *visit, const struct hs_calls_create *body, struct party *ret_party)
{
	if (body->line && body->number)
		visit_refuse(visit, HS_ERROR_INVALID, "number", NULL,
			     "give line or number, not both: over which line a number goes out is said by routes");
	else if (body->line)
		return find_line(visit, "line", body->line, ret_party);
	else if (body->number)
		return find_number(visit, "number", body->number, false, ret_party);
	else
		visit_refuse(visit, HS_ERROR_INVALID, "line", NULL, "give the line to ring, or a number to call");
	return false;
}

static bool find_second(struct visit *visit, const struct hs_calls_create *body, struct party *ret_party)
{
	if (body->to_line && body->to_number)
		visit_refuse(visit, HS_ERROR_INVALID, "to_number", NULL, "give to_line or to_number, not both");
	else if (body->to_line)
		return find_line(visit, "to_line", body->to_line, ret_party);
	else if (body->to_number)
		return find_number(visit, "to_number", body->to_number, true, ret_party);
	else
		return true;
	return false;
}

static bool same_number(const char *a, const char *b)
{
	char plain_a[HS_NUMBER_BYTES], plain_b[HS_NUMBER_BYTES];

	return hs_number_plain(a, plain_a) && hs_number_plain(b, plain_b) && strcmp(plain_a, plain_b) == 0;
}

/* Of a line, of a group, or of the token. */
static bool is_own(const struct visit *visit, const char *number)
{
	struct route route = routes_find(visit->apid->routes, NULL, number);

	for (size_t i = 0; visit->token && i < visit->token->may_show_count; i++)
		if (same_number(visit->token->may_show[i], number))
			return true;
	return route.kind == ROUTE_LINE || route.kind == ROUTE_GROUP;
}

bool visit_may_show(struct visit *visit, const char *number)
{
	bool any = visit->apid->house->config->calls->caller_numbers == HS_SHOWN_NUMBERS_ANY;

	if (any || !number || !number[0] || is_own(visit, number))
		return true;
	visit_refuse(visit, HS_ERROR_FORBIDDEN, "caller_number", NULL,
		     "the token may not show this number: give one of a line or group, or name it in may_show of the "
		     "token (calls.caller_numbers is own)");
	return false;
}

bool visit_find_party(struct visit *visit, const char *to_line, const char *to_number, struct party *ret_party)
{
	if (to_line)
		return find_line(visit, "to_line", to_line, ret_party);
	if (!find_number(visit, "to_number", to_number, true, ret_party))
		return false;
	if (ret_party->line || ret_party->group || ret_party->route)
		return true;
	visit_refuse(visit, HS_ERROR_INVALID, "to_number", NULL, "this is the operator, who has the call already");
	return false;
}

static bool can_be_connected(struct visit *visit, const char *field, const struct party *first,
			     const struct party *second)
{
	if (first->line && first->line == second->line)
		visit_refuse(visit, HS_ERROR_INVALID, field, NULL, "a line cannot be connected to itself");
	else if (first->route && second->route && !outside_may_connect(visit->apid->calls))
		visit_refuse(visit, HS_ERROR_INVALID, field, NULL,
			     "both numbers are outside, and calls.outside_to_outside is off: one of the two must be a "
			     "line, or the operator");
	else
		return true;
	return false;
}

/* An exchange line that is free, for a party outside. taken: by the other one, or NULL. */
static bool find_free(struct visit *visit, const char *field, struct party *party, const struct line *taken)
{
	const struct calls *calls = visit->apid->calls;
	const struct hs_config_route *route = party->route;
	const struct line *any = lines_find(visit->apid->lines, route->lines[0]);
	const char *why;
	enum hs_cause cause;

	if (visit_is_away(visit, line_driver(any)))
		return false;
	party->line = outside_line(calls, route, NULL, taken);
	if (party->line)
		return true;
	cause = outside_why_none(calls, route, &why);
	if (cause == HS_CAUSE_REJECTED)
		visit_refuse(visit, HS_ERROR_CEILING, field, NULL, "%s", why);
	else
		visit_refuse(visit, HS_ERROR_WRONG_STATE, field,
			     hs_enum_line_state.names[cause == HS_CAUSE_OVERLOADED ? HS_LINE_STATE_OFF_HOOK
										   : HS_LINE_STATE_OFFLINE],
			     "%s (%s)", why, route->id);
	return false;
}

static void calls_create_one(struct visit *visit)
{
	const struct hs_calls_create *body = visit->request->body;
	const char *to_field = body->to_number ? "to_number" : "to_line";
	struct party first = {0}, second = {0};
	struct calls_order order = {.caller_number = body->caller_number,
				    .caller_name = body->caller_name,
				    .request = visit->request->request_id,
				    .ring_ms = visit_ring_ms(visit, body->has_timeout_s, body->timeout_s),
				    .max_ms = body->has_max_duration_s ? body->max_duration_s * 1000 : 0};

	if (!visit_may_show(visit, body->caller_number) || !find_first(visit, body, &first) ||
	    !find_second(visit, body, &second) || !can_be_connected(visit, to_field, &first, &second))
		return;
	if (first.route && !find_free(visit, "number", &first, NULL))
		return;
	if (first.route && second.route && !find_free(visit, to_field, &second, first.line))
		return;
	order.line = first.line;
	order.to_line = second.route ? NULL : second.line;
	order.to_group = second.group;
	order.route = first.route ? first.route : second.route;
	order.dialled = first.route ? body->number : body->to_number;
	order.to_route = first.route ? second.route : NULL;
	order.to_number = order.to_route ? body->to_number : NULL;
	if (visit_can_ring(visit, order.line, first.route && first.route->emergency))
		visit_answer_call(visit, calls_ring(visit->apid->calls, &order));
}

const struct serve_row serve_place_rows[] = {
	{.message = HS_CALLS_CREATE, .handle = calls_create_one, .changes = true},
	{.handle = NULL},
};
