/* Requests we make. A ticket lives until its answer, its deadline or hs_bus_forget. Its text is made once and sent
 * again, unchanged, when no answer comes and when the peer comes back: the receiver knows it by its id. What is due
 * next lies in a heap under one timer, which runs only while something is asked.
 */
#include "bus_inner.h"
#include "bus_tickets.h"
#include "cleanup.h"
#include "clock.h"
#include "id.h"
#include "log.h"
#include "trace.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEADLINE_MS 2000
#define TICKETS_MAX 65536
#define SENT_OFTEN 16 /* times without an answer, before the waits grow */
#define MADE_BYTES (HS_ID_BYTES + 20)

struct bus_ask_room {
	uv_timer_t timer;
	int64_t timer_at; /* when it fires; INT64_MAX: not started */
	struct bus_tickets tickets;
	char id_prefix[HS_ID_BYTES];
	uint64_t made_ids;
	struct hs_metric *took, *failed, *resent;
};

/* Tells the asker; the ticket is gone before it is told. */
static void complete(struct hs_bus *bus, struct bus_ticket *ticket, const struct hs_answer *answer)
{
	const char *peer = hs_role_names[ticket->to];

	bus_tickets_remove(&bus->ask->tickets, ticket);
	hs_metric_observe_us(bus->ask->took, hs_clock_us() - ticket->asked_us);
	if (ticket->call || ticket->leg)
		hs_trace_add(HS_TRACE_KIND_BUS, ticket->call, ticket->leg, peer, hs_role_names[bus->role], "%s: %s",
			     hs_messages[ticket->message].name, hs_errors[answer->error].name);
	if (ticket->answered)
		ticket->answered(ticket->context, answer);
	bus_ticket_free(ticket);
}

static void fail(struct hs_bus *bus, struct bus_ticket *ticket, enum hs_error error, const char *detail)
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
	struct bus_ticket *first = bus_tickets_first(&room->tickets);
	int64_t wait;

	if (!first || first->due_at >= room->timer_at)
		return;
	wait = first->due_at - hs_clock_ms();
	if (wait <= 0) {
		bus_wake(bus);
		return;
	}
	uv_update_time(bus->loop);
	uv_timer_start(&room->timer, on_timer, (uint64_t)wait, 0);
	room->timer_at = first->due_at;
}

static void set_due(struct hs_bus *bus, struct bus_ticket *ticket, int64_t due_at)
{
	bus_tickets_move(&bus->ask->tickets, ticket, due_at < ticket->deadline_at ? due_at : ticket->deadline_at);
}

/* What is lost while connected found a queue full, mostly our own, which is empty soon. Who does not answer for long
 * has too much to do, and is asked less often. */
static int64_t wait_of(const struct bus_ticket *ticket)
{
	int64_t twice_ms = ticket->wait_ms * 2;

	if (ticket->sent < SENT_OFTEN)
		return BUS_RESEND_MS;
	return twice_ms < BUS_RESEND_MAX_MS ? twice_ms : BUS_RESEND_MAX_MS;
}

static void send_text(struct hs_bus *bus, struct bus_ticket *ticket, int64_t now)
{
	ticket->is_held = bus_link_post(bus->links[ticket->to], ticket->parcel) == -EAGAIN;
	if (ticket->is_held) { /* bus_ask_link_roomy follows, or the next connection */
		set_due(bus, ticket, ticket->deadline_at);
		return;
	}
	if (ticket->sent)
		hs_metric_add(bus->ask->resent, 1);
	ticket->wait_ms = wait_of(ticket);
	ticket->sent++;
	set_due(bus, ticket, now + ticket->wait_ms);
}

/* What a ticket whose time has come needs. */
static void step(struct hs_bus *bus, struct bus_ticket *ticket, int64_t now)
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
	else if (ticket->patient || ticket->sent)
		set_due(bus, ticket, ticket->deadline_at);
	else if (bus_link_is_new(link))
		set_due(bus, ticket, bus_link_new_until(link));
	else
		fail(bus, ticket, HS_ERROR_UNAVAILABLE, "it is not connected");
}

void bus_ask_flush(struct hs_bus *bus)
{
	struct bus_tickets *tickets = &bus->ask->tickets;
	size_t limit = tickets->count; /* those asked meanwhile come at the next turn */
	struct bus_ticket *first = bus_tickets_first(tickets);
	int64_t now;

	if (!first)
		return;
	now = hs_clock_ms();
	for (; limit-- > 0 && first && first->due_at <= now; first = bus_tickets_first(tickets))
		step(bus, first, now);
	arm(bus);
}

/* In the order in which they were asked: what undoes must not overtake what does. */
static void send_waiting(struct hs_bus *bus, enum hs_role role, bool is_new)
{
	size_t count;
	AUTO(free) struct bus_ticket **waiting = bus_tickets_of(&bus->ask->tickets, role, &count);

	for (size_t i = 0; i < count; i++)
		if (!waiting[i]->failed && (is_new || waiting[i]->is_held))
			send_text(bus, waiting[i], hs_clock_ms());
	arm(bus);
}

void bus_ask_link_up(struct hs_bus *bus, enum hs_role role)
{
	send_waiting(bus, role, true);
}

void bus_ask_link_roomy(struct hs_bus *bus, enum hs_role role)
{
	send_waiting(bus, role, false);
}

/* ---- Asking ---- */

static int deadline_of(const struct hs_ask *ask)
{
	int usual = hs_messages[ask->message].deadline_ms;

	if (ask->deadline_ms > 0)
		return ask->deadline_ms;
	return usual > 0 ? usual : DEADLINE_MS;
}

static struct bus_parcel *make_parcel(struct hs_bus *bus, const struct hs_ask *ask, const char *id)
{
	struct hs_wire_out *out = bus_write(bus);
	struct bus_part part;
	struct hs_envelope_request head = {
		.v = HS_PROTO_VERSION,
		.kind = "request",
		.type = hs_messages[ask->message].name,
		.id = id,
		.source = hs_role_names[bus->role],
		.incarnation = bus->incarnation,
		.at = bus_tcp_is_far(bus, ask->to, HS_EDGE_REQUESTS) ? 0 : hs_clock_ms(), /* another clock there */
		.deadline_ms = deadline_of(ask),
		.request_id = ask->request_id,
		.token = ask->token,
		.client = ask->client,
		.idempotency_key = ask->idempotency_key,
	};

	if (ask->body_text)
		bus_envelope_write_text(out, &hs_shape_envelope_request, &head, ask->body_text, strlen(ask->body_text));
	else
		bus_envelope_write(out, &hs_shape_envelope_request, &head, hs_messages[ask->message].body, ask->body);
	part = bus_written(out);
	return bus_parcel_make(&part, 1);
}

/* The names of call and leg, from the struct that is asked. */
static char *name_in(const struct hs_ask *ask, const struct hs_field *field)
{
	return field && ask->body ? hs_strdup(*(const char *const *)((const char *)ask->body + field->offset)) : NULL;
}

/* The next id of our own: the process's, and a number in hexadecimal. */
static void make_id(struct bus_ask_room *room, char ret_id[MADE_BYTES])
{
	static const char digits[] = "0123456789abcdef";
	char *at = ret_id + MADE_BYTES - 1;
	uint64_t number = ++room->made_ids;
	size_t prefix = strlen(room->id_prefix);

	*at = '\0';
	do {
		*--at = digits[number % 16];
		number /= 16;
	} while (number);
	memcpy(ret_id, room->id_prefix, prefix);
	ret_id[prefix] = '.';
	memmove(ret_id + prefix + 1, at, (size_t)(ret_id + MADE_BYTES - at));
}

static struct bus_ticket *make_ticket(struct hs_bus *bus, const struct hs_ask *ask)
{
	struct bus_ticket *ticket = hs_zalloc(sizeof(*ticket));
	char made[MADE_BYTES];
	const char *id = ask->id;
	int64_t now = hs_clock_ms();

	if (!id) {
		make_id(bus->ask, made);
		id = made;
	}
	ticket->to = ask->to;
	ticket->message = ask->message;
	bus_key_make(ask->to, id, ticket->key);
	ticket->parcel = make_parcel(bus, ask, id);
	ticket->call = ask->body ? name_in(ask, bus->call_field[ask->message]) : hs_strdup(ask->call);
	ticket->leg = ask->body ? name_in(ask, bus->leg_field[ask->message]) : hs_strdup(ask->leg);
	ticket->asked_us = hs_clock_us();
	ticket->deadline_at = now + deadline_of(ask);
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
	struct bus_ticket *ticket = make_ticket(bus, ask);

	bus_tickets_add(&room->tickets, ticket);
	if (!link)
		ticket->failed = HS_ERROR_UNAVAILABLE;
	else if (room->tickets.count > TICKETS_MAX || ticket->parcel->bytes > zmtp_frame_bytes(HS_WIRE_MAX_BYTES))
		ticket->failed = HS_ERROR_OVERLOADED;
	else if (bus_link_is_up(link))
		send_text(bus, ticket, hs_clock_ms());
	arm(bus);
	return ticket->number;
}

void hs_bus_forget(struct hs_bus *bus, uint64_t number)
{
	struct bus_ticket *ticket = bus_tickets_find(&bus->ask->tickets, number);

	if (!ticket)
		return;
	bus_tickets_remove(&bus->ask->tickets, ticket);
	bus_ticket_free(ticket);
}

/* ---- Answers ---- */

static enum hs_error read_answer(const struct bus_ticket *ticket, const struct hs_envelope_answer *head,
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

static void answer_ticket(struct hs_bus *bus, struct bus_ticket *ticket, const struct hs_envelope_answer *head,
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

void bus_ask_answered(struct hs_bus *bus, enum hs_role from, const struct hs_json *json, struct hs_arena *arena)
{
	uint64_t limit =
		bus->ask->tickets.serial; /* what is asked meanwhile under this id waits for an answer of its own */
	struct hs_envelope_answer head;
	struct hs_wire_fault fault;
	struct bus_ticket *ticket;
	char key[BUS_KEY_BYTES];

	if (hs_wire_decode(&hs_shape_envelope_answer, json, false, arena, &head, &fault) < 0) {
		bus_refused(bus, BUS_WHY_ANSWER, hs_role_names[from], fault.why);
		return;
	}
	bus_key_make(from, head.re, key);
	/* None: it is the second answer to a question that was sent twice. */
	while ((ticket = bus_tickets_waiting(&bus->ask->tickets, key, limit)))
		answer_ticket(bus, ticket, &head, arena);
}

void bus_ask_create(struct hs_bus *bus)
{
	struct bus_ask_room *room = bus_alloc(bus, sizeof(*room));

	uv_timer_init(bus->loop, &room->timer);
	bus_handle_opened(bus, (uv_handle_t *)&room->timer);
	room->timer_at = INT64_MAX;
	bus_tickets_init(&room->tickets);
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
	bus_tickets_finish(&room->tickets);
	bus_handle_close(bus, (uv_handle_t *)&room->timer);
}
