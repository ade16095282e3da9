#include "names.h"
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Bytes of the UTF-8 character at text, 0 when it is none or a control character. */
static size_t character(const char *text)
{
	const uint8_t *at = (const uint8_t *)text;
	if (at[0] < 0x80)
		return at[0] >= 0x20 && at[0] != 0x7f;
	size_t length = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
	if (at[0] < 0xc2 || at[0] > 0xf4)
		return 0;
	uint32_t code = at[0] & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (at[i] & 0x3fu);
	}
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	bool bad = code < least[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff) ||
		   (code >= 0x80 && code < 0xa0) || code == 0x2028 || code == 0x2029 ||
		   (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
	return bad ? 0 : length;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undoes %XX. -EINVAL for a cut escape or a NUL. */
static int unescape(const char *from, char *ret_text, size_t size)
{
	size_t used = 0;
	for (; *from && *from != ';'; from++) {
		char c = *from;
		if (c == '%') {
			int high = hex_digit(from[1]), low = high < 0 ? -1 : hex_digit(from[2]);
			if (low < 0 || !(c = (char)(high * 16 + low)))
				return -EINVAL;
			from += 2;
		}
		if (used + 1 >= size)
			return -EINVAL;
		ret_text[used++] = c;
	}
	ret_text[used] = 0;
	return 0;
}

int names_dialled(const char *user, char *ret_text, size_t size)
{
	char plain[256] = "";
	size_t used = 0;
	if (!user || unescape(user, plain, sizeof(plain)))
		return -EINVAL;
	bool is_number = plain[0] && !plain[strspn(plain, "0123456789*#+ABCDabcd-.() ")];
	for (const char *at = plain; *at;) {
		size_t length = character(at);
		if (!length)
			return -EINVAL;
		bool separator = is_number && strchr("-.() ", *at);
		if (!separator && used + length + 1 > size)
			return -EINVAL;
		for (size_t i = 0; i < length && !separator; i++)
			ret_text[used++] = at[i];
		at += length;
	}
	ret_text[used] = 0;
	return used ? 0 : -EINVAL;
}

void names_uri_user(const char *number, char *ret_text, size_t size)
{
	size_t used = 0;
	for (const char *at = number ? number : ""; *at; at++) {
		bool plain = (*at >= '0' && *at <= '9') || (*at >= 'A' && *at <= 'Z') || (*at >= 'a' && *at <= 'z') ||
			     strchr("-_.!~*'&=+$,", *at);
		if (strchr(" ()\t", *at))
			continue;
		if (used + (plain ? 1 : 3) >= size)
			break;
		if (plain)
			ret_text[used++] = *at;
		else
			used += (size_t)snprintf(ret_text + used, size - used, "%%%02X", (unsigned char)*at);
	}
	ret_text[used] = 0;
}

void names_clean(const char *text, char *ret_text, size_t size)
{
	size_t used = 0;
	for (const char *at = text ? text : ""; *at;) {
		size_t length = character(at);
		size_t need = length ? length : 1;
		if (used + need + 1 > size)
			break;
		if (length)
			memcpy(ret_text + used, at, length);
		else
			ret_text[used] = '?';
		used += need;
		at += need;
	}
	ret_text[used] = 0;
}

void names_quoted(const char *name, char *ret_text, size_t size)
{
	char clean[65];
	size_t used = 0;
	names_clean(name, clean, sizeof(clean));
	ret_text[0] = 0;
	if (!clean[strspn(clean, " ?")] || size < 2 * sizeof(clean) + 2)
		return;
	ret_text[used++] = '"';
	for (const char *at = clean; *at; at++) {
		if (*at == '"' || *at == '\\')
			ret_text[used++] = '\\';
		ret_text[used++] = *at;
	}
	ret_text[used++] = '"';
	ret_text[used] = 0;
}
