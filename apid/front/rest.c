#include "rest.h"
#include "cleanup.h"
#include "clock.h"
#include "id.h"
#include "log.h"
#include "metrics.h"
#include "sse.h"
#include "trace.h"
#include "twilio.h"
#include "upload.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define OPENAPI_PATH "/api/v1/openapi.json"
#define CLASSES 6 /* of statuses, 1xx to 5xx */

static const char home_text[] =
	"hookswitch: anything that rings, as an API.\n"
	"\n"
	"The API is described at " OPENAPI_PATH " (OpenAPI 3.1).\n"
	"How the suite is: /api/v1/health. Figures: /metrics (scope metrics).\n"
	"Events and audio come over WebSocket, at server.ws_port: /api/v1/events and /api/v1/lines/{line}/audio.\n"
	"All but this page, the description and health want Authorization: Bearer TOKEN.\n";

struct rest {
	struct front *front;
	struct routes *routes;
	size_t in_flight;
	struct hs_metric *counts[HS_MESSAGES + 1][CLASSES]; /* the last row: what is no route */
	struct hs_metric *latency, *flying;
};

/* ---- Answers ---- */

static void count(struct request *request, int status)
{
	struct rest *rest = request->rest;
	const struct hs_message *message = request->has_message ? &hs_messages[request->message] : NULL;
	struct hs_metric **metric = &rest->counts[message ? request->message : HS_MESSAGES][status / 100 % CLASSES];
	if (!*metric) {
		AUTO(free)
		char *labels =
			hs_printf("route=\"%s\",method=\"%s\",status=\"%dxx\"", message ? message->path : "other",
				  message ? message->method : "other", status / 100);
		*metric = hs_metric_counter("hookswitch_http_requests_total", labels, "Requests answered.");
	}
	hs_metric_add(*metric, 1);
	hs_metric_observe_us(rest->latency, hs_clock_us() - http_begun_us(request->exchange));
}

/* What hookctl follow and the log show of a request. */
static void tell(struct request *request, int status, bool is_change)
{
	const char *method = http_method(request->exchange), *client = http_client(request->exchange);
	const char *call = request->call[0] ? request->call : NULL;
	char path[200];
	problem_clean(http_path(request->exchange), path, sizeof(path));
	if (call)
		hs_trace_add(HS_TRACE_KIND_HTTP, call, NULL, client, "api-front", "%s %s: %d", method, path, status);
	if (is_change)
		hs_log(INFO, "http.request", LOG_TEXT("method", method), LOG_TEXT("path", path),
		       LOG_INT("status", status), LOG_TEXT("client", client),
		       LOG_TEXT("request_id", request->request_id), LOG_CALL(call));
	else
		hs_log(DEBUG, "http.request", LOG_TEXT("method", method), LOG_TEXT("path", path),
		       LOG_INT("status", status), LOG_TEXT("client", client),
		       LOG_TEXT("request_id", request->request_id));
}

static void record(struct request *request, int status)
{
	const char *method = http_method(request->exchange);
	bool is_change = strcmp(method, "POST") == 0 || strcmp(method, "DELETE") == 0 || strcmp(method, "PUT") == 0;
	count(request, status);
	if (is_change || request->call[0] || hs_log_wants(HS_LOG_LEVEL_DEBUG))
		tell(request, status, is_change);
}

static void land(struct request *request)
{
	if (request->is_flying)
		hs_metric_set(request->rest->flying, (int64_t)--request->rest->in_flight);
	request->is_flying = false;
}

#define BASE_HEADERS 4

static void base_headers(const struct request *request, struct http_header *ret_headers)
{
	const struct http_header base[BASE_HEADERS] = {
		{"X-Request-Id", request->request_id},
		{"Cache-Control", "no-store"},
		{"X-Content-Type-Options", "nosniff"},
		{"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
	};
	memcpy(ret_headers, base, sizeof(base));
}

/* extra: NULL-ended, at most 3. */
static void send_answer(struct request *request, int status, const char *type, const char *body, size_t bytes,
			const struct http_header *extra, bool is_last)
{
	struct http_header headers[BASE_HEADERS + 4] = {{NULL, NULL}};
	base_headers(request, headers);
	for (size_t i = 0; i < 3 && extra && extra[i].name; i++)
		headers[BASE_HEADERS + i] = extra[i];
	land(request);
	record(request, status);
	http_answer(request->exchange, &(struct http_answer){status, type, body, bytes, headers, is_last});
}

void rest_answer(struct request *request, int status, const char *type, const char *body, size_t bytes)
{
	send_answer(request, status, type, body, bytes, NULL, false);
}

void rest_answer_stream(struct request *request, const char *type,
			ssize_t (*read)(void *context, char *buffer, size_t size), void *context)
{
	struct http_header headers[BASE_HEADERS + 1] = {{NULL, NULL}};
	base_headers(request, headers);
	land(request);
	record(request, 200);
	http_answer_stream(request->exchange, &(struct http_answer){200, type, NULL, 0, headers, false}, read, context);
}

static void refuse(struct request *request, struct problem *problem, const char *allow, bool is_last)
{
	struct http_header extra[4] = {{NULL, NULL}};
	char challenge[160], seconds[16];
	size_t used = 0;
	problem->request_id = request->request_id;
	problem->had_token = request->had_token;
	problem->scope = request->has_message ? hs_messages[request->message].scope : NULL;
	problem_challenge(problem, challenge, sizeof(challenge));
	if (request->is_twilio && problem->error == HS_ERROR_UNAUTHORIZED)
		hs_copy(challenge, sizeof(challenge), "Basic realm=\"hookswitch\"");
	snprintf(seconds, sizeof(seconds), "%d", problem_retry_after(problem));
	if (challenge[0])
		extra[used++] = (struct http_header){"WWW-Authenticate", challenge};
	if (problem_retry_after(problem))
		extra[used++] = (struct http_header){"Retry-After", seconds};
	if (allow)
		extra[used++] = (struct http_header){"Allow", allow};
	AUTO(free) char *text = request->is_twilio ? twilio_problem(problem) : problem_text(problem);
	send_answer(request, request->is_twilio ? twilio_status(problem) : problem_status(problem),
		    request->is_twilio ? "application/json" : PROBLEM_TYPE, text, strlen(text), extra, is_last);
}

void rest_refuse(struct request *request, struct problem *problem)
{
	refuse(request, problem, NULL, false);
}

void rest_refuse_answer(struct request *request, const struct hs_answer *answer)
{
	bool is_health = request->message == HS_SUITE_HEALTH;
	bool is_away = answer->error == HS_ERROR_UNAVAILABLE || answer->error == HS_ERROR_TIMEOUT;
	struct problem problem = {
		.error = answer->error,
		.detail = answer->detail,
		.field = answer->field,
		.state = answer->state,
	};
	if (is_health && is_away) {
		problem.error = HS_ERROR_UNAVAILABLE;
		problem.detail = "apid is away: events are kept, requests are refused until it is back.";
		problem.apid_is_away = true;
	}
	refuse(request, &problem, NULL, false);
}

static bool refuse_simply(struct request *request, enum hs_error error, const char *field, const char *detail)
{
	rest_refuse(request, &(struct problem){.error = error, .field = field, .detail = detail});
	return false;
}

/* ---- Requests ---- */

static struct request *request_of(struct rest *rest, struct http_exchange *exchange)
{
	struct request *request = http_owner(exchange);
	if (request)
		return request;
	request = hs_zalloc(sizeof(*request));
	request->rest = rest;
	request->exchange = exchange;
	request->is_twilio = twilio_is(http_path(exchange));
	const char *id = http_header(exchange, "X-Request-Id");
	if (hs_id_valid(id))
		hs_copy(request->request_id, sizeof(request->request_id), id);
	else
		hs_id_make('r', rest->front->house->config->node, request->request_id);
	http_set_owner(exchange, request);
	return request;
}

void rest_ended(void *context, struct http_exchange *exchange)
{
	struct rest *rest = context;
	struct request *request = http_owner(exchange);
	if (!request)
		return;
	land(request);
	hs_bus_forget(rest->front->house->bus, request->ticket);
	upload_destroy(request->upload);
	sse_destroy(request->sse);
	if (request->token)
		explicit_bzero(request->token, strlen(request->token));
	free(request->token);
	free(request);
}

void rest_malformed(void *context, struct http_exchange *exchange, int status, const char *why)
{
	struct request *request = request_of(context, exchange);
	struct problem problem = {
		.error = status == 400 ? HS_ERROR_BAD_REQUEST : HS_ERROR_TOO_LARGE,
		.status = status,
		.detail = why,
	};
	refuse(request, &problem, NULL, true);
}

/* ---- Pages that are no messages ---- */

static void serve_home(struct request *request)
{
	rest_answer(request, 200, "text/plain; charset=utf-8", home_text, strlen(home_text));
}

static void serve_openapi(struct request *request)
{
	rest_answer(request, 200, "application/json", (const char *)hs_openapi, hs_openapi_bytes);
}

static const struct {
	const char *path;
	void (*serve)(struct request *request);
} pages[] = {{"/", serve_home}, {OPENAPI_PATH, serve_openapi}};

static void answer_options(struct request *request, const char *allow)
{
	const struct http_header extra[] = {{"Allow", allow}, {NULL, NULL}};
	send_answer(request, 204, NULL, NULL, 0, extra, false);
}

static bool refuse_method(struct request *request, const char *allow)
{
	AUTO(free) char *detail = hs_printf("It answers %s.", allow);
	refuse(request, &(struct problem){.error = HS_ERROR_METHOD_NOT_ALLOWED, .detail = detail}, allow, false);
	return false;
}

/* True when the request was for a page, and is answered. */
static bool serve_page(struct request *request)
{
	const char *method = http_method(request->exchange);
	for (size_t i = 0; i < HS_COUNT(pages); i++) {
		if (strcmp(http_path(request->exchange), pages[i].path) != 0)
			continue;
		if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
			pages[i].serve(request);
		else if (strcmp(method, "OPTIONS") == 0)
			answer_options(request, "GET, HEAD, OPTIONS");
		else
			refuse_method(request, "GET, HEAD, OPTIONS");
		return true;
	}
	return false;
}

/* ---- Admission: what can be said before the body is there ---- */

/* False when it was answered. */
static bool find_route(struct request *request, struct route_match *ret_match)
{
	struct http_exchange *exchange = request->exchange;
	const char *method = http_method(exchange), *path = http_path(exchange);
	bool is_alias = strcmp(path, "/metrics") == 0;
	int error = routes_find(request->rest->routes, method, is_alias ? "/api/v1/metrics" : path, ret_match);
	if (error == -ENOENT && strcmp(path, "*") == 0 && strcmp(method, "OPTIONS") == 0)
		error = -EPERM;
	if (error == -ENOENT)
		return refuse_simply(request, HS_ERROR_NOT_FOUND, NULL,
				     "No such path; the API is described at " OPENAPI_PATH ".");
	if (error == -EPERM) {
		char allow[80];
		snprintf(allow, sizeof(allow), "%s%sOPTIONS", ret_match->allow, ret_match->allow[0] ? ", " : "");
		if (strcmp(method, "OPTIONS") == 0)
			answer_options(request, allow);
		else
			refuse_method(request, allow);
		return false;
	}
	request->message = ret_match->message;
	request->has_message = true;
	return true;
}

static bool check_account(struct request *request, const struct route_match *match)
{
	char text[TWILIO_CREDENTIALS];
	const char *user, *token, *field = http_header(request->exchange, "Authorization");
	bool is_ours = twilio_credentials(field, text, &user, &token) && match->params_count &&
		       strcmp(user, match->params[0].value) == 0;
	if (is_ours && !request->token)
		request->token = hs_strdup(token);
	explicit_bzero(text, sizeof(text));
	return is_ours || refuse_simply(request, HS_ERROR_UNAUTHORIZED, NULL,
					"Send the account of the path and a token by basic authentication.");
}

static bool check_token(struct request *request, const struct route_match *match)
{
	const char *field = http_header(request->exchange, "Authorization");
	request->had_token = *field;
	if (hs_messages[request->message].is_form)
		return check_account(request, match);
	if (front_token(field) && !request->token)
		request->token = hs_strdup(front_token(field));
	if (hs_messages[request->message].is_public || request->token)
		return true;
	return refuse_simply(request, HS_ERROR_UNAUTHORIZED, NULL,
			     *field ? "Authorization must be: Bearer TOKEN."
				    : "Send the token as: Authorization: Bearer TOKEN.");
}

/* A body without a type is taken for what it should be: nothing else is understood, and no browser sends a token by
 * itself. */
static bool is_type(const char *content_type, const char *wanted)
{
	size_t length = strcspn(content_type, " \t;");
	return !*content_type || (length == strlen(wanted) && strncasecmp(content_type, wanted, length) == 0);
}

static bool check_content_type(struct request *request)
{
	const struct hs_message *message = &hs_messages[request->message];
	const char *type = http_header(request->exchange, "Content-Type");
	if (strcmp(message->method, "POST") != 0 && strcmp(message->method, "PUT") != 0 &&
	    strcmp(message->method, "PATCH") != 0)
		return refuse_simply(request, HS_ERROR_BAD_REQUEST, NULL, "This method takes no body.");
	if (message->is_upload && !upload_format(type))
		return refuse_simply(request, HS_ERROR_UNSUPPORTED_MEDIA, "Content-Type",
				     "Content-Type must be " UPLOAD_ACCEPTED ".");
	if (message->is_form && !is_type(type, TWILIO_TYPE))
		return refuse_simply(request, HS_ERROR_UNSUPPORTED_MEDIA, "Content-Type",
				     "Content-Type must be " TWILIO_TYPE ".");
	if (!message->is_upload && !message->is_form && !message->is_signed && !is_type(type, "application/json"))
		return refuse_simply(request, HS_ERROR_UNSUPPORTED_MEDIA, "Content-Type",
				     "Content-Type must be application/json.");
	return true;
}

static bool check_websocket(struct request *request)
{
	if (strcasecmp(http_header(request->exchange, "Upgrade"), "websocket") != 0)
		return true;
	AUTO(free)
	char *detail = hs_printf("WebSockets are served at port %d (server.ws_port).",
				 (int)request->rest->front->house->config->server->ws_port);
	return refuse_simply(request, HS_ERROR_BAD_REQUEST, "Upgrade", detail);
}

static bool admit(struct request *request, struct route_match *ret_match)
{
	return find_route(request, ret_match) && check_websocket(request) && check_token(request, ret_match);
}

void rest_announced(void *context, struct http_exchange *exchange)
{
	struct route_match match;
	struct request *request = request_of(context, exchange);
	if (!serve_page(request) && admit(request, &match))
		check_content_type(request);
}

/* ---- Asking apid ---- */

static void note_call(struct request *request, const struct hs_json *json)
{
	const struct hs_json *call = hs_json_member(json, "call");
	if (call && call->kind == HS_JSON_OBJECT)
		call = hs_json_member(call, "id");
	else
		call = hs_json_member(json, "call_id");
	if (call && call->kind == HS_JSON_TEXT && call->bytes < sizeof(request->call)) {
		memcpy(request->call, call->text, call->bytes); /* an id has no escapes */
		request->call[call->bytes] = '\0';
	}
}

/* The answer's member "text", which goes out as it is. */
static const char *raw_text(const struct hs_message *message, const struct hs_answer *answer)
{
	const struct hs_field *fields = message->answer->fields;
	for (size_t i = 0; i < message->answer->fields_count; i++)
		if (strcmp(fields[i].name, "text") == 0)
			return *(const char *const *)((const char *)answer->body + fields[i].offset);
	return "";
}

static int health_status(const struct hs_answer *answer)
{
	const struct hs_suite_health_answer *health = answer->body;
	bool serves = health->state == HS_HEALTH_STATE_OK || health->state == HS_HEALTH_STATE_DEGRADED;
	return serves ? 200 : 503;
}

static void on_answer(void *context, const struct hs_answer *answer)
{
	struct request *request = context;
	const struct hs_message *message = &hs_messages[request->message];
	request->ticket = 0;
	if (answer->error != HS_OK) {
		rest_refuse_answer(request, answer);
		return;
	}
	if (strcmp(message->method, "GET") != 0)
		note_call(request, answer->json);
	if (message->is_upload) {
		upload_begin(request, answer);
		return;
	}
	int status = request->message == HS_SUITE_HEALTH ? health_status(answer) : message->status;
	if (message->raw) {
		const char *text = raw_text(message, answer);
		rest_answer(request, status, message->raw, text, strlen(text));
	} else {
		rest_answer(request, status, "application/json", answer->json->text, answer->json->bytes);
	}
}

static bool take_key(struct request *request, const char **ret_key)
{
	const char *key = http_header(request->exchange, "Idempotency-Key");
	*ret_key = NULL;
	if (!*key)
		return true;
	if (!hs_id_valid(key))
		return refuse_simply(request, HS_ERROR_BAD_REQUEST, "Idempotency-Key",
				     "It must be 1 to 64 of A-Z a-z 0-9 _ . ~ -.");
	*ret_key = key;
	return true;
}

static void fly(struct request *request, const void *body)
{
	struct caller caller = {
		.token = request->token,
		.client = http_client(request->exchange),
		.request_id = request->request_id,
	};
	if (!take_key(request, &caller.idempotency_key))
		return;
	request->is_flying = true;
	hs_metric_set(request->rest->flying, (int64_t)++request->rest->in_flight);
	request->ticket = front_ask(request->rest->front, request->message, body, &caller, on_answer, request);
}

/* ---- The message's body ---- */

/* The JSON of the request; NULL: it has none. False when it was answered. */
static bool read_body(struct request *request, struct hs_arena *arena, const struct hs_json **ret_json)
{
	struct hs_wire_fault fault = {"", ""};
	size_t bytes;
	const char *text = (const char *)http_body(request->exchange, &bytes);
	*ret_json = NULL;
	const struct hs_message *message = &hs_messages[request->message];
	if (bytes == 0 || message->is_upload || message->is_form || message->is_signed)
		return true;
	int error = hs_wire_parse(text, bytes, arena, ret_json, &fault);
	if (error)
		return refuse_simply(request, error == -EMSGSIZE ? HS_ERROR_TOO_LARGE : HS_ERROR_BAD_REQUEST,
				     fault.field, fault.why);
	return true;
}

static bool check_upload(struct request *request, struct route_body *body)
{
	size_t bytes;
	if (!hs_messages[request->message].is_upload)
		return true;
	enum hs_upload_format format = upload_format(http_header(request->exchange, "Content-Type"));
	http_body(request->exchange, &bytes);
	if (!format)
		return refuse_simply(request, HS_ERROR_UNSUPPORTED_MEDIA, "Content-Type",
				     "Content-Type must be " UPLOAD_ACCEPTED ".");
	if (bytes == 0)
		return refuse_simply(request, HS_ERROR_INVALID, NULL, "The body is empty: send the audio.");
	route_add_word(hs_messages[request->message].body, "format", hs_enum_upload_format.names[format], body);
	return true;
}

/* What was signed, as it came: whoever has the secret judges it. */
static bool add_signed(struct request *request, struct route_body *body)
{
	static const struct {
		const char *name, *header;
	} parts[] = {{"id", "webhook-id"}, {"timestamp", "webhook-timestamp"}, {"signature", "webhook-signature"}};
	const struct hs_message *message = &hs_messages[request->message];
	size_t bytes;
	if (!message->is_signed)
		return true;
	for (size_t i = 0; i < HS_COUNT(parts); i++) {
		const char *value = http_header(request->exchange, parts[i].header);
		if (!*value)
			return refuse_simply(request, HS_ERROR_UNAUTHORIZED, parts[i].header,
					     "Sign it as Standard Webhooks does: webhook-id, webhook-timestamp and "
					     "webhook-signature.");
		route_add_word(message->body, parts[i].name, value, body);
	}
	route_add_word(message->body, "payload", (const char *)http_body(request->exchange, &bytes), body);
	return true;
}

/* A form is written like a query. */
static int add_form(const struct request *request, struct route_body *body, struct hs_wire_fault *ret_fault)
{
	size_t bytes;
	const char *form = (const char *)http_body(request->exchange, &bytes);
	if (strlen(form) != bytes)
		return -EINVAL;
	return route_add_query(hs_messages[request->message].body, form, body, ret_fault);
}

/* Path, query and body into one object. */
static int merge(const struct request *request, const struct route_match *match, struct route_body *body,
		 struct hs_wire_fault *ret_fault)
{
	static const struct hs_shape nothing = {"query", 0, NULL, 0};
	const struct hs_message *message = &hs_messages[request->message];
	bool has_query = message->is_upload || strcmp(message->method, "GET") == 0;
	int error = route_add_params(match, body, ret_fault);
	if (!error && message->is_form)
		error = add_form(request, body, ret_fault);
	if (error)
		return error;
	return route_add_query(has_query ? message->body : &nothing, http_query(request->exchange), body, ret_fault);
}

static void ask_with(struct request *request, const struct route_match *match, struct route_body *made,
		     struct hs_arena *arena)
{
	const struct hs_shape *shape = hs_messages[request->message].body;
	void *body = hs_arena_alloc(arena, shape->size);
	struct hs_wire_fault fault = {"", ""};
	const struct hs_json *json;
	if (merge(request, match, made, &fault) || route_body_read(made, arena, &json, &fault) ||
	    hs_wire_decode(shape, json, true, arena, body, &fault)) {
		refuse_simply(request, HS_ERROR_INVALID, fault.field, fault.why);
		return;
	}
	for (size_t i = 0; i < match->params_count; i++)
		if (strcmp(match->params[i].name, "call") == 0)
			hs_copy(request->call, sizeof(request->call), match->params[i].value);
	fly(request, body);
}

static void ask(struct request *request, const struct route_match *match)
{
	struct hs_arena *arena = hs_arena_create();
	const struct hs_json *sent;
	struct route_body body;
	if (read_body(request, arena, &sent)) {
		route_body_begin(&body, sent);
		if (check_upload(request, &body) && add_signed(request, &body))
			ask_with(request, match, &body, arena);
		route_body_end(&body);
	}
	hs_arena_destroy(arena);
}

void rest_asked(void *context, struct http_exchange *exchange, bool full)
{
	struct rest *rest = context;
	struct request *request = request_of(rest, exchange);
	struct route_match match;
	size_t bytes;
	if (full || rest->in_flight >= REST_IN_FLIGHT) {
		struct problem problem = {.error = HS_ERROR_OVERLOADED,
					  .detail = full ? "Too many connections (api.max_clients)."
							 : "Too many requests wait for an answer."};
		refuse(request, &problem, NULL, full);
		return;
	}
	http_body(exchange, &bytes);
	if (serve_page(request) || !admit(request, &match) || (bytes > 0 && !check_content_type(request)))
		return;
	if (sse_is_wanted(request))
		sse_begin(request);
	else
		ask(request, &match);
}

/* ---- Life ---- */

struct rest *rest_create(struct front *front)
{
	struct rest *rest = hs_zalloc(sizeof(*rest));
	rest->front = front;
	rest->routes = routes_create();
	rest->latency =
		hs_metric_histogram("hookswitch_http_request_seconds", "", "From the request line to the answer.");
	rest->flying = hs_metric_gauge("hookswitch_http_requests_in_flight", "", "Requests that wait for an answer.");
	return rest;
}

struct front *rest_front(const struct rest *rest)
{
	return rest->front;
}

size_t rest_in_flight(const struct rest *rest)
{
	return rest->in_flight;
}

void rest_destroy(struct rest *rest)
{
	if (!rest)
		return;
	routes_destroy(rest->routes);
	free(rest);
}
