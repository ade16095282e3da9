#include "subscriber.h"
#include "cleanup.h"
#include "id.h"
#include "metrics.h"
#include "subscription.h"
#include "wire.h"
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define COMMANDS_MAX 32 /* of one client, in work or with a reply that it has not read */

struct subscriber {
	struct ws_client client; /* first */
	struct subscription *subscription;
	char *token; /* commands are made with it */
	TAILQ_HEAD(, command) commands;
	size_t count;
};

/* One request of a client, until its reply is sent. */
struct command {
	struct subscriber *of;
	char id[65], request_id[65];
	enum hs_message_id message;
	uint64_t ticket;
	struct hs_wire_out reply; /* empty: it is in work */
	TAILQ_ENTRY(command) link;
};

/* ---- Replies ---- */

static void command_end(struct command *command)
{
	struct subscriber *of = command->of;
	TAILQ_REMOVE(&of->commands, command, link);
	of->count--;
	free(command->reply.bytes);
	free(command);
}

static void reply(struct command *command, int status, const char *body, size_t bytes)
{
	struct hs_wire_out *out = &command->reply;
	hs_wire_put_name(out, "type");
	hs_wire_put_text(out, "reply");
	hs_wire_put_name(out, "id");
	hs_wire_put_text(out, command->id);
	hs_wire_put_name(out, "status");
	hs_wire_put_int(out, status);
	hs_wire_put_name(out, "body");
	hs_wire_put(out, body, bytes);
	hs_wire_put(out, "}", 1);
	hs_ws_want_write(command->of->client.ws);
}

static void reply_problem(struct command *command, struct problem *problem)
{
	problem->request_id = command->request_id;
	AUTO(free) char *text = problem_text(problem);
	reply(command, problem_status(problem), text, strlen(text));
}

static void refuse(struct command *command, enum hs_error error, const char *field, const char *why)
{
	reply_problem(command, &(struct problem){.error = error, .field = field, .detail = why});
}

static void on_answer(void *context, const struct hs_answer *answer)
{
	struct command *command = context;
	command->ticket = 0;
	if (answer->error == HS_OK)
		reply(command, hs_messages[command->message].status, answer->json->text, answer->json->bytes);
	else
		reply_problem(command, &(struct problem){.error = answer->error,
							 .detail = answer->detail,
							 .field = answer->field,
							 .state = answer->state});
}

/* ---- Commands ---- */

/* A member that is a text which fits. */
static bool read_text(const struct hs_json *json, const char *name, char *ret_text, size_t size)
{
	const struct hs_json *member = hs_json_member(json, name);
	if (!member || member->kind != HS_JSON_TEXT || member->bytes >= size ||
	    memchr(member->text, '\\', member->bytes))
		return false;
	memcpy(ret_text, member->text, member->bytes);
	ret_text[member->bytes] = '\0';
	return true;
}

/* What clients may ask, and what has an answer that fits into a message. */
static bool is_command(int message)
{
	return message >= 0 && hs_messages[message].path && !hs_messages[message].is_upload &&
	       !hs_messages[message].raw;
}

static void ask(struct command *command, const void *body, const char *key)
{
	struct subscriber *of = command->of;
	struct caller caller = {
		.token = of->token,
		.client = hs_ws_peer(of->client.ws),
		.request_id = command->request_id,
		.idempotency_key = key[0] ? key : NULL,
	};
	command->ticket = front_ask(of->client.front, command->message, body, &caller, on_answer, command);
}

static void read_body(struct command *command, const struct hs_json *json, struct hs_arena *arena)
{
	static const char nothing[] = "{}";
	const struct hs_json *sent = hs_json_member(json, "body");
	const struct hs_shape *shape = hs_messages[command->message].body;
	void *body = hs_arena_alloc(arena, shape->size);
	struct hs_wire_fault fault = {"", ""};
	char key[65] = "";
	if (hs_json_member(json, "idempotency_key") &&
	    (!read_text(json, "idempotency_key", key, sizeof(key)) || !hs_id_valid(key)))
		refuse(command, HS_ERROR_BAD_REQUEST, "idempotency_key", "It must be 1 to 64 of A-Z a-z 0-9 _ . ~ -.");
	else if ((!sent && hs_wire_parse(nothing, strlen(nothing), arena, &sent, &fault)) ||
		 hs_wire_decode(shape, sent, true, arena, body, &fault))
		refuse(command, HS_ERROR_INVALID, fault.field, fault.why);
	else
		ask(command, body, key);
}

static void take_command(struct subscriber *of, const struct hs_json *json, struct hs_arena *arena)
{
	struct command *command = hs_zalloc(sizeof(*command));
	char name[65];
	int message = read_text(json, "request", name, sizeof(name)) ? hs_wire_find(name) : -1;
	command->of = of;
	hs_id_make('r', of->client.front->house->config->node, command->request_id);
	TAILQ_INSERT_TAIL(&of->commands, command, link);
	of->count++;
	if (!read_text(json, "id", command->id, sizeof(command->id)) || !hs_id_valid(command->id)) {
		command->id[0] = '\0';
		refuse(command, HS_ERROR_BAD_REQUEST, "id",
		       "Give an id for the reply: 1 to 64 of A-Z a-z 0-9 _ . ~ -.");
	} else if (!is_command(message)) {
		refuse(command, HS_ERROR_BAD_REQUEST, "request",
		       "There is no such request; names are the operationId of /api/v1/openapi.json, uploads go by "
		       "REST.");
	} else {
		command->message = (enum hs_message_id)message;
		read_body(command, json, arena);
	}
}

/* Looked up so rarely that it need not be kept. */
static void count_ignored(void)
{
	hs_metric_add(hs_metric_counter("hookswitch_ws_ignored_total", "kind=\"events\"",
					"Messages of clients that mean nothing to us."),
		      1);
}

static void on_received(struct ws_client *client, bool text, const uint8_t *data, size_t bytes)
{
	struct subscriber *of = (struct subscriber *)client;
	struct hs_arena *arena = hs_arena_create();
	const struct hs_json *json;
	struct hs_wire_fault fault;
	bool is_command = text && hs_wire_parse((const char *)data, bytes, arena, &json, &fault) == 0 &&
			  json->kind == HS_JSON_OBJECT && hs_json_member(json, "request");
	if (!is_command)
		count_ignored();
	else if (of->count >= COMMANDS_MAX)
		hs_ws_close(client->ws, HS_WS_POLICY, "too many commands at a time: wait for replies");
	else
		take_command(of, json, arena);
	hs_arena_destroy(arena);
}

/* ---- The subscription ---- */

static int send_event(void *to, const char *text, size_t bytes, const char *cursor)
{
	return hs_ws_send(((struct subscriber *)to)->client.ws, true, text, bytes);
}

static void want_write(void *to)
{
	hs_ws_want_write(((struct subscriber *)to)->client.ws);
}

static void close_client(void *to, int code, const char *why)
{
	hs_ws_close(((struct subscriber *)to)->client.ws, code, why);
}

static void accept_client(void *to)
{
	hs_ws_accept(((struct subscriber *)to)->client.ws);
}

static void refuse_client(void *to, const struct hs_answer *answer)
{
	ws_refuse_answer(&((struct subscriber *)to)->client, hs_messages[HS_EVENTS_OPEN].scope, answer);
}

static const struct subscription_way way = {
	.send = send_event,
	.want_write = want_write,
	.close = close_client,
	.accept = accept_client,
	.refuse = refuse_client,
};

/* ---- Coming and going ---- */

static void on_opened(struct ws_client *client)
{
	subscription_opened(((struct subscriber *)client)->subscription);
}

/* Replies first: who waits for one knows what it asked. */
static void on_writable(struct ws_client *client)
{
	struct subscriber *of = (struct subscriber *)client;
	struct command *command, *next;
	for (command = TAILQ_FIRST(&of->commands); command; command = next) {
		next = TAILQ_NEXT(command, link);
		if (command->reply.used == 0)
			continue;
		if (hs_ws_send(client->ws, true, command->reply.bytes, command->reply.used))
			return;
		command_end(command);
	}
	subscription_writable(of->subscription);
}

static void on_closed(struct ws_client *client, int code, const char *why)
{
	struct subscriber *of = (struct subscriber *)client;
	while (!TAILQ_EMPTY(&of->commands)) {
		hs_bus_forget(client->front->house->bus, TAILQ_FIRST(&of->commands)->ticket);
		command_end(TAILQ_FIRST(&of->commands));
	}
	subscription_destroy(of->subscription);
	explicit_bzero(of->token, strlen(of->token));
	free(of->token);
	free(of);
}

static void on_asked(const struct ws_request *request)
{
	struct subscription_query query;
	struct hs_wire_fault why;
	if (subscription_read(request->head->query, &query, &why)) {
		struct problem problem = {.error = HS_ERROR_INVALID, .field = why.field, .detail = why.why};
		ws_refuse(request->front, request->ws, request->request_id, &problem);
		return;
	}
	struct subscriber *of = hs_zalloc(sizeof(*of));
	ws_client_begin(&of->client, &subscriber_kind, request);
	TAILQ_INIT(&of->commands);
	of->token = hs_strdup(request->token);
	of->subscription = subscription_create(&(struct subscription_setup){
		.front = request->front,
		.way = &way,
		.to = of,
		.token = request->token,
		.client = request->head->client,
		.request_id = request->request_id,
		.query = &query,
	});
}

const struct ws_kind subscriber_kind = {
	.name = "events",
	.before = "/api/v1/events",
	.asked = on_asked,
	.opened = on_opened,
	.received = on_received,
	.writable = on_writable,
	.closed = on_closed,
};
