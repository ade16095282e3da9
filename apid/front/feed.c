#include "feed.h"
#include "cleanup.h"
#include "log.h"
#include "metrics.h"
#include "wire.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 200      /* events of one answer */
#define COPIES 1024   /* that wait for what is before them */
#define REORDER_MS 30 /* for the other audience's copy, which comes over a socket of its own */
#define AGAIN_MS 200  /* after an answer that was none */

struct feed {
	struct front *front;
	struct ring *ring;
	bool is_placed;  /* the ring has a place in the log */
	bool must_fetch; /* something may be missing */
	int64_t seq;     /* of the newest event in the ring; 0: unknown */
	uint64_t ticket; /* of the page under way */
	uv_timer_t *timer;
	struct event_parts copies[COPIES]; /* by arrival */
	size_t copies_count;
	TAILQ_HEAD(, feed_listener) listeners;
	struct hs_metric *added, *fetched, *dropped;
};

static void fetch(struct feed *feed);

/* ---- Events ---- */

/* Unknown events that did not come over the calls edge may carry digits. */
static bool is_digits(int message, enum hs_edge edge)
{
	if (message >= 0)
		return hs_messages[message].audience == HS_EDGE_DIGITS;
	return edge != HS_EDGE_CALLS;
}

/* The object without its member prev, and the comma beside it. */
static const char *without_prev(const struct hs_json *json, struct hs_arena *arena, size_t *ret_bytes)
{
	const struct hs_json *prev = hs_json_member(json, "prev");
	*ret_bytes = json->bytes;
	if (!prev)
		return json->text;
	const struct hs_json *name = prev - 1, *first = hs_json_first(json), *end = hs_json_next(prev);
	bool is_last = end == hs_json_next(json);
	const char *from = name->text - 1, *to = json->text + json->bytes - 1;
	if (!is_last)
		to = end->text - 1; /* the next name's quote */
	else if (name != first)
		while (*from != ',')
			from--;
	*ret_bytes -= (size_t)(to - from);
	char *text = hs_arena_copy(arena, json->text, json->bytes);
	memmove(text + (from - json->text), to, (size_t)(json->text + json->bytes - to));
	return text;
}

int event_read(const struct hs_json *json, enum hs_edge edge, struct event_parts *ret)
{
	struct hs_event_head head;
	struct hs_wire_fault fault;
	struct hs_arena *arena = hs_arena_create();
	if (hs_wire_decode(&hs_shape_event_head, json, false, arena, &head, &fault)) {
		hs_log(ERROR, "event.malformed", LOG_TEXT("field", fault.field), LOG_WHY(fault.why));
		hs_arena_destroy(arena);
		return -EINVAL;
	}
	size_t length;
	const char *text = head.prev ? without_prev(json, arena, &length) : json->text;
	length = head.prev ? length : json->bytes;
	int message = hs_wire_find(head.type);
	*ret = (struct event_parts){
		.event = {.seq = head.seq,
			  .message = message,
			  .is_digits = is_digits(message, edge),
			  .cursor = head.cursor,
			  .line = head.line ? head.line : "",
			  .call = head.call_id ? head.call_id : "",
			  .text = text,
			  .bytes = length},
		.arena = arena,
	};
	return 0;
}

void event_free(struct event_parts *parts)
{
	hs_arena_destroy(parts->arena);
	*parts = (struct event_parts){0};
}

/* ---- The ring grows ---- */

static void add(struct feed *feed, const struct ring_event *event)
{
	ring_add(feed->ring, event);
	feed->seq = event->seq;
	hs_metric_add(feed->added, 1);
	const struct ring_event *kept = ring_get(feed->ring, ring_next(feed->ring) - 1);
	for (struct feed_listener *next, *listener = TAILQ_FIRST(&feed->listeners); listener; listener = next) {
		next = TAILQ_NEXT(listener, link);
		listener->added(listener, kept);
	}
}

static void drop_copy(struct feed *feed, size_t index)
{
	event_free(&feed->copies[index]);
	feed->copies_count--;
	memmove(&feed->copies[index], &feed->copies[index + 1], (feed->copies_count - index) * sizeof(feed->copies[0]));
}

/* Index of the copy with this seq, or -1. Copies that the ring has passed are dropped on the way. */
static int find_copy(struct feed *feed, int64_t seq)
{
	int found = -1;
	for (size_t i = 0; i < feed->copies_count;) {
		if (feed->copies[i].event.seq < seq) {
			drop_copy(feed, i);
			continue;
		}
		if (feed->copies[i].event.seq == seq)
			found = (int)i;
		i++;
	}
	return found;
}

static void on_timer(uv_timer_t *timer)
{
	fetch(timer->data);
}

/* Takes all waiting copies that follow the ring's end. What is left waits for what is before it. */
static void join_copies(struct feed *feed)
{
	int index;
	while ((index = find_copy(feed, feed->seq + 1)) >= 0) {
		struct event_parts copy = feed->copies[index];
		feed->copies[index].arena = NULL;
		drop_copy(feed, (size_t)index);
		add(feed, &copy.event);
		event_free(&copy);
	}
	if (feed->copies_count > 0)
		uv_timer_start(feed->timer, on_timer, REORDER_MS, 0);
}

/* ---- What was missed ---- */

static void begin_anew(struct feed *feed, const char *cursor)
{
	ring_begin(feed->ring, cursor);
	feed->seq = 0;
	for (struct feed_listener *next, *listener = TAILQ_FIRST(&feed->listeners); listener; listener = next) {
		next = TAILQ_NEXT(listener, link);
		listener->broken(listener);
	}
}

static void take_page(struct feed *feed, const struct hs_events_list_answer *page)
{
	for (size_t i = 0; i < page->events_count; i++) {
		struct event_parts parts;
		if (event_read(page->events[i], HS_EDGES, &parts))
			continue;
		if (!feed->is_placed && i == 0)
			ring_begin(feed->ring, "");
		add(feed, &parts.event);
		event_free(&parts);
	}
	if (!feed->is_placed && page->events_count == 0)
		ring_begin(feed->ring, page->cursor);
	feed->is_placed = true;
}

static void on_page(void *context, const struct hs_answer *answer)
{
	struct feed *feed = context;
	feed->ticket = 0;
	if (answer->error == HS_ERROR_GONE || (answer->error == HS_ERROR_INVALID && feed->is_placed)) {
		hs_log(WARN, "feed.log_began_anew", LOG_TEXT("cursor", ring_cursor(feed->ring)),
		       LOG_WHY(answer->detail));
		feed->is_placed = false;
		begin_anew(feed, "");
	}
	if (answer->error != HS_OK) {
		if (answer->error != HS_ERROR_UNAVAILABLE && answer->error != HS_ERROR_TIMEOUT)
			hs_log(WARN, "feed.fetch_refused", LOG_TEXT("error", hs_errors[answer->error].name),
			       LOG_WHY(answer->detail));
		uv_timer_start(feed->timer, on_timer, AGAIN_MS, 0);
		return;
	}
	const struct hs_events_list_answer *page = answer->body;
	take_page(feed, page);
	feed->must_fetch |= page->more;
	if (feed->must_fetch)
		fetch(feed);
	else
		join_copies(feed);
}

static void fetch(struct feed *feed)
{
	feed->must_fetch = true;
	if (feed->ticket)
		return;
	uv_timer_stop(feed->timer);
	feed->must_fetch = false;
	const char *cursor = ring_cursor(feed->ring);
	struct hs_events_list list = {
		.since = feed->is_placed && *cursor ? cursor : NULL,
		.has_limit = true,
		.limit = PAGE,
	};
	struct caller ourselves = {NULL, NULL, NULL, NULL};
	hs_metric_add(feed->fetched, 1);
	feed->ticket = front_ask(feed->front, HS_EVENTS_LIST, &list, &ourselves, on_page, feed);
}

/* ---- What apid publishes ---- */

static void keep_copy(struct feed *feed, struct event_parts *parts)
{
	if (feed->copies_count == COPIES) {
		/* It is in the log: the page that is awaited, or the one after it, brings it. */
		hs_metric_add(feed->dropped, 1);
		feed->must_fetch = true;
		event_free(parts);
		return;
	}
	parts->event.text = hs_arena_copy(parts->arena, parts->event.text, parts->event.bytes);
	feed->copies[feed->copies_count++] = *parts;
	*parts = (struct event_parts){0};
}

void feed_published(struct feed *feed, const struct hs_published *event)
{
	struct event_parts parts;
	if (event_read(event->json, event->edge, &parts))
		return;
	if (feed->is_placed && !feed->ticket && feed->seq && parts.event.seq == feed->seq + 1) {
		add(feed, &parts.event);
		event_free(&parts);
		if (feed->copies_count > 0)
			join_copies(feed);
		return;
	}
	/* Behind us: a copy that a page brought already, or a log that counts anew; only apid knows. */
	bool is_behind = feed->seq && parts.event.seq <= feed->seq;
	uint64_t number;
	if (is_behind && ring_after(feed->ring, parts.event.cursor, &number)) {
		event_free(&parts);
		return;
	}
	keep_copy(feed, &parts);
	if (!feed->ticket && (is_behind || !feed->seq))
		fetch(feed);
	else if (!feed->ticket && !uv_is_active((uv_handle_t *)feed->timer))
		uv_timer_start(feed->timer, on_timer, REORDER_MS, 0);
}

void feed_missed(struct feed *feed)
{
	fetch(feed);
}

/* ---- Listeners and life ---- */

const struct ring *feed_ring(const struct feed *feed)
{
	return feed->ring;
}

void feed_listen(struct feed *feed, struct feed_listener *listener)
{
	TAILQ_INSERT_TAIL(&feed->listeners, listener, link);
}

void feed_leave(struct feed *feed, struct feed_listener *listener)
{
	TAILQ_REMOVE(&feed->listeners, listener, link);
}

struct feed *feed_create(struct front *front)
{
	struct feed *feed = hs_zalloc(sizeof(*feed));
	feed->front = front;
	feed->ring = ring_create();
	TAILQ_INIT(&feed->listeners);
	feed->timer = hs_zalloc(sizeof(*feed->timer));
	uv_timer_init(front->house->loop, feed->timer);
	feed->timer->data = feed;
	feed->added = hs_metric_counter("hookswitch_feed_events_total", "", "Events in the feed.");
	feed->fetched = hs_metric_counter("hookswitch_feed_fetches_total", "", "Pages asked of apid to catch up.");
	feed->dropped = hs_metric_counter("hookswitch_feed_copies_dropped_total", "",
					  "Published copies that found no room and were fetched.");
	fetch(feed);
	return feed;
}

static void free_timer(uv_handle_t *timer)
{
	free(timer);
}

void feed_destroy(struct feed *feed)
{
	if (!feed)
		return;
	while (feed->copies_count > 0)
		drop_copy(feed, feed->copies_count - 1);
	hs_bus_forget(feed->front->house->bus, feed->ticket);
	uv_close((uv_handle_t *)feed->timer, free_timer);
	ring_destroy(feed->ring);
	free(feed);
}
