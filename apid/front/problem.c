#include "problem.h"
#include "cleanup.h"
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#define FIELD_BYTES 128

int problem_status(const struct problem *problem)
{
	return problem->status ? problem->status : hs_errors[problem->error].status;
}

void problem_clean(const char *text, char *ret_text, size_t size)
{
	size_t used = 0;
	for (; *text && used + 1 < size; text++)
		ret_text[used++] = *text >= ' ' && *text <= '~' ? *text : '?';
	ret_text[used] = '\0';
}

static void add(struct json_object *json, const char *name, const char *value)
{
	if (value && *value)
		json_object_object_add(json, name, json_object_new_string(value));
}

static void add_parts(struct json_object *json)
{
	struct json_object *parts = json_object_new_array();
	struct json_object *part = json_object_new_object();
	add(part, "daemon", hs_role_names[HS_ROLE_APID]);
	add(part, "state", hs_enum_health_state.names[HS_HEALTH_STATE_AWAY]);
	json_object_array_add(parts, part);
	json_object_object_add(json, "parts", parts);
}

char *problem_text(const struct problem *problem)
{
	AUTO(json_put) struct json_object *json = json_object_new_object();
	char type[64], field[FIELD_BYTES] = "";
	snprintf(type, sizeof(type), "urn:hookswitch:%s", hs_errors[problem->error].name);
	if (problem->field)
		problem_clean(problem->field, field, sizeof(field));
	add(json, "type", type);
	add(json, "title", hs_errors[problem->error].title);
	json_object_object_add(json, "status", json_object_new_int(problem_status(problem)));
	add(json, "detail", problem->detail);
	add(json, "field", field);
	add(json, "state", problem->state);
	add(json, "request_id", problem->request_id);
	if (problem->apid_is_away)
		add_parts(json);
	return hs_strdup(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

void problem_challenge(const struct problem *problem, char *ret_value, size_t size)
{
	const char *realm = "Bearer realm=\"hookswitch\"";
	if (problem->error == HS_ERROR_UNAUTHORIZED)
		snprintf(ret_value, size, "%s%s", realm, problem->had_token ? ", error=\"invalid_token\"" : "");
	else if (problem->error == HS_ERROR_FORBIDDEN && problem->scope)
		snprintf(ret_value, size, "%s, error=\"insufficient_scope\", scope=\"%s\"", realm, problem->scope);
	else
		hs_copy(ret_value, size, "");
}

int problem_retry_after(const struct problem *problem)
{
	return hs_errors[problem->error].retry_after_s;
}
