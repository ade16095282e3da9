#include "follow.h"
#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include "wire.h"
#include <stdlib.h>
#include <string.h>

#define PAGE 200 /* events of one answer: well under a message's limit */
#define FIRST_PAGE                                                                                                     \
	1000 /* of the newest ones, where there is no place yet: what happened since we began is among them */
#define COPIES_MAX 1024  /* that wait while a page is fetched */
#define DEADLINE_MS 3000 /* for a page */
#define AGAIN_MS 200     /* after a failed one */

struct copy {
	char *body;
	size_t bytes;
};

struct follow {
	struct follow_setup setup;
	char cursor[65];
	int64_t seq;
	int64_t made_at_ms; /* wall clock */
	bool placed;        /* cursor is valid */
	bool current;       /* the next copy may be used */
	bool behind;        /* copies were missed: a page more is needed */
	bool paused;
	uint64_t ticket; /* of the page under way; 0: none */
	struct copy *copies;
	size_t copies_count;
	uv_timer_t timer;
};

static void fetch(struct follow *follow);

static void happen(struct follow *follow, const struct hs_event_head *head, const struct hs_json *json)
{
	struct follow_event event = {head, json, json->text, json->bytes};

	hs_copy(follow->cursor, sizeof(follow->cursor), head->cursor);
	follow->seq = head->seq;
	follow->setup.happened(follow->setup.context, &event);
}

static void bad_event(const struct hs_wire_fault *fault)
{
	hs_log(ERROR, "event.malformed", LOG_TEXT("field", fault->field), LOG_WHY(fault->why));
}

/* ---- Published copies ---- */

/* stale_is_gap: a number that was passed is a duplicate while copies that waited are looked through; else it may be a
 * new generation of the log that counts from the beginning, and only the log itself can tell. */
static void take_copy(struct follow *follow, const struct hs_json *json, bool stale_is_gap)
{
	struct hs_arena *arena = hs_arena_create();
	struct hs_wire_fault fault;
	struct hs_event_head head;

	if (hs_wire_decode(&hs_shape_event_head, json, false, arena, &head, &fault) < 0)
		bad_event(&fault);
	else if (head.seq == follow->seq + 1)
		happen(follow, &head, json);
	else if (head.seq > follow->seq || stale_is_gap)
		follow->current = false;
	hs_arena_destroy(arena);
}

static void keep_copy(struct follow *follow, const char *body, size_t bytes)
{
	struct copy *copy;

	if (follow->copies_count == COPIES_MAX) {
		follow->behind = true;
		return;
	}
	copy = &follow->copies[follow->copies_count++];
	copy->body = hs_zalloc(bytes + 1);
	memcpy(copy->body, body, bytes);
	copy->bytes = bytes;
}

static void drop_copies(struct follow *follow)
{
	for (size_t i = 0; i < follow->copies_count; i++)
		free(follow->copies[i].body);
	follow->copies_count = 0;
}

static void published(void *context, const struct hs_published *event)
{
	struct follow *follow = context;

	if (follow->paused) {
		follow->current = false;
	} else if (!follow->current) {
		keep_copy(follow, event->body, event->bytes);
	} else {
		take_copy(follow, event->json, true);
		if (!follow->current) {
			keep_copy(follow, event->body, event->bytes);
			fetch(follow);
		}
	}
}

static void missed(void *context)
{
	struct follow *follow = context;

	follow->current = false;
	follow->behind = true;
	fetch(follow);
}

/* ---- Pages by cursor ---- */

static void on_timer(uv_timer_t *timer)
{
	fetch(timer->data);
}

static void again_later(struct follow *follow)
{
	uv_timer_start(&follow->timer, on_timer, AGAIN_MS, 0);
}

static bool read_head(const struct hs_json *json, struct hs_arena *arena, struct hs_event_head *ret_head)
{
	struct hs_wire_fault fault;
	int error = hs_wire_decode(&hs_shape_event_head, json, false, arena, ret_head, &fault);

	if (error < 0)
		bad_event(&fault);
	return error == 0;
}

/* Those from first on. */
static void take_events(struct follow *follow, const struct hs_events_list_answer *page, size_t first)
{
	for (size_t i = first; i < page->events_count && !follow->paused; i++) {
		struct hs_arena *arena = hs_arena_create();
		struct hs_event_head head;

		if (read_head(page->events[i], arena, &head))
			happen(follow, &head, page->events[i]);
		hs_arena_destroy(arena);
	}
}

/* How many of the newest events were before we began. ret_seq: number of the last of them. */
static size_t count_old(const struct follow *follow, const struct hs_events_list_answer *page, int64_t *ret_seq)
{
	struct hs_arena *arena = hs_arena_create();
	struct hs_event_head head;
	size_t count = 0;

	*ret_seq = 0;
	while (count < page->events_count && read_head(page->events[count], arena, &head) &&
	       head.timestamp < follow->made_at_ms) {
		*ret_seq = head.seq;
		count++;
	}
	hs_arena_destroy(arena);
	return count;
}

/* The log's end, where nothing is wanted of what was before. apid may have answered long after we asked, and be at work
 * long since: what happened meanwhile counts. */
static void take_end(struct follow *follow, const struct hs_events_list_answer *page)
{
	size_t old = count_old(follow, page, &follow->seq);

	hs_copy(follow->cursor, sizeof(follow->cursor), page->cursor);
	follow->placed = true;
	if (follow->setup.began)
		follow->setup.began(follow->setup.context, follow->cursor, follow->seq);
	take_events(follow, page, old);
}

static void take_kept(struct follow *follow, const struct copy *copy)
{
	struct hs_arena *arena = hs_arena_create();
	const struct hs_json *json;
	struct hs_wire_fault fault;

	if (hs_wire_parse(copy->body, copy->bytes, arena, &json, &fault) < 0)
		bad_event(&fault);
	else
		take_copy(follow, json, false);
	hs_arena_destroy(arena);
}

/* The log's end is reached: what was published meanwhile goes on from there. */
static void catch_up(struct follow *follow)
{
	follow->current = true;
	for (size_t i = 0; i < follow->copies_count && follow->current && !follow->paused; i++)
		take_kept(follow, &follow->copies[i]);
	drop_copies(follow);
	if (!follow->current)
		fetch(follow);
}

static void on_page(void *context, const struct hs_answer *answer)
{
	struct follow *follow = context;
	const struct hs_events_list_answer *page = answer->body;

	follow->ticket = 0;
	if (answer->error == HS_ERROR_GONE) {
		hs_log(ERROR, "events.gone", LOG_TEXT("cursor", follow->cursor),
		       LOG_WHY("the log no longer keeps what came after it; going on with the newest ones"));
		follow->cursor[0] = '\0';
		follow->placed = true;
	}
	if (answer->error) {
		again_later(follow);
		return;
	}
	if (!follow->placed)
		take_end(follow, page);
	else
		take_events(follow, page, 0);
	if (follow->paused)
		return;
	if (!page->events_count)
		hs_copy(follow->cursor, sizeof(follow->cursor), page->cursor);
	if (page->more || follow->behind)
		fetch(follow);
	else
		catch_up(follow);
}

static void fetch(struct follow *follow)
{
	struct hs_events_list page = {.since = follow->placed && *follow->cursor ? follow->cursor : NULL,
				      .has_limit = true,
				      .limit = follow->placed ? PAGE : FIRST_PAGE};
	struct hs_ask ask = {.to = HS_ROLE_APID,
			     .message = HS_EVENTS_LIST,
			     .body = &page,
			     .deadline_ms = DEADLINE_MS,
			     .patient = true,
			     .answered = on_page,
			     .context = follow};

	if (follow->ticket || follow->paused)
		return;
	follow->behind = false;
	uv_timer_stop(&follow->timer);
	follow->ticket = hs_bus_ask(follow->setup.bus, &ask);
}

/* ---- Life ---- */

struct follow *follow_create(const struct follow_setup *setup)
{
	struct follow *follow = hs_zalloc(sizeof(*follow));

	follow->setup = *setup;
	follow->made_at_ms = hs_clock_wall_ms();
	follow->copies = hs_zalloc(COPIES_MAX * sizeof(*follow->copies));
	if (setup->cursor) {
		hs_copy(follow->cursor, sizeof(follow->cursor), setup->cursor);
		follow->seq = setup->seq;
		follow->placed = true;
	}
	follow->setup.cursor = NULL;
	uv_timer_init(setup->loop, &follow->timer);
	follow->timer.data = follow;
	hs_bus_subscribe(setup->bus, HS_ROLE_APID, HS_EDGE_CALLS, published, missed, follow);
	hs_bus_subscribe(setup->bus, HS_ROLE_APID, HS_EDGE_DIGITS, published, missed, follow);
	fetch(follow);
	return follow;
}

void follow_pause(struct follow *follow)
{
	follow->paused = true;
	follow->current = false;
	drop_copies(follow);
}

void follow_resume(struct follow *follow)
{
	if (!follow->paused)
		return;
	follow->paused = false;
	fetch(follow);
}

void follow_rewind(struct follow *follow, const char *cursor, int64_t seq)
{
	hs_copy(follow->cursor, sizeof(follow->cursor), cursor);
	follow->seq = seq;
	follow->current = false;
	hs_bus_forget(follow->setup.bus, follow->ticket);
	follow->ticket = 0;
	fetch(follow);
}

bool follow_is_current(const struct follow *follow)
{
	return follow->current;
}

static void free_follow(uv_handle_t *handle)
{
	struct follow *follow = handle->data;

	free(follow->copies);
	free(follow);
}

void follow_destroy(struct follow *follow)
{
	if (!follow)
		return;
	hs_bus_forget(follow->setup.bus, follow->ticket);
	drop_copies(follow);
	uv_close((uv_handle_t *)&follow->timer, free_follow);
}
