/* Never fails, and never makes what the other end refuses: texts are cleaned, and sentences (fields of at most 256
 * bytes) that are too long are cut, so that a phone with an odd name does not stop the facts behind it. The text is
 * written straight from the struct; a JSON object is made from the text, so that there is one writer. */
#include "cleanup.h"
#include "clock.h"
#include "wire_inner.h"
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CUT_UP_TO 256
#define FIRST_BYTES 512
#define DEPTH 64 /* of an object of our own, whatever JSON members it holds */

struct text {
	char *bytes;
	size_t used, size;
};

static void write_struct(struct text *text, const struct hs_shape *shape, const void *structure);

static char *reserve(struct text *text, size_t more)
{
	if (text->size - text->used < more) {
		text->size = text->size * 2 > text->used + more ? text->size * 2 : text->used + more;
		text->bytes = hs_resize(text->bytes, text->size, 1);
	}
	return text->bytes + text->used;
}

static void put(struct text *text, const char *bytes, size_t count)
{
	memcpy(reserve(text, count), bytes, count);
	text->used += count;
}

static void put_char(struct text *text, char c)
{
	*reserve(text, 1) = c;
	text->used++;
}

static void put_plain(struct text *text, const char *word)
{
	put_char(text, '"');
	put(text, word, strlen(word));
	put_char(text, '"');
}

/* Bytes of the text that may go out: all, or up to the last whole character that fits. */
static size_t fitting(const struct hs_field *field, const char *value)
{
	size_t length = strlen(value);

	bool may_cut = field->type == HS_TYPE_TEXT || field->type == HS_TYPE_LABEL;

	if (!may_cut || field->max_bytes > CUT_UP_TO || length <= field->max_bytes)
		return length;
	length = field->max_bytes;
	while (length > 0 && ((unsigned char)value[length] & 0xc0) == 0x80)
		length--;
	return length;
}

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* One character that is not plain; returns its bytes. */
static size_t put_special(struct text *text, const unsigned char *value, size_t length)
{
	size_t bytes = hs_wire_utf8(value, length);

	if (!bytes || hs_wire_is_control(value, bytes)) {
		put_char(text, '?');
		return bytes ? bytes : 1;
	}
	if (bytes > 1) {
		put(text, (const char *)value, bytes);
		return bytes;
	}
	put_char(text, '\\');
	put_char(text, *value == '\t' ? 't' : *value == '\r' ? 'r' : *value == '\n' ? 'n' : (char)*value);
	return 1;
}

static void write_text(struct text *text, const struct hs_field *field, const void *slot)
{
	const unsigned char *value = *(const unsigned char *const *)slot;
	size_t length = fitting(field, (const char *)value), at = 0;

	put_char(text, '"');
	while (at < length) {
		size_t end = at;

		while (end < length && is_plain(value[end]))
			end++;
		put(text, (const char *)value + at, end - at);
		at = end;
		if (at < length)
			at += put_special(text, value + at, length - at);
	}
	put_char(text, '"');
}

static void write_int(struct text *text, const struct hs_field *field, const void *slot)
{
	char digits[24];

	put(text, digits, (size_t)snprintf(digits, sizeof(digits), "%" PRId64, *(const int64_t *)slot));
}

static void write_bool(struct text *text, const struct hs_field *field, const void *slot)
{
	if (*(const bool *)slot)
		put(text, "true", 4);
	else
		put(text, "false", 5);
}

static void write_time(struct text *text, const struct hs_field *field, const void *slot)
{
	char at[HS_CLOCK_TEXT];

	hs_clock_format(*(const int64_t *)slot, at);
	put_plain(text, at);
}

static void write_enum(struct text *text, const struct hs_field *field, const void *slot)
{
	put_plain(text, field->values->names[*(const unsigned int *)slot]);
}

static void write_pointed(struct text *text, const struct hs_field *field, const void *slot)
{
	write_struct(text, field->shape, *(const void *const *)slot);
}

static void write_json(struct text *text, const struct hs_field *field, const void *slot)
{
	size_t bytes;
	const char *json = json_object_to_json_string_length(
		*(struct json_object *const *)slot, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &bytes);

	put(text, json, bytes);
}

static const struct {
	void (*write)(struct text *text, const struct hs_field *field, const void *slot);
	size_t size; /* of an item in a list; structs: the shape's */
} writers[] = {
	[HS_TYPE_TEXT] = {write_text, sizeof(char *)},       [HS_TYPE_LABEL] = {write_text, sizeof(char *)},
	[HS_TYPE_ID] = {write_text, sizeof(char *)},         [HS_TYPE_DIGITS] = {write_text, sizeof(char *)},
	[HS_TYPE_URL] = {write_text, sizeof(char *)},        [HS_TYPE_INT] = {write_int, sizeof(int64_t)},
	[HS_TYPE_BOOL] = {write_bool, sizeof(bool)},         [HS_TYPE_TIME] = {write_time, sizeof(int64_t)},
	[HS_TYPE_ENUM] = {write_enum, sizeof(unsigned int)}, [HS_TYPE_STRUCT] = {write_pointed, 0},
	[HS_TYPE_JSON] = {write_json, sizeof(void *)},
};

static bool is_present(const struct hs_field *field, const void *slot)
{
	switch (field->type) {
	case HS_TYPE_INT:
	case HS_TYPE_BOOL:
		return true;
	case HS_TYPE_TIME:
		return *(const int64_t *)slot != 0;
	case HS_TYPE_ENUM:
		return *(const unsigned int *)slot > 0 &&
		       *(const unsigned int *)slot < (unsigned int)field->values->count;
	default:
		return *(const void *const *)slot != NULL;
	}
}

static void write_list(struct text *text, const struct hs_field *field, const char *items, size_t count)
{
	bool is_struct = field->type == HS_TYPE_STRUCT;
	size_t size = is_struct ? field->shape->size : writers[field->type].size;
	bool is_first = true;

	put_char(text, '[');
	for (size_t i = 0; i < count; i++, items += size) {
		if (!is_struct && !is_present(field, items))
			continue;
		if (!is_first)
			put_char(text, ',');
		is_first = false;
		/* Structs lie one beside the other in a list; alone they are pointed to. */
		if (is_struct)
			write_struct(text, field->shape, items);
		else
			writers[field->type].write(text, field, items);
	}
	put_char(text, ']');
}

static bool is_left_out(const struct hs_field *field, const char *base)
{
	if (field->list)
		return field->optional && *(const size_t *)(base + field->mark_offset) == 0;
	if (field->marked)
		return !*(const bool *)(base + field->mark_offset);
	return !is_present(field, base + field->offset);
}

static void write_struct(struct text *text, const struct hs_shape *shape, const void *structure)
{
	const char *base = structure;
	char before = '{';

	for (size_t i = 0; i < shape->fields_count; i++) {
		const struct hs_field *field = &shape->fields[i];

		if (is_left_out(field, base))
			continue;
		put_char(text, before);
		before = ',';
		put_plain(text, field->name);
		put_char(text, ':');
		if (field->list)
			write_list(text, field, *(const char *const *)(base + field->offset),
				   *(const size_t *)(base + field->mark_offset));
		else
			writers[field->type].write(text, field, base + field->offset);
	}
	if (before == '{')
		put_char(text, before);
	put_char(text, '}');
}

char *hs_wire_text(const struct hs_shape *shape, const void *structure, size_t *ret_bytes)
{
	struct text text = {hs_resize(NULL, FIRST_BYTES, 1), 0, FIRST_BYTES};

	write_struct(&text, shape, structure);
	put_char(&text, '\0');
	*ret_bytes = text.used - 1;
	return text.bytes;
}

struct json_object *hs_wire_encode(const struct hs_shape *shape, const void *structure)
{
	size_t bytes;
	AUTO(free) char *text = hs_wire_text(shape, structure, &bytes);
	struct json_tokener *tokener = json_tokener_new_ex(DEPTH);
	struct json_object *json = json_tokener_parse_ex(tokener, text, (int)bytes);

	json_tokener_free(tokener);
	return json ? json : json_object_new_object();
}
