/* status: daemons, lines and calls at a glance. */
#include "cleanup.h"
#include "link.h"
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *text_of(struct json_object *object, const char *name)
{
	struct json_object *value = json_object_object_get(object, name);
	return value ? json_object_get_string(value) : "-";
}

/* What a daemon says of itself, or that it is away. */
static struct json_object *part_of(enum hs_role role, const struct reply *reply)
{
	struct json_object *part = NULL;
	if (reply->error == HS_OK && json_object_object_get_ex(reply->body, "part", &part))
		return json_object_get(part);
	part = json_object_new_object();
	json_object_object_add(part, "daemon", json_object_new_string(hs_role_names[role]));
	json_object_object_add(part, "state", json_object_new_string("away"));
	json_object_object_add(part, "why", json_object_new_string(hs_errors[reply->error].title));
	return part;
}

static struct json_object *ask_parts(struct hookctl *ctl)
{
	struct reply replies[HS_ROLES];
	struct json_object *parts = json_object_new_array();
	link_ask_all(ctl, HS_DAEMON_STATUS, NULL, replies);
	for (enum hs_role role = HS_ROLE_NONE + 1; role < HS_ROLES; role++) {
		if (replies[role].error != HS_ERROR_UNKNOWN_MESSAGE)
			json_object_array_add(parts, part_of(role, &replies[role]));
		reply_finish(&replies[role]);
	}
	return parts;
}

/* A list that needs a token: the member of the answer, or NULL, said on standard error. */
static struct json_object *ask_list(struct hookctl *ctl, enum hs_message_id message, const char *member,
				    struct json_object *body)
{
	AUTO(free) char *token = hookctl_token(ctl);
	struct json_object *list = NULL;
	struct reply reply;
	link_ask(ctl, HS_ROLE_APID, message, body, token, 0, &reply);
	if (reply.error)
		link_explain(ctl, HS_ROLE_APID, &reply);
	else if (json_object_object_get_ex(reply.body, member, &list))
		json_object_get(list);
	reply_finish(&reply);
	return list;
}

static bool is_here(struct json_object *parts, const char *daemon)
{
	for (size_t i = 0; i < json_object_array_length(parts); i++) {
		struct json_object *part = json_object_array_get_idx(parts, i);
		if (!strcmp(text_of(part, "daemon"), daemon))
			return strcmp(text_of(part, "state"), "away") != 0;
	}
	return false;
}

static void print_parts(struct json_object *parts)
{
	printf("%-12s %-9s %8s %9s %10s  %s\n", "DAEMON", "STATE", "PID", "RESTARTS", "UP", "");
	for (size_t i = 0; i < json_object_array_length(parts); i++) {
		struct json_object *part = json_object_array_get_idx(parts, i);
		struct json_object *why = json_object_object_get(part, "why");
		int64_t seconds = json_object_get_int64(json_object_object_get(part, "uptime_ms")) / 1000;
		printf("%-12s %-9s %8s %9s %6lldm%02llds  %s\n", text_of(part, "daemon"), text_of(part, "state"),
		       text_of(part, "pid"), text_of(part, "restarts"), (long long)(seconds / 60),
		       (long long)(seconds % 60), why ? json_object_get_string(why) : "");
	}
}

static void print_lines(struct json_object *lines)
{
	printf("\n%-16s %-6s %-8s %-9s %8s  %-22s %s\n", "LINE", "DRIVER", "NUMBER", "STATE", "CONTACTS", "ADDRESS",
	       "DEVICE");
	for (size_t i = 0; i < json_object_array_length(lines); i++) {
		struct json_object *line = json_object_array_get_idx(lines, i);
		printf("%-16s %-6s %-8s %-9s %8s  %-22s %s\n", text_of(line, "id"), text_of(line, "driver"),
		       text_of(line, "number"), text_of(line, "state"), text_of(line, "contacts"),
		       text_of(line, "address"), text_of(line, "device"));
		if (json_object_object_get(line, "why"))
			printf("  %s: %s\n", text_of(line, "trouble"), text_of(line, "why"));
	}
}

static void print_calls(struct json_object *calls)
{
	printf("\n%-32s %-9s %-9s %-16s %s\n", "CALL", "STATE", "DIRECTION", "LINE", "SINCE");
	for (size_t i = 0; i < json_object_array_length(calls); i++) {
		struct json_object *call = json_object_array_get_idx(calls, i);
		printf("%-32s %-9s %-9s %-16s %s\n", text_of(call, "id"), text_of(call, "state"),
		       text_of(call, "direction"), text_of(call, "line"), text_of(call, "created_at"));
	}
	if (json_object_array_length(calls) == 0)
		puts("none");
}

static int print_tables(struct json_object *parts, struct json_object *lines, struct json_object *calls)
{
	print_parts(parts);
	if (lines)
		print_lines(lines);
	if (calls)
		print_calls(calls);
	return lines && calls ? HOOKCTL_OK : HOOKCTL_AWAY;
}

int status_run(struct hookctl *ctl, int count, char **words)
{
	if (count > 0)
		return hookctl_usage(ctl, "it takes no arguments");
	if (!link_open(ctl))
		return HOOKCTL_FAILED;
	AUTO(json_put) struct json_object *active = json_object_new_object();
	json_object_object_add(active, "active", json_object_new_boolean(true));
	AUTO(json_put) struct json_object *parts = ask_parts(ctl);
	bool core = is_here(parts, "apid");
	AUTO(json_put) struct json_object *lines = core ? ask_list(ctl, HS_LINES_LIST, "lines", NULL) : NULL;
	AUTO(json_put) struct json_object *calls = lines ? ask_list(ctl, HS_CALLS_LIST, "calls", active) : NULL;
	if (!ctl->json)
		return print_tables(parts, lines, calls);
	AUTO(json_put) struct json_object *out = json_object_new_object();
	json_object_object_add(out, "daemons", json_object_get(parts));
	json_object_object_add(out, "lines", json_object_get(lines));
	json_object_object_add(out, "calls", json_object_get(calls));
	puts(json_object_to_json_string_ext(out, JSON_C_TO_STRING_NOSLASHESCAPE));
	return lines && calls ? HOOKCTL_OK : HOOKCTL_AWAY;
}
