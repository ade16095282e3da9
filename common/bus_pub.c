/* Published copies. To nobody nothing is sent, nor even written; what several get is written once. A newcomer gets a
 * heartbeat at once, by which it knows where the count stands. A heartbeat also follows what was published, at growing
 * intervals: it shows a slow subscriber that the last ones were dropped.
 */
#include "bus_inner.h"
#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BEAT_MS 2000
#define BEAT_MAX_MS 30000
#define EPOCH_MASK ((UINT64_C(1) << 53) - 1)

struct pub {
	struct bus_socket socket; /* first */
	enum hs_edge edge;
	uint64_t seq;
	int subscriptions;
};

struct bus_pub_room {
	uv_timer_t timer;
	uint64_t epoch, interval_ms;
	struct pub pubs[HS_EDGES];
	bool has_published;
	struct hs_metric *published;
};

static bool is_pub_edge(struct hs_bus *bus, int edge)
{
	return edge != HS_EDGE_REQUESTS && edge != HS_EDGE_AUDIO && hs_edges[edge].connect[bus->role];
}

static struct bus_parcel *make_copy(struct hs_bus *bus, struct pub *pub, const char *topic, const char *body,
				    size_t bytes)
{
	struct hs_envelope_published head = {
		.v = HS_PROTO_VERSION,
		.source = hs_role_names[bus->role],
		.edge = hs_edges[pub->edge].name,
		.epoch = (int64_t)bus->pub->epoch,
		.seq = (int64_t)pub->seq,
		.at = hs_clock_wall_ms(),
	};
	struct hs_wire_out *out = bus_write(bus);

	hs_wire_write(out, &hs_shape_envelope_published, &head);
	{
		const struct bus_part parts[] = {{topic, strlen(topic)}, bus_written(out), {body, bytes}};

		return bus_parcel_make(parts, 3);
	}
}

/* To all who want it; who is slow loses it, and sees so by the count. */
static void send_copy(struct hs_bus *bus, struct pub *pub, const char *topic, const char *body, size_t bytes)
{
	struct bus_parcel *copy = NULL;

	for (struct bus_wire *wire = pub->socket.wires; wire; wire = wire->next) {
		if (!bus_wire_wants(wire, topic))
			continue;
		copy = copy ? copy : make_copy(bus, pub, topic, body, bytes);
		bus_out_parcel(wire, copy, false);
	}
	bus_parcel_drop(copy);
}

static void beat(struct hs_bus *bus, struct pub *pub)
{
	if (pub->subscriptions > 0)
		send_copy(bus, pub, "heartbeat", "{}", 2);
}

static void on_timer(uv_timer_t *timer);

static void start_timer(struct hs_bus *bus, uint64_t wait_ms)
{
	struct bus_pub_room *room = bus->pub;

	room->interval_ms = wait_ms;
	uv_update_time(bus->loop);
	uv_timer_start(&room->timer, on_timer, wait_ms, 0);
}

static void on_timer(uv_timer_t *timer)
{
	struct hs_bus *bus = timer->data;
	struct bus_pub_room *room = bus->pub;
	uint64_t next_ms = room->has_published ? BEAT_MS : room->interval_ms * 2;
	bool is_heard = false;

	room->has_published = false;
	for (int i = 0; i < HS_EDGES; i++) {
		beat(bus, &room->pubs[i]);
		is_heard |= room->pubs[i].subscriptions > 0;
	}
	if (is_heard)
		start_timer(bus, next_ms < BEAT_MAX_MS ? next_ms : BEAT_MAX_MS);
}

void hs_bus_publish(struct hs_bus *bus, enum hs_edge edge, const char *topic, const char *body, size_t bytes)
{
	struct bus_pub_room *room = bus->pub;
	struct pub *pub = &room->pubs[edge];

	if (!pub->socket.type || bytes > HS_WIRE_MAX_BYTES) {
		hs_log(ERROR, "bus.cannot_publish", LOG_TEXT("edge", hs_edges[edge].name), LOG_TEXT("topic", topic));
		return;
	}
	pub->seq++;
	hs_metric_add(room->published, 1);
	if (pub->subscriptions == 0)
		return;
	send_copy(bus, pub, topic, body, bytes);
	if (!room->has_published && room->interval_ms != BEAT_MS)
		start_timer(bus, BEAT_MS);
	room->has_published = true;
}

bool hs_bus_is_heard(struct hs_bus *bus, enum hs_edge edge)
{
	return bus->pub->pubs[edge].subscriptions > 0;
}

static void subscribed(struct bus_wire *wire, bool is_on)
{
	struct pub *pub = (struct pub *)wire->socket;
	struct hs_bus *bus = wire->socket->bus;

	pub->subscriptions += is_on ? 1 : -1;
	if (!is_on)
		return;
	beat(bus, pub);
	if (!uv_is_active((uv_handle_t *)&bus->pub->timer))
		start_timer(bus, BEAT_MS);
}

static void went(struct bus_wire *wire)
{
	((struct pub *)wire->socket)->subscriptions -= wire->prefixes_count;
}

static int open_pub(struct hs_bus *bus, struct pub *pub, enum hs_edge edge)
{
	pub->edge = edge;
	bus_socket_open(bus, &pub->socket, ZMTP_PUB, bus->role, edge, NULL);
	pub->socket.subscribed = subscribed;
	pub->socket.went = went;
	return bus_socket_bind(&pub->socket);
}

/* Differs for each start of the process: FNV-1a of its incarnation. */
static uint64_t number_of(const char *incarnation)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	for (; *incarnation; incarnation++)
		hash = (hash ^ (unsigned char)*incarnation) * UINT64_C(1099511628211);
	return hash & EPOCH_MASK;
}

int bus_pub_create(struct hs_bus *bus)
{
	struct bus_pub_room *room = bus_alloc(bus, sizeof(*room));
	int result = 0;

	uv_timer_init(bus->loop, &room->timer);
	bus_handle_opened(bus, (uv_handle_t *)&room->timer);
	room->epoch = number_of(bus->incarnation);
	room->published = hs_metric_counter("hookswitch_bus_published_total", "", "Copies published on all edges.");
	bus->pub = room;
	for (int i = 0; i < HS_EDGES && result == 0; i++)
		if (is_pub_edge(bus, i))
			result = open_pub(bus, &room->pubs[i], (enum hs_edge)i);
	return result;
}

void bus_pub_destroy(struct hs_bus *bus)
{
	if (!bus->pub)
		return;
	for (int i = 0; i < HS_EDGES; i++)
		bus_socket_close(&bus->pub->pubs[i].socket);
	bus_handle_close(bus, (uv_handle_t *)&bus->pub->timer);
}
