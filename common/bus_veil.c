/* A connection between hosts is one without security to all other files: what it reads was opened here, and what it
 * writes is sealed here. Memory for sealed bytes grows with what has come, and goes when nothing is left of it. */
#include "bus_inner.h"
#include "cleanup.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define READ_BYTES 16384
#define SEAL_BYTES 65536 /* in one go; one message always fits */

struct bus_veil *bus_veil_create(const char *address)
{
	struct bus_veil *veil = hs_zalloc(sizeof(*veil));

	hs_copy(veil->address, sizeof(veil->address), address);
	return veil;
}

void bus_veil_destroy(struct bus_veil *veil)
{
	if (!veil)
		return;
	curve_destroy(veil->curve);
	free(veil->in);
	free(veil->out);
	free(veil);
}

/* ---- The beginning ---- */

static void reserve(struct bus_veil *veil, size_t bytes)
{
	if (veil->out_size - veil->out_used >= bytes)
		return;
	veil->out_size = veil->out_used + bytes;
	veil->out = hs_resize(veil->out, 1, veil->out_size);
}

/* Puts bytes of the handshake before all that is sealed later. */
static void say(struct bus_wire *wire, const uint8_t *data, size_t bytes)
{
	struct bus_veil *veil = wire->veil;

	reserve(veil, bytes);
	memcpy(veil->out + veil->out_used, data, bytes);
	veil->out_used += bytes;
	bus_out_wake(wire);
}

/* Who comes is asked for before he has proved it: it costs him more than us. */
static bool is_welcome(void *context, const uint8_t *key)
{
	const struct bus_wire *wire = context;

	return bus_socket_admits(wire->socket, bus_keys_role(wire->socket->bus, key));
}

void bus_veil_begin(struct bus_wire *wire, const struct curve_pair *own, size_t own_count, const uint8_t *server)
{
	uint8_t greeting[ZMTP_GREETING_BYTES], ready[ZMTP_ANSWER_MAX];

	wire->veil->curve = curve_create(
		&(struct curve_setup){
			.is_server = server == NULL,
			.own = own,
			.own_count = own_count,
			.server = server,
			.ready = {ready, zmtp_ready_write(ready, wire->socket->type, NULL, NULL)},
			.is_welcome = is_welcome,
			.context = wire,
		},
		greeting);
	say(wire, greeting, sizeof(greeting));
}

/* ---- In ---- */

/* Opens what is whole, one piece behind the other at the beginning of the memory: bytes that are open. */
static int open_all(struct bus_wire *wire, size_t *ret_open, size_t *ret_passed)
{
	struct bus_veil *veil = wire->veil;
	struct curve_heard heard;
	size_t open = 0, at = 0;
	int result;

	do {
		result = curve_hear(veil->curve, veil->in + at, veil->in_used - at, &wire->socket->limits, &heard);
		if (result <= 0)
			break;
		if (heard.say_bytes)
			say(wire, heard.say, heard.say_bytes);
		if (heard.plain.bytes)
			memmove(veil->in + open, heard.plain.data, heard.plain.bytes);
		open += heard.plain.bytes;
		at += heard.passed;
		if (wire->role == HS_ROLE_NONE && curve_is_up(veil->curve) && !bus_tcp_admit(wire))
			result = -EUSERS;
	} while (result > 0 && at < veil->in_used);
	*ret_open = open;
	*ret_passed = at;
	return result;
}

/* Puts what is still sealed right behind what is open. */
static void close_up(struct bus_veil *veil, size_t open, size_t passed)
{
	memmove(veil->in + open, veil->in + passed, veil->in_used - passed);
	veil->in_used -= passed - open;
}

static void make_room(struct bus_veil *veil)
{
	if (veil->in_size - veil->in_used >= READ_BYTES)
		return;
	/* At most as much as there is already, so that memory is not had for a promise. */
	veil->in_size = veil->in_used + (veil->in_used > READ_BYTES ? veil->in_used : READ_BYTES);
	veil->in = hs_resize(veil->in, 1, veil->in_size);
}

int bus_veil_read(struct bus_wire *wire, struct zmtp_part *ret_plain)
{
	struct bus_veil *veil = wire->veil;
	size_t open, passed;
	ssize_t got;
	int result;

	make_room(veil);
	do
		got = recv(wire->fd, veil->in + veil->in_used, veil->in_size - veil->in_used, MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	if (got <= 0)
		return got < 0 && errno == EAGAIN ? 0 : -ENOTCONN;
	veil->is_heard = true;
	veil->in_used += (size_t)got;
	result = open_all(wire, &open, &passed);
	close_up(veil, open, passed);
	*ret_plain = (struct zmtp_part){veil->in, open};
	return result < 0 ? result : 1;
}

void bus_veil_pass(struct bus_wire *wire, size_t plain_bytes)
{
	struct bus_veil *veil = wire->veil;

	close_up(veil, 0, plain_bytes);
	if (veil->in_used)
		return;
	free(veil->in);
	veil->in = NULL;
	veil->in_size = 0;
}

/* ---- Out ---- */

/* Forgets what was written. */
static void tidy(struct bus_veil *veil)
{
	if (veil->out_at < veil->out_used)
		return;
	free(veil->out);
	veil->out = NULL;
	veil->out_at = veil->out_used = veil->out_size = 0;
}

size_t bus_veil_seal(struct bus_wire *wire)
{
	struct bus_veil *veil = wire->veil;
	struct bus_parcel *parcel;

	tidy(veil);
	while (veil->out_used - veil->out_at < SEAL_BYTES && (parcel = bus_out_first(wire))) {
		reserve(veil, curve_sealed_most(parcel->data, parcel->bytes));
		veil->out_used += curve_seal(veil->curve, parcel->data, parcel->bytes, veil->out + veil->out_used);
		bus_out_pass(wire, parcel->bytes);
	}
	return veil->out_used - veil->out_at;
}
