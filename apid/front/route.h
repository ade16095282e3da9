/* Routes: method and path -> message of the contract, and what a client sent -> the message's body.
 * Called by rest and ws. Pure but for the table built once; calls wire.
 * Owns the table. Path and query are read as they came: percent codes are undone here, once.
 */
#ifndef FRONT_ROUTE_H
#define FRONT_ROUTE_H

#include "hs_proto.h"
#include "wire.h"

#define ROUTE_PARAMS 4
#define ROUTE_VALUE 256 /* longest value in a path or query, with NUL */

struct routes;

/* The routes of all public requests. */
struct routes *routes_create(void);
void routes_destroy(struct routes *routes); /* NULL is fine */

struct route_param {
	const char *name; /* of the field */
	char value[ROUTE_VALUE];
};

struct route_match {
	enum hs_message_id message;
	struct route_param params[ROUTE_PARAMS];
	size_t params_count;
	char allow[64]; /* methods of this path, for Allow */
};

/* Finds a route; HEAD counts as GET. 0, -ENOENT: no such path, -EPERM: not with this method (allow is filled). */
int routes_find(const struct routes *routes, const char *method, const char *path, struct route_match *ret_match);

#define ROUTE_GIVEN 40 /* parameters of path and query, and one of our own */

/* A message's body in the making: what the client sent, and what path and query add. Begins as zeros. */
struct route_body {
	const struct hs_json *sent; /* NULL: nothing */
	const struct hs_field *given[ROUTE_GIVEN];
	size_t given_count;
	struct hs_wire_out text; /* without its last brace */
};

void route_body_begin(struct route_body *body, const struct hs_json *sent);

/* The whole of it; valid until route_body_end. -EINVAL with the fault. */
int route_body_read(struct route_body *body, struct hs_arena *arena, const struct hs_json **ret_json,
		    struct hs_wire_fault *ret_fault);
void route_body_end(struct route_body *body);

/* Adds a member of our own. */
void route_add_word(const struct hs_shape *shape, const char *name, const char *word, struct route_body *body);

/* Adds a path's parameters to a body. 0, -EINVAL with the fault: also given in the body, or not what the field takes.
 */
int route_add_params(const struct route_match *match, struct route_body *body, struct hs_wire_fault *ret_fault);

/* Adds a query's parameters, typed by the shape. 0, -EINVAL with the fault: unknown, twice, not what the field takes.
 */
int route_add_query(const struct hs_shape *shape, const char *query, struct route_body *body,
		    struct hs_wire_fault *ret_fault);

/* Undoes percent codes, and '+' when plus is true. 0, -EINVAL: a bad code, NUL, control character, too long. */
int route_decode(const char *text, size_t length, bool plus, char *ret_value, size_t size);

/* Visits name=value pairs of a query, decoded. Stops with what visit returns when that is not 0; -EINVAL: bad code. */
int route_each(const char *query, int (*visit)(void *context, const char *name, const char *value), void *context);

#endif
