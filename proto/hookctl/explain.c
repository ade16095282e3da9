/* explain: what became of a call, in plain sentences, and its steps. */
#include "cleanup.h"
#include "link.h"
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#define DEADLINE_MS 5000
#define TIME_START 11 /* 2025-02-08T14:30:00.000Z without its date ... */
#define TIME_BYTES 12 /* ... and without its Z */

static const char *text_of(struct json_object *object, const char *name)
{
	struct json_object *value = json_object_object_get(object, name);
	return value ? json_object_get_string(value) : "";
}

static void print_step(struct json_object *step)
{
	const char *at = text_of(step, "at"), *from = text_of(step, "from"), *to = text_of(step, "to");
	if (strlen(at) > TIME_START)
		at += TIME_START;
	if (strcmp(from, to) == 0)
		to = "";
	printf("  %.*s  %-12s %s %-22s %s\n", TIME_BYTES, at, from, *to ? "->" : "  ", to, text_of(step, "what"));
}

static void each(struct json_object *list, void (*print)(struct json_object *item))
{
	for (size_t i = 0; list && i < json_object_array_length(list); i++)
		print(json_object_array_get_idx(list, i));
}

static void print_finding(struct json_object *finding)
{
	printf("- %s\n", json_object_get_string(finding));
}

static void print_silent(struct json_object *name)
{
	printf("  %s does not answer: its steps are missing\n", json_object_get_string(name));
}

static void print_all(struct json_object *answer)
{
	struct json_object *steps = json_object_object_get(answer, "steps");
	puts(text_of(answer, "sentence"));
	each(json_object_object_get(answer, "findings"), print_finding);
	if (steps && json_object_array_length(steps) == 0)
		puts("\nNo daemon remembers its steps any more.");
	else
		putchar('\n');
	each(steps, print_step);
	if (json_object_get_boolean(json_object_object_get(answer, "cut")))
		puts("  ... and more than an answer holds: hookctl follow");
	each(json_object_object_get(answer, "silent"), print_silent);
}

int explain_run(struct hookctl *ctl, int count, char **words)
{
	struct reply reply;
	if (count != 1)
		return hookctl_usage(ctl, "it takes the id of a call");
	if (!link_open(ctl))
		return HOOKCTL_FAILED;
	AUTO(free) char *token = hookctl_token(ctl);
	AUTO(json_put) struct json_object *body = json_object_new_object();
	json_object_object_add(body, "call", json_object_new_string(words[0]));
	link_ask(ctl, HS_ROLE_APID, HS_CALLS_EXPLAIN, body, token, DEADLINE_MS, &reply);
	int code = reply.error ? link_explain(ctl, HS_ROLE_APID, &reply) : HOOKCTL_OK;
	if (!reply.error && ctl->json)
		puts(reply.text);
	else if (!reply.error)
		print_all(reply.body);
	reply_finish(&reply);
	return code;
}
