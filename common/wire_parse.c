/* What was read, looked at; and names looked up. */
#include "cleanup.h"
#include "wire_inner.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NAMES 1024 /* places of the table of messages: a power of two, several times HS_MESSAGES */

_Static_assert(HS_MESSAGES * 4 <= NAMES, "the table of messages is too small");

int hs_wire_parse(const char *text, size_t length, struct hs_arena *arena, const struct hs_json **ret_json,
		  struct hs_wire_fault *ret_fault)
{
	if (length > HS_WIRE_MAX_BYTES) {
		hs_wire_refuse(ret_fault, NULL, "has %zu bytes, at most %d are taken", length, HS_WIRE_MAX_BYTES);
		return -EMSGSIZE;
	}
	return hs_wire_scan(text, length, false, arena, ret_json, ret_fault);
}

int hs_wire_reread(const char *text, size_t length, struct hs_arena *arena, const struct hs_json **ret_json,
		   struct hs_wire_fault *ret_fault)
{
	return hs_wire_scan(text, length, true, arena, ret_json, ret_fault);
}

/* ---- Values ---- */

const struct hs_json *hs_json_first(const struct hs_json *json)
{
	return json + 1;
}

const struct hs_json *hs_json_next(const struct hs_json *json)
{
	return json + json->nodes;
}

const struct hs_json *hs_json_member(const struct hs_json *json, const char *name)
{
	size_t length = strlen(name);
	const struct hs_json *at = json + 1;

	if (json->kind != HS_JSON_OBJECT)
		return NULL;
	for (uint32_t i = 0; i < json->count; i++, at += 1 + at[1].nodes)
		if (at->bytes == length && memcmp(at->text, name, length) == 0)
			return at + 1;
	return NULL;
}

/* Code point of four hexadecimal digits, which are known to be some. */
static uint32_t hex_of(const char *at)
{
	uint32_t value = 0;

	for (int i = 0; i < 4; i++) {
		uint32_t c = (unsigned char)at[i];

		value = value << 4 | (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	return value;
}

static char *put_utf8(char *to, uint32_t point)
{
	if (point < 0x80) {
		*to++ = (char)point;
		return to;
	}
	if (point < 0x800) {
		*to++ = (char)(0xc0 | point >> 6);
	} else if (point < 0x10000) {
		*to++ = (char)(0xe0 | point >> 12);
		*to++ = (char)(0x80 | (point >> 6 & 0x3f));
	} else {
		*to++ = (char)(0xf0 | point >> 18);
		*to++ = (char)(0x80 | (point >> 12 & 0x3f));
		*to++ = (char)(0x80 | (point >> 6 & 0x3f));
	}
	*to++ = (char)(0x80 | (point & 0x3f));
	return to;
}

/* The character behind a backslash; *at goes behind it. */
static uint32_t take_escape(const char **at)
{
	static const char short_ones[128] = {['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t'};
	unsigned char c = (unsigned char)*(*at)++;
	uint32_t point;

	if (c != 'u')
		return short_ones[c] ? (uint32_t)short_ones[c] : c;
	point = hex_of(*at);
	*at += 4;
	if (point < 0xd800 || point > 0xdbff)
		return point;
	point = 0x10000 + ((point - 0xd800) << 10) + (hex_of(*at + 2) - 0xdc00);
	*at += 6;
	return point;
}

const char *hs_wire_unescape(const struct hs_json *json, struct hs_arena *arena, size_t *ret_length)
{
	const char *at = json->text, *end = json->text + json->bytes, *escape;
	char *text = hs_arena_raw(arena, json->bytes + 1), *to = text; /* no escape is shorter than what it says */

	while ((escape = memchr(at, '\\', (size_t)(end - at)))) {
		memcpy(to, at, (size_t)(escape - at));
		to += escape - at;
		at = escape + 1;
		to = put_utf8(to, take_escape(&at));
	}
	memcpy(to, at, (size_t)(end - at));
	to += end - at;
	*to = '\0';
	*ret_length = (size_t)(to - text);
	return text;
}

const char *hs_json_text(const struct hs_json *json, struct hs_arena *arena)
{
	size_t length;

	if (!json || json->kind != HS_JSON_TEXT)
		return NULL;
	return json->has_escapes ? hs_wire_unescape(json, arena, &length)
				 : hs_arena_copy(arena, json->text, json->bytes);
}

static bool is_unescaped(const struct hs_json *json, const char *text)
{
	struct hs_arena *arena = hs_arena_create();
	size_t length;
	bool is_same = strcmp(hs_wire_unescape(json, arena, &length), text) == 0;

	hs_arena_destroy(arena);
	return is_same;
}

bool hs_json_is(const struct hs_json *json, const char *text)
{
	if (!json || json->kind != HS_JSON_TEXT)
		return false;
	if (json->has_escapes)
		return is_unescaped(json, text);
	return strlen(text) == json->bytes && memcmp(json->text, text, json->bytes) == 0;
}

struct hs_json *hs_json_keep(const char *text, size_t bytes)
{
	struct hs_json *json = hs_zalloc(sizeof(*json) + bytes + 1);

	memcpy(json + 1, text, bytes);
	*json = (struct hs_json){
		.text = (const char *)(json + 1), .bytes = (uint32_t)bytes, .nodes = 1, .kind = HS_JSON_OBJECT};
	return json;
}

/* ---- Words ---- */

/* Messages by the hash of their name; built at the first question. */
int hs_wire_find(const char *name)
{
	static _Thread_local uint16_t places[NAMES]; /* id + 1; 0: nobody */
	static _Thread_local bool is_built;
	uint32_t at;

	for (int i = 0; i < HS_MESSAGES && !is_built; i++) {
		if (!hs_messages[i].name)
			continue;
		at = hs_wire_hash(hs_messages[i].name, strlen(hs_messages[i].name)) % NAMES;
		while (places[at])
			at = (at + 1) % NAMES;
		places[at] = (uint16_t)(i + 1);
	}
	is_built = true;
	for (at = hs_wire_hash(name, strlen(name)) % NAMES; places[at]; at = (at + 1) % NAMES)
		if (strcmp(hs_messages[places[at] - 1].name, name) == 0)
			return places[at] - 1;
	return -ENOENT;
}

int hs_wire_word(const struct hs_enum *words, const char *word)
{
	for (int i = 1; word && i < words->count; i++)
		if (strcmp(words->names[i], word) == 0)
			return i;
	return 0;
}

bool hs_wire_event_fits(const char *word, const char *name)
{
	size_t length = strlen(word);

	if (!strcmp(word, "*"))
		return true;
	if (length > 2 && !strcmp(word + length - 2, ".*"))
		return !strncmp(word, name, length - 1);
	return !strcmp(word, name);
}

bool hs_wire_event_word(const char *word)
{
	if (hs_wire_word(&hs_enum_line_state, word))
		return true;
	for (int i = 0; i < HS_MESSAGES; i++)
		if (hs_messages[i].kind == HS_EVENT && i != HS_WEBHOOK_FAILED &&
		    hs_wire_event_fits(word, hs_messages[i].name))
			return true;
	return false;
}
