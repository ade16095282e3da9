/* json-c reads more than JSON: a member given twice, NaN, NUL inside a text. What two readers may read differently is
 * refused here, before json-c sees it. One pass, no allocation; depth is bounded, so recursion is. */
#include "wire_inner.h"
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMBERS_MAX 256 /* of one object */
#define NUMBER_MAX 32   /* characters */
#define BLOOM_BITS 2048 /* of each object: most members are new, and one look at a bit says so */

struct scan {
	const char *text, *at, *end;
	int depth;
	struct hs_wire_fault *fault;
};

/* Members of the object being read. */
struct members {
	int count;
	uint64_t seen[BLOOM_BITS / 64];
	uint32_t hash[MEMBERS_MAX], start[MEMBERS_MAX], length[MEMBERS_MAX];
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
	if (unit == 0)
		return refuse(scan, "a NUL");
	if (unit < 0xd800 || unit > 0xdfff)
		return 0;
	if (unit > 0xdbff || !take(scan, '\\') || !take(scan, 'u') || (second = scan_hex(scan)) < 0xdc00 ||
	    second > 0xdfff)
		return refuse(scan, "half a surrogate pair");
	return 0;
}

/* After the opening quote. */
static int scan_text(struct scan *scan)
{
	while (scan->at < scan->end) {
		unsigned char c = (unsigned char)*scan->at;
		size_t bytes;

		if (c == '"') {
			scan->at++;
			return 0;
		}
		if (c == '\\') {
			scan->at++;
			if (scan_escape(scan) < 0)
				return -EINVAL;
			continue;
		}
		if (c < 0x20)
			return refuse(scan, "a control character in a text");
		bytes = hs_wire_utf8((const unsigned char *)scan->at, (size_t)(scan->end - scan->at));
		if (!bytes)
			return refuse(scan, "bytes that are not UTF-8");
		scan->at += bytes;
	}
	return refuse(scan, "an unfinished text");
}

static bool scan_run_of_digits(struct scan *scan)
{
	const char *start = scan->at;

	while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9')
		scan->at++;
	return scan->at > start;
}

static int scan_number(struct scan *scan)
{
	const char *start = scan->at;
	char copy[NUMBER_MAX + 1];
	bool has_exponent;

	take(scan, '-');
	if (!take(scan, '0') && !scan_run_of_digits(scan))
		return refuse(scan, "an unknown word");
	if (take(scan, '.') && !scan_run_of_digits(scan))
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
	if (!has_exponent)
		return 0;
	memcpy(copy, start, (size_t)(scan->at - start));
	copy[scan->at - start] = '\0';
	if (!isfinite(strtod(copy, NULL)))
		return refuse(scan, "too large a number");
	return 0;
}

static int scan_word(struct scan *scan, const char *word)
{
	size_t length = strlen(word);

	if ((size_t)(scan->end - scan->at) < length || memcmp(scan->at, word, length) != 0)
		return refuse(scan, "an unknown word");
	scan->at += length;
	return 0;
}

/* Notes a member's name, given as it stands between its quotes. */
static int note_member(struct scan *scan, struct members *members, const char *name, size_t length)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < length; i++) {
		if (name[i] == '\\')
			return refuse(scan, "an escape in a member's name");
		hash = (hash ^ (unsigned char)name[i]) * 16777619u;
	}
	if (members->seen[hash / 64 % (BLOOM_BITS / 64)] & UINT64_C(1) << hash % 64)
		for (int i = 0; i < members->count; i++)
			if (members->hash[i] == hash && members->length[i] == length &&
			    memcmp(scan->text + members->start[i], name, length) == 0)
				return hs_wire_refuse(scan->fault, NULL, "has the member \"%.*s\" twice",
						      length > 64 ? 64 : (int)length, name);
	if (members->count == MEMBERS_MAX)
		return refuse(scan, "more than 256 members in one object");
	members->seen[hash / 64 % (BLOOM_BITS / 64)] |= UINT64_C(1) << hash % 64;
	members->hash[members->count] = hash;
	members->start[members->count] = (uint32_t)(name - scan->text);
	members->length[members->count++] = (uint32_t)length;
	return 0;
}

static int scan_member(struct scan *scan, struct members *members)
{
	const char *name;

	skip_blank(scan);
	if (!take(scan, '"'))
		return refuse(scan, "a missing member name");
	name = scan->at;
	if (scan_text(scan) < 0 || note_member(scan, members, name, (size_t)(scan->at - 1 - name)) < 0)
		return -EINVAL;
	skip_blank(scan);
	if (!take(scan, ':'))
		return refuse(scan, "a missing colon");
	return scan_value(scan);
}

static int scan_object(struct scan *scan)
{
	struct members members;

	members.count = 0;
	memset(members.seen, 0, sizeof(members.seen));
	skip_blank(scan);
	if (take(scan, '}'))
		return 0;
	do {
		if (scan_member(scan, &members) < 0)
			return -EINVAL;
		skip_blank(scan);
	} while (take(scan, ','));
	return take(scan, '}') ? 0 : refuse(scan, "a missing comma or brace");
}

static int scan_list(struct scan *scan)
{
	skip_blank(scan);
	if (take(scan, ']'))
		return 0;
	do {
		if (scan_value(scan) < 0)
			return -EINVAL;
		skip_blank(scan);
	} while (take(scan, ','));
	return take(scan, ']') ? 0 : refuse(scan, "a missing comma or bracket");
}

static int scan_nested(struct scan *scan, int (*inner)(struct scan *scan))
{
	int result;

	if (++scan->depth > HS_WIRE_MAX_DEPTH)
		return refuse(scan, "nested too deeply");
	scan->at++;
	result = inner(scan);
	scan->depth--;
	return result;
}

static int scan_value(struct scan *scan)
{
	skip_blank(scan);
	if (scan->at == scan->end)
		return refuse(scan, "it ends too early");
	switch (*scan->at) {
	case '{':
		return scan_nested(scan, scan_object);
	case '[':
		return scan_nested(scan, scan_list);
	case '"':
		scan->at++;
		return scan_text(scan);
	case 't':
		return scan_word(scan, "true");
	case 'f':
		return scan_word(scan, "false");
	case 'n':
		return scan_word(scan, "null");
	default:
		return scan_number(scan);
	}
}

int hs_wire_scan(const char *text, size_t length, struct hs_wire_fault *ret_fault)
{
	struct scan scan = {text, text, text + length, 0, ret_fault};

	skip_blank(&scan);
	if (scan.at == scan.end || *scan.at != '{')
		return hs_wire_refuse(ret_fault, NULL, "must be a JSON object");
	if (scan_value(&scan) < 0)
		return -EINVAL;
	skip_blank(&scan);
	return scan.at == scan.end ? 0 : refuse(&scan, "something after the end");
}
