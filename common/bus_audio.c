/* The audio edge: no JSON, no trace, no log on the way of a frame; what is refused is counted. */
#include "bus_inner.h"
#include "cleanup.h"
#include "frame.h"
#include "log.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_BYTES_MAX 17000

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

/* Under one uid the kernel cannot tell roles apart: then it is what the connection brought along, if anything. */
static enum hs_role role_of(const struct hs_audio *audio, const struct bus_message *message)
{
	if (!audio->is_bound)
		return audio->peer.socket.binder;
	return message->role == HS_ROLES ? message->said : message->role;
}

static void hear_frame(struct hs_audio *audio, uint64_t peer, enum hs_role role, const uint8_t *data, size_t bytes)
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
		hear_frame(audio, peer, role, frame, length);
	if (at != bytes)
		hs_metric_add(audio->refused, 1);
	hs_metric_add(audio->lost, hs_audio_release(audio));
}

static void hear(struct bus_socket *socket, struct bus_message *message)
{
	struct hs_audio *audio = (struct hs_audio *)socket;
	const struct bus_part *frame = &message->frames[0];

	if (message->count != 1)
		hs_metric_add(audio->refused, 1);
	else
		(hs_frame_is_bundle(frame->data, frame->bytes) ? hear_bundle : hear_frame)(
			audio, audio->is_bound ? message->route.number : 0, role_of(audio, message), frame->data,
			frame->bytes);
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
	bus_socket_open(bus, &audio->peer.socket, ZMTP_ROUTER, bus->role, HS_EDGE_AUDIO, hear);
	audio->peer.socket.limits.frame = FRAME_BYTES_MAX;
	return bus_socket_bind(&audio->peer.socket) < 0 ? NULL : audio;
}

static void on_changed(struct bus_peer *peer)
{
	struct hs_audio *audio = (struct hs_audio *)peer;

	if (audio->changed)
		audio->changed(audio->context, peer->is_up);
}

struct hs_audio *hs_audio_connect(struct hs_bus *bus,
				  void (*heard)(void *context, uint64_t peer, enum hs_role role, const uint8_t *data,
						size_t bytes),
				  void (*changed)(void *context, bool up), void *context)
{
	struct hs_audio *audio = create(bus, heard, changed, context);

	audio->peer.must_ping = true;
	audio->peer.socket.brings_role = true;
	if (bus_peer_open(bus, &audio->peer, ZMTP_DEALER, HS_ROLE_MEDIAD, HS_EDGE_AUDIO, hear, on_changed) < 0)
		return NULL;
	audio->peer.socket.limits.frame = FRAME_BYTES_MAX;
	return audio;
}

static int send_now(struct hs_audio *audio, uint64_t peer, const uint8_t *data, size_t bytes)
{
	const struct bus_part part = {data, bytes};
	const struct bus_route route = {peer};

	return bus_send(&audio->peer.socket, audio->is_bound ? &route : NULL, &part, 1);
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
