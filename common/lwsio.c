#include "lwsio.h"
#include "cleanup.h"
#include "clock.h"
#include "doorway.h"
#include "log.h"
#include "wsguard.h"
#include <dlfcn.h>
#include <errno.h>
#include <libwebsockets.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define TICK_MS 1000
#define PING_MS 30000     /* a connection is pinged this often */
#define SILENCE_MS 70000  /* and lost when nothing came for so long: two pings went unanswered */
#define CLOSE_MS 10000    /* for the close frame and its answer */
#define WRITES_A_TURN 256 /* connections served in a turn of the loop, so that a crowd does not stop the rest */
#define RX_BYTES 1024     /* each connection has a buffer of this size */
#define LIBRARY_S 20      /* libwebsockets' own patience; ours is shorter */
#define CLOSE_TURNS 100   /* of the loop, at the end */
#define ADDRESS_BYTES 46

enum ws_state { WS_ASKED, WS_REFUSED, WS_OPENING, WS_OPEN, WS_CLOSING, WS_OVER };

struct hs_ws {
	struct hs_lwsio *lwsio;
	const struct hs_ws_events *events;
	void *context, *owner;
	enum ws_state state;
	struct hs_guest *guest; /* server side */
	struct lws *wsi;
	size_t max_message;
	uint8_t *partial; /* a message of which fragments have come */
	size_t partial_bytes;
	int64_t heard_ms, ping_ms, until_ms; /* until_ms: 0, or when it is over at the latest */
	int code;
	char *why, *token;
	char key[HS_HANDSHAKE_KEY + 1];
	int fd; /* watched by the guard; -1: none */
	bool is_wanted, is_shutdown, is_connecting, is_close_sent;
	struct hs_wsguard guard;
	TAILQ_ENTRY(hs_ws) link, wanted;
	char peer[ADDRESS_BYTES];
};

struct door {
	struct hs_lwsio *lwsio;
	struct hs_ws_listen listen;
	struct hs_doorway *doorway;
	SLIST_ENTRY(door) link;
};

struct hs_lwsio {
	uv_loop_t *loop;
	struct lws_context *lws;
	struct lws_vhost *plain,
		*tls; /* tls: for wss://, from the first such connection on; it reads the system's CAs */
	uv_timer_t tick;
	uv_prepare_t prepare; /* serves those who want to write before the loop sleeps */
	uv_idle_t idle;       /* and keeps it awake while some are left */
	int handles;
	SLIST_HEAD(, door) doors;
	TAILQ_HEAD(all, hs_ws) all;
	TAILQ_HEAD(wanted, hs_ws) wanted;
	struct hs_ws *opening; /* the one whose handshake libwebsockets writes at this moment */
	uint8_t *scratch;
	size_t scratch_bytes;
};

/* ---- A connection's life ---- */

static struct hs_ws *ws_create(struct hs_lwsio *lwsio, const struct hs_ws_events *events, void *context)
{
	struct hs_ws *ws = hs_zalloc(sizeof(*ws));
	ws->lwsio = lwsio;
	ws->events = events;
	ws->context = context;
	ws->code = 1006;
	ws->fd = -1;
	if (TAILQ_EMPTY(&lwsio->all))
		uv_timer_again(&lwsio->tick);
	TAILQ_INSERT_TAIL(&lwsio->all, ws, link);
	return ws;
}

static void unwant(struct hs_ws *ws)
{
	if (ws->is_wanted)
		TAILQ_REMOVE(&ws->lwsio->wanted, ws, wanted);
	ws->is_wanted = false;
}

static void wipe(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

static void ws_over(struct hs_ws *ws)
{
	if (ws->state == WS_OVER)
		return;
	ws->state = WS_OVER;
	unwant(ws);
	hs_wsguard_watch(ws->fd, NULL);
	if (ws->wsi)
		lws_set_opaque_user_data(ws->wsi, NULL);
	ws->events->closed(ws->context, ws, ws->code, ws->why ? ws->why : "");
	TAILQ_REMOVE(&ws->lwsio->all, ws, link);
	if (TAILQ_EMPTY(&ws->lwsio->all))
		uv_timer_stop(&ws->lwsio->tick);
	hs_guest_release(ws->guest);
	free(ws->partial);
	free(ws->why);
	wipe(ws->token);
	free(ws);
}

static void set_why(struct hs_ws *ws, int code, const char *why, size_t length)
{
	ws->code = code;
	free(ws->why);
	ws->why = hs_printf("%.*s", (int)length, why);
}

/* closed is owed, but not before the call that brought the end has returned. */
static void end_soon(struct hs_ws *ws)
{
	if (ws->wsi)
		lws_set_opaque_user_data(ws->wsi, NULL);
	ws->wsi = NULL;
	ws->state = WS_REFUSED;
	ws->until_ms = 1;
}

/* The end that libwebsockets notices by itself and at once. */
static void cut(struct hs_ws *ws)
{
	if (ws->wsi && !ws->is_shutdown)
		shutdown(lws_get_socket_fd(ws->wsi), SHUT_RDWR);
	ws->is_shutdown = true;
}

/* ---- Receiving ---- */

static void begin_close(struct hs_ws *ws, int code, const char *why, size_t length)
{
	set_why(ws, code, why, length);
	ws->state = WS_CLOSING;
	ws->until_ms = hs_clock_ms() + CLOSE_MS;
	unwant(ws);
	lws_callback_on_writable(ws->wsi);
}

static void refuse_message(struct hs_ws *ws, int code, const char *why)
{
	begin_close(ws, code, why, strlen(why));
	free(TAKE(ws->partial));
}

/* libwebsockets checks frame by frame, and misses a character that the last, empty fragment leaves unfinished. */
static bool is_cut_utf8(const uint8_t *data, size_t bytes)
{
	size_t back = 0;
	while (back < bytes && back < 3 && (data[bytes - 1 - back] & 0xc0) == 0x80)
		back++;
	if (back == bytes)
		return back > 0;
	uint8_t lead = data[bytes - 1 - back];
	size_t follow = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 0;
	return follow != back;
}

static void deliver(struct hs_ws *ws, const uint8_t *data, size_t bytes)
{
	bool text = !lws_frame_is_binary(ws->wsi);
	ws->events->received(ws->context, ws, text, bytes ? data : (const uint8_t *)"", bytes);
}

static void join(struct hs_ws *ws, const uint8_t *data, size_t bytes)
{
	ws->partial = hs_resize(ws->partial, ws->partial_bytes + bytes + 1, 1);
	if (bytes)
		memcpy(ws->partial + ws->partial_bytes, data, bytes);
	ws->partial_bytes += bytes;
	ws->partial[ws->partial_bytes] = '\0';
}

static void on_receive(struct hs_ws *ws, const uint8_t *data, size_t bytes)
{
	bool is_final = lws_is_final_fragment(ws->wsi);
	if (ws->state != WS_OPEN)
		return;
	if (ws->partial_bytes + bytes + lws_remaining_packet_payload(ws->wsi) > ws->max_message) {
		refuse_message(ws, HS_WS_TOO_LARGE, "message too large");
		return;
	}
	if (is_final && !ws->partial) {
		deliver(ws, data, bytes);
		return;
	}
	join(ws, data, bytes);
	if (!is_final)
		return;
	AUTO(free) uint8_t *whole = TAKE(ws->partial);
	bytes = ws->partial_bytes;
	ws->partial_bytes = 0;
	if (!lws_frame_is_binary(ws->wsi) && is_cut_utf8(whole, bytes))
		refuse_message(ws, HS_WS_BAD_TEXT, "partial utf8");
	else
		deliver(ws, whole, bytes);
}

/* True when it answers our own close frame. */
static bool on_peer_close(struct hs_ws *ws, const uint8_t *data, size_t bytes)
{
	if (ws->is_close_sent)
		return true;
	set_why(ws, bytes >= 2 ? data[0] << 8 | data[1] : 1005, bytes > 2 ? (const char *)data + 2 : "",
		bytes > 2 ? bytes - 2 : 0);
	ws->state = WS_CLOSING;
	ws->is_close_sent = true; /* libwebsockets echoes it */
	ws->until_ms = hs_clock_ms() + CLOSE_MS;
	unwant(ws);
	return false;
}

/* ---- Writing ---- */

static uint8_t *scratch(struct hs_lwsio *lwsio, size_t bytes)
{
	if (lwsio->scratch_bytes < bytes) {
		lwsio->scratch = hs_resize(lwsio->scratch, LWS_PRE + bytes, 1);
		lwsio->scratch_bytes = bytes;
	}
	return lwsio->scratch + LWS_PRE;
}

/* Our close frame goes out as bytes; the peer's ends the connection. The library's own way (a callback that returns -1)
 * loses the frame: Debian builds it with _DEBUG, and then it closes twice, the second time without waiting. */
static void send_close(struct hs_ws *ws)
{
	uint8_t mask[4] = {0}, *frame = scratch(ws->lwsio, HS_WSGUARD_CLOSE_BYTES);
	if (ws->is_close_sent)
		return;
	ws->is_close_sent = true;
	/* Clients mask (RFC 6455 5.3). */
	if (!ws->guest && getrandom(mask, sizeof(mask), 0) < 0)
		hs_log(DEBUG, "ws.no_randomness");
	size_t length = hs_wsguard_close_frame(ws->code, ws->why, ws->guest ? NULL : mask, frame);
	if (lws_write(ws->wsi, frame, length, LWS_WRITE_HTTP) < 0)
		cut(ws);
}

static void on_writable(struct hs_ws *ws)
{
	if (ws->state == WS_CLOSING)
		send_close(ws);
	else if (ws->state == WS_OPEN)
		ws->events->writable(ws->context, ws);
}

static void serve_wanted(struct hs_lwsio *lwsio)
{
	for (int i = 0; i < WRITES_A_TURN && !TAILQ_EMPTY(&lwsio->wanted); i++) {
		struct hs_ws *ws = TAILQ_FIRST(&lwsio->wanted);
		unwant(ws);
		/* What is left of an earlier message goes first; libwebsockets calls when it is out. */
		if (ws->state == WS_OPEN && !lws_partial_buffered(ws->wsi))
			ws->events->writable(ws->context, ws);
	}
	if (TAILQ_EMPTY(&lwsio->wanted)) {
		uv_prepare_stop(&lwsio->prepare);
		uv_idle_stop(&lwsio->idle);
	}
}

static void on_prepare(uv_prepare_t *prepare)
{
	serve_wanted(prepare->data);
}

static void on_idle(uv_idle_t *idle)
{
	(void)idle;
}

void hs_ws_want_write(struct hs_ws *ws)
{
	struct hs_lwsio *lwsio = ws->lwsio;
	if (ws->state != WS_OPEN || ws->is_wanted)
		return;
	if (TAILQ_EMPTY(&lwsio->wanted)) {
		uv_prepare_start(&lwsio->prepare, on_prepare);
		uv_idle_start(&lwsio->idle, on_idle);
	}
	ws->is_wanted = true;
	TAILQ_INSERT_TAIL(&lwsio->wanted, ws, wanted);
}

int hs_ws_send(struct hs_ws *ws, bool text, const void *data, size_t bytes)
{
	if (ws->state != WS_OPEN || ws->is_shutdown)
		return -EPIPE;
	if (lws_partial_buffered(ws->wsi))
		return -EAGAIN;
	if (bytes > HS_WS_MAX_SEND)
		return -EMSGSIZE;
	uint8_t *room = scratch(ws->lwsio, bytes);
	if (bytes)
		memcpy(room, data, bytes);
	if (lws_write(ws->wsi, room, bytes, text ? LWS_WRITE_TEXT : LWS_WRITE_BINARY) < 0) {
		cut(ws);
		return -EPIPE;
	}
	return 0;
}

/* ---- Closing ---- */

void hs_ws_close(struct hs_ws *ws, int code, const char *reason)
{
	if (ws->state == WS_ASKED)
		hs_ws_refuse(ws, 503, "", "text/plain", "");
	if (ws->state == WS_OPENING && ws->wsi) {
		ws->is_close_sent = true; /* there is nothing yet that could carry a frame */
		lws_set_timeout(ws->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
	}
	if (ws->state == WS_OPEN || (ws->state == WS_OPENING && ws->wsi))
		begin_close(ws, code, reason, strnlen(reason, HS_WS_MAX_REASON));
}

/* ---- libwebsockets ---- */

static int add_token(struct hs_ws *ws, unsigned char **at, unsigned char *end)
{
	if (!ws->token)
		return 0;
	AUTO(free) char *value = hs_printf("Bearer %s", ws->token);
	int error = lws_add_http_header_by_token(ws->wsi, WSI_TOKEN_HTTP_AUTHORIZATION, (unsigned char *)value,
						 (int)strlen(value), at, end);
	explicit_bzero(value, strlen(value));
	return error;
}

static int on_open(struct hs_ws *ws, struct lws *wsi)
{
	ws->wsi = wsi;
	lws_set_opaque_user_data(wsi, ws);
	if (ws->state != WS_OPENING)
		return -1;
	ws->state = WS_OPEN;
	ws->until_ms = 0;
	ws->heard_ms = ws->ping_ms = hs_clock_ms();
	if (ws->guest) {
		ws->fd = lws_get_socket_fd(wsi);
		hs_wsguard_watch(ws->fd, &ws->guard);
	}
	ws->events->opened(ws->context, ws);
	return 0;
}

static void on_failed(struct hs_ws *ws, const char *why, size_t length)
{
	int status = ws->wsi ? (int)lws_http_client_http_response(ws->wsi) : 0;
	if (ws->state == WS_OPENING)
		set_why(ws, status == 101 ? 0 : status, why ? why : "", why ? length : 0);
	if (ws->is_connecting)
		end_soon(ws);
	else
		ws_over(ws);
}

static void on_closed(struct hs_ws *ws)
{
	if (ws->guard.why)
		set_why(ws, HS_WS_PROTOCOL, ws->guard.why, strlen(ws->guard.why));
	ws_over(ws);
}

static int on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
	struct hs_ws *ws = wsi ? lws_get_opaque_user_data(wsi) : NULL;
	if (reason == LWS_CALLBACK_ESTABLISHED) {
		struct hs_lwsio *lwsio = lws_context_user(lws_get_context(wsi));
		return lwsio->opening ? on_open(TAKE(lwsio->opening), wsi) : -1;
	}
	if (!ws)
		return reason == LWS_CALLBACK_HTTP ? -1 : 0;
	switch (reason) {
	case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
		ws->wsi = wsi;
		return add_token(ws, (unsigned char **)in, *(unsigned char **)in + len);
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
		return on_open(ws, wsi);
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
		ws->wsi = wsi;
		on_failed(ws, in, len);
		return 0;
	case LWS_CALLBACK_RECEIVE:
	case LWS_CALLBACK_CLIENT_RECEIVE:
		ws->guard.heard = true;
		on_receive(ws, in, len);
		return 0;
	case LWS_CALLBACK_CLIENT_RECEIVE_PONG:
		ws->guard.heard = true;
		return 0;
	case LWS_CALLBACK_SERVER_WRITEABLE:
	case LWS_CALLBACK_CLIENT_WRITEABLE:
		on_writable(ws);
		return 0;
	case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
		return on_peer_close(ws, in, len) ? -1 : 0;
	case LWS_CALLBACK_CLOSED:
	case LWS_CALLBACK_CLIENT_CLOSED:
		on_closed(ws);
		return 0;
	default:
		return 0;
	}
}

static const struct lws_protocols protocols[] = {
	{.name = "hookswitch", .callback = on_lws, .rx_buffer_size = RX_BYTES, .tx_packet_size = HS_WS_MAX_SEND + 64},
	{.name = NULL},
};

static void on_lws_log(int level, const char *line)
{
	hs_log(DEBUG, "ws.library", LOG_WHY(line));
}

/* ---- Time ---- */

static void send_ping(struct hs_ws *ws)
{
	if (lws_partial_buffered(ws->wsi))
		return;
	uint8_t *nothing = scratch(ws->lwsio, 1);
	if (lws_write(ws->wsi, nothing, 0, LWS_WRITE_PING) < 0)
		cut(ws);
}

static void look_after(struct hs_ws *ws, int64_t now)
{
	if (ws->guard.heard)
		ws->heard_ms = now;
	ws->guard.heard = false;
	if (ws->until_ms && now >= ws->until_ms) {
		if (!ws->wsi) {
			ws_over(ws);
			return;
		}
		if (ws->state == WS_OPENING)
			hs_ws_close(ws, 0, "no answer in time");
		else
			cut(ws);
	}
	if (ws->state != WS_OPEN)
		return;
	if (now - ws->heard_ms > SILENCE_MS) {
		set_why(ws, 1006, "no answer to pings", 18);
		cut(ws);
	} else if (now - ws->ping_ms >= PING_MS) {
		ws->ping_ms = now;
		send_ping(ws);
	}
}

static void on_tick(uv_timer_t *timer)
{
	struct hs_lwsio *lwsio = timer->data;
	int64_t now = hs_clock_ms();
	for (struct hs_ws *next, *ws = TAILQ_FIRST(&lwsio->all); ws; ws = next) {
		next = TAILQ_NEXT(ws, link);
		look_after(ws, now);
	}
}

/* ---- Server ---- */

static void on_asked(void *context, struct hs_guest *guest, const struct hs_handshake *handshake)
{
	struct door *door = context;
	struct hs_ws *ws = ws_create(door->lwsio, door->listen.events, door->listen.context);
	ws->guest = guest;
	ws->max_message = door->listen.max_message;
	hs_guest_set_owner(guest, ws);
	hs_copy(ws->key, sizeof(ws->key), handshake->key);
	hs_copy(ws->peer, sizeof(ws->peer), hs_guest_address(guest));
	struct hs_ws_head head = {
		.method = handshake->method,
		.path = handshake->path,
		.query = handshake->query,
		.host = handshake->host,
		.origin = handshake->origin,
		.authorization = handshake->authorization,
		.protocol = handshake->protocol,
		.request_id = handshake->request_id,
		.client = ws->peer,
		.is_upgrade = handshake->is_websocket,
	};
	ws->events->asked(ws->context, ws, &head);
}

static void on_guest_gone(void *context, struct hs_guest *guest)
{
	struct hs_ws *ws = hs_guest_owner(guest);
	ws->guest = NULL; /* freed by the doorway */
	ws_over(ws);
}

int hs_lwsio_listen(struct hs_lwsio *lwsio, const struct hs_ws_listen *listen)
{
	struct door *door = hs_zalloc(sizeof(*door));
	door->lwsio = lwsio;
	door->listen = *listen;
	struct hs_doorway_setup setup = {
		.loop = lwsio->loop,
		.fd = listen->fd,
		.max_guests = listen->max_clients,
		.max_per_address = listen->max_per_address,
		.max_head = HS_WS_MAX_HEAD,
		.sndbuf_bytes = listen->sndbuf_bytes,
		.asked = on_asked,
		.gone = on_guest_gone,
		.context = door,
	};
	door->doorway = hs_doorway_create(&setup);
	if (!door->doorway) {
		free(door);
		return -EIO;
	}
	SLIST_INSERT_HEAD(&lwsio->doors, door, link);
	return 0;
}

size_t hs_lwsio_clients(const struct hs_lwsio *lwsio)
{
	size_t count = 0;
	const struct door *door;
	SLIST_FOREACH(door, &lwsio->doors, link) count += hs_doorway_count(door->doorway);
	return count;
}

int hs_ws_accept(struct hs_ws *ws)
{
	struct hs_lwsio *lwsio = ws->lwsio;
	if (ws->state != WS_ASKED)
		return -EPIPE;
	/* libwebsockets reads a head that we wrote, not what the client sent: there is one reader of foreign bytes. */
	AUTO(free)
	char *head = hs_printf("GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
			       "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n",
			       ws->key);
	ws->state = WS_OPENING;
	lwsio->opening = ws;
	int fd = hs_guest_take(ws->guest);
	struct lws *wsi = lws_adopt_socket_vhost_readbuf(lwsio->plain, fd, head, strlen(head));
	if (!lwsio->opening && wsi)
		return 0;
	/* The handshake could not be written: the connection is gone, and closed is owed unless it was called. */
	if (lwsio->opening)
		end_soon(TAKE(lwsio->opening));
	return -EPIPE;
}

void hs_ws_refuse(struct hs_ws *ws, int status, const char *headers, const char *content_type, const char *body)
{
	if (ws->state != WS_ASKED)
		return;
	ws->state = WS_REFUSED;
	set_why(ws, status, "refused", 7);
	hs_guest_refuse(ws->guest, status, headers, content_type, body);
}

/* ---- Client ---- */

static struct lws_vhost *open_vhost(struct hs_lwsio *lwsio, const char *name, uint64_t options);

static struct lws_vhost *vhost_for(struct hs_lwsio *lwsio, bool tls)
{
	if (tls && !lwsio->tls)
		lwsio->tls = open_vhost(lwsio, "tls", 0);
	return tls ? lwsio->tls : lwsio->plain;
}

struct hs_ws *hs_ws_connect(struct hs_lwsio *lwsio, const struct hs_ws_connect *connect)
{
	struct hs_ws *ws = ws_create(lwsio, connect->events, connect->context);
	ws->state = WS_OPENING;
	ws->max_message = connect->max_message;
	ws->token = hs_strdup(connect->token);
	ws->until_ms = hs_clock_ms() + connect->timeout_ms;
	hs_copy(ws->peer, sizeof(ws->peer), connect->address);
	struct lws_client_connect_info info = {
		.context = lwsio->lws,
		.vhost = vhost_for(lwsio, connect->tls),
		.address = connect->address,
		.port = connect->port,
		.ssl_connection = (connect->tls ? LCCSCF_USE_SSL : 0) | LCCSCF_HTTP_NO_FOLLOW_REDIRECT,
		.host = connect->host,
		.origin = NULL,
		.path = connect->path,
		.protocol = connect->protocol,
		.local_protocol_name = protocols[0].name,
		.ietf_version_or_minus_one = -1,
		.opaque_user_data = ws,
		.pwsi = &ws->wsi,
		.alpn = "http/1.1",
	};
	ws->is_connecting = true;
	struct lws *wsi = info.vhost ? lws_client_connect_via_info(&info) : NULL;
	ws->is_connecting = false;
	if (!wsi && ws->state == WS_OPENING)
		end_soon(ws);
	return ws;
}

/* ---- For everybody ---- */

void hs_ws_set_owner(struct hs_ws *ws, void *owner)
{
	ws->owner = owner;
}

void *hs_ws_owner(const struct hs_ws *ws)
{
	return ws->owner;
}

const char *hs_ws_peer(const struct hs_ws *ws)
{
	return ws->peer;
}

void hs_ws_set_sndbuf(struct hs_ws *ws, int bytes)
{
	if (ws->wsi)
		setsockopt(lws_get_socket_fd(ws->wsi), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

/* ---- The engine ---- */

static void on_handle_closed(uv_handle_t *handle)
{
	struct hs_lwsio *lwsio = handle->data;
	lwsio->handles--;
}

static void add_handle(struct hs_lwsio *lwsio, uv_handle_t *handle)
{
	handle->data = lwsio;
	lwsio->handles++;
}

static int open_guard(void)
{
	struct rlimit limit = {0};
	getrlimit(RLIMIT_NOFILE, &limit);
	return hs_wsguard_open(limit.rlim_cur < 65536 ? (size_t)limit.rlim_cur : 65536);
}

#define OPTIONS                                                                                                        \
	(LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_VALIDATE_UTF8 | LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT |            \
	 LWS_SERVER_OPTION_EXPLICIT_VHOSTS)

static struct lws_context *open_context(struct hs_lwsio *lwsio)
{
	void *loops[] = {lwsio->loop};
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN_SERVER,
		.options = OPTIONS,
		.foreign_loops = loops,
		.user = lwsio,
		.gid = (gid_t)-1,
		.uid = (uid_t)-1,
		.timeout_secs = LIBRARY_S,
	};
	return lws_create_context(&info);
}

static struct lws_vhost *open_vhost(struct hs_lwsio *lwsio, const char *name, uint64_t options)
{
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN_SERVER,
		.vhost_name = name,
		.protocols = protocols,
		.options = OPTIONS | options,
		.timeout_secs = LIBRARY_S,
	};
	return lws_create_vhost(lwsio->lws, &info);
}

void hs_lwsio_load(void)
{
	if (!dlopen(HS_LWS_FOLDER "/libwebsockets-evlib_uv.so", RTLD_NOW))
		hs_log(WARN, "ws.no_plugin", LOG_WHY(dlerror()));
}

struct hs_lwsio *hs_lwsio_create(uv_loop_t *loop)
{
	int error = open_guard();
	if (error) {
		hs_log(ERROR, "ws.start_failed", LOG_WHY("There is one engine a process."));
		return NULL;
	}
	struct hs_lwsio *lwsio = hs_zalloc(sizeof(*lwsio));
	lws_set_log_level(LLL_ERR | LLL_WARN, on_lws_log);
	lwsio->loop = loop;
	SLIST_INIT(&lwsio->doors);
	TAILQ_INIT(&lwsio->all);
	TAILQ_INIT(&lwsio->wanted);
	lwsio->lws = open_context(lwsio);
	lwsio->plain = lwsio->lws ? open_vhost(lwsio, "plain", LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS) : NULL;
	if (!lwsio->plain) {
		hs_log(ERROR, "ws.start_failed",
		       LOG_WHY("libwebsockets or its libuv plugin (libwebsockets-evlib-uv)."));
		if (lwsio->lws)
			lws_context_destroy(lwsio->lws);
		hs_wsguard_close();
		free(lwsio);
		return NULL;
	}
	uv_timer_init(loop, &lwsio->tick);
	uv_prepare_init(loop, &lwsio->prepare);
	uv_idle_init(loop, &lwsio->idle);
	add_handle(lwsio, (uv_handle_t *)&lwsio->tick);
	add_handle(lwsio, (uv_handle_t *)&lwsio->prepare);
	add_handle(lwsio, (uv_handle_t *)&lwsio->idle);
	uv_timer_start(&lwsio->tick, on_tick, TICK_MS, TICK_MS);
	uv_timer_stop(&lwsio->tick);
	return lwsio;
}

void hs_lwsio_shut(struct hs_lwsio *lwsio)
{
	struct door *door;
	SLIST_FOREACH(door, &lwsio->doors, link) hs_doorway_shut(door->doorway);
	for (struct hs_ws *next, *ws = TAILQ_FIRST(&lwsio->all); ws; ws = next) {
		next = TAILQ_NEXT(ws, link);
		hs_ws_close(ws, HS_WS_GOING_AWAY, "going away");
	}
}

static void run_until(struct hs_lwsio *lwsio, bool (*done)(const struct hs_lwsio *lwsio), int64_t most_ms)
{
	int64_t until = hs_clock_ms() + most_ms;
	while (!done(lwsio) && hs_clock_ms() < until)
		uv_run(lwsio->loop, UV_RUN_NOWAIT);
}

static bool is_empty(const struct hs_lwsio *lwsio)
{
	return TAILQ_EMPTY(&lwsio->all);
}

static bool is_closed(const struct hs_lwsio *lwsio)
{
	return lwsio->handles == 0;
}

void hs_lwsio_destroy(struct hs_lwsio *lwsio)
{
	if (!lwsio)
		return;
	hs_lwsio_shut(lwsio);
	run_until(lwsio, is_empty, 1000);
	lws_context_destroy(lwsio->lws);
	for (int i = 0; i < CLOSE_TURNS; i++)
		uv_run(lwsio->loop, UV_RUN_NOWAIT);
	while (!TAILQ_EMPTY(&lwsio->all))
		ws_over(TAILQ_FIRST(&lwsio->all));
	lws_context_destroy(lwsio->lws);
	while (!SLIST_EMPTY(&lwsio->doors)) {
		struct door *door = SLIST_FIRST(&lwsio->doors);
		SLIST_REMOVE_HEAD(&lwsio->doors, link);
		hs_doorway_destroy(door->doorway);
		free(door);
	}
	uv_close((uv_handle_t *)&lwsio->tick, on_handle_closed);
	uv_close((uv_handle_t *)&lwsio->prepare, on_handle_closed);
	uv_close((uv_handle_t *)&lwsio->idle, on_handle_closed);
	run_until(lwsio, is_closed, 1000);
	hs_wsguard_close();
	free(lwsio->scratch);
	free(lwsio);
}
