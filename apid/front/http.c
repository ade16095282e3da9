#include "http.h"
#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include "table.h"
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#define TOO_LONG "The body of a request has at most 1 MiB."
#define TOKEN "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

#define POOL_BYTES 24576 /* libmicrohttpd's memory of a connection: head, its table, and the answer's head */
#define SPARE_CLIENTS 32 /* beyond max_clients, for polite refusals */
#define REQUEST_MS 10000 /* to send a request */
#define IDLE_MS 30000    /* between requests */
#define ANSWER_MS 60000  /* to read an answer */
#define TICK_MS 1000
#define MAX_FIELDS 100
#define FIRST_BODY 4096
#define STREAM_SNDBUF 131072 /* bounds what the kernel keeps of it for a slow client */
#define STREAM_BYTES 8192    /* asked for at once, of an answer without an end */
#define MAX_DISCARD 16777216 /* bytes of a body that is too long */

/* A second copy of one of these would let two readers of a request disagree. */
static const char *const singles[] = {
	"host",          "content-length",  "content-type", "transfer-encoding",
	"authorization", "idempotency-key", "x-request-id",
};

struct connection {
	struct http *http;
	struct MHD_Connection *mhd;
	int fd;
	int64_t until_ms;
	bool is_cut;
	size_t *at_address;
	char address[INET6_ADDRSTRLEN];
	TAILQ_ENTRY(connection) link;
};

enum exchange_state { EXCHANGE_HEAD, EXCHANGE_BODY, EXCHANGE_WAITING, EXCHANGE_ANSWERED };

struct http_exchange {
	struct http *http;
	struct MHD_Connection *mhd;
	struct connection *connection;
	enum exchange_state state;
	bool is_suspended, was_told, is_too_long;
	char *path, *query; /* one allocation */
	const char *target; /* where path and query lie in libmicrohttpd's memory */
	size_t target_bytes;
	const char *method;
	int64_t begun_us;
	uint8_t *body;
	size_t body_bytes, body_size;
	void *owner;
	ssize_t (*read)(void *context, char *buffer, size_t size); /* of a stream; or NULL */
	void *read_context;
	TAILQ_ENTRY(http_exchange) link;
};

struct http {
	struct http_setup setup;
	struct MHD_Daemon *mhd;
	uv_poll_t poll;
	uv_timer_t timeout, tick;
	uv_prepare_t prepare;
	uv_idle_t idle;
	int handles;
	bool must_run, is_running;
	TAILQ_HEAD(, connection) connections;
	TAILQ_HEAD(, http_exchange) exchanges;
	size_t clients;
	struct hs_table *addresses; /* address -> size_t */
};

/* ---- libmicrohttpd in the loop ---- */

static void run(struct http *http);

static void on_timeout(uv_timer_t *timer)
{
	run(timer->data);
}

static void run(struct http *http)
{
	if (http->is_running) {
		http->must_run = true;
		return;
	}
	http->is_running = true;
	http->must_run = false;
	MHD_run(http->mhd);
	http->is_running = false;
	MHD_UNSIGNED_LONG_LONG ms = 0;
	if (MHD_get_timeout(http->mhd, &ms) == MHD_YES)
		uv_timer_start(&http->timeout, on_timeout, ms, 0);
	else
		uv_timer_stop(&http->timeout);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	run(poll->data);
}

/* Answers were given in this turn: their connections go on before the loop sleeps. */
static void on_prepare(uv_prepare_t *prepare)
{
	struct http *http = prepare->data;
	while (http->must_run)
		run(http);
	uv_prepare_stop(prepare);
	uv_idle_stop(&http->idle);
}

/* Its being active is all: the loop does not sleep. */
static void on_idle(uv_idle_t *idle)
{
}

/* An answer may come in the prepare phase itself (bus), when ours has passed or is not run any more in this turn. */
static void run_soon(struct http *http)
{
	http->must_run = true;
	uv_prepare_start(&http->prepare, on_prepare);
	uv_idle_start(&http->idle, on_idle);
}

/* ---- Connections ---- */

static bool is_loopback(const char *address)
{
	return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}

static void read_address(const struct sockaddr *peer, char ret[INET6_ADDRSTRLEN])
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)peer;
	const struct sockaddr_in *four = (const struct sockaddr_in *)peer;
	const void *from = peer->sa_family == AF_INET6 ? (const void *)&six->sin6_addr : (const void *)&four->sin_addr;
	if (!inet_ntop(peer->sa_family, from, ret, INET6_ADDRSTRLEN))
		hs_copy(ret, INET6_ADDRSTRLEN, "");
}

static enum MHD_Result on_accept(void *context, const struct sockaddr *peer, socklen_t length)
{
	struct http *http = context;
	char address[INET6_ADDRSTRLEN];
	read_address(peer, address);
	const size_t *count = hs_table_get(http->addresses, address);
	bool is_crowd = count && *count >= http->setup.max_per_address && !is_loopback(address);
	if (is_crowd)
		hs_log(DEBUG, "http.crowd", LOG_TEXT("client", address));
	return is_crowd ? MHD_NO : MHD_YES;
}

static size_t *count_address(struct http *http, const char *address)
{
	size_t *count = hs_table_get(http->addresses, address);
	if (!count) {
		count = hs_zalloc(sizeof(*count));
		hs_table_put(http->addresses, address, count);
	}
	(*count)++;
	return count;
}

static void connection_begin(struct http *http, struct MHD_Connection *mhd, void **ret_connection)
{
	struct connection *connection = hs_zalloc(sizeof(*connection));
	connection->http = http;
	connection->mhd = mhd;
	connection->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	connection->until_ms = hs_clock_ms() + REQUEST_MS;
	read_address(MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr,
		     connection->address);
	connection->at_address = count_address(http, connection->address);
	if (TAILQ_EMPTY(&http->connections))
		uv_timer_again(&http->tick);
	TAILQ_INSERT_TAIL(&http->connections, connection, link);
	http->clients++;
	*ret_connection = connection;
}

static void connection_end(struct connection *connection)
{
	struct http *http = connection->http;
	if (--*connection->at_address == 0)
		free(hs_table_remove(http->addresses, connection->address));
	TAILQ_REMOVE(&http->connections, connection, link);
	http->clients--;
	if (TAILQ_EMPTY(&http->connections))
		uv_timer_stop(&http->tick);
	free(connection);
}

static void on_connection(void *context, struct MHD_Connection *mhd, void **socket_context,
			  enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		connection_begin(context, mhd, socket_context);
	else if (*socket_context)
		connection_end(*socket_context);
}

/* libmicrohttpd's own time-out begins anew with each byte; this one does not. */
static void on_tick(uv_timer_t *timer)
{
	struct http *http = timer->data;
	int64_t now = hs_clock_ms();
	struct connection *connection;
	TAILQ_FOREACH(connection, &http->connections, link)
	{
		if (connection->until_ms > now || connection->is_cut)
			continue;
		connection->is_cut = true;
		shutdown(connection->fd, SHUT_RDWR);
	}
}

/* ---- What came ---- */

const char *http_method(const struct http_exchange *exchange)
{
	return exchange->method;
}

const char *http_path(const struct http_exchange *exchange)
{
	return exchange->path;
}

const char *http_query(const struct http_exchange *exchange)
{
	return exchange->query;
}

const char *http_client(const struct http_exchange *exchange)
{
	return exchange->connection->address;
}

const uint8_t *http_body(const struct http_exchange *exchange, size_t *ret_bytes)
{
	*ret_bytes = exchange->body_bytes;
	return exchange->body_bytes ? exchange->body : (const uint8_t *)"";
}

int64_t http_begun_us(const struct http_exchange *exchange)
{
	return exchange->begun_us;
}

const char *http_header(const struct http_exchange *exchange, const char *name)
{
	const char *value = MHD_lookup_connection_value(exchange->mhd, MHD_HEADER_KIND, name);
	return value ? value : "";
}

void http_set_owner(struct http_exchange *exchange, void *owner)
{
	exchange->owner = owner;
}

void *http_owner(const struct http_exchange *exchange)
{
	return exchange->owner;
}

/* ---- The head, once more ---- */

/* libmicrohttpd has cut the head into texts where it lay. Each header line must begin where the line before it ended
 * with CRLF, up to the end of the head: else something was there that it did not see (a NUL, a folded line, a bare LF).
 */
struct head_check {
	const char *next; /* where the next line must begin */
	const char *why;
	int fields;
	unsigned seen; /* singles, by bit */
	bool has_length, has_coding;
};

static bool is_clean(const char *text)
{
	for (; *text; text++)
		if (((unsigned char)*text < ' ' && *text != '\t') || *text == 0x7f)
			return false;
	return true;
}

static const char *check_single(struct head_check *check, const char *name)
{
	for (size_t i = 0; i < HS_COUNT(singles); i++) {
		if (strcasecmp(name, singles[i]) != 0)
			continue;
		if (check->seen & 1u << i)
			return "A header field came twice that may come once.";
		check->seen |= 1u << i;
		check->has_length |= strcmp(singles[i], "content-length") == 0;
		check->has_coding |= strcmp(singles[i], "transfer-encoding") == 0;
	}
	return NULL;
}

static enum MHD_Result check_field(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct head_check *check = context;
	const char *text = value ? value : "";
	if (!*name || name[strspn(name, TOKEN)] || !is_clean(text) || name != check->next)
		check->why = "A header line is folded, or has a character that is not allowed.";
	else if (++check->fields > MAX_FIELDS)
		check->why = "There are too many header fields.";
	else
		check->why = check_single(check, name);
	check->next = text + strlen(text) + 2;
	return check->why ? MHD_NO : MHD_YES;
}

/* The request line: three parts with one blank between them, and nothing else. */
static const char *check_line(const struct http_exchange *exchange, const char *version)
{
	const char *path = exchange->path, *query = exchange->query;
	if (strcmp(version, "HTTP/1.1") != 0 && strcmp(version, "HTTP/1.0") != 0)
		return "Only HTTP/1.1 is spoken here.";
	if (exchange->target != exchange->method + strlen(exchange->method) + 1 ||
	    version != exchange->target + exchange->target_bytes + 1 || strpbrk(path, " \t") || strpbrk(query, " \t") ||
	    !is_clean(path) || !is_clean(query) || exchange->method[strspn(exchange->method, TOKEN)])
		return "The request line has a character that is not allowed.";
	return NULL;
}

static const char *check_coding(const struct http_exchange *exchange, const struct head_check *check,
				const char *version)
{
	if (!check->has_coding)
		return NULL;
	if (check->has_length || strcasecmp(http_header(exchange, "Transfer-Encoding"), "chunked") != 0)
		return "Transfer-Encoding must be chunked, and come without Content-Length.";
	return strcmp(version, "HTTP/1.1") != 0 ? "Transfer-Encoding is not for HTTP/1.0." : NULL;
}

static const char *check_head(struct http_exchange *exchange, const char *version)
{
	struct head_check check = {.next = version + strlen(version) + 2, .why = check_line(exchange, version)};
	if (check.why)
		return check.why;
	MHD_get_connection_values(exchange->mhd, MHD_HEADER_KIND, check_field, &check);
	if (check.why)
		return check.why;
	const union MHD_ConnectionInfo *size =
		MHD_get_connection_info(exchange->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	if (!size || check.next + 2 != exchange->method + size->header_size)
		return "The head has a folded line, or a character that is not allowed.";
	if (!*http_header(exchange, "Host") && strcmp(version, "HTTP/1.1") == 0)
		return "The Host field is missing.";
	return check_coding(exchange, &check, version);
}

/* ---- A request's life ---- */

static void *on_uri(void *context, const char *uri, struct MHD_Connection *mhd)
{
	struct http *http = context;
	struct http_exchange *exchange = hs_zalloc(sizeof(*exchange));
	exchange->http = http;
	exchange->mhd = mhd;
	exchange->begun_us = hs_clock_us();
	exchange->connection = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
	exchange->connection->until_ms = exchange->begun_us / 1000 + REQUEST_MS;
	exchange->path = hs_strdup(uri ? uri : "");
	exchange->target = uri;
	exchange->target_bytes = strlen(exchange->path);
	char *query = strchr(exchange->path, '?');
	exchange->query = query ? query + 1 : exchange->path + strlen(exchange->path);
	if (query) {
		*query = '\0';
		/* libmicrohttpd is about to cut the query into pairs where it lies, each of which takes room in its
		 * pool, and hangs when that is full. route.c reads our copy; it shall find an empty one. */
		((char *)uri)[exchange->query - exchange->path] = '\0';
	}
	TAILQ_INSERT_TAIL(&http->exchanges, exchange, link);
	return exchange;
}

static bool has_body(struct http_exchange *exchange)
{
	const char *length = http_header(exchange, "Content-Length");
	return *http_header(exchange, "Transfer-Encoding") || (*length && strcmp(length, "0") != 0);
}

/* Bytes that Content-Length announces; SIZE_MAX: too many to count. */
static size_t announced_bytes(const struct http_exchange *exchange)
{
	const char *length = http_header(exchange, "Content-Length");
	return strlen(length) > 12 ? SIZE_MAX : strtoull(length, NULL, 10);
}

/* An early answer closes the connection, and takes itself away from a client that is still sending (RST). So it is
 * given to those who wait for a word before they send, and to those who announce more than can be thrown away. */
static void take_announcement(struct http_exchange *exchange)
{
	const struct http_setup *setup = &exchange->http->setup;
	size_t bytes = announced_bytes(exchange);
	bool waits = strcasecmp(http_header(exchange, "Expect"), "100-continue") == 0;
	exchange->is_too_long = bytes > HTTP_MAX_BODY;
	if (bytes > MAX_DISCARD || (waits && exchange->is_too_long))
		setup->malformed(setup->context, exchange, 413, TOO_LONG);
	else if (waits)
		setup->announced(setup->context, exchange);
}

/* First call for a request: its head. Returns without an answer when all is well. */
static void take_head(struct http_exchange *exchange, const char *method, const char *version)
{
	const struct http_setup *setup = &exchange->http->setup;
	exchange->method = method;
	exchange->state = EXCHANGE_BODY;
	const char *why = check_head(exchange, version);
	const union MHD_ConnectionInfo *size =
		MHD_get_connection_info(exchange->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	exchange->was_told = true;
	if (why)
		setup->malformed(setup->context, exchange, 400, why);
	else if (size->header_size > HTTP_MAX_HEAD)
		setup->malformed(setup->context, exchange, 431, "The head of a request has at most 16 KiB.");
	else if (has_body(exchange))
		take_announcement(exchange);
}

/* What is too much is thrown away as it comes: libmicrohttpd takes no answer before the end of a body, and a chunked
 * one does not tell its length. REQUEST_MS bounds it. */
static void take_body(struct http_exchange *exchange, const char *data, size_t bytes)
{
	exchange->is_too_long |= exchange->body_bytes + bytes > HTTP_MAX_BODY;
	if (exchange->is_too_long)
		return;
	size_t need = exchange->body_bytes + bytes + 1;
	if (need > exchange->body_size) {
		size_t size = exchange->body_size ? exchange->body_size * 2 : FIRST_BODY;
		exchange->body_size = size > need ? size : need;
		exchange->body = hs_resize(exchange->body, exchange->body_size, 1);
	}
	memcpy(exchange->body + exchange->body_bytes, data, bytes);
	exchange->body_bytes += bytes;
	exchange->body[exchange->body_bytes] = '\0';
}

static void take_request(struct http_exchange *exchange)
{
	struct http *http = exchange->http;
	exchange->state = EXCHANGE_WAITING;
	exchange->connection->until_ms = INT64_MAX;
	if (exchange->is_too_long)
		http->setup.malformed(http->setup.context, exchange, 413, TOO_LONG);
	else
		http->setup.asked(http->setup.context, exchange, http->clients > http->setup.max_clients);
	if (exchange->state == EXCHANGE_WAITING) {
		exchange->is_suspended = true;
		MHD_suspend_connection(exchange->mhd);
	}
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *mhd, const char *url, const char *method,
				  const char *version, const char *data, size_t *bytes, void **request_context)
{
	struct http_exchange *exchange = *request_context;
	if (!exchange)
		return MHD_NO;
	if (exchange->state == EXCHANGE_HEAD) {
		take_head(exchange, method, version);
	} else if (*bytes > 0) {
		take_body(exchange, data, *bytes);
		*bytes = 0;
	} else if (exchange->state == EXCHANGE_BODY) {
		take_request(exchange);
	}
	return MHD_YES;
}

static void exchange_end(struct http_exchange *exchange)
{
	struct http *http = exchange->http;
	if (exchange->was_told)
		http->setup.ended(http->setup.context, exchange);
	TAILQ_REMOVE(&http->exchanges, exchange, link);
	free(exchange->path);
	free(exchange->body);
	free(exchange);
}

static void on_completed(void *context, struct MHD_Connection *mhd, void **request_context,
			 enum MHD_RequestTerminationCode why)
{
	struct http_exchange *exchange = *request_context;
	*request_context = NULL;
	if (!exchange)
		return;
	exchange->connection->until_ms = hs_clock_ms() + IDLE_MS;
	exchange_end(exchange);
}

/* ---- Answers ---- */

static void add_headers(struct MHD_Response *response, const struct http_answer *answer)
{
	if (answer->type)
		MHD_add_response_header(response, "Content-Type", answer->type);
	for (const struct http_header *header = answer->headers; header && header->name; header++)
		MHD_add_response_header(response, header->name, header->value);
	if (answer->close)
		MHD_add_response_header(response, "Connection", "close");
}

/* Takes the response over. */
static void send_response(struct http_exchange *exchange, const struct http_answer *answer,
			  struct MHD_Response *response)
{
	add_headers(response, answer);
	exchange->state = EXCHANGE_ANSWERED;
	exchange->connection->until_ms = hs_clock_ms() + ANSWER_MS;
	if (MHD_queue_response(exchange->mhd, (unsigned)answer->status, response) != MHD_YES)
		hs_log(DEBUG, "http.answer_lost", LOG_TEXT("client", exchange->connection->address));
	MHD_destroy_response(response);
	if (exchange->is_suspended) {
		exchange->is_suspended = false;
		MHD_resume_connection(exchange->mhd);
		run_soon(exchange->http);
	}
}

void http_answer(struct http_exchange *exchange, const struct http_answer *answer)
{
	const void *body = answer->type ? answer->body : "";
	send_response(
		exchange, answer,
		MHD_create_response_from_buffer(answer->type ? answer->bytes : 0, (void *)body, MHD_RESPMEM_MUST_COPY));
}

/* A client that takes nothing for ANSWER_MS is cut off; one for whom there is nothing is not. */
static ssize_t read_stream(void *context, uint64_t position, char *buffer, size_t size)
{
	struct http_exchange *exchange = context;
	ssize_t bytes = exchange->read(exchange->read_context, buffer, size);
	if (bytes < 0)
		return MHD_CONTENT_READER_END_OF_STREAM;
	exchange->connection->until_ms = bytes > 0 ? hs_clock_ms() + ANSWER_MS : INT64_MAX;
	if (bytes == 0) {
		exchange->is_suspended = true;
		MHD_suspend_connection(exchange->mhd);
	}
	return bytes;
}

void http_answer_stream(struct http_exchange *exchange, const struct http_answer *answer,
			ssize_t (*read)(void *context, char *buffer, size_t size), void *context)
{
	int sndbuf = STREAM_SNDBUF;
	setsockopt(exchange->connection->fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
	exchange->read = read;
	exchange->read_context = context;
	send_response(exchange, answer,
		      MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BYTES, read_stream, exchange, NULL));
}

void http_stream_ready(struct http_exchange *exchange)
{
	if (!exchange->is_suspended)
		return;
	exchange->is_suspended = false;
	exchange->connection->until_ms = hs_clock_ms() + ANSWER_MS;
	MHD_resume_connection(exchange->mhd);
	run_soon(exchange->http);
}

size_t http_clients(const struct http *http)
{
	return http->clients;
}

/* ---- The engine ---- */

static size_t no_unescape(void *context, struct MHD_Connection *mhd, char *text)
{
	return strlen(text); /* paths and queries are read by route.c, as they came */
}

static void add_handle(struct http *http, uv_handle_t *handle)
{
	handle->data = http;
	http->handles++;
}

static bool start_mhd(struct http *http)
{
	http->mhd = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TURBO, 0, on_accept, http, on_request, http,
		MHD_OPTION_LISTEN_SOCKET, http->setup.fd, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)(http->setup.max_clients + SPARE_CLIENTS), MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)POOL_BYTES, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_MS / 1000, MHD_OPTION_NOTIFY_COMPLETED,
		on_completed, http, MHD_OPTION_NOTIFY_CONNECTION, on_connection, http, MHD_OPTION_URI_LOG_CALLBACK,
		on_uri, http, MHD_OPTION_UNESCAPE_CALLBACK, no_unescape, NULL, MHD_OPTION_END);
	return http->mhd != NULL;
}

static int poll_mhd(struct http *http)
{
	int fd = MHD_get_daemon_info(http->mhd, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
	return uv_poll_init(http->setup.loop, &http->poll, fd);
}

struct http *http_create(const struct http_setup *setup)
{
	struct http *http = hs_zalloc(sizeof(*http));
	http->setup = *setup;
	TAILQ_INIT(&http->connections);
	TAILQ_INIT(&http->exchanges);
	if (!start_mhd(http) || poll_mhd(http) < 0) {
		hs_log(ERROR, "http.start_failed", LOG_WHY("libmicrohttpd cannot serve the listening socket."));
		MHD_stop_daemon(http->mhd);
		free(http);
		return NULL;
	}
	http->addresses = hs_table_create();
	uv_timer_init(setup->loop, &http->timeout);
	uv_timer_init(setup->loop, &http->tick);
	uv_prepare_init(setup->loop, &http->prepare);
	add_handle(http, (uv_handle_t *)&http->timeout);
	add_handle(http, (uv_handle_t *)&http->tick);
	uv_idle_init(setup->loop, &http->idle);
	add_handle(http, (uv_handle_t *)&http->prepare);
	add_handle(http, (uv_handle_t *)&http->idle);
	add_handle(http, (uv_handle_t *)&http->poll);
	uv_timer_start(&http->tick, on_tick, TICK_MS, TICK_MS);
	uv_timer_stop(&http->tick);
	uv_poll_start(&http->poll, UV_READABLE, on_ready);
	return http;
}

void http_shut(struct http *http)
{
	struct connection *connection;
	struct http_exchange *exchange;
	if (http->setup.fd < 0)
		return;
	int fd = MHD_quiesce_daemon(http->mhd);
	if (fd >= 0)
		close(fd);
	http->setup.fd = -1;
	TAILQ_FOREACH(connection, &http->connections, link)
	{
		if (connection->until_ms != INT64_MAX)
			connection->until_ms = hs_clock_ms();
	}
	TAILQ_FOREACH(exchange, &http->exchanges, link)
	{
		if (exchange->read)
			exchange->connection->until_ms = hs_clock_ms();
	}
}

static void on_closed(uv_handle_t *handle)
{
	struct http *http = handle->data;
	if (--http->handles == 0)
		free(http);
}

void http_destroy(struct http *http)
{
	struct http_exchange *exchange;
	if (!http)
		return;
	http_shut(http);
	/* libmicrohttpd must not be stopped with suspended connections. */
	TAILQ_FOREACH(exchange, &http->exchanges, link)
	{
		if (exchange->is_suspended)
			MHD_resume_connection(exchange->mhd);
		exchange->is_suspended = false;
	}
	uv_poll_stop(&http->poll);
	MHD_stop_daemon(http->mhd);
	hs_table_destroy(http->addresses);
	uv_close((uv_handle_t *)&http->timeout, on_closed);
	uv_close((uv_handle_t *)&http->tick, on_closed);
	uv_close((uv_handle_t *)&http->prepare, on_closed);
	uv_close((uv_handle_t *)&http->idle, on_closed);
	uv_close((uv_handle_t *)&http->poll, on_closed);
}
