/* Requests we answer. A question is known by its sender's role and its id: while it is in progress a repetition only
 * renews the way back; when it is done the first answer is sent again. Done answers are kept for a minute, within
 * bounds; a large one is not kept, because only reading gives large answers and reading twice is harmless.
 */
#include "bus_inner.h"
#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include "pulse.h"
#include "table.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEP_MS 60000
#define KEEP_COUNT 8192
#define KEEP_BYTES (4 * 1024 * 1024)
#define KEEP_ANSWER 16384
#define IN_PROGRESS_MAX 16384
#define IN_PROGRESS_SHARE (IN_PROGRESS_MAX / 4) /* of one peer: the others are served whatever it asks */

struct served {
	struct hs_request request; /* first: the daemon's pointer is ours */
	struct hs_bus *bus;
	struct hs_arena *arena; /* NULL: done */
	struct bus_route route;
	struct bus_parcel *answer; /* NULL: not done */
	int64_t done_at, arrived_us;
	struct served *newer;
	char key[BUS_KEY_BYTES]; /* role/id */
};

struct door {
	const struct hs_door *door;
	void *context;
};

struct bus_serve_room {
	struct bus_socket socket;
	struct door doors[HS_MESSAGES];
	struct hs_table *known; /* struct served by role/id */
	struct served *oldest, *newest;
	size_t done_count, done_bytes, in_progress;
	size_t of_peer[HS_ROLES]; /* in progress, by who asked */
	struct hs_metric *answered, *failed, *repeated, *took;
};

static void served_destroy(struct served *served)
{
	hs_arena_destroy(served->arena);
	bus_parcel_drop(served->answer);
	free(served);
}

void bus_serve_post(struct hs_bus *bus, const struct bus_route *route, const struct hs_wire_out *text)
{
	struct bus_part part = bus_written(text);

	bus_post(&bus->serve->socket, route, &part, 1);
}

static void forget_oldest(struct bus_serve_room *room)
{
	struct served *served = room->oldest;

	room->oldest = served->newer;
	if (!room->oldest)
		room->newest = NULL;
	room->done_count--;
	room->done_bytes -= served->answer->bytes;
	hs_table_remove(room->known, served->key);
	served_destroy(served);
}

static void keep(struct bus_serve_room *room, struct served *served)
{
	int64_t now = hs_clock_ms();

	served->done_at = now;
	if (room->newest)
		room->newest->newer = served;
	else
		room->oldest = served;
	room->newest = served;
	room->done_count++;
	room->done_bytes += served->answer->bytes;
	while (room->oldest && (room->done_count > KEEP_COUNT || room->done_bytes > KEEP_BYTES ||
				room->oldest->done_at + KEEP_MS < now))
		forget_oldest(room);
}

/* Sends what was written and keeps it. The request is gone for the daemon, its key stays. */
static void finish(struct served *served, const struct hs_wire_out *text, bool patient)
{
	struct bus_serve_room *room = served->bus->serve;

	struct bus_part part = bus_written(text);

	served->answer = bus_parcel_make(&part, 1);
	bus_post_parcel(&room->socket, &served->route, served->answer, patient);
	hs_metric_observe_us(room->took, hs_clock_us() - served->arrived_us);
	room->in_progress--;
	room->of_peer[served->request.from]--;
	if (text->used > KEEP_ANSWER) {
		hs_table_remove(room->known, served->key);
		served_destroy(served);
		return;
	}
	hs_arena_destroy(served->arena);
	served->arena = NULL;
	keep(room, served);
}

static const char *id_of(const struct served *served)
{
	return strchr(served->key, '/') + 1;
}

void hs_bus_answer(struct hs_request *request, const void *answer)
{
	struct served *served = (struct served *)request;
	const struct hs_shape *shape = hs_messages[request->message].answer;
	struct hs_envelope_answer head = {.v = HS_PROTO_VERSION, .kind = "answer", .re = id_of(served)};
	struct hs_wire_out *text = bus_write(served->bus);

	bus_envelope_write(text, &hs_shape_envelope_answer, &head, shape, answer);
	if (text->used > HS_WIRE_MAX_BYTES) {
		hs_log(ERROR, "bus.answer_too_large", LOG_TEXT("type", hs_messages[request->message].name),
		       LOG_INT("bytes", (int64_t)text->used));
		hs_bus_refuse(request, HS_ERROR_INTERNAL, NULL, NULL, "the answer is larger than the bus takes");
		return;
	}
	hs_metric_add(served->bus->serve->answered, 1);
	finish(served, text, hs_messages[request->message].is_patient);
}

static const struct hs_wire_out *refusal(struct hs_bus *bus, const char *id, enum hs_error error, const char *field,
					 const char *state, const char *detail)
{
	struct hs_wire_out *text = bus_write(bus);
	struct hs_envelope_answer head = {
		.v = HS_PROTO_VERSION,
		.kind = "answer",
		.re = id,
		.error = hs_errors[error].name,
		.detail = detail && *detail ? detail : NULL,
		.field = field && *field ? field : NULL,
		.state = state,
	};

	hs_wire_write(text, &hs_shape_envelope_answer, &head);
	return text;
}

void hs_bus_refuse(struct hs_request *request, enum hs_error error, const char *field, const char *state,
		   const char *format, ...)
{
	struct served *served = (struct served *)request;
	char detail[501] = "";
	va_list arguments;

	if (format) {
		va_start(arguments, format);
		vsnprintf(detail, sizeof(detail), format, arguments);
		va_end(arguments);
	}
	hs_metric_add(served->bus->serve->failed, 1);
	finish(served, refusal(served->bus, id_of(served), error, field, state, detail), false);
}

/* An answer to what never reached a door: not kept. */
static void refuse_at_once(struct hs_bus *bus, const struct bus_route *route, const struct bus_incoming *incoming)
{
	hs_metric_add(bus->serve->failed, 1);
	bus_refused(bus, incoming->why, hs_role_names[incoming->from], incoming->head.type);
	bus_serve_post(
		bus, route,
		refusal(bus, incoming->head.id, incoming->error, incoming->fault.field, NULL, incoming->fault.why));
}

static void repeat(struct bus_serve_room *room, struct served *served, const struct bus_route *route)
{
	hs_metric_add(room->repeated, 1);
	served->route = *route;
	if (served->answer)
		bus_post_parcel(&room->socket, route, served->answer, false);
}

/* What is left of a request's time; below 0: it expired on its way. */
static int64_t time_left_ms(const struct hs_envelope_request *head)
{
	int64_t passed_ms = head->at ? hs_clock_ms() - head->at : 0;

	return head->deadline_ms - (passed_ms > 0 ? passed_ms : 0);
}

static bool is_full(const struct bus_serve_room *room, enum hs_role from)
{
	return room->in_progress >= IN_PROGRESS_MAX || room->of_peer[from] >= IN_PROGRESS_SHARE;
}

static void serve(struct hs_bus *bus, struct bus_incoming *incoming, struct hs_arena *arena, const char *key,
		  const struct bus_route *route)
{
	struct bus_serve_room *room = bus->serve;
	struct served *served = hs_zalloc(sizeof(*served));
	const struct door *door = &room->doors[incoming->message];

	served->request = (struct hs_request){
		.message = (enum hs_message_id)incoming->message,
		.from = incoming->from,
		.body = incoming->body,
		.id = incoming->head.id,
		.request_id = incoming->head.request_id ? incoming->head.request_id : incoming->head.id,
		.token = incoming->head.token,
		.idempotency_key = incoming->head.idempotency_key,
		.client = incoming->head.client,
		.deadline_at = hs_clock_ms() + time_left_ms(&incoming->head),
	};
	served->bus = bus;
	served->arena = arena;
	hs_copy(served->key, sizeof(served->key), key);
	served->route = *route;
	served->arrived_us = hs_clock_us();
	hs_table_put(room->known, key, served);
	room->in_progress++;
	room->of_peer[incoming->from]++;
	bus_trace(bus, incoming->message, incoming->body, hs_role_names[incoming->from], hs_role_names[bus->role]);
	bus_log_request(bus, &served->request);
	if (hs_pulse_work(key, 0))
		door->door->serve(door->context, &served->request);
	else
		hs_bus_refuse(&served->request, HS_ERROR_INTERNAL, NULL, NULL,
			      "it killed this daemon three times; it is not tried again");
	hs_pulse_done();
}

/* Returns true when the arena went into a request. */
static bool handle_request(struct hs_bus *bus, const struct hs_json *json, enum hs_role stamped, struct hs_arena *arena,
			   const struct bus_route *route)
{
	struct bus_serve_room *room = bus->serve;
	struct bus_incoming incoming;
	char key[BUS_KEY_BYTES];
	struct served *known;
	int result = bus_envelope_request(bus->role, stamped, json, arena, &incoming);

	if (result == -EBADMSG) {
		bus_refused(bus, incoming.why, incoming.head.source, incoming.fault.why);
		return false;
	}
	if (result == 0 && !room->doors[incoming.message].door) {
		incoming.why = BUS_WHY_UNKNOWN;
		incoming.error = HS_ERROR_UNKNOWN_MESSAGE;
		result = -EPERM;
	}
	if (result < 0) {
		refuse_at_once(bus, route, &incoming);
		return false;
	}
	bus_key_make(incoming.from, incoming.head.id, key);
	known = hs_table_get(room->known, key);
	if (known) {
		repeat(room, known, route);
		return false;
	}
	if (time_left_ms(&incoming.head) < 0) {
		bus_refused(bus, BUS_WHY_EXPIRED, hs_role_names[incoming.from], incoming.head.type);
		return false;
	}
	if (is_full(room, incoming.from)) {
		incoming.why = BUS_WHY_OVERLOAD;
		incoming.error = HS_ERROR_OVERLOADED;
		refuse_at_once(bus, route, &incoming);
		return false;
	}
	serve(bus, &incoming, arena, key, route);
	return true;
}

static void hear(struct bus_socket *socket, struct bus_message *message)
{
	struct hs_bus *bus = socket->bus;
	struct hs_arena *arena = hs_arena_create();
	struct hs_wire_fault fault = {"", "is not a message of ours"};
	const struct hs_json *json = NULL;

	json = bus_envelope_parse(message->frames[0].data, message->frames[0].bytes, arena, &fault);
	if (!json)
		bus_refused(bus, BUS_WHY_ENVELOPE, message->role < HS_ROLES ? hs_role_names[message->role] : NULL,
			    fault.why);
	else if (bus_envelope_is(json, "request") && message->count == 1)
		arena = handle_request(bus, json, message->role, arena, &message->route) ? NULL : arena;
	else if (bus_envelope_is(json, "facts"))
		bus_hear_batch(bus, message, json, arena);
	else
		bus_refused(bus, BUS_WHY_ENVELOPE, NULL, "neither a request nor facts");
	hs_arena_destroy(arena);
}

void hs_bus_serve(struct hs_bus *bus, const struct hs_door *doors, size_t count, void *context)
{
	for (size_t i = 0; i < count; i++)
		bus->serve->doors[doors[i].message] = (struct door){&doors[i], context};
}

void bus_serve_create(struct hs_bus *bus)
{
	struct bus_serve_room *room = bus_alloc(bus, sizeof(*room));

	room->known = hs_table_create();
	room->answered = hs_metric_counter("hookswitch_bus_requests_total", "result=\"ok\"", "Requests answered.");
	room->failed = hs_metric_counter("hookswitch_bus_requests_total", "result=\"refused\"", "Requests answered.");
	room->repeated = hs_metric_counter("hookswitch_bus_repeated_total", "", "Requests that came again.");
	room->took = hs_metric_histogram("hookswitch_bus_request_seconds", "", "From arrival to answer.");
	bus->serve = room;
}

int bus_serve_bind(struct hs_bus *bus)
{
	bus_socket_open(bus, &bus->serve->socket, ZMTP_ROUTER, bus->role, HS_EDGE_REQUESTS, hear);
	return bus_socket_bind(&bus->serve->socket);
}

static bool destroy_one(void *context, const char *key, void *object)
{
	served_destroy(object);
	return true;
}

void bus_serve_destroy(struct hs_bus *bus)
{
	if (!bus->serve)
		return;
	bus_socket_close(&bus->serve->socket);
	hs_table_each(bus->serve->known, destroy_one, NULL);
	hs_table_destroy(bus->serve->known);
}
