#include "doorway.h"
#include "cleanup.h"
#include "clock.h"
#include "hs_proto.h"
#include "log.h"
#include "table.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_MS 10000
#define LINGER_MS 2000
#define TICK_MS 500
#define FIRST_BYTES 1024
#define ACCEPTS_A_TURN 64

enum guest_state { GUEST_HEAD, GUEST_ASKED, GUEST_LINGERING, GUEST_TAKEN };

struct hs_guest {
	struct hs_doorway *doorway;
	enum guest_state state;
	int fd;
	uv_poll_t *poll; /* NULL once taken */
	char *head;
	size_t bytes, size;
	int64_t until_ms;
	bool is_head_method, was_asked;
	void *owner;
	size_t *at_address; /* counter shared by guests of this address */
	char address[INET6_ADDRSTRLEN];
	TAILQ_ENTRY(hs_guest) link;
};

struct hs_doorway {
	struct hs_doorway_setup setup;
	uv_poll_t *poll;
	uv_timer_t *timer;
	TAILQ_HEAD(guests, hs_guest) young, taken;
	size_t count;
	struct hs_table *addresses; /* address -> size_t */
};

static const struct {
	int status;
	const char *phrase;
} phrases[] = {{200, "OK"},
	       {400, "Bad Request"},
	       {401, "Unauthorized"},
	       {403, "Forbidden"},
	       {404, "Not Found"},
	       {405, "Method Not Allowed"},
	       {408, "Request Timeout"},
	       {409, "Conflict"},
	       {410, "Gone"},
	       {422, "Unprocessable Content"},
	       {426, "Upgrade Required"},
	       {429, "Too Many Requests"},
	       {431, "Request Header Fields Too Large"},
	       {500, "Internal Server Error"},
	       {503, "Service Unavailable"},
	       {504, "Gateway Timeout"}};

static void free_handle(uv_handle_t *handle)
{
	free(handle);
}

static void close_handle(void *handle)
{
	if (handle)
		uv_close(handle, free_handle);
}

/* ---- Addresses ---- */

static bool is_loopback(const char *address)
{
	return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}

static size_t *count_address(struct hs_doorway *doorway, const char *address)
{
	size_t *count = hs_table_get(doorway->addresses, address);
	if (!count) {
		count = hs_zalloc(sizeof(*count));
		hs_table_put(doorway->addresses, address, count);
	}
	(*count)++;
	return count;
}

static void uncount_address(struct hs_guest *guest)
{
	if (guest->at_address && --*guest->at_address == 0)
		free(hs_table_remove(guest->doorway->addresses, guest->address));
	guest->at_address = NULL;
}

/* ---- A guest's end ---- */

static void free_guest(struct hs_guest *guest)
{
	struct hs_doorway *doorway = guest->doorway;
	uncount_address(guest);
	if (guest->state == GUEST_TAKEN)
		TAILQ_REMOVE(&doorway->taken, guest, link);
	else
		TAILQ_REMOVE(&doorway->young, guest, link);
	doorway->count--;
	if (TAILQ_EMPTY(&doorway->young))
		uv_timer_stop(doorway->timer);
	close_handle(guest->poll);
	if (guest->fd >= 0)
		close(guest->fd);
	free(guest->head);
	free(guest);
}

static void lose(struct hs_guest *guest)
{
	if (guest->was_asked)
		guest->doorway->setup.gone(guest->doorway->setup.context, guest);
	free_guest(guest);
}

void hs_guest_release(struct hs_guest *guest)
{
	if (guest)
		free_guest(guest);
}

/* ---- Refusals ---- */

static const char *phrase_of(int status)
{
	for (size_t i = 0; i < HS_COUNT(phrases); i++)
		if (phrases[i].status == status)
			return phrases[i].phrase;
	return "Refused";
}

static void linger(struct hs_guest *guest);

void hs_guest_refuse(struct hs_guest *guest, int status, const char *headers, const char *type, const char *body)
{
	AUTO(free)
	char *text =
		hs_printf("HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n"
			  "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n%s\r\n%s",
			  status, phrase_of(status), type, strlen(body), headers, guest->is_head_method ? "" : body);
	/* A few hundred bytes into an empty buffer: what does not fit is lost with the guest. */
	if (send(guest->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		hs_log(DEBUG, "ws.refusal_lost", LOG_TEXT("client", guest->address), LOG_INT("status", status));
	linger(guest);
}

static void refuse_error(struct hs_guest *guest, enum hs_error error, int status, const char *headers, const char *why)
{
	AUTO(free)
	char *body = hs_printf("{\"type\":\"urn:hookswitch:%s\",\"title\":\"%s\",\"status\":%d,\"detail\":\"%s\"}",
			       hs_errors[error].name, hs_errors[error].title, status, why);
	hs_guest_refuse(guest, status, headers, "application/problem+json", body);
}

/* ---- Reading ---- */

static void on_gone(uv_poll_t *poll, int status, int events)
{
	struct hs_guest *guest = poll->data;
	if (status < 0 || (events & UV_DISCONNECT))
		lose(guest);
}

static void ask(struct hs_guest *guest, size_t end)
{
	struct hs_handshake handshake;
	int error = hs_handshake_read(guest->head, end, &handshake);
	guest->is_head_method = !error && strcmp(handshake.method, "HEAD") == 0;
	if (error) {
		refuse_error(guest, HS_ERROR_BAD_REQUEST, 400, "", handshake.why);
	} else if (guest->bytes > end) {
		refuse_error(guest, HS_ERROR_BAD_REQUEST, 400, "", "Something came before the handshake was answered.");
	} else if (handshake.is_websocket && strcmp(handshake.version, "13") != 0) {
		refuse_error(guest, HS_ERROR_BAD_REQUEST, 426, "Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n",
			     "Only version 13 of the WebSocket protocol is spoken here.");
	} else if (handshake.is_websocket && !hs_handshake_acceptable(&handshake)) {
		refuse_error(guest, HS_ERROR_BAD_REQUEST, 400, "", "Sec-WebSocket-Key is not 16 bytes in base 64.");
	} else {
		guest->state = GUEST_ASKED;
		guest->was_asked = true;
		uv_poll_start(guest->poll, UV_DISCONNECT, on_gone);
		guest->doorway->setup.asked(guest->doorway->setup.context, guest, &handshake);
	}
}

/* 1: more may come now; 0: not now; -errno: gone. */
static int read_some(struct hs_guest *guest)
{
	size_t most = guest->doorway->setup.max_head;
	if (guest->bytes == guest->size) {
		guest->size = guest->size ? guest->size * 2 : FIRST_BYTES;
		guest->size = guest->size < most ? guest->size : most;
		guest->head = hs_resize(guest->head, guest->size + 1, 1);
	}
	ssize_t got = recv(guest->fd, guest->head + guest->bytes, guest->size - guest->bytes, MSG_DONTWAIT);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (got == 0)
		return -EPIPE;
	guest->bytes += (size_t)got;
	return 1;
}

static void on_head(uv_poll_t *poll, int status, int events)
{
	struct hs_guest *guest = poll->data;
	int more = status < 0 ? status : read_some(guest);
	if (more < 0) {
		lose(guest);
		return;
	}
	size_t end = hs_handshake_end(guest->head, guest->bytes);
	if (!end && guest->bytes >= guest->doorway->setup.max_head)
		refuse_error(guest, HS_ERROR_TOO_LARGE, 431, "", "The head of a request has at most 16 KiB.");
	if (!end)
		return;
	/* From here only his leaving matters, until the verdict. */
	guest->until_ms = INT64_MAX;
	ask(guest, end);
}

static void on_linger(uv_poll_t *poll, int status, int events)
{
	struct hs_guest *guest = poll->data;
	char nothing[4096];
	ssize_t got = recv(guest->fd, nothing, sizeof(nothing), MSG_DONTWAIT);
	if (status < 0 || got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
		lose(guest);
}

/* Reads on until the guest closes: closing with unread bytes would take the response away from him. */
static void linger(struct hs_guest *guest)
{
	guest->state = GUEST_LINGERING;
	guest->until_ms = hs_clock_ms() + LINGER_MS;
	shutdown(guest->fd, SHUT_WR);
	uv_poll_start(guest->poll, UV_READABLE | UV_DISCONNECT, on_linger);
}

/* ---- Accepting ---- */

static void read_address(const struct sockaddr_storage *peer, char *ret, size_t size)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)peer;
	const struct sockaddr_in *four = (const struct sockaddr_in *)peer;
	const void *from = peer->ss_family == AF_INET6 ? (const void *)&six->sin6_addr : (const void *)&four->sin_addr;
	if (!inet_ntop(peer->ss_family, from, ret, (socklen_t)size))
		hs_copy(ret, size, "");
}

static void set_up_socket(int fd, int sndbuf_bytes)
{
	int on = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (sndbuf_bytes > 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &sndbuf_bytes, sizeof(sndbuf_bytes));
}

static struct hs_guest *add_guest(struct hs_doorway *doorway, int fd, const struct sockaddr_storage *peer)
{
	struct hs_guest *guest = hs_zalloc(sizeof(*guest));
	guest->doorway = doorway;
	guest->fd = fd;
	guest->until_ms = hs_clock_ms() + HEAD_MS;
	read_address(peer, guest->address, sizeof(guest->address));
	guest->at_address = count_address(doorway, guest->address);
	guest->poll = hs_zalloc(sizeof(*guest->poll));
	uv_poll_init(doorway->setup.loop, guest->poll, fd);
	guest->poll->data = guest;
	if (TAILQ_EMPTY(&doorway->young))
		uv_timer_again(doorway->timer);
	TAILQ_INSERT_TAIL(&doorway->young, guest, link);
	doorway->count++;
	return guest;
}

static void greet(struct hs_doorway *doorway, int fd, const struct sockaddr_storage *peer)
{
	set_up_socket(fd, doorway->setup.sndbuf_bytes);
	struct hs_guest *guest = add_guest(doorway, fd, peer);
	bool is_crowd = *guest->at_address > doorway->setup.max_per_address && !is_loopback(guest->address);
	if (doorway->count > doorway->setup.max_guests || is_crowd) {
		hs_log(DEBUG, "ws.full", LOG_TEXT("client", guest->address),
		       LOG_INT("clients", (int64_t)doorway->count));
		refuse_error(guest, HS_ERROR_OVERLOADED, 503, "Retry-After: 2\r\n",
			     is_crowd ? "Too many connections of one address." : "Too many connections.");
		return;
	}
	uv_poll_start(guest->poll, UV_READABLE, on_head);
}

static void on_accept(uv_poll_t *poll, int status, int events)
{
	struct hs_doorway *doorway = poll->data;
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		struct sockaddr_storage peer = {0};
		socklen_t length = sizeof(peer);
		int fd = accept4(doorway->setup.fd, (struct sockaddr *)&peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
			/* Without a descriptor the listening socket stays readable: look again with the next tick. */
			uv_poll_stop(doorway->poll);
			uv_timer_again(doorway->timer);
			hs_log(WARN, "ws.no_descriptors", LOG_INT("clients", (int64_t)doorway->count));
		}
		if (fd < 0)
			return;
		greet(doorway, fd, &peer);
	}
}

static void on_tick(uv_timer_t *timer)
{
	struct hs_doorway *doorway = timer->data;
	int64_t now = hs_clock_ms();
	if (doorway->poll && !uv_is_active((uv_handle_t *)doorway->poll))
		uv_poll_start(doorway->poll, UV_READABLE, on_accept);
	for (struct hs_guest *next, *guest = TAILQ_FIRST(&doorway->young); guest; guest = next) {
		next = TAILQ_NEXT(guest, link);
		if (guest->until_ms > now)
			continue;
		if (guest->state == GUEST_HEAD && guest->bytes > 0)
			refuse_error(guest, HS_ERROR_TIMEOUT, 408, "", "A request must be sent within 10 s.");
		else
			lose(guest);
	}
	if (TAILQ_EMPTY(&doorway->young))
		uv_timer_stop(timer);
}

/* ---- For the owner ---- */

struct hs_doorway *hs_doorway_create(const struct hs_doorway_setup *setup)
{
	struct hs_doorway *doorway = hs_zalloc(sizeof(*doorway));
	doorway->setup = *setup;
	TAILQ_INIT(&doorway->young);
	TAILQ_INIT(&doorway->taken);
	doorway->addresses = hs_table_create();
	doorway->poll = hs_zalloc(sizeof(*doorway->poll));
	doorway->timer = hs_zalloc(sizeof(*doorway->timer));
	uv_timer_init(setup->loop, doorway->timer);
	uv_timer_start(doorway->timer, on_tick, TICK_MS, TICK_MS);
	uv_timer_stop(doorway->timer);
	doorway->timer->data = doorway;
	int error = uv_poll_init(setup->loop, doorway->poll, setup->fd);
	if (error) {
		hs_log(ERROR, "ws.listen_failed", LOG_WHY(uv_strerror(error)));
		free(doorway->poll);
		doorway->poll = NULL;
		hs_doorway_destroy(doorway);
		return NULL;
	}
	doorway->poll->data = doorway;
	uv_poll_start(doorway->poll, UV_READABLE, on_accept);
	return doorway;
}

size_t hs_doorway_count(const struct hs_doorway *doorway)
{
	return doorway->count;
}

void hs_guest_set_owner(struct hs_guest *guest, void *owner)
{
	guest->owner = owner;
}

void *hs_guest_owner(const struct hs_guest *guest)
{
	return guest->owner;
}

const char *hs_guest_address(const struct hs_guest *guest)
{
	return guest->address;
}

int hs_guest_take(struct hs_guest *guest)
{
	struct hs_doorway *doorway = guest->doorway;
	TAILQ_REMOVE(&doorway->young, guest, link);
	TAILQ_INSERT_TAIL(&doorway->taken, guest, link);
	guest->state = GUEST_TAKEN;
	uv_poll_stop(guest->poll);
	close_handle(guest->poll);
	guest->poll = NULL;
	free(guest->head);
	guest->head = NULL;
	int fd = guest->fd;
	guest->fd = -1;
	return fd;
}

void hs_doorway_shut(struct hs_doorway *doorway)
{
	close_handle(doorway->poll);
	doorway->poll = NULL;
	if (doorway->setup.fd >= 0)
		close(doorway->setup.fd);
	doorway->setup.fd = -1;
}

void hs_doorway_destroy(struct hs_doorway *doorway)
{
	if (!doorway)
		return;
	hs_doorway_shut(doorway);
	while (!TAILQ_EMPTY(&doorway->young))
		free_guest(TAILQ_FIRST(&doorway->young));
	close_handle(doorway->timer);
	hs_table_destroy(doorway->addresses);
	free(doorway);
}
