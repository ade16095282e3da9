/* ZeroMQ's descriptor is edge-triggered: it speaks once when commands wait, and any call on the socket may take them.
 * So a socket that was sent on or read ("touched") is read until it is empty before the loop sleeps; only then does its
 * descriptor tell of what comes next. Looked at twice a turn: in prepare for what timers and closing callbacks did, in
 * check for what poll brought. At most BUDGET messages a socket and look; what is left keeps the loop awake by uv_idle.
 */
#include "bus_inner.h"
#include "cleanup.h"
#include "log.h"
#include "privs.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BUDGET 64
#define LOOKS 2
#define OUT_KEPT 65536 /* what a large message made larger is not kept */
#define DRAIN_MS 1000
#define COMPANY_MS 10 /* so long a patient message waits for another one */

/* Its being active is all: the loop does not sleep. */
static void on_idle(uv_idle_t *idle)
{
}

void bus_wake(struct hs_bus *bus)
{
	bus->is_awake = true;
	uv_idle_start(&bus->idle, on_idle);
}

static void touch(struct bus_socket *socket)
{
	if (socket->touched)
		return;
	socket->touched = true;
	if (!socket->bus->is_settling)
		bus_wake(socket->bus);
}

/* ---- Writing ---- */

struct hs_wire_out *bus_write(struct hs_bus *bus)
{
	bus->out.used = 0;
	if (bus->out.size > OUT_KEPT) {
		free(bus->out.bytes);
		bus->out = (struct hs_wire_out){0};
	}
	return &bus->out;
}

void bus_frame_make(const void *data, size_t bytes, zmq_msg_t *ret_frame)
{
	if (zmq_msg_init_size(ret_frame, bytes) < 0)
		abort(); /* no memory */
	if (bytes)
		memcpy(zmq_msg_data(ret_frame), data, bytes);
}

void bus_frame_written(const struct hs_wire_out *out, zmq_msg_t *ret_frame)
{
	bus_frame_make(out->bytes, out->used, ret_frame);
}

/* ---- Sending ---- */

static int send_frame(struct bus_socket *socket, zmq_msg_t *frame, bool more)
{
	int flags = ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0);

	while (zmq_msg_send(frame, socket->zmq, flags) < 0)
		if (zmq_errno() != EINTR)
			return -zmq_errno();
	return 0;
}

static int send_first(struct bus_socket *socket, zmq_msg_t *frame, bool more)
{
	int result = send_frame(socket, frame, more), events;
	size_t size = sizeof(events);

	touch(socket);
	if (result != -EAGAIN)
		return result;
	/* A connection that has just come may not be known to the socket yet: asking for its events tells it. */
	zmq_getsockopt(socket->zmq, ZMQ_EVENTS, &events, &size);
	return send_frame(socket, frame, more);
}

int bus_send_frames(struct bus_socket *socket, const struct bus_route *route, zmq_msg_t *frames, int count)
{
	zmq_msg_t head;
	int result, sent = 0;

	if (route) {
		bus_frame_make(route->bytes, BUS_ROUTE_BYTES, &head);
		result = send_first(socket, &head, true);
		zmq_msg_close(&head);
	} else {
		result = send_first(socket, &frames[0], count > 1);
		sent = 1;
	}
	for (; result == 0 && sent < count; sent++)
		result = send_frame(socket, &frames[sent], sent + 1 < count);
	for (int i = 0; i < count; i++)
		zmq_msg_close(&frames[i]);
	return result;
}

int bus_send(struct bus_socket *socket, const struct bus_part *parts, int count)
{
	zmq_msg_t frames[BUS_PARTS_MAX];

	for (int i = 0; i < count; i++)
		bus_frame_make(parts[i].data, parts[i].bytes, &frames[i]);
	return bus_send_frames(socket, NULL, frames, count);
}

int bus_send_routed(struct bus_socket *socket, const struct bus_route *route, const void *data, size_t bytes)
{
	zmq_msg_t frame;

	bus_frame_make(data, bytes, &frame);
	return bus_send_frames(socket, route, &frame, 1);
}

/* A place at the end of the queue; its frame is empty. */
static struct bus_posted *post(struct bus_socket *socket, const struct bus_route *route)
{
	struct bus_posted *posted;

	if (socket->posted_count == socket->posted_size) {
		socket->posted_size = socket->posted_size ? socket->posted_size * 2 : 16;
		socket->posted = hs_resize(socket->posted, socket->posted_size, sizeof(*posted));
	}
	posted = &socket->posted[socket->posted_count++];
	posted->is_routed = route != NULL;
	if (route)
		posted->route = *route;
	zmq_msg_init(&posted->frame);
	return posted;
}

static struct bus_posted *post_at_once(struct bus_socket *socket, const struct bus_route *route)
{
	socket->bus->must_send = true;
	if (!socket->bus->is_settling)
		bus_wake(socket->bus);
	return post(socket, route);
}

void bus_post(struct bus_socket *socket, const struct bus_route *route, zmq_msg_t *frame)
{
	zmq_msg_move(&post_at_once(socket, route)->frame, frame);
	zmq_msg_close(frame);
}

void bus_post_shared(struct bus_socket *socket, const struct bus_route *route, zmq_msg_t *frame)
{
	zmq_msg_copy(&post_at_once(socket, route)->frame, frame);
}

static void on_alone(uv_timer_t *timer)
{
	struct hs_bus *bus = timer->data;

	bus->must_send = true; /* prepare follows */
}

void bus_post_patiently(struct bus_socket *socket, const struct bus_route *route, zmq_msg_t *frame)
{
	uv_timer_t *company = &socket->bus->company;

	zmq_msg_copy(&post(socket, route)->frame, frame);
	if (!uv_is_active((uv_handle_t *)company))
		uv_timer_start(company, on_alone, COMPANY_MS, 0);
}

static void send_posted(struct bus_socket *socket)
{
	for (size_t i = 0; i < socket->posted_count; i++) {
		struct bus_posted *posted = &socket->posted[i];
		int result = bus_send_frames(socket, posted->is_routed ? &posted->route : NULL, &posted->frame, 1);

		if (result < 0)
			bus_refused(socket->bus, BUS_WHY_UNREACHED, NULL, strerror(-result));
	}
	socket->posted_count = 0;
}

/* Reads every touched socket, then sends what that led to; true: there is more to read. */
static bool settle_once(struct hs_bus *bus, int budget)
{
	bool is_touched = false;

	for (struct bus_socket *socket = bus->sockets; socket; socket = socket->next) {
		int left = budget;

		if (!socket->touched)
			continue;
		while (left > 0 && socket->take(socket))
			left--;
		socket->touched = left == 0;
	}
	bus->must_send |= bus_tell_flush(bus);
	for (struct bus_socket *socket = bus->sockets; socket; socket = socket->next) {
		if (bus->must_send)
			send_posted(socket);
		is_touched |= socket->touched;
	}
	if (bus->must_send)
		uv_timer_stop(&bus->company);
	bus->must_send = false;
	return is_touched;
}

/* A look that finds nothing costs two system calls, and sending touches: so the first message of a socket is handled
 * and answered before it is looked at again, and that look is the last one for most turns. */
static void settle(struct hs_bus *bus)
{
	bool is_pending;

	bus->is_settling = true;
	bus->is_awake = false;
	bus_ask_flush(bus);
	is_pending = settle_once(bus, 1);
	for (int looks = 0; looks < LOOKS && is_pending; looks++)
		is_pending = settle_once(bus, BUDGET);
	bus->is_awake |= is_pending;
	bus->is_settling = false;
	if (bus->is_awake)
		bus_wake(bus);
	else
		uv_idle_stop(&bus->idle);
}

static void on_prepare(uv_prepare_t *prepare)
{
	settle(prepare->data);
}

static void on_check(uv_check_t *check)
{
	settle(check->data);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct bus_socket *socket = poll->data;

	socket->touched = true; /* the check phase follows */
}

void bus_handle_opened(struct hs_bus *bus, uv_handle_t *handle)
{
	handle->data = bus;
	bus->handles++;
}

void *bus_alloc(struct hs_bus *bus, size_t bytes)
{
	struct bus_memory *memory = hs_zalloc(sizeof(*memory) + bytes);

	memory->next = bus->memory;
	bus->memory = memory;
	return memory->bytes;
}

static void on_closed(uv_handle_t *handle)
{
	struct hs_bus *bus = handle->data;

	if (--bus->handles > 0)
		return;
	while (bus->memory) {
		struct bus_memory *next = bus->memory->next;

		free(bus->memory);
		bus->memory = next;
	}
	free(bus);
}

void bus_handle_close(struct hs_bus *bus, uv_handle_t *handle)
{
	handle->data = bus;
	uv_close(handle, on_closed);
}

void bus_loop_start(struct hs_bus *bus)
{
	uv_prepare_init(bus->loop, &bus->prepare);
	bus_handle_opened(bus, (uv_handle_t *)&bus->prepare);
	uv_check_init(bus->loop, &bus->check);
	bus_handle_opened(bus, (uv_handle_t *)&bus->check);
	uv_idle_init(bus->loop, &bus->idle);
	bus_handle_opened(bus, (uv_handle_t *)&bus->idle);
	uv_timer_init(bus->loop, &bus->redial);
	bus_handle_opened(bus, (uv_handle_t *)&bus->redial);
	uv_timer_init(bus->loop, &bus->company);
	bus_handle_opened(bus, (uv_handle_t *)&bus->company);
	uv_prepare_start(&bus->prepare, on_prepare);
	uv_check_start(&bus->check, on_check);
}

void bus_loop_stop(struct hs_bus *bus)
{
	bus_handle_close(bus, (uv_handle_t *)&bus->prepare);
	bus_handle_close(bus, (uv_handle_t *)&bus->check);
	bus_handle_close(bus, (uv_handle_t *)&bus->idle);
	bus_handle_close(bus, (uv_handle_t *)&bus->redial);
	bus_handle_close(bus, (uv_handle_t *)&bus->company);
}

void bus_socket_set(struct bus_socket *socket, int option, int value)
{
	if (zmq_setsockopt(socket->zmq, option, &value, sizeof(value)) < 0)
		hs_log(ERROR, "bus.option_refused", LOG_INT("option", option), LOG_WHY(zmq_strerror(zmq_errno())));
}

/* Copies are small and many, requests may be large: what a peer can make us hold is bounded in both. */
static void limit(struct bus_socket *socket, int type)
{
	int waiting = type == ZMQ_XPUB || type == ZMQ_SUB ? 10000 : 2000;
	int64_t most = HS_WIRE_MAX_BYTES;

	zmq_setsockopt(socket->zmq, ZMQ_MAXMSGSIZE, &most, sizeof(most));
	bus_socket_set(socket, ZMQ_LINGER, DRAIN_MS);
	bus_socket_set(socket, ZMQ_SNDHWM, waiting);
	bus_socket_set(socket, ZMQ_RCVHWM, waiting);
	bus_socket_set(socket, ZMQ_HANDSHAKE_IVL, 5000);
}

int bus_socket_open(struct hs_bus *bus, struct bus_socket *socket, int type, bool (*take)(struct bus_socket *socket))
{
	int fd;
	size_t size = sizeof(fd);

	socket->bus = bus;
	socket->take = take;
	socket->zmq = zmq_socket(bus->zmq, type);
	if (!socket->zmq)
		return -zmq_errno();
	limit(socket, type);
	if (zmq_getsockopt(socket->zmq, ZMQ_FD, &fd, &size) < 0 || uv_poll_init(bus->loop, &socket->poll, fd) < 0) {
		zmq_close(socket->zmq);
		socket->zmq = NULL;
		return -EMFILE;
	}
	bus_handle_opened(bus, (uv_handle_t *)&socket->poll);
	socket->poll.data = socket;
	uv_poll_start(&socket->poll, UV_READABLE, on_readable);
	socket->next = bus->sockets;
	bus->sockets = socket;
	touch(socket);
	return 0;
}

void bus_socket_close(struct bus_socket *socket)
{
	if (!socket->zmq)
		return;
	for (struct bus_socket **at = &socket->bus->sockets; *at; at = &(*at)->next)
		if (*at == socket) {
			*at = socket->next;
			break;
		}
	send_posted(socket);
	free(socket->posted);
	uv_poll_stop(&socket->poll);
	bus_handle_close(socket->bus, (uv_handle_t *)&socket->poll);
	zmq_close(socket->zmq);
	socket->zmq = NULL;
}

char *bus_endpoint(struct hs_bus *bus, enum hs_role binder, enum hs_edge edge)
{
	char *endpoint = hs_printf("ipc://%s/run/%s/%s/socket", bus->home, hs_role_names[binder], hs_edges[edge].name);

	if (strlen(endpoint) - strlen("ipc://") < sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return endpoint;
	hs_log(ERROR, "bus.path_too_long", LOG_TEXT("path", endpoint),
	       LOG_WHY("a Unix socket's path has at most 107 bytes: choose a shorter HOOKSWITCH_HOME"));
	free(endpoint);
	return NULL;
}

/* Who may connect is written on the socket's file; ZAP is the second lock, not the only one. */
static int check_file(struct bus_socket *socket, enum hs_edge edge, const char *path)
{
	gid_t group = hs_privs_edge_gid(socket->bus->role, edge);
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

int bus_socket_bind(struct bus_socket *socket, enum hs_edge edge)
{
	AUTO(free) char *endpoint = bus_endpoint(socket->bus, socket->bus->role, edge);
	mode_t mask;
	int result;

	if (!endpoint)
		return -ENAMETOOLONG;
	bus_zap_guard(socket, edge);
	mask = umask(0117);
	result = zmq_bind(socket->zmq, endpoint) < 0 ? -zmq_errno() : 0;
	umask(mask);
	if (result == 0)
		result = check_file(socket, edge, endpoint + strlen("ipc://"));
	if (result < 0)
		hs_log(ERROR, "bus.cannot_bind", LOG_TEXT("path", endpoint), LOG_WHY(zmq_strerror(-result)));
	return result;
}

/* false: there is none. */
static bool take_frame(struct bus_socket *socket, zmq_msg_t *frame)
{
	int result;

	zmq_msg_init(frame);
	do
		result = zmq_msg_recv(frame, socket->zmq, ZMQ_DONTWAIT);
	while (result < 0 && zmq_errno() == EINTR);
	if (result < 0)
		zmq_msg_close(frame);
	return result >= 0;
}

/* The route is ROUTER's own: 0 and a number. A peer that names itself is not ours. */
static bool take_route(struct bus_socket *socket, struct bus_message *message)
{
	zmq_msg_t frame;

	if (!take_frame(socket, &frame))
		return false;
	if (zmq_msg_size(&frame) == BUS_ROUTE_BYTES && *(uint8_t *)zmq_msg_data(&frame) == 0)
		memcpy(message->route.bytes, zmq_msg_data(&frame), BUS_ROUTE_BYTES);
	else
		message->is_odd = true;
	zmq_msg_close(&frame);
	return true;
}

struct bus_message *bus_message_take(struct bus_socket *socket, bool routed)
{
	struct bus_message *message = &socket->bus->incoming;
	bool more = true;

	message->count = 0;
	message->is_odd = false;
	if (routed && !take_route(socket, message))
		return NULL;
	while (more) {
		zmq_msg_t extra, *frame = &extra;

		if (message->count < BUS_FRAMES_MAX)
			frame = &message->frames[message->count];
		else
			message->is_odd = true;
		if (!take_frame(socket, frame))
			return NULL; /* only before the first frame: a message comes whole */
		more = zmq_msg_more(frame);
		if (frame == &extra)
			zmq_msg_close(frame);
		else
			message->count++;
	}
	return message;
}

void bus_message_close(struct bus_message *message)
{
	for (int i = 0; i < message->count; i++)
		zmq_msg_close(&message->frames[i]);
}
