/* Requests about the phone, lines and calls. */
#include "call_record.h"
#include "cleanup.h"
#include "clock.h"
#include "serve.h"
#include "watch.h"
#include <stdlib.h>
#include <string.h>

#define ANSWER_BYTES 200000 /* of records in one answer; the bus carries 256 KiB */
#define CALLS_LIMIT 50
#define LINES_LIMIT 500

static const char *state_name(const struct line *line)
{
	return hs_enum_line_state.names[line->state];
}

/* ---- ringing ---- */

bool visit_is_away(struct visit *visit, enum hs_role role)
{
	if (watch_is_there(visit->apid, role))
		return false;
	visit_refuse(visit, HS_ERROR_UNAVAILABLE, NULL, NULL, "%s is away", hs_role_names[role]);
	return true;
}

bool visit_can_ring(struct visit *visit, const struct line *line, bool beyond_limits)
{
	const struct hs_config_calls *config = visit->apid->house->config->calls;

	if (visit_is_away(visit, line_driver(line)) || visit_is_away(visit, HS_ROLE_MEDIAD))
		return false;
	if (line->state == HS_LINE_STATE_OFFLINE)
		visit_refuse(visit, HS_ERROR_WRONG_STATE, NULL, state_name(line),
			     "the line cannot be reached: no phone is registered for it, or its port does not work");
	else if (line->do_not_disturb)
		visit_refuse(visit, HS_ERROR_WRONG_STATE, NULL, "do_not_disturb", "the line is not to be disturbed");
	else if (!line_is_free(line))
		visit_refuse(visit, HS_ERROR_WRONG_STATE, NULL, state_name(line),
			     "the line is in a call already; hang up first");
	else if (!beyond_limits && calls_count(visit->apid->calls) >= (size_t)config->max_active)
		visit_refuse(visit, HS_ERROR_OVERLOADED, NULL, NULL, "calls.max_active is reached");
	else
		return true;
	return false;
}

int64_t visit_ring_ms(const struct visit *visit, bool given, int64_t timeout_s)
{
	return (given ? timeout_s : visit->apid->house->config->calls->ring_timeout_s) * 1000;
}

static bool knows_cadence(const struct hs_config_dahdi *config, const char *cadence)
{
	for (size_t i = 0; i < config->cadences_count; i++)
		if (strcmp(config->cadences[i].id, cadence) == 0)
			return true;
	return false;
}

/* line NULL: the visit was refused. */
static void ring(struct visit *visit, struct line *line, const struct calls_order *order)
{
	struct hs_lines_ring_answer answer;
	struct calls_order whole = *order;
	const struct call *call;

	if (!line || !visit_may_show(visit, order->caller_number))
		return;
	if (order->cadence && !knows_cadence(visit->apid->house->config->dahdi, order->cadence)) {
		visit_refuse(visit, HS_ERROR_INVALID, "cadence", NULL, "dahdi.cadences has no such cadence");
		return;
	}
	if (line_is_exchange(line)) {
		visit_refuse(visit, HS_ERROR_WRONG_STATE, "line", state_name(line),
			     "nobody can be rung at an exchange line; call a number: POST /api/v1/calls");
		return;
	}
	if (!visit_can_ring(visit, line, false))
		return;
	whole.line = line;
	whole.request = visit->request->request_id;
	call = calls_ring(visit->apid->calls, &whole);
	answer = (struct hs_lines_ring_answer){call->id, line->config->id, line->state};
	visit_answer(visit, &answer);
}

static void phone_ring(struct visit *visit)
{
	const struct hs_phone_ring *body = visit->request->body;
	struct calls_order order = {.caller_number = body->caller_number,
				    .caller_name = body->caller_name,
				    .cadence = body->cadence,
				    .ring_ms = visit_ring_ms(visit, body->has_timeout_s, body->timeout_s)};

	ring(visit, visit_line(visit, NULL), &order);
}

static void lines_ring(struct visit *visit)
{
	const struct hs_lines_ring *body = visit->request->body;
	struct calls_order order = {.caller_number = body->caller_number,
				    .caller_name = body->caller_name,
				    .cadence = body->cadence,
				    .ring_ms = visit_ring_ms(visit, body->has_timeout_s, body->timeout_s)};

	ring(visit, visit_line(visit, body->line), &order);
}

void visit_answer_call(struct visit *visit, const struct call *call)
{
	struct hs_arena *arena = hs_arena_create();
	struct hs_call record;
	struct hs_calls_get_answer answer = {&record};

	call_record_describe(call, arena, &record);
	visit_answer(visit, &answer);
	hs_arena_destroy(arena);
}

/* ---- hanging up ---- */

/* refusal: what somebody hears who was not answered; 0: nothing special. */
static void end_by_api(const struct visit *visit, struct call *call, enum hs_refusal refusal)
{
	static const enum hs_cause causes[HS_REFUSAL_COUNT] = {
		HS_CAUSE_CANCELLED, [HS_REFUSAL_BUSY] = HS_CAUSE_BUSY, [HS_REFUSAL_DECLINED] = HS_CAUSE_DECLINED,
		[HS_REFUSAL_UNREACHABLE] = HS_CAUSE_UNREACHABLE};

	calls_requested(call, visit->request->request_id);
	calls_hang_up(call, call->answered_at ? HS_CAUSE_NORMAL : causes[refusal], "api", NULL);
}

/* The two answers have the same members. */
static void hang_up_line(struct visit *visit, struct line *line)
{
	struct call *call = line ? calls_find(visit->apid->calls, line->call) : NULL;
	struct hs_lines_hangup_answer answer;

	if (!line)
		return;
	if (!call) {
		visit_refuse(visit, HS_ERROR_WRONG_STATE, NULL, state_name(line), "the line is in no call");
		return;
	}
	end_by_api(visit, call, 0);
	answer = (struct hs_lines_hangup_answer){call->id, line->config->id, line->state};
	visit_answer(visit, &answer);
}

static void phone_hangup(struct visit *visit)
{
	hang_up_line(visit, visit_line(visit, NULL));
}

static void lines_hangup(struct visit *visit)
{
	const struct hs_lines_hangup *body = visit->request->body;

	hang_up_line(visit, visit_line(visit, body->line));
}

/* ---- lines ---- */

static void phone_status(struct visit *visit)
{
	const struct line *line = visit_line(visit, NULL);
	const struct call *call = line ? calls_find(visit->apid->calls, line->call) : NULL;
	struct hs_phone_status_answer answer;

	if (!line)
		return;
	answer = (struct hs_phone_status_answer){
		.state = line->state,
		.state_source = line->source,
		.line = line->config->id,
		.call_id = call ? call->id : NULL,
		.call_state = call ? call->shown : 0,
		.since = line->since,
		.operator_connected = streams_has(line),
	};
	visit_answer(visit, &answer);
}

static void lines_get(struct visit *visit)
{
	const struct hs_lines_get *body = visit->request->body;
	const struct line *line = visit_line(visit, body->line);
	struct hs_line one;
	struct hs_lines_get_answer answer = {&one};

	if (!line)
		return;
	line_describe(line, &one);
	visit_answer(visit, &answer);
}

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct hs_line *)a)->id, ((const struct hs_line *)b)->id);
}

static void lines_list(struct visit *visit)
{
	const struct hs_lines_list *body = visit->request->body;
	size_t count = visit->apid->house->config->lines_count;
	AUTO(free) struct hs_line *all = hs_zalloc(count * sizeof(*all) + 1);
	size_t limit = body->has_limit ? (size_t)body->limit : LINES_LIMIT;
	size_t first = 0;
	struct hs_lines_list_answer answer;

	for (size_t i = 0; i < count; i++)
		line_describe(lines_at(visit->apid->lines, i), &all[i]);
	qsort(all, count, sizeof(*all), by_id);
	while (body->after && first < count && strcmp(all[first].id, body->after) <= 0)
		first++;
	answer = (struct hs_lines_list_answer){count - first < limit ? count - first : limit, all + first};
	visit_answer(visit, &answer);
}

/* ---- records, read in a worker ---- */

struct listing {
	struct visit *visit;
	struct hs_arena *arena;
	char *call, *line; /* wanted call; or before and line of a list */
	bool active;
	int64_t limit;
	struct hs_call *calls;
	size_t count, bytes;
	struct store_reader *reader;
	void (*done)(struct listing *listing);
	void (*found)(struct visit *visit, const struct hs_call *call, struct hs_arena *arena);
};

static bool see_leg(void *context, const struct store_row *row)
{
	return call_record_load_leg(row, context);
}

static bool see_call(void *context, const struct store_row *row)
{
	struct listing *listing = context;
	const struct store_value n = STORE_V_INT(store_int(row, 0));
	struct call *call = hs_zalloc(sizeof(*call));
	bool fits;

	call_record_load(row, call);
	store_query(listing->reader, STORE_CALL_LEGS, &n, 1, see_leg, call);
	listing->bytes += call_record_bytes(call);
	fits = listing->bytes <= ANSWER_BYTES && listing->count < (size_t)listing->limit;
	if (fits)
		call_record_describe(call, listing->arena, &listing->calls[listing->count++]);
	call_record_finish(call);
	free(call);
	return fits;
}

static void get_in_worker(void *context, struct store_reader *reader)
{
	struct listing *listing = context;
	const struct store_value id = STORE_V_TEXT(listing->call);

	listing->reader = reader;
	store_query(reader, STORE_CALL_GET, &id, 1, see_call, listing);
}

static void list_in_worker(void *context, struct store_reader *reader)
{
	struct listing *listing = context;
	const struct store_value values[] = {STORE_V_TEXT(listing->call), STORE_V_TEXT(listing->line),
					     STORE_V_INT(listing->active), STORE_V_INT(listing->limit)};

	listing->reader = reader;
	store_query(reader, STORE_CALLS_LIST, values, HS_COUNT(values), see_call, listing);
}

static void listing_read(void *context, int error)
{
	struct listing *listing = context;

	if (error)
		visit_refuse_unread(listing->visit, error);
	else
		listing->done(listing);
	hs_arena_destroy(listing->arena);
	free(listing->call);
	free(listing->line);
	free(listing->calls);
	free(listing);
}

static struct listing *make_listing(struct visit *visit, const char *call, int64_t limit,
				    void (*done)(struct listing *listing))
{
	struct listing *listing = hs_zalloc(sizeof(*listing));

	listing->visit = visit;
	listing->arena = hs_arena_create();
	listing->call = hs_strdup(call);
	listing->limit = limit;
	listing->calls = hs_zalloc((size_t)limit * sizeof(*listing->calls));
	listing->done = done;
	return listing;
}

static void read_listing(struct listing *listing, void (*work)(void *context, struct store_reader *reader))
{
	struct visit *visit = listing->visit;

	store_read(visit->apid->store, &(struct store_job){.lane = visit->lane,
							   .deadline_at = visit->request->deadline_at,
							   .work = work,
							   .done = listing_read,
							   .context = listing});
}

/* Looks for one call; done answers the visit. */
static void read_call(struct visit *visit, const char *call, void (*done)(struct listing *listing))
{
	if (visit_begin_read(visit))
		read_listing(make_listing(visit, call, 1, done), get_in_worker);
}

static void answer_list(struct listing *listing)
{
	struct hs_calls_list_answer answer = {listing->count, listing->calls};

	visit_answer(listing->visit, &answer);
}

static void calls_list(struct visit *visit)
{
	const struct hs_calls_list *body = visit->request->body;
	struct listing *listing;

	if (!visit_begin_read(visit))
		return;
	listing = make_listing(visit, body->before, body->has_limit ? body->limit : CALLS_LIMIT, answer_list);
	listing->line = hs_strdup(body->line);
	listing->active = body->has_active && body->active;
	read_listing(listing, list_in_worker);
}

static void refuse_unknown_call(struct visit *visit)
{
	visit_refuse(visit, HS_ERROR_NOT_FOUND, "call", NULL, "there is no such call");
}

static void answer_get(struct listing *listing)
{
	struct hs_calls_get_answer answer = {listing->calls};

	if (listing->count == 0)
		refuse_unknown_call(listing->visit);
	else
		visit_answer(listing->visit, &answer);
}

static void calls_get(struct visit *visit)
{
	const struct hs_calls_get *body = visit->request->body;

	read_call(visit, body->call, answer_get);
}

static void hand_over(struct listing *listing)
{
	if (listing->count == 0)
		refuse_unknown_call(listing->visit);
	else
		listing->found(listing->visit, listing->calls, TAKE(listing->arena));
}

void visit_record(struct visit *visit, const char *call,
		  void (*found)(struct visit *visit, const struct hs_call *call, struct hs_arena *arena))
{
	struct listing *listing;

	if (!visit_begin_read(visit))
		return;
	listing = make_listing(visit, call, 1, hand_over);
	listing->found = found;
	read_listing(listing, get_in_worker);
}

/* ---- calls that live, or did ---- */

static void refuse_over(struct listing *listing)
{
	if (listing->count == 0)
		refuse_unknown_call(listing->visit);
	else
		visit_refuse(listing->visit, HS_ERROR_WRONG_STATE, NULL, hs_enum_call_state.names[HS_CALL_STATE_ENDED],
			     "the call is over");
}

/* Refuses what concerns a call that does not live (any more): over, or unknown. */
static void refuse_gone(struct visit *visit, const char *call)
{
	read_call(visit, call, refuse_over);
}

struct call *visit_call(struct visit *visit, const char *id)
{
	struct call *call = calls_find(visit->apid->calls, id);

	if (call && call->shown != HS_CALL_STATE_ENDED)
		return call;
	refuse_gone(visit, id);
	return NULL;
}

static struct leg *leg_at(struct call *call, const char *line)
{
	struct leg *found = NULL;

	for (size_t i = 0; line && i < call->legs_count; i++)
		if (strcmp(call->legs[i].line_id, line) == 0 && (!found || leg_lives(&call->legs[i])))
			found = &call->legs[i];
	return line ? found : call_first(call);
}

struct leg *visit_party(struct visit *visit, const char *id, const char *line)
{
	struct call *call = visit_call(visit, id);
	struct leg *leg = call ? leg_at(call, line) : NULL;

	if (!call)
		return NULL;
	if (!leg)
		visit_refuse(visit, HS_ERROR_NOT_FOUND, "line", NULL, "the line is no party of this call");
	else if (!call_is_active(call) || leg->state != LEG_UP || leg->media != LEG_MEDIA_OPEN)
		visit_refuse(visit, HS_ERROR_WRONG_STATE, NULL, hs_enum_call_state.names[call->shown],
			     "the party has not answered, or has left");
	else
		return leg;
	return NULL;
}

static void calls_hangup(struct visit *visit)
{
	const struct hs_calls_hangup *body = visit->request->body;
	struct call *call = visit_call(visit, body->call);

	if (!call)
		return;
	end_by_api(visit, call, body->cause);
	visit_answer_call(visit, call);
}

static struct leg *at_exchange(struct call *call)
{
	for (size_t i = 0; i < call->legs_count; i++) {
		struct leg *leg = &call->legs[i];

		if (leg_lives(leg) && leg->line && line_is_exchange(leg->line))
			return leg;
	}
	return NULL;
}

static void call_flashed(void *context, const struct hs_answer *answer)
{
	struct visit *visit = context;
	const struct hs_calls_flash *body = visit->request->body;
	struct call *call = calls_find(visit->apid->calls, body->call);
	const struct leg *leg = call ? at_exchange(call) : NULL;
	struct hs_call_flash event;

	if (answer->error != HS_OK) {
		visit_pass_refusal(visit, answer);
		return;
	}
	if (!leg) {
		refuse_gone(visit, body->call);
		return;
	}
	event = (struct hs_call_flash){leg->id};
	call->calls->at = hs_clock_wall_ms();
	calls_tell(call, HS_CALL_FLASH, leg->line_id, &event);
	visit_answer_call(visit, call);
}

/* Asked at once and once only: a second flash would be something else. */
static void calls_flash(struct visit *visit)
{
	const struct hs_calls_flash *body = visit->request->body;
	struct call *call = visit_call(visit, body->call);
	const struct leg *leg = call ? at_exchange(call) : NULL;
	struct hs_leg_recall recall;
	struct hs_ask ask = {.message = HS_LEG_RECALL,
			     .body = &recall,
			     .request_id = visit->request->request_id,
			     .answered = call_flashed,
			     .context = visit};

	if (!call)
		return;
	if (!leg) {
		visit_refuse(visit, HS_ERROR_WRONG_STATE, NULL, hs_enum_call_state.names[call->shown],
			     "no exchange line is in the call");
		return;
	}
	recall = (struct hs_leg_recall){leg->id};
	ask.to = leg->driver;
	hs_bus_ask(visit->apid->house->bus, &ask);
}

const struct serve_row serve_call_rows[] = {
	{.message = HS_CALLS_FLASH, .handle = calls_flash, .changes = true},
	{.message = HS_PHONE_RING, .handle = phone_ring, .changes = true},
	{.message = HS_PHONE_HANGUP, .handle = phone_hangup, .changes = true},
	{.message = HS_PHONE_STATUS, .handle = phone_status},
	{.message = HS_LINES_LIST, .handle = lines_list},
	{.message = HS_LINES_GET, .handle = lines_get},
	{.message = HS_LINES_RING, .handle = lines_ring, .changes = true},
	{.message = HS_LINES_HANGUP, .handle = lines_hangup, .changes = true},
	{.message = HS_CALLS_LIST, .handle = calls_list},
	{.message = HS_CALLS_GET, .handle = calls_get},
	{.message = HS_CALLS_HANGUP, .handle = calls_hangup, .changes = true},
	{.handle = NULL},
};
