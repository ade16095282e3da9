/* Requests about the event log. */
#include "call_record.h"
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

/* ---- all there is ---- */

#define ANSWER_BYTES 200000 /* the bus carries 256 KiB */
#define LINE_BYTES 600      /* of JSON, with all that is known of a line */

struct snapshot {
	struct hs_arena *arena;
	struct calls *calls;
	struct hs_call *found;
	int64_t *order; /* of the found ones */
	size_t count, bytes;
	bool more;
};

static void add_call(struct snapshot *snapshot, const struct call *call)
{
	size_t at = snapshot->count;

	snapshot->bytes += call_record_bytes(call);
	if (snapshot->bytes > ANSWER_BYTES) {
		snapshot->more = true;
		return;
	}
	for (; at > 0 && snapshot->order[at - 1] > call->n; at--) {
		snapshot->found[at] = snapshot->found[at - 1];
		snapshot->order[at] = snapshot->order[at - 1];
	}
	call_record_describe(call, snapshot->arena, &snapshot->found[at]);
	snapshot->order[at] = call->n;
	snapshot->count++;
}

static void add_calls(struct snapshot *snapshot)
{
	size_t count;
	AUTO(free) char(*ids)[65] = calls_all(snapshot->calls, &count);

	snapshot->found = hs_arena_alloc(snapshot->arena, (count + 1) * sizeof(*snapshot->found));
	snapshot->order = hs_arena_alloc(snapshot->arena, (count + 1) * sizeof(*snapshot->order));
	for (size_t i = 0; i < count; i++) {
		const struct call *call = calls_find(snapshot->calls, ids[i]);

		if (call->shown != HS_CALL_STATE_ENDED)
			add_call(snapshot, call);
	}
}

static void events_snapshot(struct visit *visit)
{
	const struct apid *apid = visit->apid;
	struct snapshot snapshot = {.arena = hs_arena_create(), .calls = apid->calls};
	size_t lines = apid->house->config->lines_count, fit = ANSWER_BYTES / 2 / LINE_BYTES;
	char cursor[CURSOR_BYTES];
	struct hs_events_snapshot_answer answer = {.cursor = cursor};

	snapshot.bytes = (lines < fit ? lines : fit) * LINE_BYTES;
	add_calls(&snapshot);
	answer.lines = hs_arena_alloc(snapshot.arena, (lines + 1) * sizeof(*answer.lines));
	while (answer.lines_count < lines && answer.lines_count < fit) {
		line_describe(lines_at(apid->lines, answer.lines_count), &answer.lines[answer.lines_count]);
		answer.lines_count++;
	}
	answer.calls_count = snapshot.count;
	answer.calls = snapshot.found;
	answer.more = snapshot.more || answer.lines_count < lines;
	eventlog_newest(apid->log, cursor);
	visit_answer(visit, &answer);
	hs_arena_destroy(snapshot.arena);
}

const struct serve_row serve_event_rows[] = {
	{.message = HS_EVENTS_SNAPSHOT, .handle = events_snapshot, .changes = true},
	{.message = HS_EVENTS_LIST, .handle = events_list, .inner = true},
	{.message = HS_EVENTS_OPEN, .handle = events_open, .inner = true},
	{.handle = NULL},
};
