/* The drill: emergency numbers are routed as a call would be, from every line, up to the line that they would take. */
#include "cleanup.h"
#include "number.h"
#include "outside.h"
#include "serve.h"
#include <stdlib.h>
#include <string.h>

/* What is found about one route; its lists are freed after the answer. */
struct drill {
	const struct calls *calls;
	const struct hs_config_route *route;
	char number[HS_NUMBER_BYTES], dialled[HS_NUMBER_BYTES];
};

/* The shortest number that fits a pattern: its wildcards stand for their lowest digits. */
static void number_of(const char *pattern, char ret_number[HS_NUMBER_BYTES])
{
	static const char wild[] = "XZN.", digits[] = "0120";
	size_t i = 0;

	for (; pattern[i] && i < HS_NUMBER_BYTES - 1; i++) {
		const char *at = strchr(wild, pattern[i]);

		ret_number[i] = at ? digits[at - wild] : pattern[i];
	}
	ret_number[i] = '\0';
}

/* Lines from which the number leads elsewhere: exchange lines ask nobody. The caller frees the list. */
static const char **find_missed(const struct apid *apid, const struct drill *drill, size_t *ret_count)
{
	const struct hs_config *config = apid->house->config;
	const char **missed = hs_zalloc((config->lines_count + 1) * sizeof(*missed));

	*ret_count = 0;
	for (size_t i = 0; i < config->lines_count; i++)
		if (!hs_config_is_exchange(config, &config->lines[i]) &&
		    routes_find(apid->routes, &config->lines[i], drill->number).out != drill->route)
			missed[(*ret_count)++] = config->lines[i].id;
	return missed;
}

static struct hs_emergency_line *look_at_lines(const struct apid *apid, const struct drill *drill)
{
	struct hs_emergency_line *lines = hs_zalloc((drill->route->lines_count + 1) * sizeof(*lines));

	for (size_t i = 0; i < drill->route->lines_count; i++) {
		const struct line *line = lines_find(apid->lines, drill->route->lines[i]);
		const char *why = outside_why_not(drill->calls, line);

		lines[i] = (struct hs_emergency_line){.line = drill->route->lines[i],
						      .state = line ? line->state : HS_LINE_STATE_OFFLINE,
						      .usable = !why,
						      .why = why};
	}
	return lines;
}

static void judge(struct hs_emergency_route *route)
{
	if (route->missed_count)
		route->why = "from some lines this number leads elsewhere";
	else if (!route->dialled)
		route->why = "nothing that can be dialled is left of the number";
	else if (!route->line)
		route->why = "no line of the route can be taken now";
	route->ok = !route->why;
}

static struct hs_emergency_route look_at_route(const struct apid *apid, struct drill *drill)
{
	const struct line *taken = outside_line(drill->calls, drill->route, NULL, NULL);
	struct hs_emergency_route route = {
		.route = drill->route->id,
		.number = drill->number,
		.line = taken ? taken->config->id : NULL,
		.lines_count = drill->route->lines_count,
		.lines = look_at_lines(apid, drill),
	};

	route.missed = find_missed(apid, drill, &route.missed_count);
	if (routes_write(apid->routes, drill->route, drill->number, drill->dialled) == 0)
		route.dialled = drill->dialled;
	judge(&route);
	return route;
}

/* Whether the drill is about this route; fills the number that is tried. */
static bool is_meant(const struct hs_config_route *route, const char *number, char ret_number[HS_NUMBER_BYTES])
{
	if (!route->emergency)
		return false;
	if (!number) {
		number_of(route->pattern, ret_number);
		return true;
	}
	return hs_number_plain(number, ret_number) && hs_config_route_takes(route, ret_number);
}

static void emergency_drill(struct visit *visit)
{
	const struct hs_emergency_drill *body = visit->request->body;
	const struct hs_config *config = visit->apid->house->config;
	AUTO(free) struct hs_emergency_route *routes = hs_zalloc((config->routes_count + 1) * sizeof(*routes));
	AUTO(free) struct drill *drills = hs_zalloc((config->routes_count + 1) * sizeof(*drills));
	struct hs_emergency_drill_answer answer = {.ok = true, .routes = routes};

	for (size_t i = 0; i < config->routes_count; i++) {
		struct drill *drill = &drills[answer.routes_count];

		*drill = (struct drill){.calls = visit->apid->calls, .route = &config->routes[i]};
		if (!is_meant(drill->route, body->number, drill->number))
			continue;
		routes[answer.routes_count] = look_at_route(visit->apid, drill);
		answer.ok &= routes[answer.routes_count++].ok;
	}
	answer.ok &= answer.routes_count > 0;
	if (body->number && !answer.routes_count)
		visit_refuse(visit, HS_ERROR_NOT_FOUND, "number", NULL,
			     "no route with emergency: true takes this number");
	else
		visit_answer(visit, &answer);
	for (size_t i = 0; i < answer.routes_count; i++) {
		free(routes[i].missed);
		free(routes[i].lines);
	}
}

const struct serve_row serve_emergency_rows[] = {
	{.message = HS_EMERGENCY_DRILL, .handle = emergency_drill},
	{.handle = NULL},
};
