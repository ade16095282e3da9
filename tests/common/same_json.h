/* The tape against another reader: what wire took must say the same to json-c.
 * Used by test_wire and fuzz_wire. Owns nothing.
 */
#ifndef TEST_SAME_JSON_H
#define TEST_SAME_JSON_H

#include "wire.h"
#include <json-c/json.h>
#include <string.h>

static inline bool same_json(const struct hs_json *json, struct json_object *other, struct hs_arena *arena);

static inline bool same_text(const struct hs_json *json, struct json_object *other, struct hs_arena *arena)
{
	const char *text = hs_json_text(json, arena);

	return text && json_object_is_type(other, json_type_string) &&
	       strlen(text) == (size_t)json_object_get_string_len(other) &&
	       strcmp(text, json_object_get_string(other)) == 0 && hs_json_is(json, text);
}

static inline bool same_list(const struct hs_json *json, struct json_object *other, struct hs_arena *arena)
{
	const struct hs_json *item = hs_json_first(json);

	if (!json_object_is_type(other, json_type_array) || json_object_array_length(other) != json->count)
		return false;
	for (uint32_t i = 0; i < json->count; i++, item = hs_json_next(item))
		if (!same_json(item, json_object_array_get_idx(other, i), arena))
			return false;
	return item == hs_json_next(json);
}

static inline bool same_object(const struct hs_json *json, struct json_object *other, struct hs_arena *arena)
{
	const struct hs_json *name = hs_json_first(json);

	if (!json_object_is_type(other, json_type_object) || (uint32_t)json_object_object_length(other) != json->count)
		return false;
	for (uint32_t i = 0; i < json->count; i++, name = hs_json_next(name + 1)) {
		const char *text = hs_json_text(name, arena);
		struct json_object *member;

		if (!json_object_object_get_ex(other, text, &member) || hs_json_member(json, text) != name + 1 ||
		    !same_json(name + 1, member, arena))
			return false;
	}
	return name == hs_json_next(json);
}

static inline bool same_json(const struct hs_json *json, struct json_object *other, struct hs_arena *arena)
{
	switch (json->kind) {
	case HS_JSON_NULL:
		return !other;
	case HS_JSON_FALSE:
	case HS_JSON_TRUE:
		return json_object_is_type(other, json_type_boolean) &&
		       json_object_get_boolean(other) == (json->kind == HS_JSON_TRUE);
	case HS_JSON_WHOLE:
		return json_object_is_type(other, json_type_int);
	case HS_JSON_NUMBER:
		return json_object_is_type(other, json_type_double);
	case HS_JSON_TEXT:
		return same_text(json, other, arena);
	case HS_JSON_LIST:
		return same_list(json, other, arena);
	default:
		return same_object(json, other, arena);
	}
}

/* What json-c makes of the text, or NULL. */
static inline struct json_object *read_by_other(const char *text, size_t length)
{
	struct json_tokener *tokener = json_tokener_new_ex(HS_WIRE_MAX_DEPTH + 2);
	struct json_object *json;

	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	json = json_tokener_parse_ex(tokener, text, (int)length);
	json_tokener_free(tokener);
	return json;
}

#endif
