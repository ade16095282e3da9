#include "match.h"
#include "cleanup.h"
#include <string.h>

static const char *const state_members[] = {"type", "old_state", "new_state", "timestamp", "call_id"};
static const char *const dtmf_members[] = {"type", "digit", "timestamp", "call_id", "sequence", "duration_ms"};

static bool is_one_of(const struct match_filter *filter, const struct hs_json *text)
{
	for (size_t i = 0; i < filter->count; i++)
		if (hs_json_is(text, filter->words[i]))
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

static bool event_wanted(const struct match_filter *filter, const char *type, const struct hs_json *event)
{
	bool is_state = !strcmp(type, "state_change");

	if (!strcmp(type, "webhook.failed"))
		return false;
	if (!filter->count)
		return true;
	for (size_t i = 0; i < filter->count; i++)
		if (type_fits(filter->words[i], type) ||
		    (is_state && hs_json_is(hs_json_member(event, "new_state"), filter->words[i])))
			return true;
	return false;
}

bool match_wants(const struct match_filter *filter, const char *type, const struct hs_json *event)
{
	switch (filter->kind) {
	case MATCH_STATE:
		return !strcmp(type, "state_change") &&
		       (!filter->count || is_one_of(filter, hs_json_member(event, "new_state")));
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
static char *chosen(const struct hs_json *event, const char *const *names, size_t count)
{
	struct hs_wire_out body = {0};

	for (size_t i = 0; i < count; i++) {
		const struct hs_json *value = hs_json_member(event, names[i]);
		size_t quote = value && value->kind == HS_JSON_TEXT;

		hs_wire_put_name(&body, names[i]);
		if (value)
			hs_wire_put(&body, value->text - quote, value->bytes + 2 * quote);
		else
			hs_wire_put(&body, "null", 4);
	}
	hs_wire_put(&body, "}", 2); /* with its NUL */
	return body.bytes;
}

char *match_body(enum match_kind kind, const struct hs_json *event, const char *text, size_t bytes)
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
