/* What waits to be written to a connection: whole messages, each as it is on the wire. A shared one is held, whoever
 * else sends it; what is only for this connection is written behind one another into memory of its own, which is kept
 * for the next turn. At the end of a turn all of it goes to the kernel in one call. */
#include "bus_inner.h"
#include "cleanup.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define OWN_BYTES 20480 /* a connection's own memory: the largest audio message fits */
#define VECTORS 64
#define RING_MIN 16
#define RING_KEPT 256

/* ---- Parcels ---- */

static struct bus_parcel *make(size_t size)
{
	struct bus_parcel *parcel = hs_resize(NULL, 1, sizeof(*parcel) + size);

	*parcel = (struct bus_parcel){.holders = 1, .size = size};
	return parcel;
}

static size_t bytes_of(const struct bus_part *parts, int count)
{
	size_t bytes = 0;

	for (int i = 0; i < count; i++)
		bytes += zmtp_frame_bytes(parts[i].bytes);
	return bytes;
}

static void add_bytes(struct bus_parcel *parcel, const void *data, size_t bytes)
{
	if (bytes)
		memcpy(parcel->data + parcel->bytes, data, bytes);
	parcel->bytes += bytes;
}

static void add_message(struct bus_parcel *parcel, const struct bus_part *parts, int count)
{
	for (int i = 0; i < count; i++) {
		uint8_t head[ZMTP_HEAD_BYTES];

		add_bytes(parcel, head, zmtp_head_write(head, parts[i].bytes, i + 1 < count, false));
		add_bytes(parcel, parts[i].data, parts[i].bytes);
	}
	parcel->messages++;
}

struct bus_parcel *bus_parcel_make(const struct bus_part *parts, int count)
{
	struct bus_parcel *parcel = make(bytes_of(parts, count));

	add_message(parcel, parts, count);
	return parcel;
}

struct bus_parcel *bus_parcel_hold(struct bus_parcel *parcel)
{
	parcel->holders++;
	return parcel;
}

void bus_parcel_drop(struct bus_parcel *parcel)
{
	if (parcel && --parcel->holders == 0)
		free(parcel);
}

/* Gives back what a connection has written: memory of its own waits for the next one. */
static void drop_written(struct hs_bus *bus, struct bus_parcel *parcel)
{
	if (parcel->holders == 1 && parcel->size == OWN_BYTES && bus->spare_count < BUS_SPARE) {
		parcel->bytes = 0;
		parcel->messages = 0;
		bus->spare[bus->spare_count++] = parcel;
		return;
	}
	bus_parcel_drop(parcel);
}

static struct bus_parcel *make_own(struct hs_bus *bus, size_t bytes)
{
	if (bytes > OWN_BYTES)
		return make(bytes);
	return bus->spare_count ? bus->spare[--bus->spare_count] : make(OWN_BYTES);
}

/* ---- The queue ---- */

static struct bus_parcel **place(struct bus_out *out, size_t i)
{
	return &out->queue[(out->first + i) & (out->size - 1)];
}

static void grow(struct bus_out *out)
{
	size_t size = out->size ? out->size * 2 : RING_MIN;
	struct bus_parcel **queue = hs_resize(NULL, size, sizeof(struct bus_parcel *));

	for (size_t i = 0; i < out->count; i++)
		queue[i] = *place(out, i);
	free(out->queue);
	out->queue = queue;
	out->size = size;
	out->first = 0;
}

static void append(struct bus_out *out, struct bus_parcel *parcel)
{
	if (out->count == out->size)
		grow(out);
	*place(out, out->count++) = parcel;
}

void bus_out_wake(struct bus_wire *wire)
{
	struct hs_bus *bus = wire->socket->bus;

	if (wire->is_dirty || wire->is_blocked)
		return;
	wire->is_dirty = true;
	wire->next_dirty = bus->dirty;
	bus->dirty = wire;
	if (!bus->is_settling)
		bus_wake(bus);
}

static bool is_full(const struct bus_wire *wire, size_t bytes)
{
	const struct bus_out *out = &wire->out;

	return out->messages >= wire->socket->most_messages ||
	       (out->bytes && out->bytes + bytes > wire->socket->most_bytes);
}

/* Whether so many bytes more may wait. What a single turn has to say may be more than may wait: then it goes out now.
 */
static int admit(struct bus_wire *wire, size_t bytes)
{
	if (is_full(wire, bytes) && !wire->is_blocked)
		bus_out_flush(wire);
	if (wire->stage == BUS_CLOSED || wire->is_deaf)
		return -EHOSTUNREACH;
	return is_full(wire, bytes) ? -EAGAIN : 0;
}

int bus_out_parcel(struct bus_wire *wire, struct bus_parcel *parcel, bool is_patient)
{
	struct bus_out *out = &wire->out;
	int result = admit(wire, parcel->bytes);

	if (result < 0)
		return result;
	append(out, bus_parcel_hold(parcel));
	out->is_open = false;
	out->messages += parcel->messages;
	out->bytes += parcel->bytes;
	if (is_patient)
		bus_expect_company(wire->socket->bus);
	else
		bus_out_wake(wire);
	return 0;
}

/* Memory of the connection's own with so many bytes of room, at the end of the queue. */
static struct bus_parcel *own(struct bus_wire *wire, size_t bytes)
{
	struct bus_out *out = &wire->out;
	struct bus_parcel *parcel = out->is_open ? *place(out, out->count - 1) : NULL;

	if (parcel && parcel->size - parcel->bytes >= bytes)
		return parcel;
	parcel = make_own(wire->socket->bus, bytes);
	append(out, parcel);
	out->is_open = true;
	return parcel;
}

int bus_out_parts(struct bus_wire *wire, const struct bus_part *parts, int count)
{
	size_t bytes = bytes_of(parts, count);
	int result = admit(wire, bytes);

	if (result < 0)
		return result;
	add_message(own(wire, bytes), parts, count);
	wire->out.messages++;
	wire->out.bytes += bytes;
	bus_out_wake(wire);
	return 0;
}

int bus_out_bytes(struct bus_wire *wire, const uint8_t *data, size_t bytes)
{
	int result = admit(wire, bytes);

	if (result < 0)
		return result;
	add_bytes(own(wire, bytes), data, bytes);
	wire->out.bytes += bytes;
	bus_out_wake(wire);
	return 0;
}

struct bus_parcel *bus_out_first(const struct bus_wire *wire)
{
	return wire->out.count ? wire->out.queue[wire->out.first] : NULL;
}

bool bus_out_waits(const struct bus_wire *wire)
{
	return wire->out.count || (wire->veil && wire->veil->out_at < wire->veil->out_used);
}

/* ---- Writing ---- */

static int gather(const struct bus_out *out, struct iovec vectors[VECTORS])
{
	int count = 0;

	for (; count < VECTORS && (size_t)count < out->count; count++) {
		struct bus_parcel *parcel = out->queue[(out->first + (size_t)count) & (out->size - 1)];
		size_t skip = count == 0 ? out->written : 0;

		vectors[count] = (struct iovec){parcel->data + skip, parcel->bytes - skip};
	}
	return count;
}

/* Takes what was written off the queue. */
static void pass(struct hs_bus *bus, struct bus_out *out, size_t bytes)
{
	out->bytes -= bytes;
	bytes += out->written;
	while (out->count && bytes >= out->queue[out->first]->bytes) {
		struct bus_parcel *parcel = out->queue[out->first];

		bytes -= parcel->bytes;
		out->messages -= parcel->messages;
		out->first = (out->first + 1) & (out->size - 1);
		out->count--;
		drop_written(bus, parcel);
	}
	out->written = bytes;
	if (out->count)
		return;
	out->is_open = false;
	if (out->size > RING_KEPT) {
		free(out->queue);
		out->queue = NULL;
		out->size = out->first = 0;
	}
}

void bus_out_pass(struct bus_wire *wire, size_t bytes)
{
	pass(wire->socket->bus, &wire->out, bytes);
}

static void discard(struct bus_wire *wire)
{
	struct bus_out *out = &wire->out;

	if (wire->veil)
		wire->veil->out_at = wire->veil->out_used;

	for (size_t i = 0; i < out->count; i++)
		bus_parcel_drop(*place(out, i));
	out->count = out->written = out->messages = out->bytes = 0;
	out->is_open = false;
}

/* It reads no more. Its last words may still be there to be read; then it ends. */
static void deafen(struct bus_wire *wire)
{
	struct hs_bus *bus = wire->socket->bus;

	wire->is_deaf = true;
	wire->sent_at = (int64_t)uv_now(bus->loop);
	discard(wire);
	bus_due(bus, wire->sent_at + BUS_LAST_WORDS_MS);
}

/* What is offered to the kernel next. */
static int offer(struct bus_wire *wire, struct iovec vectors[VECTORS], size_t *ret_bytes)
{
	struct bus_veil *veil = wire->veil;
	int count = 1;

	*ret_bytes = 0;
	if (veil) {
		*ret_bytes = bus_veil_seal(wire);
		vectors[0] = (struct iovec){veil->out + veil->out_at, *ret_bytes};
		return count;
	}
	count = gather(&wire->out, vectors);
	for (int i = 0; i < count; i++)
		*ret_bytes += vectors[i].iov_len;
	return count;
}

void bus_out_flush(struct bus_wire *wire)
{
	struct iovec vectors[VECTORS];

	while (wire->stage != BUS_CLOSED && bus_out_waits(wire)) {
		size_t offered;
		struct msghdr message = {.msg_iov = vectors, .msg_iovlen = (size_t)offer(wire, vectors, &offered)};
		ssize_t sent = sendmsg(wire->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno != EAGAIN) {
			deafen(wire);
			return;
		}
		if (sent > 0 && wire->veil)
			wire->veil->out_at += (size_t)sent;
		else if (sent > 0)
			pass(wire->socket->bus, &wire->out, (size_t)sent);
		if (sent < (ssize_t)offered) {
			bus_wire_block(wire);
			return;
		}
		wire->sent_at = (int64_t)uv_now(wire->socket->bus->loop);
	}
}

void bus_out_finish(struct bus_wire *wire)
{
	discard(wire);
	free(wire->out.queue);
	wire->out.queue = NULL;
	wire->out.size = wire->out.first = 0;
}
