/* What two readers of JSON may read differently is refused here: a member given twice, NaN, NUL inside a text. One
 * pass, which notes where each value lies; depth is bounded, so recursion is. */
#include "wire_inner.h"
#include <endian.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMBERS_MAX 256 /* of one object */
#define NUMBER_MAX 32   /* characters */

struct scan {
	const char *text, *at, *end;
	int depth;
	bool is_ours;
	struct hs_wire_fault *fault;
	struct hs_arena *arena;
	struct hs_json *nodes; /* they may move: a node is known by its number */
	uint32_t count, size;
};

/* Members of the object being read: most are new, and one look at a bit says so. */
struct members {
	uint32_t object, count;
	uint64_t seen;
};

static int scan_value(struct scan *scan);

int hs_wire_refuse(struct hs_wire_fault *fault, const char *field, const char *format, ...)
{
	va_list arguments;

	snprintf(fault->field, sizeof(fault->field), "%s", field ? field : "");
	va_start(arguments, format);
	vsnprintf(fault->why, sizeof(fault->why), format, arguments);
	va_end(arguments);
	return -EINVAL;
}

static int refuse(struct scan *scan, const char *why)
{
	return hs_wire_refuse(scan->fault, NULL, "is not JSON we take: %s at byte %zu", why,
			      (size_t)(scan->at - scan->text));
}

size_t hs_wire_utf8(const unsigned char *text, size_t length)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t bytes = text[0] < 0x80   ? 1
		       : text[0] < 0xc2 ? 0
		       : text[0] < 0xe0 ? 2
		       : text[0] < 0xf0 ? 3
		       : text[0] < 0xf5 ? 4
					: 0;
	uint32_t point;

	if (bytes == 1)
		return 1;
	if (bytes == 0 || bytes > length)
		return 0;
	point = text[0] & (0x7fu >> bytes);
	for (size_t i = 1; i < bytes; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (text[i] & 0x3fu);
	}
	if (point < least[bytes] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
		return 0;
	return bytes;
}

bool hs_wire_is_control(const unsigned char *text, size_t bytes)
{
	if (bytes == 1)
		return (text[0] < 0x20 && text[0] != '\t' && text[0] != '\r' && text[0] != '\n') || text[0] == 0x7f;
	return bytes == 2 && text[0] == 0xc2 && text[1] < 0xa0;
}

size_t hs_wire_printable(const char *at, const char *end)
{
	const char *start = at;
	uint64_t word, special;

	for (; end - at >= 8; at += 8) {
		memcpy(&word, at, 8);
		special = hs_wire_specials(le64toh(word));
		if (special)
			return (size_t)(at - start) + (size_t)__builtin_ctzll(special) / 8;
	}
	while (at < end && *at >= ' ' && *at < 0x7f && *at != '"' && *at != '\\')
		at++;
	return (size_t)(at - start);
}

uint32_t hs_wire_hash(const char *name, size_t length)
{
	uint64_t hash = length, word = 0;

	for (; length >= 8; length -= 8, name += 8) {
		memcpy(&word, name, 8);
		hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 32;
	}
	word = 0;
	for (size_t i = 0; i < length; i++)
		word = word << 8 | (unsigned char)name[i];
	hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return (uint32_t)(hash >> 32);
}

/* Number of a new node of this kind, which begins here. */
static uint32_t add_node(struct scan *scan, enum hs_json_kind kind)
{
	if (scan->count == scan->size) {
		/* A value takes some 16 characters: most texts need no second try. */
		uint32_t more = scan->size ? scan->size : (uint32_t)(scan->end - scan->text) / 16 + 2;

		scan->nodes = hs_arena_grow(scan->arena, scan->nodes, scan->size * sizeof(*scan->nodes),
					    more * sizeof(*scan->nodes));
		scan->size += more;
	}
	scan->nodes[scan->count] = (struct hs_json){.text = scan->at, .nodes = 1, .kind = (uint8_t)kind};
	return scan->count++;
}

/* It ends here. */
static void end_node(struct scan *scan, uint32_t number, uint32_t count)
{
	struct hs_json *node = &scan->nodes[number];

	node->bytes = (uint32_t)(scan->at - node->text);
	node->nodes = scan->count - number;
	node->count = count;
}

static void skip_blank(struct scan *scan)
{
	while (scan->at < scan->end &&
	       (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\n' || *scan->at == '\r'))
		scan->at++;
}

static bool take(struct scan *scan, char wanted)
{
	if (scan->at == scan->end || *scan->at != wanted)
		return false;
	scan->at++;
	return true;
}

/* Four hexadecimal digits, or -1. */
static int scan_hex(struct scan *scan)
{
	int value = 0;

	if (scan->end - scan->at < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char c = *scan->at++;
		int digit = c >= '0' && c <= '9'   ? c - '0'
			    : c >= 'a' && c <= 'f' ? c - 'a' + 10
			    : c >= 'A' && c <= 'F' ? c - 'A' + 10
						   : -1;

		if (digit < 0)
			return -1;
		value = value << 4 | digit;
	}
	return value;
}

static int scan_escape(struct scan *scan)
{
	int unit, second;

	if (scan->at == scan->end)
		return refuse(scan, "an unfinished escape");
	if (strchr("\"\\/bfnrt", *scan->at) && *scan->at) {
		scan->at++;
		return 0;
	}
	if (!take(scan, 'u') || (unit = scan_hex(scan)) < 0)
		return refuse(scan, "an unknown escape");
	if (unit == 0 && !scan->is_ours)
		return refuse(scan, "a NUL");
	if (unit < 0xd800 || unit > 0xdfff)
		return 0;
	if (unit > 0xdbff || !take(scan, '\\') || !take(scan, 'u') || (second = scan_hex(scan)) < 0xdc00 ||
	    second > 0xdfff)
		return refuse(scan, "half a surrogate pair");
	return 0;
}

/* One character that is not printable ASCII. */
static int scan_special(struct scan *scan, struct hs_json *node)
{
	unsigned char c = (unsigned char)*scan->at;
	size_t bytes;

	node->is_printable = false;
	if (c == '\\') {
		node->has_escapes = true;
		scan->at++;
		return scan_escape(scan);
	}
	if (c < 0x20)
		return refuse(scan, "a control character in a text");
	bytes = hs_wire_utf8((const unsigned char *)scan->at, (size_t)(scan->end - scan->at));
	if (!bytes && !scan->is_ours)
		return refuse(scan, "bytes that are not UTF-8");
	scan->at += bytes ? bytes : 1;
	return 0;
}

/* After the opening quote. */
static int scan_text(struct scan *scan)
{
	uint32_t number = add_node(scan, HS_JSON_TEXT);
	struct hs_json *node = &scan->nodes[number];

	node->is_printable = true;
	for (;;) {
		scan->at += hs_wire_printable(scan->at, scan->end);
		if (scan->at == scan->end)
			return refuse(scan, "an unfinished text");
		if (*scan->at == '"')
			break;
		if (scan_special(scan, node) < 0)
			return -EINVAL;
	}
	end_node(scan, number, 0);
	scan->at++;
	return 0;
}

static bool scan_run_of_digits(struct scan *scan)
{
	const char *start = scan->at;

	while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9')
		scan->at++;
	return scan->at > start;
}

/* A number with an exponent must be one that a double can say. */
static int check_range(struct scan *scan, const char *start)
{
	char copy[NUMBER_MAX + 1];
	size_t length = (size_t)(scan->at - start);

	memcpy(copy, start, length);
	copy[length] = '\0';
	return isfinite(strtod(copy, NULL)) ? 0 : refuse(scan, "too large a number");
}

static int scan_number(struct scan *scan)
{
	uint32_t number = add_node(scan, HS_JSON_WHOLE);
	const char *start = scan->at;
	bool has_fraction, has_exponent;

	take(scan, '-');
	if (!take(scan, '0') && !scan_run_of_digits(scan))
		return refuse(scan, "an unknown word");
	has_fraction = take(scan, '.');
	if (has_fraction && !scan_run_of_digits(scan))
		return refuse(scan, "an unfinished number");
	has_exponent = take(scan, 'e') || take(scan, 'E');
	if (has_exponent) {
		if (!take(scan, '+'))
			take(scan, '-');
		if (!scan_run_of_digits(scan))
			return refuse(scan, "an unfinished number");
	}
	if (scan->at - start > NUMBER_MAX)
		return refuse(scan, "too long a number");
	if (has_fraction || has_exponent)
		scan->nodes[number].kind = HS_JSON_NUMBER;
	end_node(scan, number, 0);
	return has_exponent ? check_range(scan, start) : 0;
}

static int scan_word(struct scan *scan, const char *word, enum hs_json_kind kind)
{
	uint32_t number = add_node(scan, kind);
	size_t length = strlen(word);

	if ((size_t)(scan->end - scan->at) < length || memcmp(scan->at, word, length) != 0)
		return refuse(scan, "an unknown word");
	scan->at += length;
	end_node(scan, number, 0);
	return 0;
}

static int refuse_twice(struct scan *scan, const struct hs_json *name)
{
	return hs_wire_refuse(scan->fault, NULL, "has the member \"%.*s\" twice",
			      name->bytes > 64 ? 64 : (int)name->bytes, name->text);
}

/* Notes the name that was just read. */
static int note_member(struct scan *scan, struct members *members)
{
	struct hs_json *name = &scan->nodes[scan->count - 1], *other = &scan->nodes[members->object + 1];

	if (name->has_escapes)
		return refuse(scan, "an escape in a member's name");
	name->count = hs_wire_hash(name->text, name->bytes);
	if (members->seen & UINT64_C(1) << name->count % 64)
		for (; other < name; other += 1 + other[1].nodes)
			if (other->count == name->count && other->bytes == name->bytes &&
			    memcmp(other->text, name->text, name->bytes) == 0)
				return refuse_twice(scan, name);
	if (members->count++ == MEMBERS_MAX)
		return refuse(scan, "more than 256 members in one object");
	members->seen |= UINT64_C(1) << name->count % 64;
	return 0;
}

static int scan_member(struct scan *scan, struct members *members)
{
	skip_blank(scan);
	if (!take(scan, '"'))
		return refuse(scan, "a missing member name");
	if (scan_text(scan) < 0 || note_member(scan, members) < 0)
		return -EINVAL;
	skip_blank(scan);
	if (!take(scan, ':'))
		return refuse(scan, "a missing colon");
	return scan_value(scan);
}

static int scan_members(struct scan *scan, uint32_t object, uint32_t *ret_count)
{
	struct members members = {.object = object};

	skip_blank(scan);
	if (take(scan, '}'))
		return 0;
	do {
		if (scan_member(scan, &members) < 0)
			return -EINVAL;
		skip_blank(scan);
	} while (take(scan, ','));
	*ret_count = members.count;
	return take(scan, '}') ? 0 : refuse(scan, "a missing comma or brace");
}

static int scan_items(struct scan *scan, uint32_t list, uint32_t *ret_count)
{
	skip_blank(scan);
	if (take(scan, ']'))
		return 0;
	do {
		if (scan_value(scan) < 0)
			return -EINVAL;
		++*ret_count;
		skip_blank(scan);
	} while (take(scan, ','));
	return take(scan, ']') ? 0 : refuse(scan, "a missing comma or bracket");
}

static int scan_nested(struct scan *scan, enum hs_json_kind kind,
		       int (*inner)(struct scan *scan, uint32_t number, uint32_t *ret_count))
{
	uint32_t number, count = 0;

	if (++scan->depth > HS_WIRE_MAX_DEPTH)
		return refuse(scan, "nested too deeply");
	number = add_node(scan, kind);
	scan->at++;
	if (inner(scan, number, &count) < 0)
		return -EINVAL;
	scan->depth--;
	end_node(scan, number, count);
	return 0;
}

static int scan_value(struct scan *scan)
{
	skip_blank(scan);
	if (scan->at == scan->end)
		return refuse(scan, "it ends too early");
	switch (*scan->at) {
	case '{':
		return scan_nested(scan, HS_JSON_OBJECT, scan_members);
	case '[':
		return scan_nested(scan, HS_JSON_LIST, scan_items);
	case '"':
		scan->at++;
		return scan_text(scan);
	case 't':
		return scan_word(scan, "true", HS_JSON_TRUE);
	case 'f':
		return scan_word(scan, "false", HS_JSON_FALSE);
	case 'n':
		return scan_word(scan, "null", HS_JSON_NULL);
	default:
		return scan_number(scan);
	}
}

int hs_wire_scan(const char *text, size_t length, bool is_ours, struct hs_arena *arena, const struct hs_json **ret_json,
		 struct hs_wire_fault *ret_fault)
{
	struct scan scan = {
		.text = text, .at = text, .end = text + length, .is_ours = is_ours, .fault = ret_fault, .arena = arena};

	skip_blank(&scan);
	if (scan.at == scan.end || *scan.at != '{')
		return hs_wire_refuse(ret_fault, NULL, "must be a JSON object");
	if (scan_value(&scan) < 0)
		return -EINVAL;
	skip_blank(&scan);
	if (scan.at != scan.end)
		return refuse(&scan, "something after the end");
	*ret_json = scan.nodes;
	return 0;
}

const struct hs_json *hs_wire_scan_value(const char *text, struct hs_arena *arena)
{
	struct hs_wire_fault fault;
	struct scan scan = {.text = text, .at = text, .end = text + strlen(text), .fault = &fault, .arena = arena};

	return scan_value(&scan) == 0 ? scan.nodes : NULL;
}
