#include "subscription.h"
#include "cleanup.h"
#include "feed.h"
#include "id.h"
#include "lwsio.h"
#include "route.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 200
#define AGAIN_MS 500
#define EVENTS_A_TURN 64 /* to one client, so that others get theirs */
#define PREV_BYTES (RING_CURSOR + 16)

enum place {
	PLACE_ASKED,  /* apid has not yet said whether he may */
	PLACE_PAGE,   /* behind the ring: pages come from apid */
	PLACE_AHEAD,  /* at the log's end, which the ring has not reached yet */
	PLACE_RING,   /* in the ring */
	PLACE_CLOSED, /* being closed */
};

struct subscription {
	struct front *front;
	const struct subscription_way *way;
	void *to;
	char request_id[65], client[64];
	struct feed_listener listener;
	enum place place;
	bool was_greeted, is_listening;
	struct filter filter;
	uint64_t next;          /* number in the ring */
	char at[RING_CURSOR];   /* everything up to here was looked at */
	char prev[RING_CURSOR]; /* last event sent, or where he began */
	uint64_t ticket;
	struct hs_arena *page;           /* events to send before the next page; NULL: none */
	const struct hs_json *page_next; /* one of them */
	size_t page_left;
	char page_end[RING_CURSOR];
	char *token, *types; /* until he has reached the ring */
	uv_timer_t *timer;   /* made when a page failed */
};

/* ---- The query ---- */

struct reader {
	struct subscription_query *query;
	struct hs_wire_fault *fault;
};

static int fault(struct hs_wire_fault *ret, const char *field, const char *why)
{
	hs_copy(ret->field, sizeof(ret->field), field);
	hs_copy(ret->why, sizeof(ret->why), why);
	return -EINVAL;
}

static int read_pair(void *context, const char *name, const char *value)
{
	struct reader *reader = context;
	struct subscription_query *query = reader->query;
	const struct {
		const char *name;
		char *to;
		size_t size;
		bool is_id;
	} params[] = {
		{"since", query->since, sizeof(query->since), true},
		{"line", query->filter.line, sizeof(query->filter.line), true},
		{"call", query->filter.call, sizeof(query->filter.call), true},
		{"type", query->types, sizeof(query->types), false},
		{"types", query->types, sizeof(query->types), false},
		{"hello", query->hello, sizeof(query->hello), true},
	};
	for (size_t i = 0; i < HS_COUNT(params); i++) {
		if (strcmp(name, params[i].name) != 0)
			continue;
		if (params[i].to[0])
			return fault(reader->fault, name, "It was given twice.");
		if (params[i].is_id && !hs_id_valid(value))
			return fault(reader->fault, name, "It must be 1 to 64 of A-Z a-z 0-9 _ . ~ -.");
		if (!hs_copy(params[i].to, params[i].size, value) ||
		    (!params[i].is_id && filter_types(&query->filter, value)))
			return fault(reader->fault, name, "It must be a comma-separated list of event types.");
		return 0;
	}
	return fault(reader->fault, name, "There is no such parameter.");
}

int subscription_read(const char *query, struct subscription_query *ret, struct hs_wire_fault *ret_fault)
{
	struct reader reader = {ret, ret_fault};
	*ret = (struct subscription_query){.since = ""};
	fault(ret_fault, "", "The query has a bad percent code, or is too long.");
	int error = route_each(query, read_pair, &reader);
	if (!error && ret->hello[0] && strcmp(ret->hello, "true") != 0 && strcmp(ret->hello, "false") != 0)
		return fault(ret_fault, "hello", "It must be true or false.");
	return error;
}

bool subscription_since(struct subscription_query *query, const char *cursor)
{
	return hs_id_valid(cursor) && hs_copy(query->since, sizeof(query->since), cursor);
}

/* ---- Where he stands ---- */

static void fetch(struct subscription *sub);

static void forget_token(struct subscription *sub)
{
	if (sub->token)
		explicit_bzero(sub->token, strlen(sub->token));
	free(sub->token);
	sub->token = NULL;
}

/* Into the ring, if it knows the place. */
static bool enter_ring(struct subscription *sub)
{
	if (!ring_after(feed_ring(sub->front->feed), sub->at, &sub->next))
		return false;
	sub->place = PLACE_RING;
	forget_token(sub);
	sub->way->want_write(sub->to);
	return true;
}

static void close_with_cursor(struct subscription *sub, const char *why)
{
	char reason[HS_WS_MAX_REASON + 1];
	snprintf(reason, sizeof(reason), "%s; resume with since=%s", why, sub->at);
	sub->place = PLACE_CLOSED;
	sub->way->close(sub->to, HS_WS_POLICY, reason);
}

/* ---- Sending ---- */

static int send_hello(struct subscription *sub)
{
	char text[128 + RING_CURSOR];
	int length = snprintf(text, sizeof(text), "{\"type\":\"hello\",\"cursor\":\"%s\",\"digits\":%s}", sub->at,
			      sub->filter.digits ? "true" : "false");
	return sub->way->send(sub->to, text, (size_t)length, NULL);
}

/* An event with its prev, which stands last in the object. */
static int send_event(struct subscription *sub, const char *text, size_t bytes, const char *cursor)
{
	AUTO(free) char *message = hs_zalloc(bytes + PREV_BYTES);
	memcpy(message, text, bytes - 1);
	int tail = snprintf(message + bytes - 1, PREV_BYTES, ",\"prev\":\"%s\"}", sub->prev);
	int error = sub->way->send(sub->to, message, bytes - 1 + (size_t)tail, cursor);
	if (!error)
		hs_copy(sub->prev, sizeof(sub->prev), cursor);
	return error;
}

/* 0: there may be more to send; else nothing can be sent now. */
static int send_from_ring(struct subscription *sub)
{
	const struct ring *ring = feed_ring(sub->front->feed);
	if (sub->next < ring_first(ring)) {
		close_with_cursor(sub, "too slow");
		return -EPIPE;
	}
	const struct ring_event *event = ring_get(ring, sub->next);
	if (!event)
		return -EAGAIN;
	int error = filter_wants(&sub->filter, event) ? send_event(sub, event->text, event->bytes, event->cursor) : 0;
	if (error)
		return error;
	hs_copy(sub->at, sizeof(sub->at), event->cursor);
	sub->next++;
	return 0;
}

static void end_page(struct subscription *sub)
{
	hs_arena_destroy(TAKE(sub->page));
	hs_copy(sub->at, sizeof(sub->at), sub->page_end);
	if (!enter_ring(sub))
		fetch(sub);
}

static int send_from_page(struct subscription *sub)
{
	if (!sub->page)
		return -EAGAIN;
	if (sub->page_left == 0) {
		end_page(sub);
		return 0;
	}
	struct event_parts parts;
	int error = 0;
	if (event_read(sub->page_next, HS_EDGES, &parts) == 0) {
		if (filter_wants(&sub->filter, &parts.event))
			error = send_event(sub, parts.event.text, parts.event.bytes, parts.event.cursor);
		if (!error)
			hs_copy(sub->at, sizeof(sub->at), parts.event.cursor);
		event_free(&parts);
	}
	if (!error) {
		sub->page_next = hs_json_next(sub->page_next);
		sub->page_left--;
	}
	return error;
}

void subscription_writable(struct subscription *sub)
{
	if (!sub->was_greeted) {
		if (send_hello(sub))
			return;
		sub->was_greeted = true;
	}
	for (int i = 0; i < EVENTS_A_TURN; i++)
		if (sub->place == PLACE_RING ? send_from_ring(sub) : send_from_page(sub))
			return;
	sub->way->want_write(sub->to);
}

/* ---- Pages from apid ---- */

static void free_timer(uv_handle_t *timer)
{
	free(timer);
}

static void on_timer(uv_timer_t *timer)
{
	struct subscription *sub = timer->data;
	if (sub->place == PLACE_PAGE || (sub->place == PLACE_AHEAD && !enter_ring(sub)))
		fetch(sub);
}

static void fetch_later(struct subscription *sub)
{
	if (!sub->timer) {
		sub->timer = hs_zalloc(sizeof(*sub->timer));
		uv_timer_init(sub->front->house->loop, sub->timer);
		sub->timer->data = sub;
	}
	uv_timer_start(sub->timer, on_timer, AGAIN_MS, 0);
}

/* The answer is the bus's: what is sent later is read again from a copy. */
static void keep_page(struct subscription *sub, const struct hs_json *answer)
{
	const struct hs_json *json, *list = NULL;
	struct hs_wire_fault fault;
	sub->page = hs_arena_create();
	const char *text = hs_arena_copy(sub->page, answer->text, answer->bytes);
	if (hs_wire_parse(text, answer->bytes, sub->page, &json, &fault) == 0)
		list = hs_json_member(json, "events");
	sub->page_left = list ? list->count : 0;
	sub->page_next = list ? hs_json_first(list) : NULL;
}

static void on_page(void *context, const struct hs_answer *answer)
{
	struct subscription *sub = context;
	sub->ticket = 0;
	if (answer->error == HS_ERROR_UNAVAILABLE || answer->error == HS_ERROR_TIMEOUT ||
	    answer->error == HS_ERROR_RATE_LIMITED || answer->error == HS_ERROR_OVERLOADED) {
		fetch_later(sub);
		return;
	}
	if (answer->error == HS_ERROR_UNAUTHORIZED) {
		sub->place = PLACE_CLOSED;
		sub->way->close(sub->to, HS_WS_UNAUTHORIZED, hs_errors[answer->error].name);
		return;
	}
	if (answer->error != HS_OK) {
		close_with_cursor(sub, hs_errors[answer->error].name);
		return;
	}
	const struct hs_events_list_answer *page = answer->body;
	hs_copy(sub->page_end, sizeof(sub->page_end), page->cursor);
	if (page->events_count > 0 || page->more || strcmp(page->cursor, sub->at) != 0) {
		keep_page(sub, answer->json);
		sub->way->want_write(sub->to);
		return;
	}
	/* The log ends here, and the ring does not know the place: its copy is on the way. */
	sub->place = PLACE_AHEAD;
	if (!enter_ring(sub))
		fetch_later(sub);
}

static void fetch(struct subscription *sub)
{
	struct hs_events_list list = {
		.since = sub->at,
		.has_limit = true,
		.limit = PAGE,
		.type = sub->types,
		.line = sub->filter.line[0] ? sub->filter.line : NULL,
		.call = sub->filter.call[0] ? sub->filter.call : NULL,
	};
	struct caller caller = {
		.token = sub->token,
		.client = sub->client,
		.request_id = sub->request_id,
	};
	sub->place = PLACE_PAGE;
	if (!sub->ticket)
		sub->ticket = front_ask(sub->front, HS_EVENTS_LIST, &list, &caller, on_page, sub);
}

/* ---- The feed ---- */

static struct subscription *of_listener(struct feed_listener *listener)
{
	return (struct subscription *)((char *)listener - offsetof(struct subscription, listener));
}

static void on_added(struct feed_listener *listener, const struct ring_event *event)
{
	struct subscription *sub = of_listener(listener);
	const struct ring *ring = feed_ring(sub->front->feed);
	if (sub->place == PLACE_AHEAD)
		enter_ring(sub);
	if (sub->place != PLACE_RING)
		return;
	if (sub->next + 1 < ring_next(ring) || filter_wants(&sub->filter, event)) {
		sub->way->want_write(sub->to);
		return;
	}
	/* He has everything before it, and does not want it: no need to wake him. */
	hs_copy(sub->at, sizeof(sub->at), event->cursor);
	sub->next++;
}

/* Who is ahead of the ring may be of the log that began: his timer has apid judge his place. */
static void on_broken(struct feed_listener *listener)
{
	struct subscription *sub = of_listener(listener);
	if (sub->place == PLACE_RING)
		close_with_cursor(sub, "the log began anew");
}

/* ---- Coming and going ---- */

static void on_permission(void *context, const struct hs_answer *answer)
{
	struct subscription *sub = context;
	const struct hs_events_open_answer *open = answer->body;
	sub->ticket = 0;
	if (answer->error != HS_OK) {
		sub->place = PLACE_CLOSED;
		sub->way->refuse(sub->to, answer);
		return;
	}
	sub->filter.digits = open->digits;
	if (!sub->at[0])
		hs_copy(sub->at, sizeof(sub->at), open->cursor);
	hs_copy(sub->prev, sizeof(sub->prev), sub->at);
	sub->way->accept(sub->to);
}

void subscription_opened(struct subscription *sub)
{
	feed_listen(sub->front->feed, &sub->listener);
	sub->is_listening = true;
	if (!enter_ring(sub))
		fetch(sub);
	sub->way->want_write(sub->to);
}

void subscription_destroy(struct subscription *sub)
{
	if (!sub)
		return;
	if (sub->is_listening)
		feed_leave(sub->front->feed, &sub->listener);
	hs_bus_forget(sub->front->house->bus, sub->ticket);
	if (sub->timer)
		uv_close((uv_handle_t *)sub->timer, free_timer);
	hs_arena_destroy(sub->page);
	forget_token(sub);
	free(sub->types);
	free(sub);
}

struct subscription *subscription_create(const struct subscription_setup *setup)
{
	const struct subscription_query *query = setup->query;
	struct subscription *sub = hs_zalloc(sizeof(*sub));
	sub->front = setup->front;
	sub->way = setup->way;
	sub->to = setup->to;
	hs_copy(sub->request_id, sizeof(sub->request_id), setup->request_id);
	hs_copy(sub->client, sizeof(sub->client), setup->client);
	sub->filter = query->filter;
	sub->listener.added = on_added;
	sub->listener.broken = on_broken;
	sub->token = hs_strdup(setup->token);
	sub->types = query->types[0] ? hs_strdup(query->types) : NULL;
	hs_copy(sub->at, sizeof(sub->at), query->since);
	sub->was_greeted = strcmp(query->hello, "true") != 0; /* who does not ask gets events and nothing else */
	struct hs_events_open open = {.since = query->since[0] ? query->since : NULL};
	struct caller caller = {.token = sub->token, .client = sub->client, .request_id = sub->request_id};
	sub->ticket = front_ask(sub->front, HS_EVENTS_OPEN, &open, &caller, on_permission, sub);
	return sub;
}
