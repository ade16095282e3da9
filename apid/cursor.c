#include "cursor.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DIGITS_MAX 15 /* no number here comes near 10^15 */

void cursor_format(const char *node, int64_t generation, int64_t seq, char ret_cursor[CURSOR_BYTES])
{
	snprintf(ret_cursor, CURSOR_BYTES, "%.*s.g%" PRId64 ".%" PRId64, CURSOR_NODE_MAX, node, generation, seq);
}

/* Reads a plain decimal number that fills text[0..length). */
static bool read_number(const char *text, size_t length, int64_t *ret_number)
{
	int64_t number = 0;

	if (length == 0 || length > DIGITS_MAX || (length > 1 && text[0] == '0'))
		return false;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		number = number * 10 + (text[i] - '0');
	}
	*ret_number = number;
	return true;
}

int cursor_parse(const char *text, const char *node, int64_t *ret_generation, int64_t *ret_seq)
{
	size_t length = strlen(text);
	const char *last = strrchr(text, '.');
	const char *before;
	int64_t generation, seq;

	if (!last || length >= CURSOR_BYTES)
		return -EINVAL;
	before = memrchr(text, '.', (size_t)(last - text));
	if (!before || before == text || before[1] != 'g')
		return -EINVAL;
	if (!read_number(before + 2, (size_t)(last - before - 2), &generation) ||
	    !read_number(last + 1, strlen(last + 1), &seq))
		return -EINVAL;
	if ((size_t)(before - text) != strnlen(node, CURSOR_NODE_MAX) ||
	    memcmp(text, node, (size_t)(before - text)) != 0)
		return -ESTALE;
	*ret_generation = generation;
	*ret_seq = seq;
	return 0;
}

static bool is_event(const char *name, size_t length)
{
	for (size_t i = 0; i < HS_MESSAGES; i++)
		if (hs_messages[i].kind == HS_EVENT && strlen(hs_messages[i].name) == length &&
		    memcmp(hs_messages[i].name, name, length) == 0)
			return true;
	return false;
}

int cursor_types(const char *text, char ret_types[CURSOR_TYPES_BYTES], char *ret_unknown)
{
	size_t length = strlen(text);

	ret_unknown[0] = '\0';
	if (length == 0 || length > CURSOR_TYPES_BYTES - 3)
		return -EINVAL;
	for (const char *name = text; name; name = *name ? name + 1 : NULL) {
		size_t bytes = strcspn(name, ",");

		if (!is_event(name, bytes)) {
			snprintf(ret_unknown, 64, "%.*s", bytes < 63 ? (int)bytes : 63, name);
			return -EINVAL;
		}
		name += bytes;
		if (!*name)
			break;
	}
	snprintf(ret_types, CURSOR_TYPES_BYTES, ",%s,", text);
	return 0;
}

bool cursor_has_type(const char *types, const char *name)
{
	size_t length = strlen(name);

	if (!types[0])
		return true;
	for (const char *at = strstr(types, name); at; at = strstr(at + 1, name))
		if (at > types && at[-1] == ',' && at[length] == ',')
			return true;
	return false;
}
