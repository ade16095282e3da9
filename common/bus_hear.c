/* Facts we hear (apid): for each journal that tells, the number heard and the number committed. A fact is handed on
 * when it is the next one; a known one is dropped and acknowledged again, one that comes too early waits for its
 * resending. A fact that is not for us still counts as heard: else one bad fact would stop all that follow.
 */
#include "bus_inner.h"
#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include "pulse.h"
#include <stdlib.h>
#include <string.h>

#define JOURNALS 4 /* of one role: processes of it, and predecessors */

struct cursor {
	bool is_known, has_route;
	uint64_t epoch, heard, committed;
	int64_t used_at;
	struct bus_route route;
};

struct bus_hear_room {
	struct cursor cursors[HS_ROLES][JOURNALS];
	void (*hear)(void *context, const struct hs_fact *fact);
	void (*done)(void *context, enum hs_role from, uint64_t epoch, uint64_t seq);
	void *context;
	struct hs_metric *heard, *known;
};

/* The cursor of a journal; for a new one the place of that which was silent longest. */
static struct cursor *cursor_of(struct bus_hear_room *room, enum hs_role from, uint64_t epoch)
{
	struct cursor *oldest = &room->cursors[from][0];

	for (int i = 0; i < JOURNALS; i++) {
		struct cursor *cursor = &room->cursors[from][i];

		if (cursor->is_known && cursor->epoch == epoch)
			return cursor;
		if (cursor->used_at < oldest->used_at)
			oldest = cursor;
	}
	memset(oldest, 0, sizeof(*oldest));
	oldest->epoch = epoch;
	return oldest;
}

static void acknowledge(struct hs_bus *bus, struct cursor *cursor)
{
	struct hs_envelope_ack ack = {
		.v = HS_PROTO_VERSION,
		.kind = "ack",
		.epoch = (int64_t)cursor->epoch,
		.seq = (int64_t)cursor->committed,
	};
	struct hs_wire_out *out = bus_write(bus);

	if (!cursor->has_route)
		return;
	hs_wire_write(out, &hs_shape_envelope_ack, &ack);
	bus_serve_post(bus, &cursor->route, out);
}

/* false: the rest of the batch cannot be taken. */
static bool hear_one(struct hs_bus *bus, struct cursor *cursor, enum hs_role from, const struct bus_part *frame)
{
	struct bus_hear_room *room = bus->hear;
	struct hs_arena *arena = hs_arena_create();
	struct hs_fact fact = {.epoch = cursor->epoch};
	struct hs_wire_fault fault;
	int result = bus_envelope_fact(bus->role, from, frame->data, frame->bytes, arena, &fact, &fault);
	bool goes_on = true;

	if (result == -EBADMSG) {
		bus_refused(bus, BUS_WHY_ENVELOPE, hs_role_names[from], fault.why);
		goes_on = false;
	} else if (cursor->is_known && fact.seq <= cursor->heard) {
		hs_metric_add(room->known, 1);
	} else if (cursor->is_known && fact.seq != cursor->heard + 1) {
		bus_refused(bus, BUS_WHY_GAP, hs_role_names[from], "facts before it are missing");
		goes_on = false;
	} else {
		cursor->is_known = true;
		cursor->heard = fact.seq;
		if (result < 0) {
			bus_refused(bus, BUS_WHY_INVALID, hs_role_names[from], fault.why);
		} else {
			hs_metric_add(room->heard, 1);
			bus_trace(bus, fact.message, fact.body, hs_role_names[from], hs_role_names[bus->role]);
			if (hs_pulse_work(hs_role_names[from], cursor->epoch + fact.seq))
				room->hear(room->context, &fact);
			else
				hs_log(ERROR, "fact.poison", LOG_TEXT("fact", hs_messages[fact.message].name),
				       LOG_TEXT("from", hs_role_names[from]),
				       LOG_WHY("three processes died of it; it is left out"));
			hs_pulse_done();
		}
	}
	hs_arena_destroy(arena);
	return goes_on;
}

void bus_hear_batch(struct hs_bus *bus, struct bus_message *message, const struct hs_json *json, struct hs_arena *arena)
{
	struct bus_hear_room *room = bus->hear;
	struct hs_envelope_facts head;
	struct hs_wire_fault fault;
	struct cursor *cursor;
	enum hs_role from;
	uint64_t before;

	if (hs_wire_decode(&hs_shape_envelope_facts, json, true, arena, &head, &fault) < 0) {
		bus_refused(bus, BUS_WHY_ENVELOPE, NULL, fault.why);
		return;
	}
	from = bus_envelope_from(message->role, head.source);
	if (from == HS_ROLE_NONE) {
		bus_refused(bus, BUS_WHY_SOURCE, head.source, NULL);
		return;
	}
	if (!room->hear) {
		bus_refused(bus, BUS_WHY_PERMISSION, head.source, "facts are not heard here");
		return;
	}
	cursor = cursor_of(room, from, (uint64_t)head.epoch);
	cursor->route = message->route;
	cursor->has_route = true;
	cursor->used_at = hs_clock_ms();
	before = cursor->heard;
	for (int i = 1; i < message->count; i++)
		if (!hear_one(bus, cursor, from, &message->frames[i]))
			break;
	if (cursor->heard > before)
		room->done(room->context, from, cursor->epoch, cursor->heard);
	else if (cursor->is_known)
		acknowledge(bus, cursor); /* all were known: our last word was lost */
}

void hs_bus_hear(struct hs_bus *bus, void (*hear)(void *context, const struct hs_fact *fact),
		 void (*done)(void *context, enum hs_role from, uint64_t epoch, uint64_t seq), void *context)
{
	bus->hear->hear = hear;
	bus->hear->done = done;
	bus->hear->context = context;
}

void hs_bus_acknowledge(struct hs_bus *bus, enum hs_role from, uint64_t epoch, uint64_t seq)
{
	for (int i = 0; i < JOURNALS; i++) {
		struct cursor *cursor = &bus->hear->cursors[from][i];

		if (!cursor->is_known || cursor->epoch != epoch || seq < cursor->committed || seq > cursor->heard)
			continue;
		cursor->committed = seq;
		acknowledge(bus, cursor);
	}
}

void hs_bus_heard(struct hs_bus *bus, enum hs_role from, uint64_t epoch, uint64_t seq)
{
	struct cursor *cursor = cursor_of(bus->hear, from, epoch);

	cursor->is_known = true;
	cursor->heard = cursor->committed = seq;
	cursor->used_at = hs_clock_ms();
}

void bus_hear_create(struct hs_bus *bus)
{
	struct bus_hear_room *room = bus_alloc(bus, sizeof(*room));

	room->heard = hs_metric_counter("hookswitch_bus_facts_heard_total", "", "Facts heard for the first time.");
	room->known = hs_metric_counter("hookswitch_bus_facts_known_total", "", "Facts that came again.");
	bus->hear = room;
}
