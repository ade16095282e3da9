#include "bus_inner.h"
#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include <stdlib.h>
#include <string.h>

#define NEW_MS 250 /* a daemon that is there is connected long before */

struct watcher {
	void (*changed)(void *context, enum hs_role to, bool up);
	void *context;
	struct watcher *next;
};

struct bus_link {
	struct bus_peer peer; /* first: its callbacks find the link */
	enum hs_role role;
	int64_t new_until;
	bool was_up;
	struct watcher *watchers;
};

static void on_changed(struct bus_peer *peer)
{
	struct bus_link *link = (struct bus_link *)peer;
	struct hs_bus *bus = peer->socket.bus;

	link->was_up |= peer->is_up;
	if (peer->is_up)
		hs_log(INFO, "bus.peer_up", LOG_TEXT("peer", hs_role_names[link->role]));
	else
		hs_log(WARN, "bus.peer_down", LOG_TEXT("peer", hs_role_names[link->role]));
	if (link->role == HS_ROLE_APID)
		bus_tell_link_up(bus, peer->is_up);
	if (peer->is_up)
		bus_ask_link_up(bus, link->role);
	for (struct watcher *watcher = link->watchers; watcher; watcher = watcher->next)
		watcher->changed(watcher->context, link->role, peer->is_up);
}

static void handle(struct bus_link *link, struct bus_message *message)
{
	struct hs_bus *bus = link->peer.socket.bus;
	struct hs_arena *arena = hs_arena_create();
	struct hs_wire_fault fault = {"", "has too many frames"};
	const struct hs_json *json = NULL;

	if (!message->is_odd && message->count == 1)
		json = bus_envelope_parse(zmq_msg_data(&message->frames[0]), zmq_msg_size(&message->frames[0]), arena,
					  &fault);
	if (!json)
		bus_refused(bus, BUS_WHY_ENVELOPE, hs_role_names[link->role], fault.why);
	else if (bus_envelope_is(json, "answer"))
		bus_ask_answered(bus, link->role, json, arena);
	else if (bus_envelope_is(json, "ack") && link->role == HS_ROLE_APID)
		bus_tell_acknowledged(bus, json, arena);
	else
		bus_refused(bus, BUS_WHY_UNKNOWN, hs_role_names[link->role], "neither an answer nor an ack");
	hs_arena_destroy(arena);
}

static bool take(struct bus_socket *socket)
{
	struct bus_message *message = bus_message_take(socket, false);

	if (!message)
		return false;
	handle((struct bus_link *)socket, message);
	bus_message_close(message);
	return true;
}

static struct bus_link *make(struct hs_bus *bus, enum hs_role role)
{
	struct bus_link *link = bus_alloc(bus, sizeof(*link));

	link->role = role;
	link->new_until = hs_clock_ms() + NEW_MS;
	bus->links[role] = link;
	if (bus_peer_open(bus, &link->peer, ZMQ_DEALER, role, HS_EDGE_REQUESTS, take, on_changed) < 0)
		hs_log(ERROR, "bus.cannot_connect", LOG_TEXT("peer", hs_role_names[role]));
	return link;
}

struct bus_link *bus_link_get(struct hs_bus *bus, enum hs_role role, bool must_ping)
{
	struct bus_link *link;

	if (role <= HS_ROLE_NONE || role >= HS_ROLES || !(hs_edges[HS_EDGE_REQUESTS].connect[role] & 1u << bus->role))
		return NULL;
	link = bus->links[role] ? bus->links[role] : make(bus, role);
	if (must_ping)
		bus_peer_ping(&link->peer);
	return link;
}

bool bus_link_is_up(const struct bus_link *link)
{
	return link->peer.is_up;
}

bool bus_link_is_new(const struct bus_link *link)
{
	return !link->was_up && hs_clock_ms() < link->new_until;
}

int64_t bus_link_new_until(const struct bus_link *link)
{
	return link->new_until;
}

int bus_link_send(struct bus_link *link, zmq_msg_t *frames, int count)
{
	return bus_send_frames(&link->peer.socket, NULL, frames, count);
}

void bus_link_post_shared(struct bus_link *link, zmq_msg_t *frame)
{
	bus_post_shared(&link->peer.socket, NULL, frame);
}

void bus_link_close(struct bus_link *link)
{
	if (!link)
		return;
	bus_peer_close(&link->peer);
	while (link->watchers) {
		struct watcher *next = link->watchers->next;

		free(link->watchers);
		link->watchers = next;
	}
}

bool hs_bus_is_up(struct hs_bus *bus, enum hs_role to)
{
	struct bus_link *link = bus_link_get(bus, to, true);

	return link && bus_link_is_up(link);
}

void hs_bus_watch(struct hs_bus *bus, enum hs_role to, void (*changed)(void *context, enum hs_role to, bool up),
		  void *context)
{
	struct bus_link *link = bus_link_get(bus, to, true);
	struct watcher *watcher;

	if (!link)
		return;
	watcher = hs_zalloc(sizeof(*watcher));
	*watcher = (struct watcher){changed, context, link->watchers};
	link->watchers = watcher;
}
