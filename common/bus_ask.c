/* Requests we make. A ticket lives until its answer, its deadline or hs_bus_forget. Its text is made once and sent
 * again, unchanged, every half second and when the peer comes back: the receiver knows it by its id. What is due next
 * lies in a heap under one timer, which runs only while something is asked.
 */
#include "bus_inner.h"
#include "cleanup.h"
#include "clock.h"
#include "id.h"
#include "log.h"
#include "table.h"
#include "trace.h"
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEADLINE_MS 2000
#define TICKETS_MAX 65536

struct ticket {
	uint64_t number;
	enum hs_role to;
	enum hs_message_id message;
	char *key; /* role/id */
	char *text;
	size_t bytes;
	int64_t asked_us, deadline_at, due_at;
	size_t heap_at;
	bool patient, was_sent;
	enum hs_error failed; /* to be told at the next turn */
	char *call, *leg;     /* for the trace; NULL: none */
	void (*answered)(void *context, const struct hs_answer *answer);
	void *context;
	uint64_t serial;     /* counts all tickets */
	struct ticket *twin; /* asked under the same id while this one waits */
};

struct slot {
	struct ticket *ticket;
	uint32_t generation;
};

struct bus_ask_room {
	uv_timer_t timer;
	int64_t timer_at; /* when it fires; INT64_MAX: not started */
	struct slot *slots;
	uint32_t *free_slots;
	size_t slots_count, free_count;
	struct ticket **heap; /* smallest due_at first */
	size_t heap_count, heap_size;
	struct hs_table *by_key;
	char id_prefix[HS_ID_BYTES];
	uint64_t serial;
	struct hs_metric *took, *failed, *resent;
};

/* ---- Heap ---- */

static void heap_set(struct bus_ask_room *room, size_t at, struct ticket *ticket)
{
	room->heap[at] = ticket;
	ticket->heap_at = at;
}

static void heap_up(struct bus_ask_room *room, struct ticket *ticket)
{
	size_t at = ticket->heap_at;

	for (; at > 0 && room->heap[(at - 1) / 2]->due_at > ticket->due_at; at = (at - 1) / 2)
		heap_set(room, at, room->heap[(at - 1) / 2]);
	heap_set(room, at, ticket);
}

static void heap_down(struct bus_ask_room *room, struct ticket *ticket)
{
	size_t at = ticket->heap_at;

	for (;;) {
		size_t child = at * 2 + 1;

		if (child + 1 < room->heap_count && room->heap[child + 1]->due_at < room->heap[child]->due_at)
			child++;
		if (child >= room->heap_count || room->heap[child]->due_at >= ticket->due_at)
			break;
		heap_set(room, at, room->heap[child]);
		at = child;
	}
	heap_set(room, at, ticket);
}

static void heap_add(struct bus_ask_room *room, struct ticket *ticket)
{
	if (room->heap_count == room->heap_size) {
		room->heap_size = room->heap_size ? room->heap_size * 2 : 64;
		room->heap = hs_resize(room->heap, room->heap_size, sizeof(struct ticket *));
	}
	heap_set(room, room->heap_count++, ticket);
	heap_up(room, ticket);
}

static void heap_remove(struct bus_ask_room *room, struct ticket *ticket)
{
	struct ticket *last = room->heap[--room->heap_count];

	if (last == ticket)
		return;
	heap_set(room, ticket->heap_at, last);
	heap_up(room, last);
	heap_down(room, last);
}

/* ---- Tickets ---- */

static uint64_t slot_take(struct bus_ask_room *room, struct ticket *ticket)
{
	uint32_t at;

	if (room->free_count == 0) {
		size_t more = room->slots_count ? room->slots_count : 64;

		room->slots = hs_resize(room->slots, room->slots_count + more, sizeof(struct slot));
		room->free_slots = hs_resize(room->free_slots, room->slots_count + more, sizeof(uint32_t));
		for (size_t i = 0; i < more; i++) {
			room->slots[room->slots_count + i] = (struct slot){NULL, 1};
			room->free_slots[room->free_count++] = (uint32_t)(room->slots_count + i);
		}
		room->slots_count += more;
	}
	at = room->free_slots[--room->free_count];
	room->slots[at].ticket = ticket;
	return (uint64_t)room->slots[at].generation << 32 | at;
}

static void slot_give(struct bus_ask_room *room, uint64_t number)
{
	uint32_t at = (uint32_t)number;

	room->slots[at].ticket = NULL;
	room->slots[at].generation++;
	room->free_slots[room->free_count++] = at;
}

static struct ticket *find(struct bus_ask_room *room, uint64_t number)
{
	uint32_t at = (uint32_t)number;

	if (at >= room->slots_count || room->slots[at].generation != number >> 32)
		return NULL;
	return room->slots[at].ticket;
}

static void ticket_free(struct ticket *ticket)
{
	free(ticket->key);
	free(ticket->text);
	free(ticket->call);
	free(ticket->leg);
	free(ticket);
}

/* Takes the ticket out of everything; a twin that waits under the same id stays known. */
static void detach(struct bus_ask_room *room, struct ticket *ticket)
{
	struct ticket *first = hs_table_get(room->by_key, ticket->key);

	heap_remove(room, ticket);
	slot_give(room, ticket->number);
	if (first == ticket) {
		if (ticket->twin)
			hs_table_put(room->by_key, ticket->key, ticket->twin);
		else
			hs_table_remove(room->by_key, ticket->key);
		return;
	}
	for (; first; first = first->twin)
		if (first->twin == ticket)
			first->twin = ticket->twin;
}

/* Tells the asker; the ticket is gone before it is told. */
static void complete(struct hs_bus *bus, struct ticket *ticket, const struct hs_answer *answer)
{
	const char *peer = hs_role_names[ticket->to];

	detach(bus->ask, ticket);
	hs_metric_observe_us(bus->ask->took, hs_clock_us() - ticket->asked_us);
	if (ticket->call || ticket->leg)
		hs_trace_add(HS_TRACE_KIND_BUS, ticket->call, ticket->leg, peer, hs_role_names[bus->role], "%s: %s",
			     hs_messages[ticket->message].name, hs_errors[answer->error].name);
	if (ticket->answered)
		ticket->answered(ticket->context, answer);
	ticket_free(ticket);
}

static void fail(struct hs_bus *bus, struct ticket *ticket, enum hs_error error, const char *detail)
{
	struct hs_answer answer = {.error = error, .detail = detail};

	hs_metric_add(bus->ask->failed, 1);
	if (error != HS_ERROR_UNAVAILABLE) /* bus.peer_down has said so, once */
		hs_log(WARN, "bus.unanswered", LOG_TEXT("peer", hs_role_names[ticket->to]),
		       LOG_TEXT("type", hs_messages[ticket->message].name), LOG_WHY(detail), LOG_CALL(ticket->call),
		       LOG_LEG(ticket->leg));
	complete(bus, ticket, &answer);
}

/* ---- Time ---- */

static void on_timer(uv_timer_t *timer)
{
	struct hs_bus *bus = timer->data;

	bus->ask->timer_at = INT64_MAX; /* prepare follows and flushes */
}

static void arm(struct hs_bus *bus)
{
	struct bus_ask_room *room = bus->ask;
	int64_t due, wait;

	if (room->heap_count == 0 || room->heap[0]->due_at >= room->timer_at)
		return;
	due = room->heap[0]->due_at;
	wait = due - hs_clock_ms();
	if (wait <= 0) {
		bus_wake(bus);
		return;
	}
	uv_update_time(bus->loop);
	uv_timer_start(&room->timer, on_timer, (uint64_t)wait, 0);
	room->timer_at = due;
}

static void set_due(struct hs_bus *bus, struct ticket *ticket, int64_t due_at)
{
	ticket->due_at = due_at < ticket->deadline_at ? due_at : ticket->deadline_at;
	heap_up(bus->ask, ticket);
	heap_down(bus->ask, ticket);
}

static void send_text(struct hs_bus *bus, struct ticket *ticket, int64_t now)
{
	if (ticket->was_sent)
		hs_metric_add(bus->ask->resent, 1);
	bus_link_post(bus->links[ticket->to], ticket->text, ticket->bytes);
	ticket->was_sent = true;
	set_due(bus, ticket, now + BUS_RESEND_MS);
}

/* What a ticket whose time has come needs. */
static void step(struct hs_bus *bus, struct ticket *ticket, int64_t now)
{
	struct bus_link *link = bus->links[ticket->to];

	if (ticket->failed == HS_ERROR_UNAVAILABLE)
		fail(bus, ticket, HS_ERROR_UNAVAILABLE, "it is not connected");
	else if (ticket->failed)
		fail(bus, ticket, ticket->failed, "too many questions wait");
	else if (now >= ticket->deadline_at)
		fail(bus, ticket, HS_ERROR_TIMEOUT, "no answer in time");
	else if (bus_link_is_up(link))
		send_text(bus, ticket, now);
	else if (ticket->patient || ticket->was_sent)
		set_due(bus, ticket, ticket->deadline_at);
	else if (bus_link_is_new(link))
		set_due(bus, ticket, bus_link_new_until(link));
	else
		fail(bus, ticket, HS_ERROR_UNAVAILABLE, "it is not connected");
}

void bus_ask_flush(struct hs_bus *bus)
{
	struct bus_ask_room *room = bus->ask;
	size_t limit = room->heap_count; /* those asked meanwhile come at the next turn */
	int64_t now;

	if (room->heap_count == 0)
		return;
	now = hs_clock_ms();
	while (limit-- > 0 && room->heap_count > 0 && room->heap[0]->due_at <= now)
		step(bus, room->heap[0], now);
	arm(bus);
}

static int by_serial(const void *a, const void *b)
{
	uint64_t first = (*(struct ticket *const *)a)->serial, second = (*(struct ticket *const *)b)->serial;

	return first < second ? -1 : first > second;
}

/* In the order in which they were asked: what undoes must not overtake what does. */
void bus_ask_link_up(struct hs_bus *bus, enum hs_role role)
{
	struct bus_ask_room *room = bus->ask;
	AUTO(free) struct ticket **waiting = hs_zalloc((room->slots_count + 1) * sizeof(struct ticket *));
	size_t count = 0;

	for (size_t i = 0; i < room->slots_count; i++) {
		struct ticket *ticket = room->slots[i].ticket;

		if (ticket && ticket->to == role && !ticket->failed)
			waiting[count++] = ticket;
	}
	qsort(waiting, count, sizeof(*waiting), by_serial);
	for (size_t i = 0; i < count; i++)
		send_text(bus, waiting[i], hs_clock_ms());
	arm(bus);
}

/* ---- Asking ---- */

static char *make_body(const struct hs_ask *ask, size_t *ret_bytes)
{
	if (ask->body)
		return hs_wire_text(hs_messages[ask->message].body, ask->body, ret_bytes);
	*ret_bytes = 2;
	if (!ask->body_json)
		return hs_strdup("{}");
	return hs_strdup(json_object_to_json_string_length(
		ask->body_json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, ret_bytes));
}

static char *make_text(struct hs_bus *bus, const struct hs_ask *ask, const char *id, size_t *ret_bytes)
{
	size_t body_bytes;
	AUTO(free) char *body = make_body(ask, &body_bytes);
	struct hs_envelope_request head = {
		.v = HS_PROTO_VERSION,
		.kind = "request",
		.type = hs_messages[ask->message].name,
		.id = id,
		.source = hs_role_names[bus->role],
		.incarnation = bus->incarnation,
		.at = hs_clock_wall_ms(),
		.deadline_ms = ask->deadline_ms > 0 ? ask->deadline_ms : DEADLINE_MS,
		.request_id = ask->request_id,
		.token = ask->token,
		.client = ask->client,
		.idempotency_key = ask->idempotency_key,
	};

	return bus_envelope_text(&hs_shape_envelope_request, &head, body, body_bytes, ret_bytes);
}

/* The names of call and leg, from the struct or the JSON that is asked. */
static char *name_in(const struct hs_ask *ask, const struct hs_field *field)
{
	struct json_object *member;

	if (!field)
		return NULL;
	if (ask->body)
		return hs_strdup(*(const char *const *)((const char *)ask->body + field->offset));
	if (ask->body_json && json_object_object_get_ex(ask->body_json, field->name, &member))
		return hs_strdup(json_object_get_string(member));
	return NULL;
}

static struct ticket *make_ticket(struct hs_bus *bus, const struct hs_ask *ask)
{
	struct bus_ask_room *room = bus->ask;
	struct ticket *ticket = hs_zalloc(sizeof(*ticket));
	char made[HS_ID_BYTES + 20];
	const char *id = ask->id;
	int64_t now = hs_clock_ms();

	ticket->serial = ++room->serial;
	if (!id) {
		snprintf(made, sizeof(made), "%s.%llx", room->id_prefix, (unsigned long long)ticket->serial);
		id = made;
	}
	ticket->to = ask->to;
	ticket->message = ask->message;
	ticket->key = hs_printf("%d/%s", (int)ask->to, id);
	ticket->text = make_text(bus, ask, id, &ticket->bytes);
	ticket->call = name_in(ask, bus->call_field[ask->message]);
	ticket->leg = name_in(ask, bus->leg_field[ask->message]);
	ticket->asked_us = hs_clock_us();
	ticket->deadline_at = now + (ask->deadline_ms > 0 ? ask->deadline_ms : DEADLINE_MS);
	ticket->due_at = now; /* at the next turn, unless it can be sent now */
	ticket->patient = ask->patient;
	ticket->answered = ask->answered;
	ticket->context = ask->context;
	return ticket;
}

uint64_t hs_bus_ask(struct hs_bus *bus, const struct hs_ask *ask)
{
	struct bus_ask_room *room = bus->ask;
	struct bus_link *link = bus_link_get(bus, ask->to, true);
	struct ticket *ticket = make_ticket(bus, ask);

	ticket->number = slot_take(room, ticket);
	heap_add(room, ticket);
	ticket->twin = hs_table_put(room->by_key, ticket->key, ticket);
	if (!link)
		ticket->failed = HS_ERROR_UNAVAILABLE;
	else if (room->heap_count > TICKETS_MAX || ticket->bytes > HS_WIRE_MAX_BYTES)
		ticket->failed = HS_ERROR_OVERLOADED;
	else if (bus_link_is_up(link))
		send_text(bus, ticket, hs_clock_ms());
	arm(bus);
	return ticket->number;
}

void hs_bus_forget(struct hs_bus *bus, uint64_t number)
{
	struct ticket *ticket = find(bus->ask, number);

	if (!ticket)
		return;
	detach(bus->ask, ticket);
	ticket_free(ticket);
}

/* ---- Answers ---- */

static enum hs_error read_answer(const struct ticket *ticket, const struct hs_envelope_answer *head,
				 struct hs_arena *arena, struct hs_answer *ret_answer, struct hs_wire_fault *fault)
{
	const struct hs_shape *shape = hs_messages[ticket->message].answer;
	void *body;

	ret_answer->detail = head->detail;
	ret_answer->field = head->field;
	ret_answer->state = head->state;
	if (head->error)
		return bus_envelope_error(head->error);
	if (!head->body)
		return HS_ERROR_INTERNAL;
	body = hs_arena_alloc(arena, shape->size);
	if (hs_wire_decode(shape, head->body, false, arena, body, fault) < 0)
		return HS_ERROR_INTERNAL;
	ret_answer->body = body;
	ret_answer->json = head->body;
	return HS_OK;
}

static void answer_ticket(struct hs_bus *bus, struct ticket *ticket, const struct hs_envelope_answer *head,
			  struct hs_arena *arena)
{
	struct hs_wire_fault fault = {"", "it has neither body nor error"};
	struct hs_answer answer = {0};

	answer.error = read_answer(ticket, head, arena, &answer, &fault);
	if (answer.error == HS_ERROR_INTERNAL && !head->error) {
		bus_refused(bus, BUS_WHY_ANSWER, hs_role_names[ticket->to], fault.why);
		answer.detail = "its answer cannot be read";
	}
	complete(bus, ticket, &answer);
}

static struct ticket *waiting_since(struct bus_ask_room *room, const char *key, uint64_t limit)
{
	struct ticket *ticket = hs_table_get(room->by_key, key);

	while (ticket && ticket->serial > limit)
		ticket = ticket->twin;
	return ticket;
}

void bus_ask_answered(struct hs_bus *bus, enum hs_role from, struct json_object *json, struct hs_arena *arena)
{
	uint64_t limit = bus->ask->serial; /* what is asked meanwhile under this id waits for an answer of its own */
	struct hs_envelope_answer head;
	struct hs_wire_fault fault;
	struct ticket *ticket;
	char key[HS_ID_BYTES + 8];

	if (hs_wire_decode(&hs_shape_envelope_answer, json, false, arena, &head, &fault) < 0) {
		bus_refused(bus, BUS_WHY_ANSWER, hs_role_names[from], fault.why);
		return;
	}
	snprintf(key, sizeof(key), "%d/%s", (int)from, head.re);
	/* None: it is the second answer to a question that was sent twice. */
	while ((ticket = waiting_since(bus->ask, key, limit)))
		answer_ticket(bus, ticket, &head, arena);
}

void bus_ask_create(struct hs_bus *bus)
{
	struct bus_ask_room *room = bus_alloc(bus, sizeof(*room));

	uv_timer_init(bus->loop, &room->timer);
	bus_handle_opened(bus, (uv_handle_t *)&room->timer);
	room->timer_at = INT64_MAX;
	room->by_key = hs_table_create();
	hs_id_make('q', NULL, room->id_prefix);
	room->took = hs_metric_histogram("hookswitch_bus_answer_seconds", "", "From a question to its answer.");
	room->failed = hs_metric_counter("hookswitch_bus_unanswered_total", "", "Questions without an answer.");
	room->resent = hs_metric_counter("hookswitch_bus_resent_total", "", "Questions sent again.");
	bus->ask = room;
}

void bus_ask_destroy(struct hs_bus *bus)
{
	struct bus_ask_room *room = bus->ask;

	if (!room)
		return;
	for (size_t i = 0; i < room->slots_count; i++)
		if (room->slots[i].ticket)
			ticket_free(room->slots[i].ticket);
	free(room->slots);
	free(room->free_slots);
	free(room->heap);
	hs_table_destroy(room->by_key);
	bus_handle_close(bus, (uv_handle_t *)&room->timer);
}
