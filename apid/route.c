#include "route.h"
#include "cleanup.h"
#include "config.h"
#include "table.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct routes {
	const struct hs_config *config;
	struct hs_table *numbers, *ids;             /* of struct hs_config_line */
	struct hs_table *group_numbers, *group_ids; /* of struct hs_config_group */
	struct hs_table *out;                       /* of struct hs_config_route, by id */
	char (*keyed)[HS_NUMBER_BYTES];             /* what leads to somebody inside and can be keyed in, sorted */
	size_t keyed_count;
};

static void add_keyed(struct routes *routes, const char *text)
{
	if (hs_number_plain(text, routes->keyed[routes->keyed_count]))
		routes->keyed_count++;
}

static void add_line(struct routes *routes, const struct hs_config_line *line)
{
	char plain[HS_NUMBER_BYTES];

	hs_table_put(routes->ids, line->id, (void *)line);
	add_keyed(routes, line->id);
	if (!line->number)
		return;
	hs_table_put(routes->numbers, hs_number_plain(line->number, plain) ? plain : line->number, (void *)line);
	add_keyed(routes, line->number);
}

static void add_group(struct routes *routes, const struct hs_config_group *group)
{
	char plain[HS_NUMBER_BYTES];

	hs_table_put(routes->group_ids, group->id, (void *)group);
	add_keyed(routes, group->id);
	if (!group->number)
		return;
	hs_table_put(routes->group_numbers, hs_number_plain(group->number, plain) ? plain : group->number,
		     (void *)group);
	add_keyed(routes, group->number);
}

static int compare(const void *left, const void *right)
{
	return strcmp(left, right);
}

struct routes *routes_create(const struct hs_config *config)
{
	struct routes *routes = hs_zalloc(sizeof(*routes));

	routes->config = config;
	routes->numbers = hs_table_create();
	routes->ids = hs_table_create();
	routes->out = hs_table_create();
	routes->group_numbers = hs_table_create();
	routes->group_ids = hs_table_create();
	routes->keyed = hs_zalloc((2 * (config->lines_count + config->groups_count) + 1) * sizeof(*routes->keyed));
	for (size_t i = 0; i < config->lines_count; i++)
		if (!hs_config_is_exchange(config, &config->lines[i]))
			add_line(routes, &config->lines[i]);
	for (size_t i = 0; i < config->groups_count; i++)
		add_group(routes, &config->groups[i]);
	if (config->calls->operator_number)
		add_keyed(routes, config->calls->operator_number);
	qsort(routes->keyed, routes->keyed_count, sizeof(*routes->keyed), compare);
	for (size_t i = 0; i < config->routes_count; i++)
		hs_table_put(routes->out, config->routes[i].id, &config->routes[i]);
	return routes;
}

static bool same(const char *a, const char *b)
{
	return a && strcmp(a, b) == 0;
}

/* The first that fits decides, also when who dials may not take it: else what is forbidden by one route would go
 * through by the next. */
static const struct hs_config_route *find_out(const struct hs_config *config, const char *number)
{
	for (size_t i = 0; i < config->routes_count; i++)
		if (hs_config_route_takes(&config->routes[i], number))
			return &config->routes[i];
	return NULL;
}

static bool as_dialled_here(const struct hs_config *config, const char *number, char ret_number[HS_NUMBER_BYTES])
{
	const struct hs_config_numbers *numbers = config->numbers;

	return hs_number_local(number, numbers->country, numbers->national, numbers->international, ret_number);
}

/* Nothing stands before an emergency number: neither a number of the house nor a route that is forbidden. */
static const struct hs_config_route *find_emergency(const struct hs_config *config, const char *number)
{
	for (size_t i = 0; i < config->routes_count; i++)
		if (config->routes[i].emergency && hs_config_route_takes(&config->routes[i], number))
			return &config->routes[i];
	return NULL;
}

struct route routes_find(const struct routes *routes, const struct hs_config_line *from, const char *dialled)
{
	const struct hs_config_calls *calls = routes->config->calls;
	const struct hs_config_route *out;
	struct route route = {.kind = ROUTE_LINE};
	char plain[HS_NUMBER_BYTES], here[HS_NUMBER_BYTES];
	const char *number;

	if (!dialled || !dialled[0])
		return (struct route){.kind = ROUTE_HOTLINE};
	number = hs_number_plain(dialled, plain) ? plain : dialled;
	out = number == plain ? find_emergency(routes->config, plain) : NULL;
	if (out)
		return (struct route){.kind = ROUTE_OUT, .out = out};
	if (same(from && from->hotline ? from->hotline : calls->hotline, dialled))
		return (struct route){.kind = ROUTE_HOTLINE};
	if (same(calls->operator_number, number))
		return (struct route){.kind = ROUTE_OPERATOR};
	route.line = hs_table_get(routes->numbers, number);
	if (!route.line)
		route.group = hs_table_get(routes->group_numbers, number);
	if (!route.line && !route.group)
		route.line = hs_table_get(routes->ids, dialled);
	if (!route.line && !route.group)
		route.group = hs_table_get(routes->group_ids, dialled);
	route.kind = route.group ? ROUTE_GROUP : ROUTE_LINE;
	if (route.line || route.group)
		return route;
	out = number == plain ? find_out(routes->config, plain) : NULL;
	if (!out && number == plain && as_dialled_here(routes->config, plain, here))
		return routes_find(routes, from, here);
	return out ? (struct route){.kind = ROUTE_OUT, .out = out} : (struct route){.kind = ROUTE_NOTHING};
}

/* A longer number than this leads to somebody inside: the next one in order begins with it. */
static bool may_grow_inside(const struct routes *routes, const char *number)
{
	size_t low = 0, high = routes->keyed_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (strcmp(routes->keyed[middle], number) > 0)
			high = middle;
		else
			low = middle + 1;
	}
	return low < routes->keyed_count && strncmp(routes->keyed[low], number, strlen(number)) == 0;
}

static bool may_grow_outside(const struct routes *routes, const struct hs_config_line *from, const char *number)
{
	const struct hs_config *config = routes->config;

	for (size_t i = 0; i < config->routes_count; i++)
		if (hs_config_route_may_grow(&config->routes[i], number) &&
		    routes_may(&config->routes[i], from ? from->may_dial : NULL, from ? from->may_dial_count : 0))
			return true;
	return false;
}

bool routes_is_complete(const struct routes *routes, const struct hs_config_line *from, const char *number)
{
	struct route route = routes_find(routes, from, number);

	if (route.kind == ROUTE_NOTHING || route.kind == ROUTE_HOTLINE)
		return false;
	if (route.kind == ROUTE_OUT && route.out->emergency && !hs_config_route_may_grow(route.out, number))
		return true;
	return !may_grow_inside(routes, number) && !may_grow_outside(routes, from, number);
}

const struct hs_config_route *routes_of_id(const struct routes *routes, const char *id)
{
	return id ? hs_table_get(routes->out, id) : NULL;
}

const struct hs_config_group *routes_group_of_id(const struct routes *routes, const char *id)
{
	return id ? hs_table_get(routes->group_ids, id) : NULL;
}

bool routes_may(const struct hs_config_route *out, const char *const *may_dial, size_t count)
{
	for (size_t i = 0; i < count && !out->emergency; i++)
		if (strcmp(may_dial[i], out->id) == 0)
			return true;
	return out->emergency;
}

int routes_write(const struct routes *routes, const struct hs_config_route *out, const char *dialled,
		 char ret_number[HS_NUMBER_BYTES])
{
	const char *prepend = out->prepend ? out->prepend : "";
	char plain[HS_NUMBER_BYTES], number[2 * HS_NUMBER_BYTES];
	size_t strip = (size_t)out->strip;

	if (!hs_number_plain(dialled, plain))
		return -EINVAL;
	if (plain[0] == '+' && !hs_config_route_takes(out, plain) && as_dialled_here(routes->config, plain, number))
		hs_copy(plain, sizeof(plain), number);
	if (strlen(plain) < strip)
		return -EINVAL;
	snprintf(number, sizeof(number), "%s%s", prepend, plain + strip);
	if (!number[0] || strchr(number, '+') || !hs_copy(ret_number, HS_NUMBER_BYTES, number))
		return -EINVAL;
	return 0;
}

void routes_destroy(struct routes *routes)
{
	if (!routes)
		return;
	hs_table_destroy(routes->numbers);
	hs_table_destroy(routes->ids);
	hs_table_destroy(routes->group_numbers);
	hs_table_destroy(routes->group_ids);
	hs_table_destroy(routes->out);
	free(routes->keyed);
	free(routes);
}
