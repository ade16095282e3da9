/* Ceilings on what apid begins: numbers, calls out at once and in an hour, scopes of tokens.
 * Called by outside, calls, serve_place and serve; calls common's ceilings, the store and the event log. Owns how often
 * each exchange line was taken in the last hour, which the store keeps.
 */
#ifndef CEILING_H
#define CEILING_H

#include "calls.h"
#include "ceilings.h"

struct ceiling;

/* What was taken before is read from the store. */
struct ceiling *ceiling_create(struct hs_house *house, struct store *store, struct eventlog *log);

/* Whether a call may go out with this number on the line; emergency routes always may. line: who dials, or NULL. If
 * not, it is counted and told; ret_why is valid until the next call. */
bool ceiling_lets_out(const struct calls *calls, const struct hs_config_route *route, const char *number,
		      const char *line, const char **ret_why);

/* Whether an exchange line may be taken once more this hour. */
bool ceiling_has_room(struct ceiling *ceiling, const struct line *line);

/* Counts and tells that it may not; why, valid until the next call. */
const char *ceiling_is_full(struct ceiling *ceiling, const struct line *line);

/* It was taken. */
void ceiling_taken(struct ceiling *ceiling, const struct line *line);

/* As hs_ceiling_scope. */
bool ceiling_scope(const struct ceiling *ceiling, const char *scope, char *ret_why);

void ceiling_destroy(struct ceiling *ceiling); /* NULL is fine */

#endif
