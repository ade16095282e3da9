#include "link.h"
#include "cleanup.h"
#include "id.h"
#include "log.h"
#include "wire.h"
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct link {
	uv_loop_t loop;
	uv_timer_t timer;
	uv_signal_t interrupt, terminate;
	struct hs_bus *bus;
	char incarnation[HS_ID_BYTES];
	int open_questions;
	bool ended; /* somebody wants the command to end */
};

struct question {
	struct link *link;
	struct reply *reply;
};

static void stop_loop(uv_signal_t *handle, int number)
{
	((struct link *)handle->data)->ended = true;
	uv_stop(handle->loop);
}

static void time_is_over(uv_timer_t *handle)
{
	uv_stop(handle->loop);
}

bool link_open(struct hookctl *ctl)
{
	if (ctl->link)
		return true;
	struct link *link = hs_zalloc(sizeof(*link));
	hs_id_make('i', "ctl", link->incarnation);
	uv_loop_init(&link->loop);
	uv_timer_init(&link->loop, &link->timer);
	uv_signal_init(&link->loop, &link->interrupt);
	uv_signal_init(&link->loop, &link->terminate);
	link->interrupt.data = link->terminate.data = link;
	uv_unref((uv_handle_t *)&link->interrupt);
	uv_unref((uv_handle_t *)&link->terminate);
	ctl->link = link;
	link->bus = hs_bus_create(&(struct hs_bus_setup){.loop = &link->loop,
							 .role = HS_ROLE_OPS,
							 .home = ctl->home,
							 .incarnation = link->incarnation,
							 .far = ctl->config ? ctl->config->bus : NULL});
	if (link->bus)
		return true;
	hookctl_fail(ctl, "cannot open the bus in %s/run: root, or the suite's own user, may", ctl->home);
	link_close(ctl);
	return false;
}

struct hs_bus *link_bus(struct hookctl *ctl)
{
	return ctl->link->bus;
}

static void answered(void *context, const struct hs_answer *answer)
{
	struct question *question = context;
	struct reply *reply = question->reply;
	reply->error = answer->error;
	if (answer->json) {
		reply->text = hs_printf("%.*s", (int)answer->json->bytes, answer->json->text);
		reply->body = json_tokener_parse(reply->text);
	}
	reply->detail = hs_strdup(answer->detail);
	reply->field = hs_strdup(answer->field);
	reply->state = hs_strdup(answer->state);
	if (--question->link->open_questions == 0)
		uv_stop(&question->link->loop);
	free(question);
}

static void ask(struct link *link, enum hs_role to, enum hs_message_id message, struct json_object *body,
		const char *token, int deadline_ms, struct reply *reply)
{
	struct question *question = hs_zalloc(sizeof(*question));
	*question = (struct question){link, reply};
	link->open_questions++;
	hs_bus_ask(link->bus,
		   &(struct hs_ask){.to = to,
				    .message = message,
				    .body_text =
					    body ? json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN) : NULL,
				    .deadline_ms = deadline_ms,
				    .patient = true,
				    .token = token,
				    .client = "hookctl",
				    .answered = answered,
				    .context = question});
}

static void await_answers(struct link *link)
{
	while (link->open_questions > 0)
		uv_run(&link->loop, UV_RUN_DEFAULT);
}

void link_ask(struct hookctl *ctl, enum hs_role to, enum hs_message_id message, struct json_object *body,
	      const char *token, int deadline_ms, struct reply *ret_reply)
{
	*ret_reply = (struct reply){0};
	ask(ctl->link, to, message, body, token, deadline_ms, ret_reply);
	await_answers(ctl->link);
}

/* Part of the suite here, or an apid elsewhere, and of the message's receivers. A suite without analog lines has no
 * dahdid. */
static bool takes(const struct hookctl *ctl, enum hs_role role, enum hs_message_id message)
{
	if (!(hs_messages[message].to & (1u << role)))
		return false;
	if (hookctl_is_elsewhere(ctl, role) && role != HS_ROLE_APID)
		return false;
	if (role != HS_ROLE_DAHDID)
		return true;
	for (size_t i = 0; i < ctl->config->lines_count; i++)
		if (ctl->config->lines[i].driver == HS_DRIVER_DAHDI)
			return true;
	return false;
}

void link_ask_all(struct hookctl *ctl, enum hs_message_id message, struct json_object *body, struct reply *replies)
{
	for (enum hs_role role = HS_ROLE_NONE; role < HS_ROLES; role++) {
		replies[role] = (struct reply){.error = HS_ERROR_UNKNOWN_MESSAGE};
		if (role != HS_ROLE_NONE && takes(ctl, role, message))
			ask(ctl->link, role, message, body, NULL, 1000, &replies[role]);
	}
	await_answers(ctl->link);
}

bool link_run(struct hookctl *ctl, int64_t max_ms)
{
	struct link *link = ctl->link;
	uv_signal_start(&link->interrupt, stop_loop, SIGINT);
	uv_signal_start(&link->terminate, stop_loop, SIGTERM);
	if (max_ms > 0)
		uv_timer_start(&link->timer, time_is_over, (uint64_t)max_ms, 0);
	uv_run(&link->loop, UV_RUN_DEFAULT);
	uv_timer_stop(&link->timer);
	return link->ended;
}

void link_stop(struct hookctl *ctl)
{
	ctl->link->ended = true;
	uv_stop(&ctl->link->loop);
}

int link_explain(const struct hookctl *ctl, enum hs_role to, const struct reply *reply)
{
	const struct hs_error_row *row = &hs_errors[reply->error];
	fprintf(stderr, "hookctl %s: %s: %s", ctl->command, row->name, reply->detail ? reply->detail : row->title);
	if (reply->field)
		fprintf(stderr, " (field %s)", reply->field);
	if (reply->state)
		fprintf(stderr, " (present state: %s)", reply->state);
	bool away = reply->error == HS_ERROR_UNAVAILABLE || reply->error == HS_ERROR_TIMEOUT;
	if (away)
		fprintf(stderr, "; asked: %s in %s", hs_role_names[to], ctl->home);
	fputc('\n', stderr);
	return away ? HOOKCTL_AWAY : HOOKCTL_FAILED;
}

void reply_finish(struct reply *reply)
{
	json_object_put(reply->body);
	free(reply->text);
	free(reply->detail);
	free(reply->field);
	free(reply->state);
	*reply = (struct reply){0};
}

void link_close(struct hookctl *ctl)
{
	struct link *link = TAKE(ctl->link);
	if (!link)
		return;
	hs_bus_destroy(link->bus);
	uv_close((uv_handle_t *)&link->timer, NULL);
	uv_close((uv_handle_t *)&link->interrupt, NULL);
	uv_close((uv_handle_t *)&link->terminate, NULL);
	uv_run(&link->loop, UV_RUN_DEFAULT);
	uv_loop_close(&link->loop);
	free(link);
}
