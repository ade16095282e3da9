#include "match.h"
#include "cleanup.h"
#include "wire.h"
#include <json-c/json.h>
#include <string.h>

static const char *const state_members[] = {"type", "old_state", "new_state", "timestamp", "call_id"};
static const char *const dtmf_members[] = {"type", "digit", "timestamp", "call_id", "sequence", "duration_ms"};

static const char *member(struct json_object *event, const char *name)
{
	struct json_object *value;

	if (!json_object_object_get_ex(event, name, &value) || !json_object_is_type(value, json_type_string))
		return "";
	return json_object_get_string(value);
}

static bool is_one_of(const struct match_filter *filter, const char *text)
{
	for (size_t i = 0; i < filter->count; i++)
		if (!strcmp(filter->words[i], text))
			return true;
	return false;
}

/* "call.ended", "call.*" or "*". */
static bool type_fits(const char *word, const char *type)
{
	size_t length = strlen(word);

	if (!strcmp(word, "*"))
		return true;
	if (length > 2 && !strcmp(word + length - 2, ".*"))
		return !strncmp(word, type, length - 1);
	return !strcmp(word, type);
}

static bool event_wanted(const struct match_filter *filter, const char *type, struct json_object *event)
{
	bool is_state = !strcmp(type, "state_change");

	if (!strcmp(type, "webhook.failed"))
		return false;
	if (!filter->count)
		return true;
	for (size_t i = 0; i < filter->count; i++)
		if (type_fits(filter->words[i], type) ||
		    (is_state && !strcmp(filter->words[i], member(event, "new_state"))))
			return true;
	return false;
}

bool match_wants(const struct match_filter *filter, const char *type, struct json_object *event)
{
	switch (filter->kind) {
	case MATCH_STATE:
		return !strcmp(type, "state_change") &&
		       (!filter->count || is_one_of(filter, member(event, "new_state")));
	case MATCH_DTMF:
		return !strcmp(type, "dtmf");
	case MATCH_EVENT:
		return event_wanted(filter, type, event);
	}
	return false;
}

bool match_word_valid(const char *word)
{
	if (hs_wire_word(&hs_enum_line_state, word))
		return true;
	for (int i = 0; i < HS_MESSAGES; i++)
		if (hs_messages[i].kind == HS_EVENT && i != HS_WEBHOOK_FAILED && type_fits(word, hs_messages[i].name))
			return true;
	return false;
}

/* A member that the event lacks is sent as null: receivers were promised that it is there. */
static char *chosen(struct json_object *event, const char *const *names, size_t count)
{
	AUTO(json_put) struct json_object *body = json_object_new_object();

	for (size_t i = 0; i < count; i++) {
		struct json_object *value = NULL;

		json_object_object_get_ex(event, names[i], &value);
		json_object_object_add_ex(body, names[i], json_object_get(value),
					  JSON_C_OBJECT_ADD_KEY_IS_NEW | JSON_C_OBJECT_ADD_CONSTANT_KEY);
	}
	return hs_strdup(json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

char *match_body(enum match_kind kind, struct json_object *event, const char *text, size_t bytes)
{
	char *body;

	if (kind == MATCH_STATE)
		return chosen(event, state_members, HS_COUNT(state_members));
	if (kind == MATCH_DTMF)
		return chosen(event, dtmf_members, HS_COUNT(dtmf_members));
	body = hs_zalloc(bytes + 1);
	memcpy(body, text, bytes);
	return body;
}
