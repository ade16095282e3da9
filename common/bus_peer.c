/* Connects, and again after a loss: soon, then at growing intervals. Whom we reach is told by the kernel: a stranger's
 * socket is left at once, before a word is said. */
#include "bus_inner.h"
#include "cleanup.h"
#include "log.h"
#include "privs.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_WAIT_MS 10
#define MOST_WAIT_MS 500

static void set_up(struct bus_peer *peer, bool is_up)
{
	if (peer->is_up == is_up)
		return;
	peer->is_up = is_up;
	if (peer->changed)
		peer->changed(peer);
}

static void dial_later(struct bus_peer *peer)
{
	struct hs_bus *bus = peer->socket.bus;

	peer->dial_at = (int64_t)uv_now(bus->loop) + peer->wait_ms;
	peer->wait_ms = peer->wait_ms * 2 < MOST_WAIT_MS ? peer->wait_ms * 2 : MOST_WAIT_MS;
	bus_due(bus, peer->dial_at);
}

/* Who comes again has lost his last connection, even if we have not noticed yet. */
static void leave_others(struct bus_wire *wire)
{
	struct bus_wire *next;

	for (struct bus_wire *other = wire->socket->wires; other; other = next) {
		next = other->next;
		if (other != wire && other->stage == BUS_UP)
			bus_wire_close(other);
	}
}

static void came(struct bus_wire *wire)
{
	struct bus_peer *peer = (struct bus_peer *)wire->socket;

	peer->wait_ms = FIRST_WAIT_MS;
	set_up(peer, false);
	leave_others(wire);
	set_up(peer, true);
}

static void went(struct bus_wire *wire)
{
	struct bus_peer *peer = (struct bus_peer *)wire->socket;

	if (peer->path)
		dial_later(peer);
	if (!bus_socket_wire(wire->socket, NULL))
		set_up(peer, false);
}

/* A descriptor that is connected to the right one, or -errno. */
static int reach(struct bus_peer *peer)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	AUTO(close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct ucred who;
	socklen_t length = sizeof(who);
	int reached = fd;

	hs_copy(address.sun_path, sizeof(address.sun_path), peer->path);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &length) < 0)
		return -errno;
	if (who.uid != hs_privs_uid(peer->socket.binder)) {
		bus_refused(peer->socket.bus, BUS_WHY_STRANGER, peer->path, "the socket belongs to another user");
		return -EPERM;
	}
	fd = -1;
	return reached;
}

static void dial(struct bus_peer *peer)
{
	int fd = reach(peer);
	struct bus_wire *wire = fd < 0 ? NULL : bus_wire_open(&peer->socket, fd, peer->socket.binder, NULL);

	peer->dial_at = 0;
	if (!wire)
		dial_later(peer);
	else if (peer->must_ping)
		bus_wire_ping(wire);
}

int64_t bus_peer_tick(struct bus_peer *peer, int64_t now)
{
	if (!peer->dial_at || peer->socket.type == ZMTP_NO_TYPE)
		return INT64_MAX;
	if (now >= peer->dial_at)
		dial(peer);
	return peer->dial_at ? peer->dial_at : INT64_MAX;
}

void bus_peer_ping(struct bus_peer *peer)
{
	if (peer->must_ping)
		return;
	peer->must_ping = true;
	if (peer->socket.wires)
		bus_wire_ping(peer->socket.wires);
}

int bus_peer_open(struct hs_bus *bus, struct bus_peer *peer, enum zmtp_type type, enum hs_role binder,
		  enum hs_edge edge, void (*heard)(struct bus_socket *socket, struct bus_message *message),
		  void (*changed)(struct bus_peer *peer))
{
	bool is_far = bus_tcp_is_far(bus, binder, edge);

	peer->path = is_far ? NULL : bus_socket_path(bus, binder, edge);
	if (!peer->path && !is_far)
		return -ENAMETOOLONG;
	bus_socket_open(bus, &peer->socket, type, binder, edge, heard);
	peer->socket.came = came;
	peer->socket.went = went;
	peer->changed = changed;
	peer->wait_ms = FIRST_WAIT_MS;
	peer->next = bus->peers;
	bus->peers = peer;
	if (is_far)
		return bus_tcp_open(&peer->socket);
	dial(peer);
	return 0;
}

void bus_peer_close(struct bus_peer *peer)
{
	bus_socket_close(&peer->socket);
	free(peer->path);
	peer->path = NULL;
}
