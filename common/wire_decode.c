/* One reader a type, found by table; a fault is named where it is found, and its path grows while the readers return.
 */
#include "clock.h"
#include "wire_inner.h"
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

struct decode {
	struct hs_arena *arena;
	bool strict;
	struct hs_wire_fault *fault;
};

static int decode_struct(const struct decode *decode, const struct hs_shape *shape, struct json_object *json,
			 void *ret_struct);

static int wrong(const struct decode *decode, const char *must)
{
	return hs_wire_refuse(decode->fault, NULL, "must be %s", must);
}

/* Puts a step before the fault's path: "id" below "lines[2]" becomes "lines[2].id". */
static void prepend(struct hs_wire_fault *fault, const char *name, ssize_t index)
{
	char path[sizeof(fault->field)], number[24] = "";
	const char *dot = fault->field[0] && fault->field[0] != '[' ? "." : "";

	if (index >= 0)
		snprintf(number, sizeof(number), "[%zd]", index);
	if (snprintf(path, sizeof(path), "%s%s%s%s", name, number, dot, fault->field) >= (int)sizeof(path))
		memcpy(path + sizeof(path) - 4, "...", 4);
	memcpy(fault->field, path, sizeof(path));
}

static bool in_set(const char *text, size_t length, const char *set)
{
	return length > 0 && strspn(text, set) == length;
}

static int check_text(const struct decode *decode, const char *text, size_t length)
{
	const unsigned char *at = (const unsigned char *)text;

	for (size_t i = 0, bytes; i < length; i += bytes) {
		bytes = hs_wire_utf8(at + i, length - i);
		if (!bytes || hs_wire_is_control(at + i, bytes))
			return wrong(decode, "UTF-8 text without control characters");
	}
	return 0;
}

static int check_characters(const struct decode *decode, const struct hs_field *field, const char *text, size_t length)
{
	const unsigned char *at = (const unsigned char *)text;

	switch (field->type) {
	case HS_TYPE_ID:
		if (!in_set(text, length, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.~-"))
			return wrong(decode, "an id of letters, digits and _ . ~ -");
		return 0;
	case HS_TYPE_DIGITS:
		return in_set(text, length, "0123456789*#ABCD") ? 0 : wrong(decode, "digits: 0-9 * # A-D");
	case HS_TYPE_URL:
		for (size_t i = 0; i < length; i++)
			if (at[i] <= ' ' || at[i] > '~')
				return wrong(decode, "a URL in printable ASCII");
		return length ? 0 : wrong(decode, "a URL");
	case HS_TYPE_LABEL:
		if (strpbrk(text, "\t\r\n"))
			return wrong(decode, "one line of text without tabs");
		return check_text(decode, text, length);
	default:
		return check_text(decode, text, length);
	}
}

static int read_text(const struct decode *decode, const struct hs_field *field, struct json_object *json, void *slot)
{
	const char *text;
	size_t length;

	if (!json_object_is_type(json, json_type_string))
		return wrong(decode, "text");
	text = json_object_get_string(json);
	length = (size_t)json_object_get_string_len(json);
	if (length > field->max_bytes)
		return hs_wire_refuse(decode->fault, NULL, "must have at most %" PRIu32 " bytes", field->max_bytes);
	if (memchr(text, '\0', length))
		return wrong(decode, "text without NUL");
	if (check_characters(decode, field, text, length) < 0)
		return -EINVAL;
	*(const char **)slot = hs_arena_copy(decode->arena, text, length);
	return 0;
}

static int read_int(const struct decode *decode, const struct hs_field *field, struct json_object *json, void *slot)
{
	int64_t value;

	if (!json_object_is_type(json, json_type_int))
		return wrong(decode, "a whole number");
	value = json_object_get_int64(json);
	if (value < field->min || value > field->max)
		return hs_wire_refuse(decode->fault, NULL, "must be from %" PRId64 " to %" PRId64 "%s%s", field->min,
				      field->max, field->unit ? " " : "", field->unit ? field->unit : "");
	*(int64_t *)slot = value;
	return 0;
}

static int read_bool(const struct decode *decode, const struct hs_field *field, struct json_object *json, void *slot)
{
	if (!json_object_is_type(json, json_type_boolean))
		return wrong(decode, "true or false");
	*(bool *)slot = json_object_get_boolean(json);
	return 0;
}

/* 0 means "absent" in the struct, so a time begins after 1970. */
static int read_time(const struct decode *decode, const struct hs_field *field, struct json_object *json, void *slot)
{
	int64_t value = 0;

	if (!json_object_is_type(json, json_type_string) || json_object_get_string_len(json) > 64 ||
	    hs_clock_parse(json_object_get_string(json), &value) < 0 || value <= 0)
		return wrong(decode, "a time such as 2025-02-08T14:30:00.000Z");
	*(int64_t *)slot = value;
	return 0;
}

static int read_enum(const struct decode *decode, const struct hs_field *field, struct json_object *json, void *slot)
{
	char words[sizeof(decode->fault->why) - 16];
	size_t used = 0;
	int value = 0;

	if (json_object_is_type(json, json_type_string))
		value = hs_wire_word(field->values, json_object_get_string(json));
	if (value) {
		/* Enumerations are unsigned int in memory, whatever their type. */
		*(unsigned int *)slot = (unsigned int)value;
		return 0;
	}
	words[0] = '\0';
	for (int i = 1; i < field->values->count && used < sizeof(words); i++)
		used += (size_t)snprintf(words + used, sizeof(words) - used, "%s%s", i > 1 ? ", " : "",
					 field->values->names[i]);
	return hs_wire_refuse(decode->fault, NULL, "must be one of %s", words);
}

static int read_struct(const struct decode *decode, const struct hs_field *field, struct json_object *json, void *slot)
{
	void *structure = hs_arena_alloc(decode->arena, field->shape->size);

	*(void **)slot = structure;
	return decode_struct(decode, field->shape, json, structure);
}

static int read_json(const struct decode *decode, const struct hs_field *field, struct json_object *json, void *slot)
{
	if (!json_object_is_type(json, json_type_object))
		return wrong(decode, "an object");
	*(struct json_object **)slot = json;
	return 0;
}

static const struct {
	int (*read)(const struct decode *decode, const struct hs_field *field, struct json_object *json, void *slot);
	size_t size; /* of an item in a list; 0: the shape's */
} readers[] = {
	[HS_TYPE_TEXT] = {read_text, sizeof(char *)},       [HS_TYPE_LABEL] = {read_text, sizeof(char *)},
	[HS_TYPE_ID] = {read_text, sizeof(char *)},         [HS_TYPE_DIGITS] = {read_text, sizeof(char *)},
	[HS_TYPE_URL] = {read_text, sizeof(char *)},        [HS_TYPE_INT] = {read_int, sizeof(int64_t)},
	[HS_TYPE_BOOL] = {read_bool, sizeof(bool)},         [HS_TYPE_TIME] = {read_time, sizeof(int64_t)},
	[HS_TYPE_ENUM] = {read_enum, sizeof(unsigned int)}, [HS_TYPE_STRUCT] = {read_struct, 0},
	[HS_TYPE_JSON] = {read_json, sizeof(void *)},
};

static int read_list(const struct decode *decode, const struct hs_field *field, struct json_object *json, char *base)
{
	size_t size = field->type == HS_TYPE_STRUCT ? field->shape->size : readers[field->type].size;
	size_t count;
	char *items;

	if (!json_object_is_type(json, json_type_array))
		return wrong(decode, "a list");
	count = json_object_array_length(json);
	if (count > field->max_items)
		return hs_wire_refuse(decode->fault, NULL, "must have at most %" PRIu32 " items", field->max_items);
	items = count ? hs_arena_alloc(decode->arena, count * size) : NULL;
	*(void **)(base + field->offset) = items;
	*(size_t *)(base + field->mark_offset) = count;
	for (size_t i = 0; i < count; i++) {
		struct json_object *item = json_object_array_get_idx(json, i);
		/* Structs lie one beside the other in a list; alone they are pointed to. */
		int result = field->type == HS_TYPE_STRUCT
				     ? decode_struct(decode, field->shape, item, items + i * size)
				     : readers[field->type].read(decode, field, item, items + i * size);

		if (result < 0) {
			prepend(decode->fault, "", (ssize_t)i);
			return result;
		}
	}
	return 0;
}

static int read_present(const struct decode *decode, const struct hs_field *field, struct json_object *json, char *base)
{
	int result;

	if (field->list)
		result = read_list(decode, field, json, base);
	else
		result = readers[field->type].read(decode, field, json, base + field->offset);
	if (result == 0 && field->marked && !field->list)
		*(bool *)(base + field->mark_offset) = true;
	return result;
}

static int read_fallback(const struct decode *decode, const struct hs_field *field, char *base)
{
	struct json_object *json = json_tokener_parse(field->fallback);
	int result = read_present(decode, field, json, base);

	if (result == 0)
		hs_arena_hold(decode->arena, json);
	json_object_put(json);
	return result;
}

/* ret_found: whether the member was there. */
static int read_field(const struct decode *decode, const struct hs_field *field, struct json_object *json, char *base,
		      bool *ret_found)
{
	struct json_object *member;
	int result;

	*ret_found = json_object_object_get_ex(json, field->name, &member);
	if (*ret_found)
		result = read_present(decode, field, member, base);
	else if (field->fallback)
		result = read_fallback(decode, field, base);
	else if (field->optional)
		return 0;
	else
		result = hs_wire_refuse(decode->fault, NULL, "is missing");
	if (result < 0)
		prepend(decode->fault, field->name, -1);
	return result;
}

static int refuse_unknown(const struct decode *decode, const struct hs_shape *shape, struct json_object *json)
{
	struct json_object_iterator at = json_object_iter_begin(json), end = json_object_iter_end(json);

	for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
		const char *name = json_object_iter_peek_name(&at);
		bool known = false;

		for (size_t i = 0; i < shape->fields_count && !known; i++)
			known = strcmp(shape->fields[i].name, name) == 0;
		if (!known)
			return hs_wire_refuse(decode->fault, name, "is not a member here");
	}
	return 0;
}

static int decode_struct(const struct decode *decode, const struct hs_shape *shape, struct json_object *json,
			 void *ret_struct)
{
	int found_count = 0;

	if (!json_object_is_type(json, json_type_object))
		return wrong(decode, "an object");
	for (size_t i = 0; i < shape->fields_count; i++) {
		bool found;

		if (read_field(decode, &shape->fields[i], json, ret_struct, &found) < 0)
			return -EINVAL;
		found_count += found;
	}
	if (decode->strict && found_count != json_object_object_length(json))
		return refuse_unknown(decode, shape, json);
	return 0;
}

int hs_wire_decode(const struct hs_shape *shape, struct json_object *json, bool strict, struct hs_arena *arena,
		   void *ret_struct, struct hs_wire_fault *ret_fault)
{
	struct decode decode = {arena, strict, ret_fault};

	memset(ret_struct, 0, shape->size);
	hs_arena_hold(arena, json);
	return decode_struct(&decode, shape, json, ret_struct);
}
