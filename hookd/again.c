#include "cleanup.h"
#include "hookd.h"
#include "ledger.h"
#include "log.h"
#include "wire.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_AT 5000 /* events, for one request */
#define PAGE 500

/* A request whose events are being read from apid's log. */
struct again {
	struct hookd *hookd;
	struct hs_request *request;
	char webhook[65], since[65];
	int64_t from, to; /* numbers of the first and last event; INT64_MAX: the log's end */
	int looked;
	int64_t queued;
	uint64_t ticket;
	struct again *next;
};

/* ---- Cursors ---- */

/* Splits "<node>.g<generation>.<number>"; numbers in a generation rise by one. False: it is none. */
static bool read_cursor(const char *text, size_t *ret_prefix, int64_t *ret_number)
{
	const char *last = strrchr(text, '.');
	char *end;

	if (!last || last[1] < '0' || last[1] > '9' || strlen(last) > 16)
		return false;
	*ret_prefix = (size_t)(last - text) + 1;
	*ret_number = strtoll(last + 1, &end, 10);
	return !*end;
}

/* Whether from is not behind to, in one log. */
static bool read_range(struct again *again, const char *from, const char *to)
{
	size_t prefix, other;

	if (!read_cursor(from, &prefix, &again->from) || again->from < 1)
		return false;
	again->to = INT64_MAX;
	if (to && (!read_cursor(to, &other, &again->to) || other != prefix || memcmp(from, to, prefix) != 0))
		return false;
	snprintf(again->since, sizeof(again->since), "%.*s%" PRId64, (int)prefix, from, again->from - 1);
	return again->from <= again->to;
}

/* ---- The end ---- */

static void end_again(struct again *again)
{
	struct again **at = &again->hookd->again;

	while (*at != again)
		at = &(*at)->next;
	*at = again->next;
	free(again);
}

/* What was skipped is no longer missing when all from there on was queued. */
static void forget_skipped(const struct again *again, struct endpoint *endpoint)
{
	size_t prefix;
	int64_t first;

	if (again->to != INT64_MAX || !read_cursor(endpoint->skipped_from, &prefix, &first) || again->from > first)
		return;
	endpoint->skipped = 0;
	endpoint->skipped_from[0] = '\0';
	dispatch_changed(again->hookd->dispatch, endpoint);
}

/* next: cursor of the first event that was not looked at; NULL: all were. */
static void end(struct again *again, const char *next)
{
	struct endpoint *endpoint = dispatch_find(again->hookd->dispatch, again->webhook);
	struct hs_hook_again_answer answer = {again->queued, next};

	if (!next && endpoint)
		forget_skipped(again, endpoint);
	hs_log(INFO, "webhook.replayed", LOG_TEXT("webhook", again->webhook), LOG_INT("queued", again->queued),
	       LOG_INT("looked_at", again->looked));
	if (dispatch_commit(again->hookd->dispatch) < 0)
		hs_bus_refuse(again->request, HS_ERROR_UNAVAILABLE, NULL, NULL,
			      "the outbox cannot be written; see health");
	else
		hs_bus_answer(again->request, &answer);
	end_again(again);
}

/* ---- Pages ---- */

static void ask(struct again *again);

enum step {
	STEP_ON,
	STEP_END,  /* it was the last */
	STEP_FULL, /* it was not looked at */
};

static enum step take(struct again *again, struct endpoint *endpoint, const struct hs_event_head *head,
		      const struct hs_json *json)
{
	struct follow_event event = {head, json, json->text, json->bytes};
	int queued;

	if (head->seq > again->to)
		return STEP_END;
	if (again->looked >= LOOK_AT)
		return STEP_FULL;
	queued = dispatch_repeat(again->hookd->dispatch, endpoint, &event);
	if (queued < 0)
		return STEP_FULL;
	again->looked++;
	again->queued += queued;
	return head->seq == again->to ? STEP_END : STEP_ON;
}

/* Returns STEP_ON when the page was used up. ret_stop: cursor of the event that was not looked at. */
static enum step take_page(struct again *again, struct endpoint *endpoint, const struct hs_events_list_answer *page,
			   char ret_stop[65])
{
	enum step step = STEP_ON;

	for (size_t i = 0; i < page->events_count && step == STEP_ON; i++) {
		struct hs_arena *arena = hs_arena_create();
		struct hs_event_head head;
		struct hs_wire_fault fault;

		if (hs_wire_decode(&hs_shape_event_head, page->events[i], false, arena, &head, &fault) == 0)
			step = take(again, endpoint, &head, page->events[i]);
		if (step == STEP_FULL)
			hs_copy(ret_stop, 65, head.cursor);
		hs_arena_destroy(arena);
	}
	return step;
}

static void on_page(void *context, const struct hs_answer *answer)
{
	struct again *again = context;
	struct endpoint *endpoint = dispatch_find(again->hookd->dispatch, again->webhook);
	const struct hs_events_list_answer *page = answer->body;
	char stop[65] = "";
	enum step step;

	again->ticket = 0;
	if (answer->error != HS_OK || !endpoint) {
		hs_bus_refuse(again->request, endpoint ? answer->error : HS_ERROR_NOT_FOUND, answer->field, NULL, "%s",
			      answer->detail ? answer->detail : "");
		end_again(again);
		return;
	}
	step = take_page(again, endpoint, page, stop);
	if (step == STEP_ON && page->more) {
		hs_copy(again->since, sizeof(again->since), page->cursor);
		ask(again);
		return;
	}
	end(again, step == STEP_FULL ? stop : NULL);
}

static void ask(struct again *again)
{
	struct hs_events_list list = {.since = again->since, .has_limit = true, .limit = PAGE};
	struct hs_ask question = {
		.to = HS_ROLE_APID, .message = HS_EVENTS_LIST, .body = &list, .answered = on_page, .context = again};

	again->ticket = hs_bus_ask(again->hookd->house->bus, &question);
}

static void begin(struct hookd *hookd, struct hs_request *request, const struct again *range)
{
	struct again *again = hs_zalloc(sizeof(*again));

	*again = *range;
	again->hookd = hookd;
	again->request = request;
	again->next = hookd->again;
	hookd->again = again;
	ask(again);
}

/* ---- hook.again ---- */

/* A dead letter is on the disk; another one is made again from its event, which the log of attempts names. */
static void repeat_one(struct hookd *hookd, struct hs_request *request, struct endpoint *endpoint, const char *delivery)
{
	struct hs_arena *arena = hs_arena_create();
	const struct hs_webhook_attempt *attempt =
		ledger_find(dispatch_ledger(hookd->dispatch, endpoint), delivery, arena);
	struct hs_hook_again_answer answer = {.queued = 1};
	struct again range = {0};

	hs_copy(range.webhook, sizeof(range.webhook), endpoint->id);
	if (dispatch_replay(hookd->dispatch, delivery) == 0) {
		if (dispatch_commit(hookd->dispatch) < 0)
			hs_bus_refuse(request, HS_ERROR_UNAVAILABLE, NULL, NULL,
				      "the outbox cannot be written; see health");
		else
			hs_bus_answer(request, &answer);
	} else if (attempt && attempt->cursor && read_range(&range, attempt->cursor, attempt->cursor)) {
		begin(hookd, request, &range);
	} else {
		hs_bus_refuse(request, HS_ERROR_NOT_FOUND, "delivery", NULL,
			      "it is neither a dead letter nor in the log of attempts: give the cursor of its event");
	}
	hs_arena_destroy(arena);
}

void serve_again(void *context, struct hs_request *request)
{
	struct hookd *hookd = context;
	const struct hs_hook_again *wanted = request->body;
	struct endpoint *endpoint = serve_find(hookd, request, wanted->webhook);
	struct again range = {0};

	if (!endpoint || serve_is_stuck(hookd, request))
		return;
	hs_copy(range.webhook, sizeof(range.webhook), endpoint->id);
	if (wanted->delivery)
		repeat_one(hookd, request, endpoint, wanted->delivery);
	else if (!wanted->from || !read_range(&range, wanted->from, wanted->to))
		hs_bus_refuse(request, HS_ERROR_INVALID, wanted->from ? "to" : "from", NULL,
			      "give delivery, or from and to: cursors of the first and last event of one log");
	else
		begin(hookd, request, &range);
}

void again_finish(struct hookd *hookd)
{
	for (struct again *again = TAKE(hookd->again), *next; again; again = next) {
		next = again->next;
		hs_bus_forget(hookd->house->bus, again->ticket);
		hs_bus_refuse(again->request, HS_ERROR_UNAVAILABLE, NULL, NULL, "hookd ends; ask again");
		free(again);
	}
}
