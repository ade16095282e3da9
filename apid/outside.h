/* Calls out over exchange lines: who may dial a route, which of its lines is taken, and why none.
 * Called by call, calls and serve_calls; calls lines and routes.
 * Owns nothing: routes are the configuration's, legs the call's.
 */
#ifndef OUTSIDE_H
#define OUTSIDE_H

#include "calls.h"

/* Whether somebody at this line may dial the route. */
bool outside_may(const struct hs_config_route *route, const struct line *from);

/* Whether the configuration lets somebody who called over an exchange line, or was called over one, be connected to
 * somebody else outside. */
bool outside_may_connect(const struct calls *calls);

/* The first line of the route that is free, works, is not taken, and has no leg in the call yet (both may be NULL).
 * NULL: there is none. */
struct line *outside_line(const struct calls *calls, const struct hs_config_route *route, const struct call *call,
			  const struct line *taken);

/* Why an emergency number would not take this line now, as a sentence; NULL: it would. line NULL: there is no such
 * line.
 */
const char *outside_why_not(const struct calls *calls, const struct line *line);

/* Why there is none: rejected when a ceiling is reached, overloaded when one is in a call, else unreachable; and one
 * sentence, valid until the next call. */
enum hs_cause outside_why_none(const struct calls *calls, const struct hs_config_route *route, const char **ret_why);

/* Writes down what is dialled for a new leg at an exchange line; without a number it is never asked for. */
void outside_number(struct leg *leg);

/* Tells that the leg is being asked for. */
void outside_tell(struct leg *leg);

#endif
