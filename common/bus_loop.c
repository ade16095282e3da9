/* A turn of the loop: what poll brings is handled as it comes; in check, and in prepare for what timers and closing
 * callbacks did, all that was said meanwhile is written, one call a connection. Nothing here is edge-triggered: what a
 * turn's budget does not reach keeps the loop awake by uv_idle. One timer serves all connections.
 */
#include "bus_inner.h"
#include "cleanup.h"
#include <stdlib.h>

#define OUT_KEPT 65536 /* what a large message made larger is not kept */
#define COMPANY_MS 10  /* so long a patient message waits for another one */

/* Its being active is all: the loop does not sleep. */
static void on_idle(uv_idle_t *idle)
{
}

void bus_wake(struct hs_bus *bus)
{
	bus->is_awake = true;
	uv_idle_start(&bus->idle, on_idle);
}

/* ---- Writing ---- */

struct hs_wire_out *bus_write(struct hs_bus *bus)
{
	bus->out.used = 0;
	if (bus->out.size > OUT_KEPT) {
		free(bus->out.bytes);
		bus->out = (struct hs_wire_out){0};
	}
	return &bus->out;
}

struct bus_part bus_written(const struct hs_wire_out *out)
{
	return (struct bus_part){out->bytes, out->used};
}

/* ---- Time ---- */

static int64_t earlier(int64_t one, int64_t other)
{
	return one < other ? one : other;
}

static void look(struct hs_bus *bus)
{
	int64_t now = (int64_t)uv_now(bus->loop), next = INT64_MAX;

	bus->must_reckon = false;
	bus->due_at = INT64_MAX;
	uv_timer_stop(&bus->due);
	for (size_t i = 0; i < bus->wires_size; i++)
		if (bus->wires[i])
			next = earlier(next, bus_wire_tick(bus->wires[i], now));
	for (struct bus_socket *socket = bus->sockets; socket; socket = socket->next)
		next = earlier(next, bus_socket_tick(socket, now));
	for (struct bus_peer *peer = bus->peers; peer; peer = peer->next)
		next = earlier(next, bus_peer_tick(peer, now));
	bus_due(bus, next);
}

static void on_due(uv_timer_t *timer)
{
	look(timer->data);
}

void bus_due(struct hs_bus *bus, int64_t at)
{
	int64_t now = (int64_t)uv_now(bus->loop);

	if (at >= bus->due_at)
		return;
	bus->due_at = at;
	uv_timer_start(&bus->due, on_due, at > now ? (uint64_t)(at - now) : 0, 0);
}

/* ---- A turn ---- */

static void go_on(struct hs_bus *bus)
{
	if (!bus->has_more)
		return;
	bus->has_more = false;
	for (size_t i = 0; i < bus->wires_size; i++)
		if (bus->wires[i])
			bus_wire_go_on(bus->wires[i]);
	bus->is_awake |= bus->has_more;
}

static void flush(struct hs_bus *bus)
{
	struct bus_wire *wire;

	while ((wire = bus->dirty)) {
		bus->dirty = wire->next_dirty;
		wire->is_dirty = false;
		bus_out_flush(wire);
	}
}

static void settle(struct hs_bus *bus)
{
	bus->is_settling = true;
	bus->is_awake = false;
	if (bus->must_reckon) /* a ping was answered: its silence need not be waited for */
		look(bus);
	bus_ask_flush(bus);
	go_on(bus);
	bus_tell_flush(bus);
	flush(bus);
	bus->is_settling = false;
	if (bus->is_awake)
		bus_wake(bus);
	else
		uv_idle_stop(&bus->idle);
}

static void on_prepare(uv_prepare_t *prepare)
{
	settle(prepare->data);
}

static void on_check(uv_check_t *check)
{
	settle(check->data);
}

/* ---- What is patient ---- */

static void on_alone(uv_timer_t *timer)
{
	struct hs_bus *bus = timer->data;

	for (size_t i = 0; i < bus->wires_size; i++)
		if (bus->wires[i] && !bus->wires[i]->is_blocked)
			bus_out_flush(bus->wires[i]);
}

void bus_expect_company(struct hs_bus *bus)
{
	if (!uv_is_active((uv_handle_t *)&bus->company))
		uv_timer_start(&bus->company, on_alone, COMPANY_MS, 0);
}

/* ---- Handles and memory ---- */

void bus_handle_opened(struct hs_bus *bus, uv_handle_t *handle)
{
	handle->data = bus;
	bus->handles++;
}

void *bus_alloc(struct hs_bus *bus, size_t bytes)
{
	struct bus_memory *memory = hs_zalloc(sizeof(*memory) + bytes);

	memory->next = bus->memory;
	bus->memory = memory;
	return memory->bytes;
}

void bus_handle_closed(struct hs_bus *bus)
{
	if (--bus->handles > 0)
		return;
	while (bus->memory) {
		struct bus_memory *next = bus->memory->next;

		free(bus->memory);
		bus->memory = next;
	}
	while (bus->spare_count)
		free(bus->spare[--bus->spare_count]);
	free(bus->wires);
	free(bus->inbox);
	free(bus);
}

static void on_closed(uv_handle_t *handle)
{
	bus_handle_closed(handle->data);
}

void bus_handle_close(struct hs_bus *bus, uv_handle_t *handle)
{
	handle->data = bus;
	uv_close(handle, on_closed);
}

void bus_loop_start(struct hs_bus *bus)
{
	uv_prepare_init(bus->loop, &bus->prepare);
	bus_handle_opened(bus, (uv_handle_t *)&bus->prepare);
	uv_check_init(bus->loop, &bus->check);
	bus_handle_opened(bus, (uv_handle_t *)&bus->check);
	uv_idle_init(bus->loop, &bus->idle);
	bus_handle_opened(bus, (uv_handle_t *)&bus->idle);
	uv_timer_init(bus->loop, &bus->due);
	bus_handle_opened(bus, (uv_handle_t *)&bus->due);
	bus->due_at = INT64_MAX;
	bus->inbox = hs_resize(NULL, 1, BUS_INBOX_BYTES);
	uv_timer_init(bus->loop, &bus->company);
	bus_handle_opened(bus, (uv_handle_t *)&bus->company);
	uv_prepare_start(&bus->prepare, on_prepare);
	uv_check_start(&bus->check, on_check);
}

void bus_loop_stop(struct hs_bus *bus)
{
	bus_handle_close(bus, (uv_handle_t *)&bus->prepare);
	bus_handle_close(bus, (uv_handle_t *)&bus->check);
	bus_handle_close(bus, (uv_handle_t *)&bus->idle);
	bus_handle_close(bus, (uv_handle_t *)&bus->due);
	bus_handle_close(bus, (uv_handle_t *)&bus->company);
}
