/* Never fails, and never makes what the other end refuses: texts are cleaned, and sentences (fields of at most 256
 * bytes) that are too long are cut, so that a phone with an odd name does not stop the facts behind it. */
#include "cleanup.h"
#include "clock.h"
#include "wire_inner.h"
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CUT_UP_TO 256
#define FIRST_BYTES 512

static void write_struct(struct hs_wire_out *text, const struct hs_shape *shape, const void *structure);

static char *reserve(struct hs_wire_out *text, size_t more)
{
	if (text->size - text->used < more) {
		text->size = text->size * 2 > text->used + more ? text->size * 2 : text->used + more;
		text->size = text->size > FIRST_BYTES ? text->size : FIRST_BYTES;
		text->bytes = hs_resize(text->bytes, text->size, 1);
	}
	return text->bytes + text->used;
}

static void put(struct hs_wire_out *text, const char *bytes, size_t count)
{
	memcpy(reserve(text, count), bytes, count);
	text->used += count;
}

void hs_wire_put(struct hs_wire_out *out, const char *bytes, size_t count)
{
	put(out, bytes, count);
}

static void put_char(struct hs_wire_out *text, char c)
{
	*reserve(text, 1) = c;
	text->used++;
}

static void put_plain(struct hs_wire_out *text, const char *word, size_t length)
{
	char *to = reserve(text, length + 2);

	*to = '"';
	memcpy(to + 1, word, length);
	to[length + 1] = '"';
	text->used += length + 2;
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

static const unsigned char escapes[256] = {['\t'] = 't', ['\r'] = 'r', ['\n'] = 'n', ['"'] = '"', ['\\'] = '\\'};

/* One character that is not printable, or a quote or backslash, as it goes out: no more than twice its bytes. */
static char *copy_special(char *to, const unsigned char **at, const unsigned char *end)
{
	const unsigned char *value = *at;
	unsigned char escape = escapes[*value];
	size_t bytes;

	if (escape) {
		++*at;
		*to++ = '\\';
		*to++ = (char)escape;
		return to;
	}
	bytes = hs_wire_utf8(value, (size_t)(end - value));
	*at += bytes ? bytes : 1;
	if (!bytes || hs_wire_is_control(value, bytes)) {
		*to++ = '?';
		return to;
	}
	memcpy(to, value, bytes);
	return to + bytes;
}

static bool is_printable(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* to has room for twice the bytes, and 8 more. */
static char *copy_text(char *to, const unsigned char *at, const unsigned char *end)
{
	uint64_t word, special;

	while (end - at >= 8) {
		memcpy(&word, at, 8);
		memcpy(to, at, 8);
		special = hs_wire_specials(le64toh(word));
		if (!special) {
			at += 8;
			to += 8;
			continue;
		}
		at += __builtin_ctzll(special) / 8;
		to += __builtin_ctzll(special) / 8;
		to = copy_special(to, &at, end);
	}
	while (at < end) {
		if (is_printable(*at))
			*to++ = (char)*at++;
		else
			to = copy_special(to, &at, end);
	}
	return to;
}

static void write_text(struct hs_wire_out *text, const struct hs_field *field, const void *slot)
{
	const char *value = *(const char *const *)slot;
	size_t length = fitting(field, value);
	char *start = reserve(text, 2 * length + 10), *to = start;
	const unsigned char *at = (const unsigned char *)value;

	*to++ = '"';
	to = copy_text(to, at, at + length);
	*to++ = '"';
	text->used += (size_t)(to - start);
}

/* Bytes that are not UTF-8 stay what they are: the reader says so. */
void hs_wire_put_text(struct hs_wire_out *out, const char *text)
{
	static const char from[] = "\b\f\n\r\t\"\\", to[] = "bfnrt\"\\";
	const char *end = text ? text + strlen(text) : NULL;

	if (!text) {
		put(out, "null", 4);
		return;
	}
	put_char(out, '"');
	while (text < end) {
		size_t run = hs_wire_printable(text, end);
		const char *found;
		char code[8];

		put(out, text, run);
		text += run;
		if (text == end)
			break;
		found = strchr(from, *text);
		if (found)
			put(out, (const char[]){'\\', to[found - from]}, 2);
		else if ((unsigned char)*text < 0x20)
			put(out, code, (size_t)snprintf(code, sizeof(code), "\\u%04x", (unsigned)*text));
		else
			put_char(out, *text);
		text++;
	}
	put_char(out, '"');
}

void hs_wire_put_name(struct hs_wire_out *out, const char *name)
{
	put_char(out, out->used ? ',' : '{');
	put_plain(out, name, strlen(name));
	put_char(out, ':');
}

void hs_wire_put_int(struct hs_wire_out *out, int64_t value)
{
	char digits[24], *at = digits + sizeof(digits);
	uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

	do {
		*--at = (char)('0' + left % 10);
		left /= 10;
	} while (left);
	if (value < 0)
		*--at = '-';
	put(out, at, (size_t)(digits + sizeof(digits) - at));
}

static void write_int(struct hs_wire_out *text, const struct hs_field *field, const void *slot)
{
	hs_wire_put_int(text, *(const int64_t *)slot);
}

static void write_bool(struct hs_wire_out *text, const struct hs_field *field, const void *slot)
{
	if (*(const bool *)slot)
		put(text, "true", 4);
	else
		put(text, "false", 5);
}

static void write_time(struct hs_wire_out *text, const struct hs_field *field, const void *slot)
{
	char at[HS_CLOCK_TEXT];

	hs_clock_format(*(const int64_t *)slot, at);
	put_plain(text, at, strlen(at));
}

static void write_enum(struct hs_wire_out *text, const struct hs_field *field, const void *slot)
{
	const char *word = field->values->names[*(const unsigned int *)slot];

	put_plain(text, word, strlen(word));
}

static void write_pointed(struct hs_wire_out *text, const struct hs_field *field, const void *slot)
{
	write_struct(text, field->shape, *(const void *const *)slot);
}

static void write_json(struct hs_wire_out *text, const struct hs_field *field, const void *slot)
{
	const struct hs_json *json = *(const struct hs_json *const *)slot;

	put(text, json->text, json->bytes);
}

static const struct {
	void (*write)(struct hs_wire_out *text, const struct hs_field *field, const void *slot);
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

static void write_list(struct hs_wire_out *text, const struct hs_field *field, const char *items, size_t count)
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

/* What stands before a member's value. */
static void put_key(struct hs_wire_out *text, const struct hs_field *field, char before)
{
	char *to = reserve(text, field->name_bytes + 4);

	to[0] = before;
	to[1] = '"';
	memcpy(to + 2, field->name, field->name_bytes);
	memcpy(to + 2 + field->name_bytes, "\":", 2);
	text->used += field->name_bytes + 4;
}

static void write_struct(struct hs_wire_out *text, const struct hs_shape *shape, const void *structure)
{
	const char *base = structure;
	char before = '{';

	for (size_t i = 0; i < shape->fields_count; i++) {
		const struct hs_field *field = &shape->fields[i];

		if (is_left_out(field, base))
			continue;
		put_key(text, field, before);
		before = ',';
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

void hs_wire_write(struct hs_wire_out *out, const struct hs_shape *shape, const void *structure)
{
	write_struct(out, shape, structure);
}

char *hs_wire_text(const struct hs_shape *shape, const void *structure, size_t *ret_bytes)
{
	struct hs_wire_out text = {0};

	write_struct(&text, shape, structure);
	put_char(&text, '\0');
	*ret_bytes = text.used - 1;
	return text.bytes;
}
