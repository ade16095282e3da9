#include "match.h"
#include "cleanup.h"
#include <string.h>

static const char *const state_members[] = {"type", "old_state", "new_state", "timestamp", "call_id"};
static const char *const dtmf_members[] = {"type", "digit", "timestamp", "call_id", "sequence", "duration_ms"};

static bool is_state_of(const struct match_words *states, const struct hs_json *text)
{
	for (size_t i = 0; i < states->count; i++)
		if (hs_json_is(text, states->words[i]))
			return true;
	return !states->count;
}

/* value: NULL where the event is about none. */
static bool is_one_of(const struct match_words *ids, const char *value)
{
	for (size_t i = 0; i < ids->count && value; i++)
		if (!strcmp(ids->words[i], value))
			return true;
	return !ids->count;
}

static bool event_wanted(const struct match_words *types, const char *type, const struct hs_json *event)
{
	bool is_state = !strcmp(type, "state_change");

	for (size_t i = 0; i < types->count; i++)
		if (hs_wire_event_fits(types->words[i], type) ||
		    (is_state && hs_json_is(hs_json_member(event, "new_state"), types->words[i])))
			return true;
	return !types->count;
}

bool match_wants(const struct match_filter *filter, const struct hs_event_head *head, const struct hs_json *event)
{
	if (!is_one_of(&filter->lines, head->line) || !is_one_of(&filter->calls, head->call_id))
		return false;
	switch (filter->kind) {
	case MATCH_STATE:
		return !strcmp(head->type, "state_change") &&
		       is_state_of(&filter->types, hs_json_member(event, "new_state"));
	case MATCH_DTMF:
		return !strcmp(head->type, "dtmf");
	case MATCH_EVENT:
		return strcmp(head->type, "webhook.failed") != 0 && event_wanted(&filter->types, head->type, event);
	}
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
