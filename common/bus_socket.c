/* Sockets of an edge: who may connect is written on the file, and is looked at once more when he does: the kernel says
 * whose the other end is. The file appears with its mode and group, in the place of a dead predecessor's. */
#include "bus_inner.h"
#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include "privs.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define WAITING_MAX 2000       /* messages for a connection: requests may be large, */
#define COPIES_MAX 10000       /* copies are small and many; */
#define BYTES_MAX 8388608      /* what a peer that does not read can make us hold is bounded in both */
#define CONNECTIONS_MAX 64     /* of one role at one edge */
#define CONNECTIONS_OF_ALL 256 /* where all roles have one user */
#define BACKLOG 128
#define NO_DESCRIPTORS_MS 100

char *bus_socket_path(struct hs_bus *bus, enum hs_role binder, enum hs_edge edge)
{
	char *path = hs_printf("%s/run/%s/%s/socket", bus->home, hs_role_names[binder], hs_edges[edge].name);

	if (strlen(path) < sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return path;
	hs_log(ERROR, "bus.path_too_long", LOG_TEXT("path", path),
	       LOG_WHY("a Unix socket's path has at most 107 bytes: choose a shorter HOOKSWITCH_HOME"));
	free(path);
	return NULL;
}

void bus_socket_open(struct hs_bus *bus, struct bus_socket *socket, enum zmtp_type type, enum hs_role binder,
		     enum hs_edge edge, void (*heard)(struct bus_socket *socket, struct bus_message *message))
{
	socket->bus = bus;
	socket->type = type;
	socket->binder = binder;
	socket->edge = edge;
	socket->heard = heard;
	/* Facts, and a copy's topic and head, come with the largest text. */
	socket->limits = (struct zmtp_limits){HS_WIRE_MAX_BYTES, HS_WIRE_MAX_BYTES + BUS_FACTS_BYTES};
	socket->most_messages = type == ZMTP_PUB || type == ZMTP_SUB ? COPIES_MAX : WAITING_MAX;
	socket->most_bytes = BYTES_MAX;
	socket->next = bus->sockets;
	bus->sockets = socket;
}

/* ---- Who comes ---- */

enum hs_role bus_socket_role(int fd)
{
	struct ucred who;
	socklen_t length = sizeof(who);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &length) < 0)
		return HS_ROLE_NONE;
	return hs_privs_role(who.uid);
}

bool bus_socket_admits(const struct bus_socket *socket, enum hs_role role)
{
	if (role == HS_ROLES || role == HS_ROLE_NONE)
		return role == HS_ROLES;
	if (socket->binder != socket->bus->role)
		return role == socket->binder;
	return hs_edges[socket->edge].connect[socket->binder] & 1u << role;
}

bool bus_socket_is_crowded(const struct bus_socket *socket, enum hs_role role)
{
	int count = 0;

	for (const struct bus_wire *wire = socket->wires; wire; wire = wire->next)
		count += wire->role == role;
	return count >= (role == HS_ROLES ? CONNECTIONS_OF_ALL : CONNECTIONS_MAX);
}

static void let_in(struct bus_socket *socket, int fd, const struct sockaddr *address)
{
	enum hs_role role = bus_socket_role(fd);

	if (!bus_socket_admits(socket, role)) {
		bus_refused(socket->bus, BUS_WHY_STRANGER, role < HS_ROLES && role ? hs_role_names[role] : NULL,
			    hs_edges[socket->edge].name);
		close(fd);
	} else if (bus_socket_is_crowded(socket, role)) {
		bus_refused(socket->bus, BUS_WHY_OVERLOAD, role < HS_ROLES ? hs_role_names[role] : NULL,
			    "it has too many connections");
		close(fd);
	} else {
		bus_wire_open(socket, fd, role, NULL);
	}
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
	struct bus_listener *listener = poll->data;
	struct sockaddr_storage address = {0};
	socklen_t length = sizeof(address);
	int fd = accept4(listener->fd, (struct sockaddr *)&address, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0) {
		listener->come(listener->socket, fd, (const struct sockaddr *)&address);
		return;
	}
	if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
		return;
	bus_refused(listener->socket->bus, BUS_WHY_OVERLOAD, NULL, strerror(errno));
	uv_poll_stop(poll);
	listener->again_at = (int64_t)uv_now(poll->loop) + NO_DESCRIPTORS_MS;
	bus_due(listener->socket->bus, listener->again_at);
}

static int64_t tick(struct bus_listener *listener, int64_t now)
{
	if (!listener || !listener->again_at)
		return INT64_MAX;
	if (now < listener->again_at)
		return listener->again_at;
	listener->again_at = 0;
	uv_poll_start(&listener->poll, UV_READABLE, on_connection);
	return INT64_MAX;
}

int64_t bus_socket_tick(struct bus_socket *socket, int64_t now)
{
	int64_t near = tick(socket->listener, now), far = tick(socket->far_listener, now);
	int64_t call = bus_tcp_tick(socket, now);

	near = near < far ? near : far;
	return near < call ? near : call;
}

/* ---- Listening ---- */

static int check_file(struct bus_socket *socket, const char *path)
{
	gid_t group = hs_privs_edge_gid(socket->bus->role, socket->edge);
	struct stat status;

	if (stat(path, &status) < 0)
		return -errno;
	if (hs_privs_separate() && status.st_gid != group &&
	    (chown(path, (uid_t)-1, group) < 0 || stat(path, &status) < 0))
		return -errno;
	if (!S_ISSOCK(status.st_mode) || (status.st_mode & 0777) != 0660 || status.st_uid != geteuid() ||
	    (hs_privs_separate() && status.st_gid != group))
		return -EPERM;
	return 0;
}

static int bind_file(int fd, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	mode_t mask = umask(0117);
	int result;

	hs_copy(address.sun_path, sizeof(address.sun_path), path);
	if (unlink(path) < 0 && errno != ENOENT)
		result = -errno;
	else
		result = bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	umask(mask);
	return result;
}

/* A descriptor that listens at the path, or -errno. */
static int listen_at(struct bus_socket *bus_socket, const char *path)
{
	/* "new" is shorter than "socket": it fits if that does */
	AUTO(free) char *made = hs_printf("%.*s/new", (int)(strrchr(path, '/') - path), path);
	AUTO(close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int result = fd < 0 ? -errno : bind_file(fd, made);

	if (result == 0)
		result = check_file(bus_socket, made);
	if (result == 0 && (listen(fd, BACKLOG) < 0 || rename(made, path) < 0))
		result = -errno;
	if (result < 0)
		return result;
	result = fd;
	fd = -1;
	return result;
}

struct bus_listener *bus_socket_listen(struct bus_socket *socket, int fd,
				       void (*come)(struct bus_socket *socket, int fd, const struct sockaddr *address))
{
	struct bus_listener *listener = bus_alloc(socket->bus, sizeof(*listener));

	if (uv_poll_init(socket->bus->loop, &listener->poll, fd) < 0) {
		close(fd);
		return NULL;
	}
	bus_handle_opened(socket->bus, (uv_handle_t *)&listener->poll);
	listener->poll.data = listener;
	listener->fd = fd;
	listener->socket = socket;
	listener->come = come;
	uv_poll_start(&listener->poll, UV_READABLE, on_connection);
	return listener;
}

int bus_socket_bind(struct bus_socket *socket)
{
	struct hs_bus *bus = socket->bus;
	AUTO(free) char *path = bus_socket_path(bus, socket->binder, socket->edge);
	int fd;

	if (!path)
		return -ENAMETOOLONG;
	fd = listen_at(socket, path);
	if (fd < 0) {
		hs_log(ERROR, "bus.cannot_bind", LOG_TEXT("path", path), LOG_WHY(strerror(-fd)));
		return fd;
	}
	socket->listener = bus_socket_listen(socket, fd, let_in);
	if (!socket->listener)
		return -EMFILE;
	return bus_tcp_is_far(bus, socket->binder, socket->edge) ? bus_tcp_open(socket) : 0;
}

static void close_listener(struct hs_bus *bus, struct bus_listener *listener)
{
	if (!listener)
		return;
	uv_poll_stop(&listener->poll);
	bus_handle_close(bus, (uv_handle_t *)&listener->poll);
	close(listener->fd);
}

void bus_socket_close(struct bus_socket *socket)
{
	if (socket->type == ZMTP_NO_TYPE)
		return;
	for (struct bus_socket **at = &socket->bus->sockets; *at; at = &(*at)->next)
		if (*at == socket) {
			*at = socket->next;
			break;
		}
	socket->went = NULL;
	while (socket->wires)
		bus_wire_close(socket->wires);
	socket->type = ZMTP_NO_TYPE;
	close_listener(socket->bus, socket->listener);
	close_listener(socket->bus, socket->far_listener);
	socket->listener = socket->far_listener = NULL;
}

/* ---- Sending ---- */

struct bus_wire *bus_socket_wire(struct bus_socket *socket, const struct bus_route *route)
{
	struct bus_wire *wire = route ? bus_wire_find(socket->bus, *route) : socket->wires;

	while (!route && wire && wire->stage != BUS_UP)
		wire = wire->next;
	return wire && wire->stage == BUS_UP && wire->socket == socket ? wire : NULL;
}

int bus_send(struct bus_socket *socket, const struct bus_route *route, const struct bus_part *parts, int count)
{
	struct bus_wire *wire = bus_socket_wire(socket, route);

	if (!wire)
		return route ? -EHOSTUNREACH : -EAGAIN;
	return bus_out_parts(wire, parts, count);
}

int bus_send_parcel(struct bus_socket *socket, const struct bus_route *route, struct bus_parcel *parcel,
		    bool is_patient)
{
	struct bus_wire *wire = bus_socket_wire(socket, route);

	if (!wire)
		return route ? -EHOSTUNREACH : -EAGAIN;
	return bus_out_parcel(wire, parcel, is_patient);
}

static void count_lost(struct bus_socket *socket, int result)
{
	if (result < 0)
		bus_refused(socket->bus, BUS_WHY_UNREACHED, NULL, strerror(-result));
}

void bus_post(struct bus_socket *socket, const struct bus_route *route, const struct bus_part *parts, int count)
{
	count_lost(socket, bus_send(socket, route, parts, count));
}

void bus_post_parcel(struct bus_socket *socket, const struct bus_route *route, struct bus_parcel *parcel,
		     bool is_patient)
{
	count_lost(socket, bus_send_parcel(socket, route, parcel, is_patient));
}

/* ---- The end ---- */

/* Descriptors of those that something still waits for, after writing what can be written. */
static nfds_t flush_all(struct hs_bus *bus, struct pollfd *ret_waiting, size_t size)
{
	nfds_t count = 0;

	for (size_t i = 0; i < bus->wires_size; i++) {
		struct bus_wire *wire = bus->wires[i];

		if (!wire || !bus_out_waits(wire))
			continue;
		bus_out_flush(wire);
		if (bus_out_waits(wire) && count < size)
			ret_waiting[count++] = (struct pollfd){.fd = wire->fd, .events = POLLOUT};
	}
	return count;
}

void bus_socket_drain(struct hs_bus *bus, int most_ms)
{
	AUTO(free) struct pollfd *waiting = hs_resize(NULL, bus->wires_size + 1, sizeof(*waiting));
	int64_t until = hs_clock_ms() + most_ms, left = most_ms;
	nfds_t count = flush_all(bus, waiting, bus->wires_size);

	while (count && left > 0) {
		if (poll(waiting, count, (int)left) < 0 && errno != EINTR)
			return;
		count = flush_all(bus, waiting, bus->wires_size);
		left = until - hs_clock_ms();
	}
}
