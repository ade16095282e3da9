/* Routes and who may dial them: what no schema can say of them. */
#include "cleanup.h"
#include "config.h"
#include "config_inner.h"
#include "number.h"
#include "table.h"
#include <string.h>

#define PATH_BYTES 96

struct check {
	struct config_source *source;
	const struct hs_config *config;
	struct hs_table *ids, *patterns; /* of struct hs_config_route */
};

static const struct hs_config_line *line_of_number(const struct hs_config *config, const char *number)
{
	char plain[HS_NUMBER_BYTES];

	for (size_t i = 0; i < config->lines_count; i++) {
		const struct hs_config_line *line = &config->lines[i];

		if (line->number && !hs_config_is_exchange(config, line) && hs_number_plain(line->number, plain) &&
		    strcmp(plain, number) == 0)
			return line;
	}
	return NULL;
}

/* Lines and the operator come before routes: what is theirs would never be dialled out. */
static void check_reached(const struct check *check, const char *path, const char *pattern)
{
	const struct hs_config_line *line = line_of_number(check->config, pattern);

	if (line)
		config_fault(check->source, path, "%s is the number of line %s, which comes first; choose another",
			     pattern, line->id);
	else if (strcmp(pattern, check->config->calls->operator_number) == 0)
		config_fault(check->source, path, "%s is calls.operator_number, which comes first; choose another",
			     pattern);
}

static void check_pattern(const struct check *check, const struct hs_config_route *route, size_t i)
{
	const char *fault = hs_number_pattern_fault(route->pattern);
	const struct hs_config_route *other = hs_table_get(check->patterns, route->pattern);
	char path[PATH_BYTES];

	snprintf(path, sizeof(path), "routes[%zu].pattern", i);
	if (fault)
		config_fault(check->source, path, "%s", fault);
	else if (other)
		config_fault(check->source, path, "is that of route %s too, which comes first; leave one of them out",
			     other->id);
	else if (hs_number_pattern_is_number(route->pattern))
		check_reached(check, path, route->pattern);
	hs_table_put(check->patterns, route->pattern, (void *)route);
}

static void check_length(const struct check *check, const struct hs_config_route *route, size_t i)
{
	size_t least = strlen(route->pattern);
	char path[PATH_BYTES];

	snprintf(path, sizeof(path), "routes[%zu].max_length", i);
	if (route->has_max_length && !strchr(route->pattern, '.'))
		config_fault(check->source, path, "is for patterns with a dot; this one says how long its numbers are");
	else if (route->has_max_length && (size_t)route->max_length < least)
		config_fault(check->source, path, "must be at least %zu, as long as the pattern", least);
}

/* An emergency number goes out at its last digit: nobody could dial a line whose number only begins with it. */
static void check_hidden(const struct check *check, const struct hs_config_route *route, size_t i)
{
	char path[PATH_BYTES], plain[HS_NUMBER_BYTES];
	size_t length = strlen(route->pattern);

	snprintf(path, sizeof(path), "routes[%zu].pattern", i);
	for (size_t k = 0; k < check->config->lines_count && route->emergency; k++) {
		const struct hs_config_line *line = &check->config->lines[k];

		if (line->number && !hs_config_is_exchange(check->config, line) &&
		    hs_number_plain(line->number, plain) && strlen(plain) > length &&
		    strncmp(plain, route->pattern, length) == 0)
			config_fault(check->source, path,
				     "is an emergency number, with which the number of line %s begins: a handset could "
				     "not dial it; choose another number for the line",
				     line->id);
	}
}

/* What goes to the line must be something that can be dialled. */
static void check_sent(const struct check *check, const struct hs_config_route *route, size_t i)
{
	size_t least = strcspn(route->pattern, ".");
	char path[PATH_BYTES];

	snprintf(path, sizeof(path), "routes[%zu].strip", i);
	if ((size_t)route->strip > least)
		config_fault(check->source, path, "is more than the %zu characters that the pattern begins with",
			     least);
	else if ((size_t)route->strip == least && !route->pattern[least] && !route->prepend)
		config_fault(check->source, path, "leaves nothing to dial; give less, or prepend");
	else if (route->pattern[0] == '+' && route->strip == 0)
		config_fault(check->source, path,
			     "must be at least 1: an exchange line cannot dial +; prepend what stands for it, such as "
			     "00");
	snprintf(path, sizeof(path), "routes[%zu].prepend", i);
	if (route->prepend && route->prepend[strspn(route->prepend, "0123456789*#W")])
		config_fault(check->source, path, "may hold digits, * and #, and W for a pause");
}

static void check_lines(const struct check *check, const struct hs_config_route *route, size_t i)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof(path), "routes[%zu].lines", i);
	if (route->lines_count == 0)
		config_fault(check->source, path, "is empty: name the exchange lines that it takes");
	for (size_t k = 0; k < route->lines_count; k++) {
		const struct hs_config_line *line = hs_config_find_line(check->config, route->lines[k]);

		snprintf(path, sizeof(path), "routes[%zu].lines[%zu]", i, k);
		if (!line)
			config_fault(check->source, path, "there is no line %s; add it to lines or leave it out",
				     route->lines[k]);
		else if (!hs_config_is_exchange(check->config, line))
			config_fault(check->source, path,
				     "%s is no exchange line: those have driver dahdi and port.signalling fxsks or "
				     "fxsls",
				     line->id);
	}
}

static void check_rights(const struct check *check, const char *of, size_t i, const char *const *names, size_t count)
{
	for (size_t k = 0; k < count; k++) {
		char path[PATH_BYTES];

		snprintf(path, sizeof(path), "%s[%zu].may_dial[%zu]", of, i, k);
		if (!hs_table_get(check->ids, names[k]))
			config_fault(check->source, path, "there is no route %s; add it to routes or leave it out",
				     names[k]);
	}
}

/* Callers from outside who are led out again: by a number that is nobody's inside. */
static void check_incoming(const struct check *check, size_t i)
{
	const struct hs_config_line *line = &check->config->lines[i];
	const struct hs_config_route *route = NULL;
	char path[PATH_BYTES], plain[HS_NUMBER_BYTES];

	if (!line->incoming || check->config->calls->outside_to_outside || !hs_number_plain(line->incoming, plain) ||
	    strcmp(plain, check->config->calls->operator_number) == 0 || line_of_number(check->config, plain))
		return;
	for (size_t k = 0; k < check->config->routes_count && !route; k++)
		if (hs_config_route_takes(&check->config->routes[k], plain))
			route = &check->config->routes[k];
	snprintf(path, sizeof(path), "lines[%zu].incoming", i);
	if (route && !hs_config_find_line(check->config, line->incoming))
		config_fault(check->source, path,
			     "leads its callers out again by route %s; set calls.outside_to_outside, and may_dial of "
			     "the line, if that is meant",
			     route->id);
}

static void check_id(const struct check *check, const struct hs_config_route *route, size_t i)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof(path), "routes[%zu].id", i);
	if (hs_table_get(check->ids, route->id))
		config_fault(check->source, path, "%s is taken by another route; choose another", route->id);
	hs_table_put(check->ids, route->id, (void *)route);
}

void config_check_routes(struct config_source *source, const struct hs_config *config)
{
	struct check check = {source, config, hs_table_create(), hs_table_create()};

	for (size_t i = 0; i < config->routes_count; i++) {
		check_id(&check, &config->routes[i], i);
		check_pattern(&check, &config->routes[i], i);
		check_length(&check, &config->routes[i], i);
		check_hidden(&check, &config->routes[i], i);
		check_sent(&check, &config->routes[i], i);
		check_lines(&check, &config->routes[i], i);
	}
	for (size_t i = 0; i < config->lines_count; i++) {
		check_rights(&check, "lines", i, config->lines[i].may_dial, config->lines[i].may_dial_count);
		check_incoming(&check, i);
	}
	for (size_t i = 0; i < config->api->tokens_count; i++)
		check_rights(&check, "api.tokens", i, config->api->tokens[i].may_dial,
			     config->api->tokens[i].may_dial_count);
	hs_table_destroy(check.ids);
	hs_table_destroy(check.patterns);
}
