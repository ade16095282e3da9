/* libzmq connects again by itself after a loss, but may give up after a refused handshake; then we redial.
 * Whom we reach is told by the socket's file: it belongs to who made it, in a folder that only the binder may write.
 * (ZAP would tell on this end, too, but libzmq 4.3.4 aborts when it connects again while its last question is
 * unanswered.) */
#include "bus_inner.h"
#include "cleanup.h"
#include "log.h"
#include "privs.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define REDIAL_MS 1000
#define FAILURES                                                                                                       \
	(ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)

static void set_up(struct bus_peer *peer, bool is_up)
{
	if (peer->is_up == is_up)
		return;
	peer->is_up = is_up;
	if (peer->changed)
		peer->changed(peer);
}

static struct bus_peer *peer_of_monitor(struct bus_socket *monitor)
{
	return (struct bus_peer *)((char *)monitor - offsetof(struct bus_peer, monitor));
}

static void dial_again(struct bus_peer *peer)
{
	zmq_disconnect(peer->socket.zmq, peer->endpoint);
	zmq_connect(peer->socket.zmq, peer->endpoint);
}

static void redial(uv_timer_t *timer)
{
	struct hs_bus *bus = timer->data;

	for (struct bus_peer *peer = bus->peers; peer; peer = peer->next) {
		if (!peer->must_redial)
			continue;
		peer->must_redial = false;
		if (peer->is_up)
			continue;
		dial_again(peer);
	}
}

static void redial_soon(struct bus_peer *peer)
{
	uv_timer_t *timer = &peer->socket.bus->redial;

	peer->must_redial = true;
	if (!uv_is_active((uv_handle_t *)timer))
		uv_timer_start(timer, redial, REDIAL_MS, 0);
}

/* A stranger's socket is left at once. One that is gone already is the binder's end or beginning. */
static void connected(struct bus_peer *peer)
{
	const char *path = peer->endpoint + strlen("ipc://");
	struct stat status;
	bool is_there = stat(path, &status) == 0;

	if (is_there && status.st_uid == hs_privs_uid(peer->binder)) {
		set_up(peer, true);
		return;
	}
	if (is_there) {
		bus_refused(peer->socket.bus, BUS_WHY_STRANGER, path, "the socket belongs to another user");
		zmq_disconnect(peer->socket.zmq, peer->endpoint);
	}
	redial_soon(peer);
}

static bool take_event(struct bus_socket *monitor)
{
	struct bus_peer *peer = peer_of_monitor(monitor);
	struct bus_message *message = bus_message_take(monitor, false);
	uint16_t event = 0;

	if (!message)
		return false;
	if (zmq_msg_size(&message->frames[0]) >= sizeof(event))
		memcpy(&event, zmq_msg_data(&message->frames[0]), sizeof(event));
	bus_message_close(message);
	if (event & ZMQ_EVENT_HANDSHAKE_SUCCEEDED)
		connected(peer);
	if (event & (ZMQ_EVENT_DISCONNECTED | FAILURES))
		set_up(peer, false);
	if (event & FAILURES)
		redial_soon(peer);
	return true;
}

static int watch(struct hs_bus *bus, struct bus_peer *peer)
{
	char address[48];
	int result;

	snprintf(address, sizeof(address), "inproc://monitor.%p", (void *)peer);
	if (zmq_socket_monitor(peer->socket.zmq, address,
			       ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED | FAILURES) < 0)
		return -zmq_errno();
	result = bus_socket_open(bus, &peer->monitor, ZMQ_PAIR, take_event);
	if (result == 0 && zmq_connect(peer->monitor.zmq, address) < 0)
		result = -zmq_errno();
	return result;
}

static void configure(struct bus_socket *socket)
{
	bus_socket_set(socket, ZMQ_IMMEDIATE, 1);
	bus_socket_set(socket, ZMQ_RECONNECT_IVL, 10);
	bus_socket_set(socket, ZMQ_RECONNECT_IVL_MAX, 500);
}

/* A peer that died is noticed by its socket; one that was stopped, by its silence: at most 2 s to the next ping and 1 s
 * for the answer. Each ping wakes two processes of a suite that may be idle, so not oftener, and not where nobody asks
 * whether the peer is there. */
void bus_peer_ping(struct bus_peer *peer)
{
	if (peer->has_ping)
		return;
	peer->has_ping = true;
	bus_socket_set(&peer->socket, ZMQ_HEARTBEAT_IVL, 2000);
	bus_socket_set(&peer->socket, ZMQ_HEARTBEAT_TIMEOUT, 1000);
	bus_socket_set(&peer->socket, ZMQ_HEARTBEAT_TTL, 4000);
	if (peer->has_dialled)
		dial_again(peer); /* options count from the next connection on */
}

int bus_peer_open(struct hs_bus *bus, struct bus_peer *peer, int type, enum hs_role binder, enum hs_edge edge,
		  bool (*take)(struct bus_socket *socket), void (*changed)(struct bus_peer *peer))
{
	int result;

	peer->binder = binder;
	peer->edge = edge;
	peer->changed = changed;
	peer->endpoint = bus_endpoint(bus, binder, edge);
	if (!peer->endpoint)
		return -ENAMETOOLONG;
	result = bus_socket_open(bus, &peer->socket, type, take);
	if (result < 0)
		return result;
	configure(&peer->socket);
	if (type == ZMQ_SUB)
		zmq_setsockopt(peer->socket.zmq, ZMQ_SUBSCRIBE, "", 0);
	if (peer->configure)
		peer->configure(&peer->socket);
	result = watch(bus, peer);
	if (result < 0)
		return result;
	peer->next = bus->peers;
	bus->peers = peer;
	peer->has_dialled = true;
	return zmq_connect(peer->socket.zmq, peer->endpoint) < 0 ? -zmq_errno() : 0;
}

void bus_peer_close(struct bus_peer *peer)
{
	if (peer->socket.zmq)
		zmq_socket_monitor(peer->socket.zmq, NULL, 0);
	bus_socket_close(&peer->monitor);
	bus_socket_close(&peer->socket);
	free(peer->endpoint);
	peer->endpoint = NULL;
}
