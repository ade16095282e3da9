/* One reader a type, found by table; a fault is named where it is found, and its path grows while the readers return.
 */
#include "clock.h"
#include "wire_inner.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TIME_BYTES 64
#define IN_ID 1
#define IN_DIGITS 2

struct decode {
	struct hs_arena *arena;
	bool strict;
	struct hs_wire_fault *fault;
};

static int decode_struct(const struct decode *decode, const struct hs_shape *shape, const struct hs_json *json,
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

static const uint8_t sets[256] = {
	['0' ... '9'] = IN_ID | IN_DIGITS,
	['A' ... 'D'] = IN_ID | IN_DIGITS,
	['E' ... 'Z'] = IN_ID,
	['a' ... 'z'] = IN_ID,
	['_'] = IN_ID,
	['.'] = IN_ID,
	['~'] = IN_ID,
	['-'] = IN_ID,
	['*'] = IN_DIGITS,
	['#'] = IN_DIGITS,
};

static bool in_set(const unsigned char *text, size_t length, uint8_t set)
{
	uint8_t all = set;

	for (size_t i = 0; i < length; i++)
		all &= sets[text[i]];
	return length > 0 && all;
}

static bool is_one_line(const unsigned char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (text[i] == '\t' || text[i] == '\r' || text[i] == '\n')
			return false;
	return true;
}

static int check_text(const struct decode *decode, const char *text, size_t length)
{
	const unsigned char *at = (const unsigned char *)text;

	for (size_t i = 0, bytes; i < length; i += bytes) {
		bytes = 1;
		if ((at[i] >= ' ' && at[i] < 0x7f) || at[i] == '\t' || at[i] == '\r' || at[i] == '\n')
			continue;
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
		if (!in_set(at, length, IN_ID))
			return wrong(decode, "an id of letters, digits and _ . ~ -");
		return 0;
	case HS_TYPE_DIGITS:
		return in_set(at, length, IN_DIGITS) ? 0 : wrong(decode, "digits: 0-9 * # A-D");
	case HS_TYPE_URL:
		for (size_t i = 0; i < length; i++)
			if (at[i] <= ' ' || at[i] > '~')
				return wrong(decode, "a URL in printable ASCII");
		return length ? 0 : wrong(decode, "a URL");
	case HS_TYPE_LABEL:
		if (!is_one_line(at, length))
			return wrong(decode, "one line of text without tabs");
		return check_text(decode, text, length);
	default:
		return check_text(decode, text, length);
	}
}

static bool is_any_text(const struct hs_field *field)
{
	return field->type == HS_TYPE_TEXT || field->type == HS_TYPE_LABEL;
}

static int read_text(const struct decode *decode, const struct hs_field *field, const struct hs_json *json, void *slot)
{
	const char *text = json->text;
	size_t length = json->bytes;

	if (json->kind != HS_JSON_TEXT)
		return wrong(decode, "text");
	if (json->has_escapes)
		text = hs_wire_unescape(json, decode->arena, &length);
	if (length > field->max_bytes)
		return hs_wire_refuse(decode->fault, NULL, "must have at most %" PRIu32 " bytes", field->max_bytes);
	if (json->has_escapes && memchr(text, '\0', length))
		return wrong(decode, "text without NUL");
	if (!(json->is_printable && is_any_text(field)) && check_characters(decode, field, text, length) < 0)
		return -EINVAL;
	*(const char **)slot = json->has_escapes ? text : hs_arena_copy(decode->arena, text, length);
	return 0;
}

/* Beyond what 64 bits hold it stays at their end, which the field's range judges. */
static int64_t number_of(const struct hs_json *json)
{
	const char *at = json->text, *end = at + json->bytes;
	bool is_negative = *at == '-';
	int64_t value = 0;

	for (at += is_negative; at < end; at++) {
		int digit = *at - '0';

		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, is_negative ? -digit : digit, &value))
			return is_negative ? INT64_MIN : INT64_MAX;
	}
	return value;
}

static int read_int(const struct decode *decode, const struct hs_field *field, const struct hs_json *json, void *slot)
{
	int64_t value;

	if (json->kind != HS_JSON_WHOLE)
		return wrong(decode, "a whole number");
	value = number_of(json);
	if (value < field->min || value > field->max)
		return hs_wire_refuse(decode->fault, NULL, "must be from %" PRId64 " to %" PRId64 "%s%s", field->min,
				      field->max, field->unit ? " " : "", field->unit ? field->unit : "");
	*(int64_t *)slot = value;
	return 0;
}

static int read_bool(const struct decode *decode, const struct hs_field *field, const struct hs_json *json, void *slot)
{
	if (json->kind != HS_JSON_TRUE && json->kind != HS_JSON_FALSE)
		return wrong(decode, "true or false");
	*(bool *)slot = json->kind == HS_JSON_TRUE;
	return 0;
}

/* 0 means "absent" in the struct, so a time begins after 1970. */
static int read_time(const struct decode *decode, const struct hs_field *field, const struct hs_json *json, void *slot)
{
	char text[TIME_BYTES + 1];
	size_t length = json->bytes;
	int64_t value = 0;

	if (json->kind == HS_JSON_TEXT && length <= TIME_BYTES && json->is_printable) {
		memcpy(text, json->text, length);
		text[length] = '\0';
		if (hs_clock_parse(text, &value) < 0)
			value = 0;
	} else if (json->kind == HS_JSON_TEXT && json->has_escapes) {
		const char *unescaped = hs_wire_unescape(json, decode->arena, &length);

		if (length > TIME_BYTES || hs_clock_parse(unescaped, &value) < 0)
			value = 0;
	}
	if (value <= 0)
		return wrong(decode, "a time such as 2025-02-08T14:30:00.000Z");
	*(int64_t *)slot = value;
	return 0;
}

static int refuse_word(const struct decode *decode, const struct hs_field *field)
{
	char words[sizeof(decode->fault->why) - 16];
	size_t used = 0;

	words[0] = '\0';
	for (int i = 1; i < field->values->count && used < sizeof(words); i++)
		used += (size_t)snprintf(words + used, sizeof(words) - used, "%s%s", i > 1 ? ", " : "",
					 field->values->names[i]);
	return hs_wire_refuse(decode->fault, NULL, "must be one of %s", words);
}

static int read_enum(const struct decode *decode, const struct hs_field *field, const struct hs_json *json, void *slot)
{
	const char *text = json->text;
	size_t length = json->bytes;

	if (json->kind != HS_JSON_TEXT)
		return refuse_word(decode, field);
	if (json->has_escapes)
		text = hs_wire_unescape(json, decode->arena, &length);
	for (int i = 1; i < field->values->count; i++) {
		const char *name = field->values->names[i];

		/* Text of our own may hold NUL. */
		if (length == 0 || *name != *text || strlen(name) != length || memcmp(name, text, length) != 0)
			continue;
		/* Enumerations are unsigned int in memory, whatever their type. */
		*(unsigned int *)slot = (unsigned int)i;
		return 0;
	}
	return refuse_word(decode, field);
}

static int read_struct(const struct decode *decode, const struct hs_field *field, const struct hs_json *json,
		       void *slot)
{
	void *structure = hs_arena_alloc(decode->arena, field->shape->size);

	*(void **)slot = structure;
	return decode_struct(decode, field->shape, json, structure);
}

static int read_json(const struct decode *decode, const struct hs_field *field, const struct hs_json *json, void *slot)
{
	if (json->kind != HS_JSON_OBJECT)
		return wrong(decode, "an object");
	*(const struct hs_json **)slot = json;
	return 0;
}

static const struct {
	int (*read)(const struct decode *decode, const struct hs_field *field, const struct hs_json *json, void *slot);
	size_t size; /* of an item in a list; 0: the shape's */
} readers[] = {
	[HS_TYPE_TEXT] = {read_text, sizeof(char *)},       [HS_TYPE_LABEL] = {read_text, sizeof(char *)},
	[HS_TYPE_ID] = {read_text, sizeof(char *)},         [HS_TYPE_DIGITS] = {read_text, sizeof(char *)},
	[HS_TYPE_URL] = {read_text, sizeof(char *)},        [HS_TYPE_INT] = {read_int, sizeof(int64_t)},
	[HS_TYPE_BOOL] = {read_bool, sizeof(bool)},         [HS_TYPE_TIME] = {read_time, sizeof(int64_t)},
	[HS_TYPE_ENUM] = {read_enum, sizeof(unsigned int)}, [HS_TYPE_STRUCT] = {read_struct, 0},
	[HS_TYPE_JSON] = {read_json, sizeof(void *)},
};

static int read_list(const struct decode *decode, const struct hs_field *field, const struct hs_json *json, char *base)
{
	size_t size = field->type == HS_TYPE_STRUCT ? field->shape->size : readers[field->type].size;
	const struct hs_json *item = hs_json_first(json);
	size_t count = json->count;
	char *items;

	if (json->kind != HS_JSON_LIST)
		return wrong(decode, "a list");
	if (count > field->max_items)
		return hs_wire_refuse(decode->fault, NULL, "must have at most %" PRIu32 " items", field->max_items);
	items = count ? hs_arena_alloc(decode->arena, count * size) : NULL;
	*(void **)(base + field->offset) = items;
	*(size_t *)(base + field->mark_offset) = count;
	for (size_t i = 0; i < count; i++, item = hs_json_next(item)) {
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

static int read_present(const struct decode *decode, const struct hs_field *field, const struct hs_json *json,
			char *base)
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

/* Members of an object, looked through from the one behind the last that was found: they mostly come in the order of
 * the fields. */
struct members {
	const struct hs_json *json, *at;
	uint32_t index, found;
};

static const struct hs_json *find(struct members *members, const struct hs_field *field)
{
	uint32_t count = members->json->count;

	if (members->found == count)
		return NULL;
	for (uint32_t i = 0; i < count; i++) {
		const struct hs_json *name = members->at;

		members->at = name + 1 + name[1].nodes;
		if (++members->index == count) {
			members->index = 0;
			members->at = hs_json_first(members->json);
		}
		if (name->bytes == field->name_bytes && *name->text == *field->name &&
		    memcmp(name->text, field->name, name->bytes) == 0) {
			members->found++;
			return name + 1;
		}
	}
	return NULL;
}

static int read_field(const struct decode *decode, const struct hs_field *field, struct members *members, char *base)
{
	const struct hs_json *member = find(members, field);
	int result;

	if (!member && field->fallback)
		member = hs_wire_scan_value(field->fallback, decode->arena);
	if (member)
		result = read_present(decode, field, member, base);
	else if (field->optional)
		return 0;
	else
		result = hs_wire_refuse(decode->fault, NULL, "is missing");
	if (result < 0)
		prepend(decode->fault, field->name, -1);
	return result;
}

static int refuse_unknown(const struct decode *decode, const struct hs_shape *shape, const struct hs_json *json)
{
	const struct hs_json *name = hs_json_first(json);

	for (uint32_t m = 0; m < json->count; m++, name += 1 + name[1].nodes) {
		bool known = false;
		char text[sizeof(decode->fault->field)];

		for (size_t i = 0; i < shape->fields_count && !known; i++)
			known = shape->fields[i].name_bytes == name->bytes &&
				memcmp(shape->fields[i].name, name->text, name->bytes) == 0;
		snprintf(text, sizeof(text), "%.*s", (int)name->bytes, name->text);
		if (!known)
			return hs_wire_refuse(decode->fault, text, "is not a member here");
	}
	return 0;
}

static int decode_struct(const struct decode *decode, const struct hs_shape *shape, const struct hs_json *json,
			 void *ret_struct)
{
	struct members members = {json, hs_json_first(json), 0, 0};

	if (json->kind != HS_JSON_OBJECT)
		return wrong(decode, "an object");
	for (size_t i = 0; i < shape->fields_count; i++)
		if (read_field(decode, &shape->fields[i], &members, ret_struct) < 0)
			return -EINVAL;
	if (decode->strict && members.found != json->count)
		return refuse_unknown(decode, shape, json);
	return 0;
}

int hs_wire_decode(const struct hs_shape *shape, const struct hs_json *json, bool strict, struct hs_arena *arena,
		   void *ret_struct, struct hs_wire_fault *ret_fault)
{
	struct decode decode = {arena, strict, ret_fault};

	memset(ret_struct, 0, shape->size);
	return decode_struct(&decode, shape, json, ret_struct);
}
