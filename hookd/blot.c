#include "blot.h"
#include "cleanup.h"
#include "log.h"
#include "wire.h"
#include <stdlib.h>
#include <string.h>

#define NUMBER_TEXT 96
#define SIGNATURE_SHOWN 8 /* characters */

enum blotting {
	BLOT_NOTHING,
	BLOT_ALL,    /* a key can be of a PIN or a card's number */
	BLOT_NUMBER, /* who it was can be told apart, not called */
};

static const struct {
	const char *name;
	enum blotting blotting;
} members[] = {
	{"digit", BLOT_ALL},     {"digits", BLOT_ALL},           {"dialled", BLOT_NUMBER},
	{"number", BLOT_NUMBER}, {"caller_number", BLOT_NUMBER}, {"to_number", BLOT_NUMBER},
};

static enum blotting blotting_of(const struct hs_json *name)
{
	for (size_t i = 0; i < HS_COUNT(members); i++)
		if (hs_json_is(name, members[i].name))
			return members[i].blotting;
	return BLOT_NOTHING;
}

static void put_text(struct hs_wire_out *out, const struct hs_json *text)
{
	hs_wire_put(out, "\"", 1);
	hs_wire_put(out, text->text, text->bytes);
	hs_wire_put(out, "\"", 1);
}

static void put_blotted(struct hs_wire_out *out, const struct hs_json *value, enum blotting blotting)
{
	char number[NUMBER_TEXT], shortened[NUMBER_TEXT];
	bool is_number = blotting == BLOT_NUMBER && value->kind == HS_JSON_TEXT && value->is_printable &&
			 value->bytes < sizeof(number);

	if (!is_number) {
		hs_wire_put_text(out, "***");
		return;
	}
	memcpy(number, value->text, value->bytes);
	number[value->bytes] = '\0';
	hs_log_shorten(number, shortened, sizeof(shortened));
	hs_wire_put_text(out, shortened);
}

static void put(struct hs_wire_out *out, const struct hs_json *value);

static void put_object(struct hs_wire_out *out, const struct hs_json *object)
{
	const struct hs_json *name = hs_json_first(object);

	hs_wire_put(out, "{", 1);
	for (uint32_t i = 0; i < object->count; i++) {
		const struct hs_json *value = hs_json_next(name);
		enum blotting blotting = blotting_of(name);

		if (i)
			hs_wire_put(out, ",", 1);
		put_text(out, name);
		hs_wire_put(out, ":", 1);
		if (blotting)
			put_blotted(out, value, blotting);
		else
			put(out, value);
		name = hs_json_next(value);
	}
	hs_wire_put(out, "}", 1);
}

static void put_list(struct hs_wire_out *out, const struct hs_json *list)
{
	const struct hs_json *item = hs_json_first(list);

	hs_wire_put(out, "[", 1);
	for (uint32_t i = 0; i < list->count; i++) {
		if (i)
			hs_wire_put(out, ",", 1);
		put(out, item);
		item = hs_json_next(item);
	}
	hs_wire_put(out, "]", 1);
}

/* As deep as wire lets an object be. */
static void put(struct hs_wire_out *out, const struct hs_json *value)
{
	if (value->kind == HS_JSON_OBJECT)
		put_object(out, value);
	else if (value->kind == HS_JSON_LIST)
		put_list(out, value);
	else if (value->kind == HS_JSON_TEXT)
		put_text(out, value);
	else
		hs_wire_put(out, value->text, value->bytes);
}

static size_t cut_at(const char *text, size_t bytes, size_t limit)
{
	if (bytes <= limit)
		return bytes;
	while (limit > 0 && ((unsigned char)text[limit] & 0xc0) == 0x80)
		limit--;
	return limit;
}

char *blot_event(const char *text, size_t bytes, size_t limit)
{
	struct hs_arena *arena = hs_arena_create();
	struct hs_wire_out out = {0};
	const struct hs_json *event;
	struct hs_wire_fault fault;

	if (hs_wire_parse(text, bytes, arena, &event, &fault) == 0)
		put(&out, event);
	else
		hs_wire_put(&out, "***", 3);
	hs_arena_destroy(arena);
	out.used = cut_at(out.bytes, out.used, limit);
	hs_wire_put(&out, "", 1);
	return out.bytes;
}

char *blot_line(const char *line)
{
	const char *value = strstr(line, ": ");
	size_t shown = value ? (size_t)(value + 2 - line) + SIGNATURE_SHOWN : strlen(line);

	if (!value || !strcasestr(line, "signature") || strlen(line) <= shown)
		return hs_strdup(line);
	return hs_printf("%.*s...", (int)shown, line);
}
