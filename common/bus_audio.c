/* The audio edge: no JSON, no trace, no log on the way of a frame; what is refused is counted. */
#include "bus_inner.h"
#include "cleanup.h"
#include "frame.h"
#include "log.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_BYTES_MAX 17000
#define FRAMES_WAITING 2000
#define BROUGHT_ROLE 95 /* ZMQ_METADATA: libzmq has it in every build, its header only in some */
#define ROLE_NAME "X-role"

struct hs_audio {
	struct bus_peer peer; /* first; bound: only its socket is used */
	bool is_bound;
	void (*heard)(void *context, uint64_t peer, enum hs_role role, const uint8_t *data, size_t bytes);
	void (*changed)(void *context, bool up);
	void *context;
	struct hs_metric *refused, *lost;
	struct hs_audio *next;
	/* frames to one peer that wait for more of them */
	bool is_gathering;
	uint64_t gathered_for;
	size_t gathered_bytes;
	int gathered_count, gathered_lost;
	uint8_t gathered[FRAME_BYTES_MAX];
};

struct bus_audio_room {
	struct hs_audio *audios;
};

/* The id that ROUTER made, as a number that is never 0. */
static uint64_t number_of(const struct bus_route *route)
{
	uint32_t id;

	memcpy(&id, route->bytes + 1, sizeof(id));
	return UINT64_C(1) << 32 | id;
}

static struct bus_route route_of(uint64_t peer)
{
	struct bus_route route = {{0}};
	uint32_t id = (uint32_t)peer;

	memcpy(route.bytes + 1, &id, sizeof(id));
	return route;
}

/* Under one uid ZAP cannot tell roles apart: then it is what the connection brought along, if anything. */
static enum hs_role role_of(struct hs_audio *audio, zmq_msg_t *frame)
{
	enum hs_role role = audio->is_bound ? bus_zap_stamped(frame) : audio->peer.binder;
	const char *said;

	if (role != HS_ROLES)
		return role;
	said = zmq_msg_gets(frame, ROLE_NAME);
	return said ? bus_envelope_role(said) : HS_ROLE_NONE;
}

static void hear(struct hs_audio *audio, uint64_t peer, enum hs_role role, const uint8_t *data, size_t bytes)
{
	if (bytes < HS_FRAME_HEADER_BYTES)
		hs_metric_add(audio->refused, 1);
	else
		audio->heard(audio->context, peer, role, data, bytes);
}

static void hear_bundle(struct hs_audio *audio, uint64_t peer, enum hs_role role, const uint8_t *data, size_t bytes)
{
	const uint8_t *frame;
	size_t at = 0, length;

	hs_audio_gather(audio, peer);
	while ((frame = hs_frame_unbundle(data, bytes, &at, &length)))
		hear(audio, peer, role, frame, length);
	if (at != bytes)
		hs_metric_add(audio->refused, 1);
	hs_metric_add(audio->lost, hs_audio_release(audio));
}

static bool take(struct bus_socket *socket)
{
	struct hs_audio *audio = (struct hs_audio *)socket;
	struct bus_message *message = bus_message_take(socket, audio->is_bound);
	zmq_msg_t *frame;

	if (!message)
		return false;
	frame = &message->frames[0];
	if (message->is_odd || message->count != 1)
		hs_metric_add(audio->refused, 1);
	else
		(hs_frame_is_bundle(zmq_msg_data(frame), zmq_msg_size(frame)) ? hear_bundle : hear)(
			audio, audio->is_bound ? number_of(&message->route) : 0, role_of(audio, frame),
			zmq_msg_data(frame), zmq_msg_size(frame));
	bus_message_close(message);
	return true;
}

static void limit(struct hs_audio *audio)
{
	int64_t most = FRAME_BYTES_MAX;

	zmq_setsockopt(audio->peer.socket.zmq, ZMQ_MAXMSGSIZE, &most, sizeof(most));
	bus_socket_set(&audio->peer.socket, ZMQ_SNDHWM, FRAMES_WAITING);
	bus_socket_set(&audio->peer.socket, ZMQ_RCVHWM, FRAMES_WAITING);
}

static struct hs_audio *create(struct hs_bus *bus,
			       void (*heard)(void *context, uint64_t peer, enum hs_role role, const uint8_t *data,
					     size_t bytes),
			       void (*changed)(void *context, bool up), void *context)
{
	struct hs_audio *audio = bus_alloc(bus, sizeof(*audio));

	if (!bus->audio)
		bus->audio = bus_alloc(bus, sizeof(*bus->audio));
	audio->heard = heard;
	audio->changed = changed;
	audio->context = context;
	audio->refused = hs_metric_counter("hookswitch_bus_audio_refused_total", "", "Audio frames of a wrong size.");
	audio->lost = hs_metric_counter("hookswitch_bus_audio_lost_total", "",
					"Audio frames that found no room, or nobody, and were answers.");
	audio->next = bus->audio->audios;
	bus->audio->audios = audio;
	return audio;
}

struct hs_audio *hs_audio_bind(struct hs_bus *bus,
			       void (*heard)(void *context, uint64_t peer, enum hs_role role, const uint8_t *data,
					     size_t bytes),
			       void *context)
{
	struct hs_audio *audio = create(bus, heard, NULL, context);

	audio->is_bound = true;
	if (bus_socket_open(bus, &audio->peer.socket, ZMQ_ROUTER, take) < 0)
		return NULL;
	limit(audio);
	bus_socket_set(&audio->peer.socket, ZMQ_ROUTER_MANDATORY, 1);
	return bus_socket_bind(&audio->peer.socket, HS_EDGE_AUDIO) < 0 ? NULL : audio;
}

static void on_changed(struct bus_peer *peer)
{
	struct hs_audio *audio = (struct hs_audio *)peer;

	if (audio->changed)
		audio->changed(audio->context, peer->is_up);
}

static void configure(struct bus_socket *socket)
{
	struct hs_audio *audio = (struct hs_audio *)socket;
	AUTO(free) char *role = hs_printf("%s:%s", ROLE_NAME, hs_role_names[socket->bus->role]);

	limit(audio);
	bus_peer_ping(&audio->peer);
	zmq_setsockopt(socket->zmq, BROUGHT_ROLE, role, strlen(role));
}

struct hs_audio *hs_audio_connect(struct hs_bus *bus,
				  void (*heard)(void *context, uint64_t peer, enum hs_role role, const uint8_t *data,
						size_t bytes),
				  void (*changed)(void *context, bool up), void *context)
{
	struct hs_audio *audio = create(bus, heard, changed, context);

	audio->peer.configure = configure;
	if (bus_peer_open(bus, &audio->peer, ZMQ_DEALER, HS_ROLE_MEDIAD, HS_EDGE_AUDIO, take, on_changed) < 0)
		return NULL;
	return audio;
}

static int send_now(struct hs_audio *audio, uint64_t peer, const uint8_t *data, size_t bytes)
{
	const struct bus_part part = {data, bytes};
	struct bus_route route;

	if (!audio->is_bound)
		return bus_send(&audio->peer.socket, &part, 1);
	route = route_of(peer);
	return bus_send_routed(&audio->peer.socket, &route, data, bytes);
}

/* One frame goes as it is. */
static void send_gathered(struct hs_audio *audio)
{
	const uint8_t *data = audio->gathered;
	size_t bytes = audio->gathered_bytes, at = 0;

	if (audio->gathered_count == 1)
		data = hs_frame_unbundle(audio->gathered, audio->gathered_bytes, &at, &bytes);
	if (audio->gathered_count && send_now(audio, audio->gathered_for, data, bytes) < 0)
		audio->gathered_lost += audio->gathered_count;
	audio->gathered_count = 0;
	audio->gathered_bytes = 0;
}

static int gather(struct hs_audio *audio, const uint8_t *data, size_t bytes)
{
	size_t used = hs_frame_bundle(audio->gathered, sizeof(audio->gathered), audio->gathered_bytes, data, bytes);

	if (!used) {
		send_gathered(audio);
		used = hs_frame_bundle(audio->gathered, sizeof(audio->gathered), 0, data, bytes);
	}
	if (!used)
		return -EMSGSIZE;
	audio->gathered_bytes = used;
	audio->gathered_count++;
	return 0;
}

int hs_audio_send(struct hs_audio *audio, uint64_t peer, const uint8_t *data, size_t bytes)
{
	if (!audio->is_bound && !audio->peer.is_up)
		return -EHOSTUNREACH;
	if (audio->is_gathering && peer == audio->gathered_for)
		return gather(audio, data, bytes);
	return send_now(audio, peer, data, bytes);
}

void hs_audio_gather(struct hs_audio *audio, uint64_t peer)
{
	audio->is_gathering = true;
	audio->gathered_for = peer;
	audio->gathered_lost = 0;
}

int hs_audio_release(struct hs_audio *audio)
{
	send_gathered(audio);
	audio->is_gathering = false;
	return audio->gathered_lost;
}

void bus_audio_destroy(struct hs_bus *bus)
{
	for (struct hs_audio *audio = bus->audio ? bus->audio->audios : NULL; audio; audio = audio->next)
		bus_peer_close(&audio->peer);
}
