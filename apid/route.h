/* Where a dialled string leads: operator, another line, dial tone, nowhere.
 * Called by calls; calls nobody. Pure but for its index of numbers, which it owns.
 */
#ifndef ROUTE_H
#define ROUTE_H

#include "hs_proto.h"

enum route_kind {
	ROUTE_NOTHING,  /* no such number */
	ROUTE_HOTLINE,  /* the handset was only lifted: give dial tone */
	ROUTE_OPERATOR, /* the operator's streams */
	ROUTE_LINE,     /* another line (or itself, which is busy) */
};

struct route {
	enum route_kind kind;
	const struct hs_config_line *line; /* ROUTE_LINE */
};

struct routes;

/* config is kept, not owned. */
struct routes *routes_create(const struct hs_config *config);

/* from: the line that dials, or NULL when it is not configured (any more). dialled NULL or "": only lifted. Order:
 * the line's own hotline or else calls.hotline, calls.operator_number, numbers of lines, ids of lines. */
struct route routes_find(const struct routes *routes, const struct hs_config_line *from, const char *dialled);

void routes_destroy(struct routes *routes); /* NULL is fine */

#endif
