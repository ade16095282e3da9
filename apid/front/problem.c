#include "problem.h"
#include "cleanup.h"
#include "wire.h"
#include <stdio.h>
#include <stdlib.h>
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

static void add(struct hs_wire_out *text, const char *name, const char *value)
{
	if (!value || !*value)
		return;
	hs_wire_put_name(text, name);
	hs_wire_put_text(text, value);
}

static void add_parts(struct hs_wire_out *text)
{
	struct hs_wire_out part = {0};
	add(&part, "daemon", hs_role_names[HS_ROLE_APID]);
	add(&part, "state", hs_enum_health_state.names[HS_HEALTH_STATE_AWAY]);
	hs_wire_put_name(text, "parts");
	hs_wire_put(text, "[", 1);
	hs_wire_put(text, part.bytes, part.used);
	hs_wire_put(text, "}]", 2);
	free(part.bytes);
}

char *problem_text(const struct problem *problem)
{
	struct hs_wire_out text = {0};
	char type[64], field[FIELD_BYTES] = "";
	snprintf(type, sizeof(type), "urn:hookswitch:%s", hs_errors[problem->error].name);
	if (problem->field)
		problem_clean(problem->field, field, sizeof(field));
	add(&text, "type", type);
	add(&text, "title", hs_errors[problem->error].title);
	hs_wire_put_name(&text, "status");
	hs_wire_put_int(&text, problem_status(problem));
	add(&text, "detail", problem->detail);
	add(&text, "field", field);
	add(&text, "state", problem->state);
	add(&text, "request_id", problem->request_id);
	if (problem->apid_is_away)
		add_parts(&text);
	hs_wire_put(&text, "}", 2); /* with its NUL */
	return text.bytes;
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
