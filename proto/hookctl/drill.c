/* drill: whether emergency numbers go out, from everywhere and now. Nothing is dialled. */
#include "cleanup.h"
#include "link.h"
#include <json-c/json.h>
#include <stdio.h>

static const char *text_of(struct json_object *object, const char *name)
{
	struct json_object *value = json_object_object_get(object, name);
	return value ? json_object_get_string(value) : "-";
}

static bool is_true(struct json_object *object, const char *name)
{
	return json_object_get_boolean(json_object_object_get(object, name));
}

static void show_route(struct json_object *route)
{
	struct json_object *lines = json_object_object_get(route, "lines");
	printf("%-12s %-12s %s", text_of(route, "route"), text_of(route, "number"),
	       is_true(route, "ok") ? "ok" : "FAILS");
	if (is_true(route, "ok"))
		printf(": dials %s on %s\n", text_of(route, "dialled"), text_of(route, "line"));
	else
		printf(": %s\n", text_of(route, "why"));
	for (size_t i = 0; i < json_object_array_length(lines); i++) {
		struct json_object *line = json_object_array_get_idx(lines, i);
		printf("  %-10s %-12s %s\n", text_of(line, "line"), text_of(line, "state"),
		       is_true(line, "usable") ? "would be taken" : text_of(line, "why"));
	}
}

static int show(const struct hookctl *ctl, const struct reply *reply)
{
	struct json_object *routes = json_object_object_get(reply->body, "routes");
	if (ctl->json)
		puts(reply->text);
	for (size_t i = 0; !ctl->json && i < json_object_array_length(routes); i++)
		show_route(json_object_array_get_idx(routes, i));
	if (!json_object_array_length(routes))
		fputs("no route has emergency: true\n", stderr);
	return is_true(reply->body, "ok") ? HOOKCTL_OK : HOOKCTL_FAILED;
}

int drill_run(struct hookctl *ctl, int count, char **words)
{
	AUTO(json_put) struct json_object *body = json_object_new_object();
	AUTO(free) char *token = hookctl_token(ctl);
	struct reply reply;
	int code;
	if (count > 1)
		return hookctl_usage(ctl, "one number, or none");
	if (count)
		json_object_object_add(body, "number", json_object_new_string(words[0]));
	if (!link_open(ctl))
		return HOOKCTL_FAILED;
	link_ask(ctl, HS_ROLE_APID, HS_EMERGENCY_DRILL, body, token, 0, &reply);
	code = reply.error ? link_explain(ctl, HS_ROLE_APID, &reply) : show(ctl, &reply);
	reply_finish(&reply);
	return code;
}
