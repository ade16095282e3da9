/* Never fails, and never makes what the other end refuses: texts are cleaned, and sentences (fields of at most 256
 * bytes) that are too long are cut, so that a phone with an odd name does not stop the facts behind it. */
#include "cleanup.h"
#include "clock.h"
#include "wire_inner.h"
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#define CUT_UP_TO 256

#define NEW_MEMBER (JSON_C_OBJECT_ADD_KEY_IS_NEW | JSON_C_OBJECT_ADD_CONSTANT_KEY)

/* Bytes of the text that may go out: all, or up to the last whole character that fits. */
static size_t fitting(const struct hs_field *field, const char *text, size_t length)
{
	if (field->type != HS_TYPE_TEXT || field->max_bytes > CUT_UP_TO || length <= field->max_bytes)
		return length;
	length = field->max_bytes;
	while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
		length--;
	return length;
}

static bool is_clean(const unsigned char *text, size_t length)
{
	for (size_t i = 0, bytes; i < length; i += bytes) {
		bytes = hs_wire_utf8(text + i, length - i);
		if (!bytes || hs_wire_is_control(text + i, bytes))
			return false;
	}
	return true;
}

static struct json_object *cleaned(const unsigned char *text, size_t length)
{
	AUTO(free) unsigned char *copy = hs_zalloc(length + 1);
	size_t used = 0;

	for (size_t i = 0, bytes; i < length; i += bytes) {
		bytes = hs_wire_utf8(text + i, length - i);
		if (!bytes || hs_wire_is_control(text + i, bytes)) {
			copy[used++] = '?';
			bytes = bytes ? bytes : 1;
			continue;
		}
		memcpy(copy + used, text + i, bytes);
		used += bytes;
	}
	return json_object_new_string_len((const char *)copy, (int)used);
}

static struct json_object *write_text(const struct hs_field *field, const void *slot)
{
	const char *text = *(const char *const *)slot;
	size_t length;

	if (!text)
		return NULL;
	length = fitting(field, text, strlen(text));
	if (is_clean((const unsigned char *)text, length))
		return json_object_new_string_len(text, (int)length);
	return cleaned((const unsigned char *)text, length);
}

static struct json_object *write_int(const struct hs_field *field, const void *slot)
{
	return json_object_new_int64(*(const int64_t *)slot);
}

static struct json_object *write_bool(const struct hs_field *field, const void *slot)
{
	return json_object_new_boolean(*(const bool *)slot);
}

static struct json_object *write_time(const struct hs_field *field, const void *slot)
{
	char text[HS_CLOCK_TEXT];

	if (!*(const int64_t *)slot)
		return NULL;
	hs_clock_format(*(const int64_t *)slot, text);
	return json_object_new_string(text);
}

static struct json_object *write_enum(const struct hs_field *field, const void *slot)
{
	unsigned int value = *(const unsigned int *)slot;

	if (value == 0 || value >= (unsigned int)field->values->count)
		return NULL;
	return json_object_new_string(field->values->names[value]);
}

static struct json_object *write_struct(const struct hs_field *field, const void *slot)
{
	const void *structure = *(const void *const *)slot;

	return structure ? hs_wire_encode(field->shape, structure) : NULL;
}

static struct json_object *write_json(const struct hs_field *field, const void *slot)
{
	return json_object_get(*(struct json_object *const *)slot);
}

static const struct {
	struct json_object *(*write)(const struct hs_field *field, const void *slot);
	size_t size; /* of an item in a list; structs: the shape's */
} writers[] = {
	[HS_TYPE_TEXT] = {write_text, sizeof(char *)},
	[HS_TYPE_ID] = {write_text, sizeof(char *)},
	[HS_TYPE_DIGITS] = {write_text, sizeof(char *)},
	[HS_TYPE_URL] = {write_text, sizeof(char *)},
	[HS_TYPE_INT] = {write_int, sizeof(int64_t)},
	[HS_TYPE_BOOL] = {write_bool, sizeof(bool)},
	[HS_TYPE_TIME] = {write_time, sizeof(int64_t)},
	[HS_TYPE_ENUM] = {write_enum, sizeof(unsigned int)},
	[HS_TYPE_STRUCT] = {write_struct, 0},
	[HS_TYPE_JSON] = {write_json, sizeof(void *)},
};

static struct json_object *write_list(const struct hs_field *field, const char *base)
{
	const char *items = *(const char *const *)(base + field->offset);
	size_t count = *(const size_t *)(base + field->mark_offset);
	struct json_object *list;

	if (!count && field->optional)
		return NULL;
	list = json_object_new_array();
	for (size_t i = 0; i < count; i++) {
		struct json_object *item;

		if (field->type == HS_TYPE_STRUCT)
			item = hs_wire_encode(field->shape, items + i * field->shape->size);
		else
			item = writers[field->type].write(field, items + i * writers[field->type].size);
		if (item)
			json_object_array_add(list, item);
	}
	return list;
}

struct json_object *hs_wire_encode(const struct hs_shape *shape, const void *structure)
{
	struct json_object *json = json_object_new_object();
	const char *base = structure;

	for (size_t i = 0; i < shape->fields_count; i++) {
		const struct hs_field *field = &shape->fields[i];
		struct json_object *member;

		if (field->list)
			member = write_list(field, base);
		else if (field->marked && !*(const bool *)(base + field->mark_offset))
			continue;
		else
			member = writers[field->type].write(field, base + field->offset);
		if (member)
			json_object_object_add_ex(json, field->name, member, NEW_MEMBER);
	}
	return json;
}
