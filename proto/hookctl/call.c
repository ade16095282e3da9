/* call and log: requests of the contract by name. */
#include "cleanup.h"
#include "link.h"
#include "wire.h"
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The role that is asked: --to, or the only one that answers this message. */
static enum hs_role receiver(const struct hs_message *row, const char *to)
{
	enum hs_role only = HS_ROLE_NONE;
	for (enum hs_role role = HS_ROLE_NONE + 1; role < HS_ROLES; role++) {
		if (!(row->to & (1u << role)))
			continue;
		if (to && !strcmp(hs_role_names[role], to))
			return role;
		if (!to && only != HS_ROLE_NONE)
			return HS_ROLE_NONE;
		only = to ? HS_ROLE_NONE : role;
	}
	return only;
}

/* Everything from standard input, bounded like a message. New text (free). */
static char *read_input(void)
{
	char *text = hs_zalloc(HS_WIRE_MAX_BYTES + 1);
	size_t bytes = fread(text, 1, HS_WIRE_MAX_BYTES, stdin);
	text[bytes] = '\0';
	return text;
}

/* The body, checked against the contract; NULL when it was refused, said on standard error. */
static struct json_object *checked_body(const struct hookctl *ctl, const struct hs_message *row, const char *word)
{
	struct hs_arena *arena = hs_arena_create();
	const struct hs_json *json;
	struct hs_wire_fault fault = {0};
	struct json_object *body = NULL;
	AUTO(free) char *input = word && !strcmp(word, "-") ? read_input() : NULL;
	const char *text = input ? input : word ? word : "{}";
	if (hs_wire_parse(text, strlen(text), arena, &json, &fault) < 0)
		hookctl_fail(ctl, "the JSON: %s", fault.why);
	else if (hs_wire_decode(row->body, json, true, arena, hs_arena_alloc(arena, row->body->size), &fault) < 0)
		hookctl_fail(ctl, "%s: %s", fault.field, fault.why);
	else
		body = json_tokener_parse(text);
	hs_arena_destroy(arena);
	return body;
}

static int print_answer(const struct hookctl *ctl, const struct hs_message *row, struct json_object *body)
{
	struct json_object *text = NULL;
	if (!ctl->json && row->raw && json_object_object_get_ex(body, "text", &text))
		fputs(json_object_get_string(text), stdout);
	else
		puts(json_object_to_json_string_ext(
			body, JSON_C_TO_STRING_NOSLASHESCAPE |
				      (ctl->json ? 0 : JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED)));
	return HOOKCTL_OK;
}

static int ask_and_print(struct hookctl *ctl, enum hs_role to, int message, struct json_object *body)
{
	const struct hs_message *row = &hs_messages[message];
	AUTO(free) char *token = row->scope ? hookctl_token(ctl) : NULL;
	if (!link_open(ctl))
		return HOOKCTL_FAILED;
	struct reply reply;
	link_ask(ctl, to, (enum hs_message_id)message, body, token, 5000, &reply);
	int code = reply.error ? link_explain(ctl, to, &reply) : print_answer(ctl, row, reply.body);
	reply_finish(&reply);
	return code;
}

int call_run(struct hookctl *ctl, int count, char **words)
{
	const char *to = hookctl_option(&count, words, "to");
	if (count < 1 || count > 2)
		return hookctl_usage(ctl, "the name of a request is needed");
	int message = hs_wire_find(words[0]);
	if (message < 0 || hs_messages[message].kind != HS_REQUEST)
		return hookctl_usage(ctl, "the contract has no request %s (proto/docs/bus.md lists them)", words[0]);
	const struct hs_message *row = &hs_messages[message];
	if (!(row->from & (1u << HS_ROLE_OPS)))
		return hookctl_fail(ctl, "%s is not for this tool: only a part of the suite may ask it", words[0]);
	enum hs_role role = receiver(row, to);
	if (role == HS_ROLE_NONE)
		return hookctl_usage(ctl,
				     to ? "%s is not answered by %s" : "%s is answered by several; say --to DAEMON%s",
				     words[0], to ? to : "");
	AUTO(json_put) struct json_object *body = checked_body(ctl, row, count > 1 ? words[1] : NULL);
	return body ? ask_and_print(ctl, role, message, body) : HOOKCTL_FAILED;
}

/* Says which daemons took the level. */
static int report_levels(struct hookctl *ctl, const char *level, struct reply *replies)
{
	int code = HOOKCTL_OK;
	for (enum hs_role role = HS_ROLE_NONE + 1; role < HS_ROLES; role++) {
		if (replies[role].error == HS_OK)
			printf("%-12s %s\n", hs_role_names[role], level);
		else if (replies[role].error != HS_ERROR_UNKNOWN_MESSAGE)
			code = link_explain(ctl, role, &replies[role]);
		reply_finish(&replies[role]);
	}
	return code;
}

int log_run(struct hookctl *ctl, int count, char **words)
{
	if (count < 1 || count > 2)
		return hookctl_usage(ctl, "which level?");
	if (!hs_wire_word(&hs_enum_log_level, words[0]))
		return hookctl_usage(ctl, "there is no level %s", words[0]);
	AUTO(json_put) struct json_object *body = json_object_new_object();
	json_object_object_add(body, "level", json_object_new_string(words[0]));
	enum hs_role role = count > 1 ? receiver(&hs_messages[HS_LOG_SET], words[1]) : HS_ROLE_NONE;
	if (count > 1 && role == HS_ROLE_NONE)
		return hookctl_usage(ctl, "there is no daemon %s", words[1]);
	if (!link_open(ctl))
		return HOOKCTL_FAILED;
	struct reply replies[HS_ROLES] = {0};
	if (role == HS_ROLE_NONE) {
		link_ask_all(ctl, HS_LOG_SET, body, replies);
	} else {
		for (enum hs_role other = HS_ROLE_NONE; other < HS_ROLES; other++)
			replies[other].error = HS_ERROR_UNKNOWN_MESSAGE;
		link_ask(ctl, role, HS_LOG_SET, body, NULL, 0, &replies[role]);
	}
	return report_levels(ctl, words[0], replies);
}
