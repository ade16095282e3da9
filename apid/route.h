/* Where a dialled string leads: operator, another line, dial tone, out, nowhere.
 * Called by calls and serve_calls; calls nobody. Pure but for its indexes of numbers, which it owns.
 */
#ifndef ROUTE_H
#define ROUTE_H

#include "hs_proto.h"
#include "number.h"

enum route_kind {
	ROUTE_NOTHING,  /* no such number */
	ROUTE_HOTLINE,  /* the handset was only lifted: give dial tone */
	ROUTE_OPERATOR, /* the operator's streams */
	ROUTE_GROUP,    /* the lines of a group */
	ROUTE_LINE,     /* another line (or itself, which is busy) */
	ROUTE_OUT,      /* out over an exchange line, for who may */
};

struct route {
	enum route_kind kind;
	const struct hs_config_line *line;   /* ROUTE_LINE */
	const struct hs_config_route *out;   /* ROUTE_OUT */
	const struct hs_config_group *group; /* ROUTE_GROUP */
};

struct routes;

/* config is kept, not owned. */
struct routes *routes_create(const struct hs_config *config);

/* from: the line that dials, or NULL when there is none (any more). dialled NULL or "": only lifted. Order:
 * emergency numbers, the line's own hotline or else calls.hotline, calls.operator_number, numbers of lines and groups,
 * their ids, routes as configured. An exchange line has neither number nor id here: whoever reached it would have its
 * dial tone. */
struct route routes_find(const struct routes *routes, const struct hs_config_line *from, const char *dialled);

/* Whether a number that is being dialled key by key is complete, for somebody at the line from (or NULL): it leads
 * somewhere, and no longer one does that he may dial. An emergency number is complete whatever begins like it. */
bool routes_is_complete(const struct routes *routes, const struct hs_config_line *from, const char *number);

/* A route by its id, or NULL. */
const struct hs_config_route *routes_of_id(const struct routes *routes, const char *id);

/* A group by its id, or NULL. */
const struct hs_config_group *routes_group_of_id(const struct routes *routes, const char *id);

/* Whether a list of may_dial lets a route be dialled. */
bool routes_may(const struct hs_config_route *out, const char *const *may_dial, size_t count);

/* What is dialled on an exchange line for a number that fits the route. -EINVAL: nothing that can be dialled is left,
 * or too much. */
int routes_write(const struct routes *routes, const struct hs_config_route *out, const char *dialled,
		 char ret_number[HS_NUMBER_BYTES]);

void routes_destroy(struct routes *routes); /* NULL is fine */

#endif
