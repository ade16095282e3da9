#include "deliver.h"
#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include <curl/curl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECT_MS 5000
#define ANSWER_BYTES 65536  /* of the body; the rest is not wanted */
#define HEAD_BYTES 32768    /* of all header lines */
#define CONNECTIONS_MAX 512 /* kept alive */
#define CONNECTION_AGE_S 60 /* then a name may have moved */
#define POOL_MAX 128        /* idle request objects */
#define HEADERS (SIGN_LINES + 2)

struct attempt {
	struct deliver *deliver;
	CURL *easy;
	struct deliver_request request;
	struct sign_lines lines;
	const char *ca_file; /* what the handle has */
	bool has_own_tls;    /* likewise */
	int timeout_ms;      /* likewise */
	struct resolve_question *question;
	struct curl_slist headers[HEADERS];      /* chained by hand: no allocation an attempt */
	char url[EGRESS_URL_BYTES + SIGN_QUERY]; /* the handle has it already */
	struct curl_slist pin;
	char pin_line[EGRESS_HOST_BYTES + 16 + EGRESS_MAX_ADDRESSES * (EGRESS_ADDRESS_TEXT + 3)];
	struct deliver_result result;
	int64_t started_us;
	size_t head_bytes, body_bytes;
	char head[DELIVER_SHOWN], answer[DELIVER_SHOWN];
	size_t head_kept, answer_kept;
	char why[EGRESS_WHY]; /* of egress and of the socket check */
	bool blocked;
	uint16_t family;
	char error[CURL_ERROR_SIZE];
	struct attempt *next, *previous; /* among those under way, or the pool (next) */
};

struct deliver {
	struct deliver_setup setup;
	char *ca_file;
	const char *system_ca_file; /* curl's own text */
	CURLM *multi;
	uv_timer_t timer;
	struct attempt *flying; /* ring without head */
	size_t count;
	struct attempt *pool;
	size_t pool_count;
	struct watch **watches; /* by descriptor */
	size_t watches_count;
	bool ending;
};

/* A socket of curl's. */
struct watch {
	uv_poll_t poll;
	curl_socket_t socket;
	int wanted; /* by curl now; 0: the connection is kept, unused */
	int polled; /* what the loop looks for */
	struct deliver *deliver;
};

/* ---- What an attempt tells ---- */

const char *const deliver_class_names[DELIVER_CLASSES] = {
	[DELIVER_ANSWERED] = "delivered",
	[DELIVER_BLOCKED] = "blocked",
	[DELIVER_UNRESOLVED] = "unresolved",
	[DELIVER_UNREACHABLE] = "unreachable",
	[DELIVER_TLS] = "tls",
	[DELIVER_TIMEOUT] = "timeout",
	[DELIVER_BROKEN] = "broken",
	[DELIVER_OUTCOMES] = "3xx",
	[DELIVER_OUTCOMES + 1] = "4xx",
	[DELIVER_OUTCOMES + 2] = "5xx",
	[DELIVER_OUTCOMES + 3] = "other",
};

int deliver_class(const struct deliver_result *result)
{
	int hundreds = result->status / 100;

	if (result->outcome != DELIVER_ANSWERED || hundreds == 2)
		return (int)result->outcome;
	return hundreds >= 3 && hundreds <= 5 ? (int)DELIVER_OUTCOMES + hundreds - 3 : DELIVER_CLASSES - 1;
}

static void unlink_attempt(struct attempt *attempt)
{
	struct deliver *deliver = attempt->deliver;

	if (attempt->previous)
		attempt->previous->next = attempt->next;
	else
		deliver->flying = attempt->next;
	if (attempt->next)
		attempt->next->previous = attempt->previous;
	deliver->count--;
}

static void free_attempt(struct attempt *attempt)
{
	curl_easy_cleanup(attempt->easy);
	free(attempt);
}

/* Hands the result over. The object goes back to the pool first, so that done may start the next request with it. */
static void finish(struct attempt *attempt)
{
	struct deliver *deliver = attempt->deliver;
	struct deliver_request request = attempt->request;
	struct deliver_result result = attempt->result;
	struct sign_lines lines = attempt->lines;
	char why[EGRESS_WHY], head[DELIVER_SHOWN], answer[DELIVER_SHOWN];

	hs_copy(why, sizeof(why), result.why ? result.why : "");
	hs_copy(head, sizeof(head), attempt->head);
	hs_copy(answer, sizeof(answer), attempt->answer);
	result.why = why;
	result.lines = &lines;
	result.head = head;
	result.answer = answer;
	result.took_us = hs_clock_us() - attempt->started_us;
	unlink_attempt(attempt);
	if (deliver->pool_count < POOL_MAX) {
		attempt->next = deliver->pool;
		deliver->pool = attempt;
		deliver->pool_count++;
	} else {
		free_attempt(attempt);
	}
	request.done(request.context, &result);
}

static void fail(struct attempt *attempt, enum deliver_outcome outcome, const char *why)
{
	attempt->result.outcome = outcome;
	attempt->result.why = why;
	finish(attempt);
}

/* ---- curl's callbacks ---- */

static void free_watch(uv_handle_t *handle)
{
	free(handle->data);
}

static void unwatch(struct deliver *deliver, curl_socket_t socket)
{
	struct watch *watch = (size_t)socket < deliver->watches_count ? TAKE(deliver->watches[socket]) : NULL;

	if (watch)
		uv_close((uv_handle_t *)&watch->poll, free_watch);
}

/* As much as there is room for, with a NUL. */
static void keep_some(char *kept, size_t *used, const char *data, size_t bytes)
{
	size_t room = DELIVER_SHOWN - 1 - *used;

	if (bytes > room)
		bytes = room;
	memcpy(kept + *used, data, bytes);
	*used += bytes;
	kept[*used] = '\0';
}

/* The answer's body is read so that the connection can be used again, and its beginning is shown; past the limit it is
 * cut. */
static size_t on_body(char *data, size_t size, size_t count, void *context)
{
	struct attempt *attempt = context;

	keep_some(attempt->answer, &attempt->answer_kept, data, size * count);
	attempt->body_bytes += size * count;
	return attempt->body_bytes > ANSWER_BYTES ? 0 : size * count;
}

/* Whether what a header line says is nobody else's business, by its name. */
static bool holds_secret(const char *line, size_t bytes)
{
	static const char *const words[] = {"cookie", "auth", "token", "secret", "key"};
	const char *colon = memchr(line, ':', bytes);
	char name[64];

	if (!colon || colon - line >= (ptrdiff_t)sizeof(name))
		return colon != NULL;
	memcpy(name, line, (size_t)(colon - line));
	name[colon - line] = '\0';
	for (size_t i = 0; i < HS_COUNT(words); i++)
		if (strcasestr(name, words[i]))
			return true;
	return false;
}

static size_t on_header(char *data, size_t size, size_t count, void *context)
{
	static const char name[] = "retry-after:";
	struct attempt *attempt = context;
	size_t bytes = size * count, length = sizeof(name) - 1;

	attempt->head_bytes += bytes;
	if (attempt->head_bytes > HEAD_BYTES)
		return 0;
	if (bytes > 5 && !memcmp(data, "HTTP/", 5)) { /* a final answer after a 1xx */
		attempt->result.retry_after[0] = '\0';
		attempt->head_kept = 0;
	}
	if (bytes > 2 && !holds_secret(data, bytes))
		keep_some(attempt->head, &attempt->head_kept, data, bytes);
	if (bytes > length && bytes - length < DELIVER_RETRY_AFTER && !strncasecmp(data, name, length)) {
		char *value = attempt->result.retry_after;

		memcpy(value, data + length, bytes - length);
		value[bytes - length] = '\0';
		value[strcspn(value, "\r\n")] = '\0';
	}
	return bytes;
}

/* The last wall: whatever was resolved, pinned or redirected before, no socket is opened to a forbidden address. */
static curl_socket_t on_open(void *context, curlsocktype purpose, struct curl_sockaddr *where)
{
	struct attempt *attempt = context;
	struct egress_address address;
	int fd, on = 1;

	if (egress_from_sockaddr(&where->addr, &address) < 0 ||
	    egress_check_address(attempt->deliver->setup.rules, attempt->request.url, &address, attempt->why) < 0) {
		attempt->blocked = true;
		return CURL_SOCKET_BAD;
	}
	fd = socket(where->family, where->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, where->protocol);
	if (fd < 0)
		return CURL_SOCKET_BAD;
	unwatch(attempt->deliver, fd); /* whatever had the number before is closed */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static enum deliver_outcome judge(CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
		return DELIVER_UNRESOLVED;
	case CURLE_COULDNT_CONNECT:
	case CURLE_SEND_ERROR:
		return DELIVER_UNREACHABLE;
	case CURLE_OPERATION_TIMEDOUT:
		return DELIVER_TIMEOUT;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_INVALIDCERTSTATUS:
		return DELIVER_TLS;
	default:
		return DELIVER_BROKEN;
	}
}

/* A status that was read counts even when the body was cut off: the receiver has said what it thinks of the message. */
static void on_done(struct attempt *attempt, CURLcode code)
{
	long status = 0;

	curl_easy_getinfo(attempt->easy, CURLINFO_RESPONSE_CODE, &status);
	if (code == CURLE_OK || status >= 200) {
		attempt->result.outcome = DELIVER_ANSWERED;
		attempt->result.status = (int)status;
		finish(attempt);
	} else if (attempt->blocked) {
		fail(attempt, DELIVER_BLOCKED, attempt->why);
	} else {
		fail(attempt, judge(code), *attempt->error ? attempt->error : curl_easy_strerror(code));
	}
}

static void collect(struct deliver *deliver)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(deliver->multi, &left))) {
		struct attempt *attempt = NULL;
		CURLcode code = message->data.result;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &attempt);
		curl_multi_remove_handle(deliver->multi, attempt->easy);
		on_done(attempt, code);
	}
}

/* ---- curl on the loop ---- */

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct watch *watch = poll->data;
	struct deliver *deliver = watch->deliver;
	int running, flags = 0;

	if (!watch->wanted) { /* a kept connection has something to say: curl looks at it when it is used again */
		uv_poll_stop(poll);
		watch->polled = 0;
		return;
	}
	if (status < 0)
		flags = CURL_CSELECT_ERR;
	if (events & UV_READABLE)
		flags |= CURL_CSELECT_IN;
	if (events & UV_WRITABLE)
		flags |= CURL_CSELECT_OUT;
	curl_multi_socket_action(deliver->multi, watch->socket, flags, &running);
	collect(deliver);
}

void deliver_flush(struct deliver *deliver)
{
	int running;

	curl_multi_socket_action(deliver->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	collect(deliver);
}

static void on_timer(uv_timer_t *timer)
{
	deliver_flush(timer->data);
}

static int on_timeout(CURLM *multi, long timeout_ms, void *context)
{
	struct deliver *deliver = context;

	if (deliver->ending)
		return 0;
	if (timeout_ms < 0) {
		uv_timer_stop(&deliver->timer);
		return 0;
	}
	if (timeout_ms)
		uv_update_time(deliver->setup.loop);
	uv_timer_start(&deliver->timer, on_timer, (uint64_t)timeout_ms, 0);
	return 0;
}

static struct watch *find_watch(struct deliver *deliver, curl_socket_t socket)
{
	struct watch *watch;

	if ((size_t)socket >= deliver->watches_count) {
		size_t count = (size_t)socket + 64;

		deliver->watches = hs_resize(deliver->watches, count, sizeof(struct watch *));
		for (size_t i = deliver->watches_count; i < count; i++)
			deliver->watches[i] = NULL;
		deliver->watches_count = count;
	}
	watch = deliver->watches[socket];
	if (watch)
		return watch;
	watch = hs_zalloc(sizeof(*watch));
	watch->deliver = deliver;
	watch->socket = socket;
	uv_poll_init(deliver->setup.loop, &watch->poll, socket);
	watch->poll.data = watch;
	return deliver->watches[socket] = watch;
}

/* A connection that is kept for the next request stays polled as it was: taking it out and in again would cost two
 * system calls a request. It goes when curl closes the socket. */
static int on_socket(CURL *easy, curl_socket_t socket, int what, void *context, void *socket_context)
{
	struct watch *watch = find_watch(context, socket);

	watch->wanted = what == CURL_POLL_REMOVE
				? 0
				: (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
	if (watch->wanted && watch->wanted != watch->polled) {
		watch->polled = watch->wanted;
		uv_poll_start(&watch->poll, watch->polled, on_ready);
	}
	return 0;
}

static int on_close(void *context, curl_socket_t socket)
{
	unwatch(context, socket);
	return close(socket);
}

/* ---- An attempt ---- */

static void set_up_easy(struct deliver *deliver, struct attempt *attempt)
{
	CURL *easy = attempt->easy;

	curl_easy_setopt(easy, CURLOPT_PRIVATE, attempt);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_POST, 1L);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "hookswitch");
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(easy, CURLOPT_MAXLIFETIME_CONN, (long)CONNECTION_AGE_S);
	curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, attempt->error);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, attempt);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, attempt);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, attempt);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, deliver);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_getinfo(easy, CURLINFO_CAINFO, &attempt->ca_file);
	if (!deliver->system_ca_file)
		deliver->system_ca_file = attempt->ca_file;
}

static void set_blob(CURL *easy, CURLoption option, const char *pem)
{
	struct curl_blob blob = {(void *)pem, pem ? strlen(pem) : 0, CURL_BLOB_COPY};

	curl_easy_setopt(easy, option, pem ? &blob : NULL);
}

/* Handles are used again for other endpoints: one with certificates of its own sets all, and so does the next. */
static void show_and_trust(struct attempt *attempt)
{
	static const struct deliver_tls none;
	const struct deliver_tls *tls = attempt->request.tls ? attempt->request.tls : &none;
	bool is_own = tls->ca || tls->cert || tls->cert_file;

	if (is_own || attempt->has_own_tls) {
		set_blob(attempt->easy, CURLOPT_CAINFO_BLOB, tls->ca);
		set_blob(attempt->easy, CURLOPT_SSLCERT_BLOB, tls->cert);
		set_blob(attempt->easy, CURLOPT_SSLKEY_BLOB, tls->key);
		curl_easy_setopt(attempt->easy, CURLOPT_SSLCERT, tls->cert_file);
		curl_easy_setopt(attempt->easy, CURLOPT_SSLKEY, tls->key_file);
	}
	attempt->has_own_tls = is_own;
}

/* The folder of the system's authorities is always trusted as well. */
static void trust(struct attempt *attempt)
{
	const struct deliver *deliver = attempt->deliver;
	const char *file = attempt->request.tls ? attempt->request.tls->ca_file : NULL;

	show_and_trust(attempt);
	if (!file)
		file = deliver->ca_file ? deliver->ca_file : deliver->system_ca_file;
	if (file == attempt->ca_file)
		return;
	curl_easy_setopt(attempt->easy, CURLOPT_CAINFO, file);
	attempt->ca_file = file;
}

static char type_line[] = "Content-Type: application/json", expect_line[] = "Expect:"; /* curl's lists are not const */

static struct attempt *make_attempt(struct deliver *deliver)
{
	struct attempt *attempt = deliver->pool;

	if (attempt) {
		deliver->pool = attempt->next;
		deliver->pool_count--;
	} else {
		attempt = hs_zalloc(sizeof(*attempt));
		attempt->deliver = deliver;
		attempt->easy = curl_easy_init();
		if (!attempt->easy)
			abort(); /* out of memory */
		set_up_easy(deliver, attempt);
		attempt->headers[0].data = type_line;
		attempt->headers[1].data = expect_line;
		attempt->pin.data = attempt->pin_line;
	}
	memset(&attempt->result, 0, sizeof(attempt->result));
	attempt->head_bytes = attempt->body_bytes = attempt->head_kept = attempt->answer_kept = 0;
	attempt->head[0] = attempt->answer[0] = '\0';
	attempt->blocked = false;
	attempt->error[0] = attempt->why[0] = '\0';
	attempt->question = NULL;
	return attempt;
}

static void chain_headers(struct attempt *attempt)
{
	size_t fixed = HEADERS - SIGN_LINES, count = fixed + attempt->lines.count;

	for (size_t i = fixed; i < count; i++)
		attempt->headers[i].data = attempt->lines.text[i - fixed];
	for (size_t i = 0; i < count; i++)
		attempt->headers[i].next = i + 1 < count ? &attempt->headers[i + 1] : NULL;
}

static void set_url(struct attempt *attempt)
{
	const char *text = attempt->request.url->text, *query = attempt->lines.query;
	size_t length = strlen(text);

	if (!strncmp(attempt->url, text, length) && !strcmp(attempt->url + length, query))
		return;
	snprintf(attempt->url, sizeof(attempt->url), "%s%s", text, query);
	curl_easy_setopt(attempt->easy, CURLOPT_URL, attempt->url);
}

static void set_timeout(struct attempt *attempt)
{
	int timeout_ms = attempt->request.timeout_ms;

	if (!timeout_ms)
		timeout_ms = attempt->deliver->setup.timeout_ms;
	if (timeout_ms != attempt->timeout_ms)
		curl_easy_setopt(attempt->easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	attempt->timeout_ms = timeout_ms;
}

/* "host:port:a,b,c": curl asks nobody and tries these, one after the other. */
static void write_pin(struct attempt *attempt, const struct egress_address *addresses, size_t count)
{
	const struct egress_url *url = attempt->request.url;
	char *at = attempt->pin_line, *end = at + sizeof(attempt->pin_line);

	at += snprintf(at, (size_t)(end - at), "%s:%u:", url->host, url->port);
	for (size_t i = 0; i < count; i++) {
		char text[EGRESS_ADDRESS_TEXT];

		egress_format_address(&addresses[i], text);
		at += snprintf(at, (size_t)(end - at), addresses[i].is_v6 ? "%s[%s]" : "%s%s", i ? "," : "", text);
	}
}

static void send_request(struct attempt *attempt, const struct egress_address *addresses, size_t count)
{
	struct deliver *deliver = attempt->deliver;
	CURL *easy = attempt->easy;

	if (egress_check(deliver->setup.rules, attempt->request.url, addresses, count, attempt->why) < 0) {
		fail(attempt, DELIVER_BLOCKED, attempt->why);
		return;
	}
	chain_headers(attempt);
	if (!attempt->request.url->numeric)
		write_pin(attempt, addresses, count);
	curl_easy_setopt(easy, CURLOPT_RESOLVE, attempt->request.url->numeric ? NULL : &attempt->pin);
	set_url(attempt);
	set_timeout(attempt);
	trust(attempt);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, attempt->headers);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)attempt->request.bytes);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, attempt->request.body);
	curl_multi_add_handle(deliver->multi, easy);
}

static void on_resolved(void *context, const struct egress_address *addresses, size_t count, const char *why)
{
	struct attempt *attempt = context;

	attempt->question = NULL;
	if (!count)
		fail(attempt, DELIVER_UNRESOLVED, why);
	else
		send_request(attempt, addresses, count);
}

/* A numeric host that is forbidden must still fail later, not before deliver_start has returned. */
static void ask_or_send(struct deliver *deliver, struct attempt *attempt)
{
	const struct egress_url *url = attempt->request.url;
	struct egress_address addresses[EGRESS_MAX_ADDRESSES];
	size_t count = 1;

	if (url->numeric)
		addresses[0] = url->address;
	else
		count = resolve_known(deliver->setup.resolve, url->host, addresses);
	if (count && !egress_check(deliver->setup.rules, url, addresses, count, attempt->why))
		send_request(attempt, addresses, count);
	else
		attempt->question = resolve_ask(deliver->setup.resolve, url->host, on_resolved, attempt);
}

void deliver_start(struct deliver *deliver, const struct deliver_request *request)
{
	struct attempt *attempt = make_attempt(deliver);

	attempt->request = *request;
	attempt->lines = *request->lines;
	attempt->started_us = hs_clock_us();
	attempt->previous = NULL;
	attempt->next = deliver->flying;
	if (attempt->next)
		attempt->next->previous = attempt;
	deliver->flying = attempt;
	deliver->count++;
	ask_or_send(deliver, attempt);
}

size_t deliver_count(const struct deliver *deliver)
{
	return deliver->count;
}

/* ---- Life ---- */

struct deliver *deliver_create(const struct deliver_setup *setup)
{
	struct deliver *deliver = hs_zalloc(sizeof(*deliver));

	curl_global_init(CURL_GLOBAL_DEFAULT);
	deliver->setup = *setup;
	deliver->ca_file = hs_strdup(setup->ca_file);
	deliver->multi = curl_multi_init();
	if (!deliver->multi) {
		hs_log(ERROR, "deliver.cannot_start", LOG_WHY("curl does not start"));
		free(deliver);
		return NULL;
	}
	curl_multi_setopt(deliver->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(deliver->multi, CURLMOPT_SOCKETDATA, deliver);
	curl_multi_setopt(deliver->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
	curl_multi_setopt(deliver->multi, CURLMOPT_TIMERDATA, deliver);
	curl_multi_setopt(deliver->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_MAX);
	curl_multi_setopt(deliver->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
	uv_timer_init(setup->loop, &deliver->timer);
	deliver->timer.data = deliver;
	return deliver;
}

static void free_deliver(uv_handle_t *handle)
{
	free(handle->data);
}

void deliver_destroy(struct deliver *deliver)
{
	if (!deliver)
		return;
	deliver->ending = true;
	for (struct attempt *attempt = TAKE(deliver->flying), *next; attempt; attempt = next) {
		next = attempt->next;
		resolve_forget(attempt->question);
		curl_multi_remove_handle(deliver->multi, attempt->easy);
		free_attempt(attempt);
	}
	while (deliver->pool) {
		struct attempt *attempt = deliver->pool;

		deliver->pool = attempt->next;
		free_attempt(attempt);
	}
	curl_multi_cleanup(deliver->multi);
	curl_global_cleanup();
	for (size_t i = 0; i < deliver->watches_count; i++)
		unwatch(deliver, (curl_socket_t)i);
	free(deliver->watches);
	free(deliver->ca_file);
	uv_close((uv_handle_t *)&deliver->timer, free_deliver);
}
