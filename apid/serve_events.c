/* Requests about the event log. */
#include "cleanup.h"
#include "serve.h"
#include <errno.h>

#define EVENTS_LIMIT 100

/* Reads since; refuses the visit and returns false when one cannot go on after it. */
static bool check_since(struct visit *visit, const char *since, int64_t *ret_seq)
{
	int error = since ? eventlog_check(visit->apid->log, since, ret_seq) : 0;

	if (error == 0)
		return true;
	if (error == -EINVAL)
		visit_refuse(visit, HS_ERROR_INVALID, "since", NULL, "this is not a cursor; take one from an event");
	else
		visit_refuse(visit, HS_ERROR_GONE, "since", NULL,
			     "begin anew without since, and read the present state from the API");
	return false;
}

static void listed(void *context, int error, const struct hs_events_list_answer *answer)
{
	struct visit *visit = context;

	if (answer)
		visit_answer(visit, answer);
	else if (error == -ESTALE)
		visit_refuse(visit, HS_ERROR_GONE, "since", NULL, "these events are no longer kept");
	else
		visit_refuse_unread(visit, error);
}

static void events_list(struct visit *visit)
{
	const struct hs_events_list *body = visit->request->body;
	char types[CURSOR_TYPES_BYTES] = "", unknown[64];
	struct eventlog_query query = {
		.has_since = body->since != NULL,
		.types = types,
		.line = body->line,
		.call = body->call,
		.digits = visit_may(visit, "digits"),
		.limit = body->has_limit ? body->limit : EVENTS_LIMIT,
		.deadline_at = visit->request->deadline_at,
	};

	if (!check_since(visit, body->since, &query.since))
		return;
	if (body->type && cursor_types(body->type, types, unknown) != 0) {
		visit_refuse(visit, HS_ERROR_INVALID, "type", NULL, "there is no event '%s'; separate names by commas",
			     unknown);
		return;
	}
	if (!visit_begin_read(visit))
		return;
	query.lane = visit->lane;
	eventlog_list(visit->apid->log, &query, listed, visit);
}

static void events_open(struct visit *visit)
{
	const struct hs_events_open *body = visit->request->body;
	char cursor[CURSOR_BYTES];
	struct hs_events_open_answer answer = {cursor, visit_may(visit, "digits")};
	int64_t seq;

	if (!check_since(visit, body->since, &seq))
		return;
	eventlog_end(visit->apid->log, cursor);
	visit_answer(visit, &answer);
}

const struct serve_row serve_event_rows[] = {
	{.message = HS_EVENTS_LIST, .handle = events_list, .inner = true},
	{.message = HS_EVENTS_OPEN, .handle = events_open, .inner = true},
	{.handle = NULL},
};
