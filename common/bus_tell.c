/* Facts we tell: the journal holds them, this file pushes them to apid in order and trims what it acknowledged. At most
 * WINDOW are on the way. After a loss of the connection, or half a second without progress, everything begins again at
 * the oldest; apid drops what it knows.
 */
#include "bus_inner.h"
#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW 1024
#define EPOCH_MASK ((UINT64_C(1) << 53) - 1) /* a JSON number that every language reads */
#define NUMBER_BYTES 32                      /* {"seq":18446744073709551615, */
#define AGAIN_MAX_MS 8000

struct bus_tell_room {
	uv_timer_t timer;
	uint64_t epoch;
	uint64_t acknowledged, sent, highest; /* highest: ever sent; sent goes back when we begin again */
	bool must_push, made_progress;
	uint64_t again_ms; /* without progress: then once more */
	int64_t complained_at;
	struct hs_metric *told, *waiting, *again, *lost;
};

/* One message on its way out: its texts lie behind one another. */
struct batch {
	struct {
		size_t at, bytes;
	} texts[1 + BUS_FACTS_BATCH];
	int count;
	uint64_t last;
};

/* The text that was written from here on is a frame. */
static void batch_frame(struct batch *batch, const struct hs_wire_out *out, size_t at)
{
	batch->texts[batch->count].at = at;
	batch->texts[batch->count++].bytes = out->used - at;
}

/* The journal numbers a fact after it was written, so that the number goes in front of it here. */
static void batch_add(struct hs_wire_out *out, struct batch *batch, uint64_t seq, const void *data, size_t bytes)
{
	size_t at = out->used;

	hs_wire_put(out, "{\"seq\":", 7);
	hs_wire_put_int(out, (int64_t)seq);
	hs_wire_put(out, ",", 1);
	hs_wire_put(out, (const char *)data + 1, bytes - 1);
	batch_frame(batch, out, at);
	batch->last = seq;
}

static void fill(struct hs_bus *bus, struct hs_wire_out *out, struct batch *batch)
{
	struct bus_tell_room *room = bus->tell;
	uint64_t seq, after = room->sent;
	const void *data;
	size_t bytes;

	while (batch->count <= BUS_FACTS_BATCH && hs_journal_next(bus->journal, after, &seq, &data, &bytes)) {
		if ((batch->count > 1 && out->used + bytes > BUS_FACTS_BYTES) || seq > room->acknowledged + WINDOW)
			break;
		batch_add(out, batch, seq, data, bytes);
		after = seq;
	}
}

static int send_batch(struct bus_link *link, const struct hs_wire_out *out, const struct batch *batch)
{
	struct bus_part parts[1 + BUS_FACTS_BATCH];

	for (int i = 0; i < batch->count; i++)
		parts[i] = (struct bus_part){out->bytes + batch->texts[i].at, batch->texts[i].bytes};
	return bus_link_send(link, parts, batch->count);
}

static void on_timer(uv_timer_t *timer)
{
	struct hs_bus *bus = timer->data;
	struct bus_tell_room *room = bus->tell;

	if (room->acknowledged >= room->sent)
		return;
	if (room->made_progress) {
		room->again_ms = BUS_RESEND_MS;
	} else {
		hs_metric_add(room->again, 1);
		room->sent = room->acknowledged;
		room->must_push = true;
		room->again_ms = room->again_ms * 2 < AGAIN_MAX_MS ? room->again_ms * 2 : AGAIN_MAX_MS;
	}
	room->made_progress = false;
	uv_timer_start(timer, on_timer, room->again_ms, 0);
}

static void start_timer(struct hs_bus *bus)
{
	if (uv_is_active((uv_handle_t *)&bus->tell->timer))
		return;
	uv_update_time(bus->loop);
	bus->tell->again_ms = BUS_RESEND_MS;
	uv_timer_start(&bus->tell->timer, on_timer, BUS_RESEND_MS, 0);
}

/* A message with its head. */
static struct hs_wire_out *batch_begin(struct hs_bus *bus, struct batch *batch)
{
	struct hs_envelope_facts head = {
		.v = HS_PROTO_VERSION,
		.kind = "facts",
		.source = hs_role_names[bus->role],
		.epoch = (int64_t)bus->tell->epoch,
	};
	struct hs_wire_out *out = bus_write(bus);

	hs_wire_write(out, &hs_shape_envelope_facts, &head);
	batch->count = 0;
	batch->last = 0;
	batch_frame(batch, out, 0);
	return out;
}

static bool push(struct hs_bus *bus, struct bus_link *link)
{
	struct bus_tell_room *room = bus->tell;
	bool has_pushed = false;
	struct batch batch;

	for (;;) {
		struct hs_wire_out *out = batch_begin(bus, &batch);
		int result;

		fill(bus, out, &batch);
		if (batch.count == 1)
			return has_pushed;
		result = send_batch(link, out, &batch);
		if (result == 0) {
			room->sent = batch.last;
			room->highest = room->sent > room->highest ? room->sent : room->highest;
			has_pushed = true;
		}
		start_timer(bus);
		if (result < 0)
			return has_pushed; /* the queue is full: the timer begins again */
	}
}

bool bus_tell_flush(struct hs_bus *bus)
{
	struct bus_tell_room *room = bus->tell;
	struct bus_link *link = bus->links[HS_ROLE_APID];

	if (!room || !room->must_push || !link || !bus_link_is_up(link))
		return false;
	room->must_push = false;
	return push(bus, link);
}

void bus_tell_link_up(struct hs_bus *bus, bool is_up)
{
	struct bus_tell_room *room = bus->tell;

	if (!room)
		return;
	uv_timer_stop(&room->timer);
	room->sent = room->acknowledged;
	room->must_push = is_up;
}

void bus_tell_acknowledged(struct hs_bus *bus, const struct hs_json *json, struct hs_arena *arena)
{
	struct bus_tell_room *room = bus->tell;
	struct hs_envelope_ack ack;
	struct hs_wire_fault fault;
	uint64_t seq;

	if (hs_wire_decode(&hs_shape_envelope_ack, json, false, arena, &ack, &fault) < 0) {
		bus_refused(bus, BUS_WHY_ENVELOPE, hs_role_names[HS_ROLE_APID], fault.why);
		return;
	}
	seq = (uint64_t)ack.seq;
	if (!room || (uint64_t)ack.epoch != room->epoch || seq > room->highest) {
		bus_refused(bus, BUS_WHY_INVALID, hs_role_names[HS_ROLE_APID], "acknowledges what was never told");
		return;
	}
	if (seq <= room->acknowledged)
		return;
	hs_journal_trim(bus->journal, seq);
	room->acknowledged = seq;
	room->sent = room->sent > seq ? room->sent : seq;
	room->made_progress = true;
	room->must_push = true;
	hs_metric_set(room->waiting, (int64_t)hs_journal_waiting(bus->journal));
}

static void put_text(struct hs_wire_out *out, const char *text)
{
	hs_wire_put(out, text, strlen(text));
}

static const struct hs_wire_out *write_fact(struct hs_bus *bus, enum hs_message_id fact, const void *body)
{
	struct hs_wire_out *out = bus_write(bus);
	char at[HS_CLOCK_TEXT];

	hs_clock_format(hs_clock_wall_ms(), at);
	put_text(out, "{\"type\":\"");
	put_text(out, hs_messages[fact].name);
	put_text(out, "\",\"at\":\"");
	put_text(out, at);
	put_text(out, "\",\"body\":");
	hs_wire_write(out, hs_messages[fact].body, body);
	put_text(out, "}");
	return out;
}

/* Once a second at most: a full journal refuses every call. */
static void complain(struct bus_tell_room *room, enum hs_message_id fact, int error)
{
	int64_t now = hs_clock_ms();

	hs_metric_add(room->lost, 1);
	if (room->complained_at && now - room->complained_at < 1000)
		return;
	room->complained_at = now;
	hs_log(ERROR, "bus.fact_not_kept", LOG_TEXT("type", hs_messages[fact].name), LOG_WHY(strerror(-error)));
}

int hs_bus_tell(struct hs_bus *bus, enum hs_message_id fact, const void *body)
{
	struct bus_tell_room *room = bus->tell;
	const struct hs_wire_out *text;
	uint64_t seq;
	int result;

	if (!room)
		return -ENOSPC;
	text = write_fact(bus, fact, body);
	result = hs_journal_append(bus->journal, text->bytes, text->used, &seq);
	if (result < 0) {
		complain(room, fact, result);
		return -ENOSPC;
	}
	hs_metric_add(room->told, 1);
	hs_metric_set(room->waiting, (int64_t)hs_journal_waiting(bus->journal));
	room->must_push = true;
	bus_wake(bus);
	return 0;
}

void bus_tell_create(struct hs_bus *bus)
{
	struct bus_tell_room *room;
	const void *data;
	size_t bytes;
	uint64_t seq;

	if (!bus->journal)
		return;
	room = bus_alloc(bus, sizeof(*room));
	uv_timer_init(bus->loop, &room->timer);
	bus_handle_opened(bus, (uv_handle_t *)&room->timer);
	room->epoch = hs_journal_epoch(bus->journal) & EPOCH_MASK;
	room->acknowledged = hs_journal_forgotten(bus->journal); /* the predecessor's facts count for the window, too */
	if (hs_journal_next(bus->journal, 0, &seq, &data, &bytes))
		room->acknowledged = seq - 1;
	room->sent = room->acknowledged;
	room->told = hs_metric_counter("hookswitch_bus_facts_told_total", "", "Facts written to the journal.");
	room->lost = hs_metric_counter("hookswitch_bus_facts_refused_total", "", "Facts the journal had no room for.");
	room->again = hs_metric_counter("hookswitch_bus_facts_again_total", "", "Times facts were pushed again.");
	room->waiting = hs_metric_gauge("hookswitch_bus_facts_waiting", "", "Facts apid has not acknowledged.");
	bus->tell = room;
	bus_link_get(bus, HS_ROLE_APID, false);
}

void bus_tell_destroy(struct hs_bus *bus)
{
	if (bus->tell)
		bus_handle_close(bus, (uv_handle_t *)&bus->tell->timer);
}
