#include "route.h"
#include "cleanup.h"
#include "table.h"
#include <stdlib.h>
#include <string.h>

struct routes {
	const struct hs_config_calls *calls;
	struct hs_table *numbers, *ids; /* of struct hs_config_line */
};

struct routes *routes_create(const struct hs_config *config)
{
	struct routes *routes = hs_zalloc(sizeof(*routes));

	routes->calls = config->calls;
	routes->numbers = hs_table_create();
	routes->ids = hs_table_create();
	for (size_t i = 0; i < config->lines_count; i++) {
		hs_table_put(routes->ids, config->lines[i].id, &config->lines[i]);
		if (config->lines[i].number)
			hs_table_put(routes->numbers, config->lines[i].number, &config->lines[i]);
	}
	return routes;
}

static bool same(const char *a, const char *b)
{
	return a && strcmp(a, b) == 0;
}

struct route routes_find(const struct routes *routes, const struct hs_config_line *from, const char *dialled)
{
	struct route route = {ROUTE_LINE, NULL};

	if (!dialled || !dialled[0])
		return (struct route){ROUTE_HOTLINE, NULL};
	if (same(from && from->hotline ? from->hotline : routes->calls->hotline, dialled))
		return (struct route){ROUTE_HOTLINE, NULL};
	if (same(routes->calls->operator_number, dialled))
		return (struct route){ROUTE_OPERATOR, NULL};
	route.line = hs_table_get(routes->numbers, dialled);
	if (!route.line)
		route.line = hs_table_get(routes->ids, dialled);
	return route.line ? route : (struct route){ROUTE_NOTHING, NULL};
}

void routes_destroy(struct routes *routes)
{
	if (!routes)
		return;
	hs_table_destroy(routes->numbers);
	hs_table_destroy(routes->ids);
	free(routes);
}
