#include "bus_inner.h"
#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include <errno.h>
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
	bool is_full; /* a question found no room */
	struct watcher *watchers;
};

static void on_changed(struct bus_peer *peer)
{
	struct bus_link *link = (struct bus_link *)peer;
	struct hs_bus *bus = peer->socket.bus;

	link->was_up |= peer->is_up;
	link->is_full = false;
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

static void hear(struct bus_socket *socket, struct bus_message *message)
{
	struct bus_link *link = (struct bus_link *)socket;
	struct hs_bus *bus = link->peer.socket.bus;
	struct hs_arena *arena = hs_arena_create();
	struct hs_wire_fault fault = {"", "has too many frames"};
	const struct hs_json *json = NULL;

	if (message->count == 1)
		json = bus_envelope_parse(message->frames[0].data, message->frames[0].bytes, arena, &fault);
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

static void drained(struct bus_wire *wire)
{
	struct bus_link *link = (struct bus_link *)wire->socket;

	if (!link->is_full)
		return;
	link->is_full = false;
	bus_ask_link_roomy(wire->socket->bus, link->role);
}

static struct bus_link *make(struct hs_bus *bus, enum hs_role role)
{
	struct bus_link *link = bus_alloc(bus, sizeof(*link));

	link->role = role;
	link->new_until = hs_clock_ms() + NEW_MS;
	link->peer.socket.drained = drained;
	bus->links[role] = link;
	if (bus_peer_open(bus, &link->peer, ZMTP_DEALER, role, HS_EDGE_REQUESTS, hear, on_changed) < 0)
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

int bus_link_send(struct bus_link *link, const struct bus_part *parts, int count)
{
	return bus_send(&link->peer.socket, NULL, parts, count);
}

int bus_link_post(struct bus_link *link, struct bus_parcel *parcel)
{
	int result = link->is_full ? -EAGAIN : bus_send_parcel(&link->peer.socket, NULL, parcel, false);

	link->is_full = result == -EAGAIN;
	return result;
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
