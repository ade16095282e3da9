/* One connection: greeting, handshake, messages, pings, its end. Each turn reads once, into memory that all connections
 * share; messages are handled where they lie there. Only what is left, the beginning of a message or what the turn's
 * budget did not reach, is kept by the connection. Memory grows with what has come, not with what is announced.
 * What a peer does wrong ends its connection, is counted, and concerns nobody else.
 */
#include "bus_inner.h"
#include "cleanup.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUDGET 64 /* messages and commands, a connection and turn */
#define READ_BYTES BUS_INBOX_BYTES
#define HANDSHAKE_MS 5000
#define ROLE_NAME "X-role"

/* A peer that died is noticed by its socket; one that was stopped, by its silence: at most 2 s to the next ping and 1 s
 * for the answer. Each ping wakes two processes of a suite that may be idle: so all of them ping in the same moment. */
#define PING_MS 2000
#define PONG_MS 1000
#define PING_TTL_MS 4000

static int64_t now_of(const struct bus_wire *wire)
{
	return (int64_t)uv_now(wire->socket->bus->loop);
}

/* ---- The number of a connection ---- */

static void give_number(struct hs_bus *bus, struct bus_wire *wire)
{
	size_t slot = 0;

	while (slot < bus->wires_size && bus->wires[slot])
		slot++;
	if (slot == bus->wires_size) {
		bus->wires_size = bus->wires_size ? bus->wires_size * 2 : 16;
		bus->wires = hs_resize(bus->wires, bus->wires_size, sizeof(struct bus_wire *));
		memset(bus->wires + slot, 0, (bus->wires_size - slot) * sizeof(struct bus_wire *));
	}
	bus->wires[slot] = wire;
	if (++bus->wires_made == 0)
		bus->wires_made = 1;
	wire->route.number = (uint64_t)slot << 32 | bus->wires_made;
}

struct bus_wire *bus_wire_find(struct hs_bus *bus, struct bus_route route)
{
	size_t slot = route.number >> 32;
	struct bus_wire *wire = slot < bus->wires_size ? bus->wires[slot] : NULL;

	return wire && wire->route.number == route.number ? wire : NULL;
}

/* ---- Its end ---- */

static void on_closed(uv_handle_t *handle)
{
	struct bus_wire *wire = handle->data;
	struct hs_bus *bus = wire->socket->bus;

	bus_out_finish(wire);
	free(wire->in);
	free(wire->prefixes);
	bus_veil_destroy(wire->veil);
	free(wire);
	bus_handle_closed(bus);
}

void bus_wire_close(struct bus_wire *wire)
{
	struct bus_socket *socket = wire->socket;

	if (wire->stage == BUS_CLOSED)
		return;
	for (struct bus_wire **at = &socket->wires; *at; at = &(*at)->next)
		if (*at == wire) {
			*at = wire->next;
			break;
		}
	for (struct bus_wire **at = &socket->bus->dirty; wire->is_dirty && *at; at = &(*at)->next_dirty)
		if (*at == wire) {
			*at = wire->next_dirty;
			break;
		}
	wire->stage = BUS_CLOSED;
	wire->has_more = false;
	socket->bus->wires[wire->route.number >> 32] = NULL;
	uv_poll_stop(&wire->poll);
	uv_close((uv_handle_t *)&wire->poll, on_closed);
	close(wire->fd);
	if (wire->veil)
		bus_tcp_lost(wire);
	if (socket->went)
		socket->went(wire);
}

static void refuse(struct bus_wire *wire, enum bus_why why, const char *detail)
{
	const char *from = wire->role < HS_ROLES ? hs_role_names[wire->role] : NULL;

	bus_refused(wire->socket->bus, why, wire->veil ? wire->veil->address : from, detail);
	bus_wire_close(wire);
}

/* ---- What a peer says: each is 0, or -errno when the connection is to end ---- */

static int send_command(struct bus_wire *wire, enum zmtp_command command, const struct zmtp_part *parts, int count)
{
	uint8_t text[ZMTP_ANSWER_MAX];

	return bus_out_bytes(wire, text, zmtp_command_write(text, command, parts, count));
}

static void subscribe_to_all(struct bus_wire *wire)
{
	static const uint8_t legacy[] = {1};
	const struct bus_part part = {legacy, 1};

	if (wire->minor > 0)
		send_command(wire, ZMTP_SUBSCRIBE, NULL, 0);
	else
		bus_out_parts(wire, &part, 1);
}

static int shake_hands(struct bus_wire *wire, const struct zmtp_part *rest)
{
	struct zmtp_part said;
	enum zmtp_type type;
	char role[32];

	if (zmtp_ready_read(rest, ROLE_NAME, &type, &said) < 0 || !zmtp_is_match(wire->socket->type, type))
		return -EPROTO;
	if (said.bytes > 0 && said.bytes < sizeof(role)) {
		memcpy(role, said.data, said.bytes);
		role[said.bytes] = '\0';
		wire->said = bus_envelope_role(role);
	}
	wire->stage = BUS_UP;
	if (wire->must_ping)
		bus_wire_ping(wire);
	if (type == ZMTP_PUB)
		subscribe_to_all(wire);
	if (wire->socket->came)
		wire->socket->came(wire);
	return 0;
}

static struct bus_prefix *find_prefix(struct bus_wire *wire, const struct bus_prefix *prefix)
{
	for (int i = 0; i < wire->prefixes_count; i++)
		if (wire->prefixes[i].length == prefix->length &&
		    memcmp(wire->prefixes[i].bytes, prefix->bytes, sizeof(prefix->bytes)) == 0)
			return &wire->prefixes[i];
	return NULL;
}

static int subscribe(struct bus_wire *wire, const uint8_t *topic, size_t bytes, bool is_on)
{
	struct bus_prefix prefix = {.length = BUS_PREFIX_BYTES + 1}, *known;

	if (wire->socket->type != ZMTP_PUB)
		return -EPROTO;
	if (bytes <= BUS_PREFIX_BYTES) {
		if (bytes)
			memcpy(prefix.bytes, topic, bytes);
		prefix.length = (uint8_t)bytes;
	}
	known = find_prefix(wire, &prefix);
	if (is_on == (known != NULL))
		return 0;
	if (known) {
		*known = wire->prefixes[--wire->prefixes_count];
	} else {
		if (wire->prefixes_count == BUS_PREFIXES_MAX)
			return -ENOBUFS;
		wire->prefixes = hs_resize(wire->prefixes, (size_t)wire->prefixes_count + 1, sizeof(struct bus_prefix));
		wire->prefixes[wire->prefixes_count++] = prefix;
	}
	wire->socket->subscribed(wire, is_on);
	return 0;
}

bool bus_wire_wants(const struct bus_wire *wire, const char *topic)
{
	size_t length = wire->stage == BUS_UP ? strlen(topic) : 0;

	for (int i = 0; i < wire->prefixes_count; i++)
		if (wire->prefixes[i].length <= length &&
		    memcmp(wire->prefixes[i].bytes, topic, wire->prefixes[i].length) == 0)
			return true;
	return false;
}

static int answer_ping(struct bus_wire *wire, const struct zmtp_part *rest)
{
	struct zmtp_part context;
	int result = zmtp_ping_read(rest, &wire->ttl_ms, &context);

	if (result < 0)
		return result;
	if (wire->ttl_ms)
		bus_due(wire->socket->bus, now_of(wire) + wire->ttl_ms + PING_MS);
	send_command(wire, ZMTP_PONG, &context, 1); /* one that reads nothing gets none */
	return 0;
}

static int hear_command(struct bus_wire *wire, const uint8_t *data, size_t bytes)
{
	struct zmtp_part rest;
	int command = zmtp_command_read(data, bytes, &rest);

	if (command < 0 || command == ZMTP_ERROR)
		return -EPROTO;
	if (wire->stage == BUS_HANDSHAKE)
		return command == ZMTP_READY ? shake_hands(wire, &rest) : -EPROTO;
	switch (command) {
	case ZMTP_READY:
		return -EPROTO;
	case ZMTP_PING:
		return answer_ping(wire, &rest);
	case ZMTP_SUBSCRIBE:
	case ZMTP_CANCEL:
		return subscribe(wire, rest.data, rest.bytes, command == ZMTP_SUBSCRIBE);
	default:
		return 0; /* PONG: that it came is all */
	}
}

static int hear_message(struct bus_wire *wire, const uint8_t *data)
{
	struct bus_socket *socket = wire->socket;
	struct bus_message *message = &socket->bus->incoming;

	if (wire->stage == BUS_HANDSHAKE)
		return -EPROTO;
	message->count = wire->decoder.count;
	for (int i = 0; i < message->count; i++)
		message->frames[i] =
			(struct bus_part){data + wire->decoder.frames[i].at, wire->decoder.frames[i].bytes};
	message->route = wire->route;
	message->role = wire->role;
	message->said = wire->said;
	if (socket->type != ZMTP_PUB) {
		socket->heard(socket, message);
		return 0;
	}
	if (message->count != 1 || message->frames[0].bytes == 0 || *(const uint8_t *)message->frames[0].data > 1)
		return -EPROTO;
	return subscribe(wire, (const uint8_t *)message->frames[0].data + 1, message->frames[0].bytes - 1,
			 *(const uint8_t *)message->frames[0].data == 1);
}

/* ---- Reading ---- */

static const char *sentence(int error)
{
	switch (error) {
	case -EMSGSIZE:
		return "it sends more than a message may have";
	case -ENOBUFS:
		return "it subscribes too often";
	case -EUSERS:
		return "it has too many connections";
	case -ENOKEY:
		return "its key is in no file of keys/peers, or another role's";
	case -EKEYREJECTED:
		return "it does not know our key, or has not the key that it shows";
	case -EBADMSG:
		return "a box was changed on its way, repeated or left out";
	case -EACCES:
		return "it refuses our key";
	default:
		return "it does not speak as agreed";
	}
}

static void refuse_fault(struct bus_wire *wire, int error)
{
	enum bus_why why = BUS_WHY_ENVELOPE;

	if (error == -ENOBUFS || error == -EUSERS)
		why = BUS_WHY_OVERLOAD;
	else if (error == -ENOKEY || error == -EKEYREJECTED || error == -EACCES)
		why = BUS_WHY_STRANGER;
	refuse(wire, why, sentence(error));
}

static int greet(struct bus_wire *wire, const uint8_t *data, size_t bytes)
{
	int result = zmtp_greeting_read(data, bytes, &wire->minor);

	if (result == 0)
		wire->stage = BUS_HANDSHAKE;
	return result;
}

/* The next message or command: 1; 0: it is not there yet; -errno. */
static int handle_one(struct bus_wire *wire, const uint8_t *data, size_t bytes, size_t *ret_passed)
{
	struct zmtp_decoder *decoder = &wire->decoder;
	int got = zmtp_decode(decoder, data, bytes, &wire->socket->limits), result;

	*ret_passed = 0;
	if (got <= 0)
		return got;
	result = got == ZMTP_MESSAGE ? hear_message(wire, data)
				     : hear_command(wire, data + decoder->command_at, decoder->command_bytes);
	*ret_passed = zmtp_pass(decoder, got == ZMTP_MESSAGE);
	return result < 0 ? result : 1;
}

/* Handles what lies there, as far as it is whole and the budget reaches: how many bytes are done with. */
static size_t handle(struct bus_wire *wire, const uint8_t *data, size_t bytes)
{
	size_t at = 0, passed;
	int left = BUDGET, result = 1;

	wire->has_more = false;
	if (wire->stage == BUS_GREETING) {
		result = greet(wire, data, bytes);
		if (result == -EAGAIN)
			return 0;
		at = ZMTP_GREETING_BYTES;
		result = result < 0 ? result : 1;
	}
	for (; result > 0 && left > 0 && wire->stage != BUS_CLOSED; left--) {
		result = handle_one(wire, data + at, bytes - at, &passed);
		at += passed;
	}
	if (result < 0 && wire->stage != BUS_CLOSED)
		refuse_fault(wire, result);
	if (result > 0 && wire->stage != BUS_CLOSED && at < bytes) {
		wire->has_more = true;
		wire->socket->bus->has_more = true;
	}
	return at;
}

/* Keeps what is not done with, in memory of the connection's own. */
static void keep(struct bus_wire *wire, const uint8_t *data, size_t bytes)
{
	wire->in_size = bytes + READ_BYTES / 4;
	wire->in = hs_resize(NULL, 1, wire->in_size);
	memcpy(wire->in, data, bytes);
	wire->in_at = 0;
	wire->in_used = bytes;
}

static void pass(struct bus_wire *wire, size_t bytes)
{
	wire->in_at += bytes;
	if (wire->in_at < wire->in_used)
		return;
	free(wire->in);
	wire->in = NULL;
	wire->in_at = wire->in_used = wire->in_size = 0;
}

/* Room behind what is kept, at most as much as there is already, so that memory is not had for a promise. */
static void make_room(struct bus_wire *wire)
{
	size_t used = wire->in_used - wire->in_at;

	if (wire->in_at > 0)
		memmove(wire->in, wire->in + wire->in_at, used);
	wire->in_at = 0;
	wire->in_used = used;
	if (wire->in_size - used >= READ_BYTES / 4)
		return;
	wire->in_size = used * 2 > READ_BYTES ? used * 2 : READ_BYTES;
	wire->in = hs_resize(wire->in, 1, wire->in_size);
}

/* It lies right behind what is kept; where nothing is kept, at data. */
static void take(struct bus_wire *wire, const uint8_t *data, size_t bytes)
{
	size_t passed;

	wire->heard_at = now_of(wire);
	wire->socket->bus->must_reckon |= wire->has_pinged;
	wire->has_pinged = false;
	if (wire->in) {
		wire->in_used += bytes;
		passed = handle(wire, wire->in + wire->in_at, wire->in_used - wire->in_at);
		if (wire->stage != BUS_CLOSED)
			pass(wire, passed);
		return;
	}
	passed = handle(wire, data, bytes);
	if (wire->stage != BUS_CLOSED && passed < bytes)
		keep(wire, data + passed, bytes - passed);
}

/* What was sealed and is open now. */
static void take_open(struct bus_wire *wire, const struct zmtp_part *open)
{
	if (open->bytes == 0)
		return;
	if (wire->in) {
		make_room(wire);
		if (wire->in_size - wire->in_used < open->bytes) {
			wire->in_size = wire->in_used + open->bytes;
			wire->in = hs_resize(wire->in, 1, wire->in_size);
		}
		memcpy(wire->in + wire->in_used, open->data, open->bytes);
	}
	take(wire, open->data, open->bytes);
}

static bool receive_sealed(struct bus_wire *wire)
{
	struct zmtp_part open = {NULL, 0};
	int got = bus_veil_read(wire, &open);

	if (got == -ENOTCONN)
		bus_wire_close(wire);
	else
		take_open(wire, &open);
	if (got != 0 && wire->stage != BUS_CLOSED)
		bus_veil_pass(wire, open.bytes);
	if (got < 0 && wire->stage != BUS_CLOSED)
		refuse_fault(wire, got);
	return got > 0;
}

/* One read. false: there was nothing. */
static bool receive(struct bus_wire *wire)
{
	uint8_t *to = wire->socket->bus->inbox;
	size_t room = READ_BYTES;
	ssize_t got;

	if (wire->veil)
		return receive_sealed(wire);
	if (wire->in) {
		make_room(wire);
		to = wire->in + wire->in_used;
		room = wire->in_size - wire->in_used;
	}
	do
		got = recv(wire->fd, to, room, MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	if (got > 0)
		take(wire, wire->socket->bus->inbox, (size_t)got);
	else if (got == 0 || errno != EAGAIN)
		bus_wire_close(wire);
	return got > 0;
}

void bus_wire_go_on(struct bus_wire *wire)
{
	size_t passed;

	if (!wire->has_more)
		return;
	passed = handle(wire, wire->in + wire->in_at, wire->in_used - wire->in_at);
	if (wire->stage != BUS_CLOSED)
		pass(wire, passed);
}

/* ---- On the loop ---- */

static void watch(struct bus_wire *wire);

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct bus_wire *wire = poll->data;

	if (status < 0) {
		bus_wire_close(wire);
		return;
	}
	if (events & UV_WRITABLE && wire->is_blocked) {
		wire->is_blocked = false;
		bus_out_flush(wire);
		if (!wire->is_blocked)
			watch(wire);
		if (!wire->is_blocked && wire->socket->drained)
			wire->socket->drained(wire);
	}
	if (events & UV_READABLE && !wire->has_more)
		receive(wire);
}

static void watch(struct bus_wire *wire)
{
	if (wire->stage != BUS_CLOSED)
		uv_poll_start(&wire->poll, UV_READABLE | (wire->is_blocked ? UV_WRITABLE : 0), on_ready);
}

void bus_wire_block(struct bus_wire *wire)
{
	wire->is_blocked = true;
	watch(wire);
}

static void say_hello(struct bus_wire *wire)
{
	struct bus_socket *socket = wire->socket;
	uint8_t text[ZMTP_GREETING_BYTES + ZMTP_ANSWER_MAX];
	const char *role_name = socket->brings_role ? ROLE_NAME : NULL;

	zmtp_greeting_write(text);
	bus_out_bytes(wire, text,
		      ZMTP_GREETING_BYTES + zmtp_ready_write(text + ZMTP_GREETING_BYTES, socket->type, role_name,
							     hs_role_names[socket->bus->role]));
}

struct bus_wire *bus_wire_open(struct bus_socket *socket, int fd, enum hs_role role, struct bus_veil *veil)
{
	struct hs_bus *bus = socket->bus;
	struct bus_wire *wire = hs_zalloc(sizeof(*wire));

	if (uv_poll_init(bus->loop, &wire->poll, fd) < 0) {
		close(fd);
		bus_veil_destroy(veil);
		free(wire);
		return NULL;
	}
	bus_handle_opened(bus, (uv_handle_t *)&wire->poll);
	wire->poll.data = wire;
	wire->socket = socket;
	wire->fd = fd;
	wire->role = role;
	wire->veil = veil;
	wire->must_ping = veil != NULL; /* a host that vanished says nothing */
	wire->began_at = wire->heard_at = wire->sent_at = now_of(wire);
	give_number(bus, wire);
	wire->next = socket->wires;
	socket->wires = wire;
	watch(wire);
	if (!veil)
		say_hello(wire);
	bus_due(bus, wire->began_at + HANDSHAKE_MS);
	return wire;
}

/* ---- Time ---- */

/* By the clock that all processes have. */
static int64_t next_ping(int64_t now)
{
	return (now / PING_MS + 1) * PING_MS;
}

void bus_wire_ping(struct bus_wire *wire)
{
	wire->must_ping = true;
	if (wire->stage != BUS_UP)
		return;
	wire->ping_at = next_ping(now_of(wire));
	bus_due(wire->socket->bus, wire->ping_at);
}

/* It was silent for too long; unless we were, and what it said has not been read yet. */
static int64_t end_silent(struct bus_wire *wire, int64_t now)
{
	if (wire->has_more || receive(wire))
		return now + PONG_MS;
	bus_wire_close(wire);
	return INT64_MAX;
}

static int64_t ping(struct bus_wire *wire, int64_t now)
{
	uint8_t text[ZMTP_ANSWER_MAX];

	if (wire->has_pinged)
		return now >= wire->pinged_at + PONG_MS ? end_silent(wire, now) : wire->pinged_at + PONG_MS;
	if (now < wire->ping_at)
		return wire->ping_at;
	bus_out_bytes(wire, text, zmtp_ping_write(text, PING_TTL_MS));
	wire->has_pinged = true;
	wire->pinged_at = now;
	wire->ping_at = next_ping(now);
	return now + PONG_MS;
}

/* The same, once: who says a byte at a time has no more of it. */
static int64_t end_silent_handshake(struct bus_wire *wire, int64_t now)
{
	bool is_first = !wire->has_pinged;

	if (is_first && receive(wire)) {
		wire->has_pinged = wire->stage != BUS_UP;
		return now + PONG_MS;
	}
	if (wire->stage != BUS_CLOSED)
		refuse(wire, BUS_WHY_ENVELOPE, "it does not say what it is");
	return INT64_MAX;
}

int64_t bus_wire_tick(struct bus_wire *wire, int64_t now)
{
	int64_t next = INT64_MAX, at;

	if (wire->stage == BUS_CLOSED)
		return INT64_MAX;
	if (wire->stage != BUS_UP) {
		if (now < wire->began_at + HANDSHAKE_MS)
			return wire->began_at + HANDSHAKE_MS;
		return end_silent_handshake(wire, now);
	}
	if (wire->is_deaf) {
		if (now < wire->sent_at + BUS_LAST_WORDS_MS)
			return wire->sent_at + BUS_LAST_WORDS_MS;
		bus_wire_close(wire);
		return INT64_MAX;
	}
	if (wire->ttl_ms) {
		at = wire->heard_at + wire->ttl_ms;
		next = now >= at ? end_silent(wire, now) : at + PING_MS; /* mostly another ping has come by then */
	}
	if (wire->must_ping && wire->stage == BUS_UP) {
		at = ping(wire, now);
		next = at < next ? at : next;
	}
	return next;
}
