#include "serve.h"
#include "ceiling.h"
#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READS_FEW 4 /* of one asker at a time: those beyond wait until nobody else does */

/* ---- answers ---- */

/* An answer that waits for the commit. */
struct reply {
	struct hs_request *request;
	char *json;
};

static void reply_send(void *context)
{
	AUTO(free) struct reply *reply = context;
	const struct hs_shape *shape = hs_messages[reply->request->message].answer;
	struct hs_arena *arena = hs_arena_create();
	void *answer = hs_arena_alloc(arena, shape->size);
	const struct hs_json *json;
	struct hs_wire_fault fault;

	if (hs_wire_parse(reply->json, strlen(reply->json), arena, &json, &fault) == 0 &&
	    hs_wire_decode(shape, json, false, arena, answer, &fault) == 0)
		hs_bus_answer(reply->request, answer);
	else
		hs_bus_refuse(reply->request, HS_ERROR_INTERNAL, NULL, NULL, "the answer is damaged: %s", fault.why);
	free(reply->json);
	hs_arena_destroy(arena);
}

/* Takes json over. */
static void reply_later(struct apid *apid, struct hs_request *request, char *json)
{
	struct reply *reply = hs_zalloc(sizeof(*reply));

	*reply = (struct reply){request, json};
	store_after(apid->store, reply_send, reply);
}

static void end_read(struct visit *visit)
{
	if (visit->reads)
		auth_end_read(visit->apid->auth, visit->token, visit->request->from);
	visit->reads = false;
}

void visit_answer(struct visit *visit, const void *answer)
{
	const struct hs_shape *shape = hs_messages[visit->request->message].answer;
	size_t bytes;
	char *json;

	end_read(visit);
	if (!visit->row->changes) {
		hs_bus_answer(visit->request, answer);
		free(visit);
		return;
	}
	json = answer ? hs_wire_text(shape, answer, &bytes) : hs_strdup("{}");
	if (visit->key[0])
		idempotency_put(visit->apid->idempotency, visit->key, visit->brief, json, !visit->row->unstored);
	reply_later(visit->apid, visit->request, json);
	free(visit);
}

static void end_refused(struct visit *visit)
{
	if (visit->key[0] && !visit->brief)
		idempotency_drop(visit->apid->idempotency, visit->key);
	free(visit);
}

void visit_refuse(struct visit *visit, enum hs_error error, const char *field, const char *state, const char *format,
		  ...)
{
	char detail[300] = "";
	va_list arguments;

	end_read(visit);
	if (format) {
		va_start(arguments, format);
		vsnprintf(detail, sizeof(detail), format, arguments);
		va_end(arguments);
	}
	hs_bus_refuse(visit->request, error, field, state, "%s", detail);
	end_refused(visit);
}

void visit_pass_refusal(struct visit *visit, const struct hs_answer *answer)
{
	visit_refuse(visit, answer->error, answer->field, answer->state, "%s", answer->detail ? answer->detail : "");
}

bool visit_begin_read(struct visit *visit)
{
	int reads = auth_begin_read(visit->apid->auth, visit->token, visit->request->from);

	visit->reads = reads > 0;
	visit->lane = reads > READS_FEW ? STORE_LAST : STORE_LONG;
	if (visit->reads)
		return true;
	visit_refuse(visit, HS_ERROR_RATE_LIMITED, NULL, NULL,
		     "too many reads at a time; wait for the answers to those before");
	return false;
}

static void refuse_late(struct visit *visit)
{
	visit_refuse(visit, HS_ERROR_TIMEOUT, NULL, NULL, "the deadline passed before its turn came; nothing was done");
}

void visit_refuse_unread(struct visit *visit, int error)
{
	if (error == -ETIMEDOUT)
		refuse_late(visit);
	else
		visit_refuse(visit, HS_ERROR_INTERNAL, NULL, NULL, "the store cannot be read");
}

bool visit_may(const struct visit *visit, const char *scope)
{
	char why[HS_CEILING_WHY];

	return !visit->token ||
	       (auth_has_scope(visit->token, scope) && ceiling_scope(visit->apid->ceiling, scope, why));
}

struct line *visit_line(struct visit *visit, const char *id)
{
	struct line *line = id ? lines_find(visit->apid->lines, id) : lines_default(visit->apid->lines);

	if (!line)
		visit_refuse(visit, HS_ERROR_NOT_FOUND, id ? "line" : NULL, NULL,
			     id ? "there is no such line" : "no line is configured");
	return line;
}

/* ---- the gate ---- */

/* What a client wants needs a token, whoever brings it; some things a daemon asks for itself. */
static bool needs_token(const struct visit *visit)
{
	const struct hs_request *request = visit->request;
	bool for_itself = request->from == HS_ROLE_HOOKD || request->from == HS_ROLE_HOOK_STREAM;

	/* For itself, as no client's address says, a front asks only for events that were published to it and missed.
	 */
	if (request->from == HS_ROLE_API_FRONT)
		for_itself = request->message == HS_EVENTS_LIST && !request->client;

	if (hs_messages[request->message].is_public)
		return false;
	return request->token || !for_itself || !visit->row->inner;
}

static const struct hs_field *find_field(const struct hs_shape *shape, const char *name, size_t length)
{
	for (size_t i = 0; i < shape->fields_count; i++)
		if (strlen(shape->fields[i].name) == length && memcmp(shape->fields[i].name, name, length) == 0)
			return &shape->fields[i];
	return NULL;
}

/* The path as the client wrote it: {line} and the like filled in from the body. The caller frees it. */
static char *path_of(const struct hs_request *request)
{
	const struct hs_message *message = &hs_messages[request->message];
	const char *open = strchr(message->path, '{');
	const char *close = open ? strchr(open, '}') : NULL;
	const struct hs_field *field = close ? find_field(message->body, open + 1, (size_t)(close - open - 1)) : NULL;

	if (!field)
		return hs_strdup(message->path);
	return hs_printf("%.*s%s%s", (int)(open - message->path), message->path,
			 *(const char *const *)((const char *)request->body + field->offset), close + 1);
}

static void handle(void *context, const char *answer)
{
	struct visit *visit = context;
	if (!answer) {
		if (hs_clock_ms() > visit->request->deadline_at)
			refuse_late(visit);
		else
			visit->row->handle(visit);
		return;
	}
	hs_log(INFO, "request.repeated", LOG_TEXT("message", hs_messages[visit->request->message].name),
	       LOG_TEXT("request", visit->request->request_id));
	reply_later(visit->apid, visit->request, hs_strdup(answer));
	free(visit);
}

/* What may be asked twice without harm goes straight on. */
static void admit(struct visit *visit)
{
	const struct hs_request *request = visit->request;
	const struct hs_message *message = &hs_messages[request->message];
	AUTO(free) char *path = NULL;

	if (visit->row->changes && !store_is_well(visit->apid->store)) {
		visit_refuse(visit, HS_ERROR_OVERLOADED, NULL, NULL,
			     "the event log cannot be written; /api/v1/health says why");
		return;
	}
	if (!message->method || strcmp(message->method, "POST") != 0 || message->is_signed) {
		visit->row->handle(visit);
		return;
	}
	path = path_of(request);
	visit->brief = !request->idempotency_key;
	idempotency_key(visit->token ? visit->token->name : hs_role_names[request->from], path,
			request->idempotency_key, request->request_id, visit->key);
	idempotency_begin(visit->apid->idempotency, visit->key, visit->brief, handle, visit);
}

/* Whether the visit's token may do what is asked, now; else the visit is refused. */
static bool token_may(struct visit *visit)
{
	const char *scope = hs_messages[visit->request->message].scope;
	char why[HS_CEILING_WHY];

	if (!auth_has_scope(visit->token, scope))
		visit_refuse(visit, HS_ERROR_FORBIDDEN, NULL, NULL, "the token needs the scope %s", scope);
	else if (scope && !ceiling_scope(visit->apid->ceiling, scope, why))
		visit_refuse(visit, HS_ERROR_CEILING, NULL, NULL, "%s", why);
	else if (!auth_admit(visit->apid->auth, visit->token, hs_clock_ms()))
		visit_refuse(visit, HS_ERROR_RATE_LIMITED, NULL, NULL, "api.requests_per_s of this token is reached");
	else
		return true;
	return false;
}

static void check_token(struct visit *visit)
{
	if (!needs_token(visit)) {
		admit(visit);
		return;
	}
	visit->token = auth_find(visit->apid->auth, visit->request->token);
	if (!visit->token)
		visit_refuse(visit, HS_ERROR_UNAUTHORIZED, NULL, NULL, "send Authorization: Bearer TOKEN");
	else if (token_may(visit))
		admit(visit);
}

static const struct serve_row *const tables[] = {serve_call_rows,     serve_event_rows,     serve_stream_rows,
						 serve_hook_rows,     serve_emergency_rows, serve_suite_rows,
						 serve_line_rows,     serve_place_rows,     serve_party_rows,
						 serve_transfer_rows, serve_explain_rows,   serve_twilio_rows};

static const struct serve_row *row_of(enum hs_message_id message)
{
	for (size_t i = 0; i < HS_COUNT(tables); i++)
		for (const struct serve_row *row = tables[i]; row->handle; row++)
			if (row->message == message)
				return row;
	return NULL;
}

void visit_become(struct visit *visit, enum hs_message_id message, const void *body,
		  const struct hs_config_token *token, const char *path, const char *key)
{
	visit->request->message = message;
	visit->request->body = body;
	visit->row = row_of(message);
	visit->token = token;
	if (!token_may(visit))
		return;
	visit->brief = false;
	idempotency_key(token->name, path, key, visit->request->request_id, visit->key);
	idempotency_begin(visit->apid->idempotency, visit->key, visit->brief, handle, visit);
}

static void serve(void *context, struct hs_request *request)
{
	struct apid *apid = context;
	struct visit *visit;

	if (apid->stopping) {
		hs_bus_refuse(request, HS_ERROR_UNAVAILABLE, NULL, NULL, "apid is stopping");
		return;
	}
	visit = hs_zalloc(sizeof(*visit));
	visit->apid = apid;
	visit->request = request;
	visit->row = row_of(request->message);
	check_token(visit);
}

size_t apid_doors(struct hs_door ret_doors[HS_MESSAGES])
{
	size_t count = 0;

	for (size_t i = 0; i < HS_COUNT(tables); i++)
		for (const struct serve_row *row = tables[i]; row->handle; row++)
			ret_doors[count++] = (struct hs_door){row->message, serve};
	return count;
}
