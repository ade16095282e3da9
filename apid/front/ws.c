#include "ws.h"
#include "cleanup.h"
#include "clock.h"
#include "http.h"
#include "id.h"
#include "log.h"
#include "metrics.h"
#include "stream.h"
#include "subscriber.h"
#include <stdlib.h>
#include <string.h>

#define SNDBUF_BYTES 131072 /* bounds what the kernel keeps for a slow client */
#define PER_ADDRESS 1000
#define LOG_EVERY_MS 1000 /* of refusals for the same reason */

static const struct ws_kind *const kinds[] = {&subscriber_kind, &stream_kind};

struct ws {
	struct front *front;
	struct hs_metric *clients[HS_COUNT(kinds)], *refused;
	int64_t refused_logged_at[HS_ERRORS]; /* ms */
	int64_t refused_unlogged[HS_ERRORS];
};

/* ---- Refusals ---- */

static void log_refusal(struct ws *ws, struct hs_ws *conn, const struct problem *problem)
{
	int64_t now = hs_clock_ms();
	if (now - ws->refused_logged_at[problem->error] < LOG_EVERY_MS) {
		ws->refused_unlogged[problem->error]++;
		return;
	}
	hs_log(INFO, "ws.refused", LOG_TEXT("client", hs_ws_peer(conn)), LOG_INT("status", problem_status(problem)),
	       LOG_TEXT("request_id", problem->request_id), LOG_INT("more", ws->refused_unlogged[problem->error]));
	ws->refused_logged_at[problem->error] = now;
	ws->refused_unlogged[problem->error] = 0;
}

void ws_refuse(struct front *front, struct hs_ws *conn, const char *request_id, struct problem *problem)
{
	char challenge[160];
	problem->request_id = request_id;
	problem_challenge(problem, challenge, sizeof(challenge));
	int seconds = problem_retry_after(problem);
	AUTO(free) char *retry = seconds ? hs_printf("Retry-After: %d\r\n", seconds) : hs_strdup("");
	AUTO(free)
	char *headers = hs_printf("X-Request-Id: %s\r\n%s%s%s%s%s", request_id,
				  challenge[0] ? "WWW-Authenticate: " : "", challenge, challenge[0] ? "\r\n" : "",
				  retry, problem_status(problem) == 426 ? "Upgrade: websocket\r\n" : "");
	AUTO(free) char *text = problem_text(problem);
	log_refusal(front->ws, conn, problem);
	hs_ws_refuse(conn, problem_status(problem), headers, PROBLEM_TYPE, text);
}

void ws_refuse_answer(const struct ws_client *client, const char *scope, const struct hs_answer *answer)
{
	struct problem problem = {
		.error = answer->error,
		.detail = answer->detail,
		.field = answer->field,
		.state = answer->state,
		.scope = scope,
		.had_token = true,
	};
	ws_refuse(client->front, client->ws, client->request_id, &problem);
}

/* ---- The door ---- */

static bool is_listed(const struct front *front, const char *origin)
{
	const struct hs_config_api *api = front->house->config->api;
	for (size_t i = 0; i < api->origins_count; i++)
		if (strcmp(api->origins[i], origin) == 0)
			return true;
	return false;
}

/* Which room a path leads to; ret_line gets {line}. */
static const struct ws_kind *find_kind(const char *path, char *ret_line, size_t size)
{
	for (size_t i = 0; i < HS_COUNT(kinds); i++) {
		const struct ws_kind *kind = kinds[i];
		size_t before = strlen(kind->before), length = strlen(path);
		size_t after = kind->after ? strlen(kind->after) : 0;
		if (!kind->after) {
			if (strcmp(path, kind->before) == 0)
				return kind;
			continue;
		}
		if (length <= before + after || strncmp(path, kind->before, before) != 0 ||
		    strcmp(path + length - after, kind->after) != 0)
			continue;
		if (route_decode(path + before, length - before - after, false, ret_line, size) == 0 &&
		    hs_id_valid(ret_line))
			return kind;
	}
	return NULL;
}

/* Everything that needs no question to apid. HS_OK, or the problem. */
static struct problem check(const struct front *front, const struct hs_ws_head *head, const struct ws_kind *kind,
			    bool is_full)
{
	if (!kind)
		return (struct problem){
			.error = HS_ERROR_NOT_FOUND,
			.detail = "WebSockets are at /api/v1/events and /api/v1/lines/{line}/audio; REST has a port "
				  "of its own (server.rest_port).",
		};
	if (!head->is_upgrade)
		return (struct problem){.error = HS_ERROR_BAD_REQUEST,
					.status = 426,
					.detail = "This path is a WebSocket: send a handshake (RFC 6455)."};
	if (*head->origin && !is_listed(front, head->origin))
		return (struct problem){
			.error = HS_ERROR_FORBIDDEN, .field = "Origin", .detail = "This origin is not in api.origins."};
	if (!front_token(head->authorization))
		return (struct problem){.error = HS_ERROR_UNAUTHORIZED,
					.had_token = *head->authorization,
					.detail = "Send the token as: Authorization: Bearer TOKEN."};
	if (is_full)
		return (struct problem){.error = HS_ERROR_OVERLOADED,
					.detail = "Too many connections (api.max_clients)."};
	return (struct problem){.error = HS_OK};
}

static void on_asked(void *context, struct hs_ws *conn, const struct hs_ws_head *head)
{
	struct ws *ws = context;
	struct front *front = ws->front;
	char line[ROUTE_VALUE] = "";
	struct ws_request request = {.front = front, .ws = conn, .head = head, .line = line};
	const struct ws_kind *kind = find_kind(head->path, line, sizeof(line));
	size_t clients = hs_lwsio_clients(front->lwsio) + http_clients(front->http);
	struct problem problem = check(front, head, kind, clients > front->max_clients);
	if (hs_id_valid(head->request_id))
		hs_copy(request.request_id, sizeof(request.request_id), head->request_id);
	else
		hs_id_make('r', front->house->config->node, request.request_id);
	if (problem.error != HS_OK) {
		hs_metric_add(ws->refused, 1);
		ws_refuse(front, conn, request.request_id, &problem);
		return;
	}
	request.token = front_token(head->authorization);
	kind->asked(&request);
}

static struct hs_metric *gauge(const struct ws *ws, const struct ws_kind *kind)
{
	size_t i = 0;
	while (i + 1 < HS_COUNT(kinds) && kinds[i] != kind)
		i++;
	return ws->clients[i];
}

void ws_client_begin(struct ws_client *client, const struct ws_kind *kind, const struct ws_request *request)
{
	client->kind = kind;
	client->front = request->front;
	client->ws = request->ws;
	hs_copy(client->request_id, sizeof(client->request_id), request->request_id);
	hs_ws_set_owner(request->ws, client);
	hs_metric_add(gauge(request->front->ws, kind), 1);
}

static void on_opened(void *context, struct hs_ws *conn)
{
	struct ws_client *client = hs_ws_owner(conn);
	hs_log(INFO, "ws.opened", LOG_TEXT("kind", client->kind->name), LOG_TEXT("client", hs_ws_peer(conn)),
	       LOG_TEXT("request_id", client->request_id));
	client->kind->opened(client);
}

static void on_received(void *context, struct hs_ws *conn, bool text, const uint8_t *data, size_t bytes)
{
	struct ws_client *client = hs_ws_owner(conn);
	client->kind->received(client, text, data, bytes);
}

static void on_writable(void *context, struct hs_ws *conn)
{
	struct ws_client *client = hs_ws_owner(conn);
	client->kind->writable(client);
}

static void on_closed(void *context, struct hs_ws *conn, int code, const char *why)
{
	struct ws *ws = context;
	struct ws_client *client = hs_ws_owner(conn);
	char reason[HS_WS_MAX_REASON + 1];
	if (!client)
		return; /* refused at the door */
	problem_clean(why, reason, sizeof(reason));
	if (code >= 1000 || code == 0) /* else it was refused, which was told */
		hs_log(INFO, "ws.closed", LOG_TEXT("kind", client->kind->name), LOG_TEXT("client", hs_ws_peer(conn)),
		       LOG_INT("code", code), LOG_TEXT("request_id", client->request_id), LOG_WHY(reason));
	hs_metric_add(gauge(ws, client->kind), -1);
	client->kind->closed(client, code, reason);
}

static const struct hs_ws_events events = {
	.asked = on_asked,
	.opened = on_opened,
	.received = on_received,
	.writable = on_writable,
	.closed = on_closed,
};

/* ---- Life ---- */

struct ws *ws_create(struct front *front)
{
	struct ws *ws = hs_zalloc(sizeof(*ws));
	ws->front = front;
	for (size_t i = 0; i < HS_COUNT(kinds); i++) {
		AUTO(free) char *labels = hs_printf("kind=\"%s\"", kinds[i]->name);
		ws->clients[i] = hs_metric_gauge("hookswitch_ws_connections", labels, "Open WebSockets.");
	}
	for (size_t i = 0; i < HS_ERRORS; i++)
		ws->refused_logged_at[i] = hs_clock_ms() - LOG_EVERY_MS;
	ws->refused = hs_metric_counter("hookswitch_ws_refused_total", "", "Handshakes refused at the door.");
	return ws;
}

int ws_listen(struct ws *ws, int fd)
{
	struct hs_ws_listen listen = {
		.fd = fd,
		.max_clients = ws->front->max_clients,
		.max_per_address = PER_ADDRESS,
		.max_message = WS_MAX_MESSAGE,
		.sndbuf_bytes = SNDBUF_BYTES,
		.events = &events,
		.context = ws,
	};
	return hs_lwsio_listen(ws->front->lwsio, &listen);
}

void ws_destroy(struct ws *ws)
{
	free(ws);
}
