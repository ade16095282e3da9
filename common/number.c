#include "number.h"
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static bool is_dialled(char c)
{
	return c && strchr("0123456789*#", c);
}

bool hs_number_plain(const char *text, char ret_number[HS_NUMBER_BYTES])
{
	char number[HS_NUMBER_BYTES];
	size_t used = 0;

	for (; *text; text++) {
		if (strchr(" -./()", *text))
			continue;
		if (!is_dialled(*text) && !(*text == '+' && used == 0))
			return false;
		if (used == sizeof(number) - 1)
			return false;
		number[used++] = *text;
	}
	number[used] = '\0';
	if (used == 0 || strcmp(number, "+") == 0)
		return false;
	memcpy(ret_number, number, used + 1);
	return true;
}

void hs_number_keys(const char *text, char ret_keys[HS_NUMBER_BYTES])
{
	size_t used = 0;

	for (; *text && used < HS_NUMBER_BYTES - 1; text++)
		if (is_dialled(*text))
			ret_keys[used++] = *text;
	ret_keys[used] = '\0';
}

bool hs_number_local(const char *number, const char *country, const char *national, const char *international,
		     char ret_number[HS_NUMBER_BYTES])
{
	size_t code = country ? strlen(country) : 0;
	bool is_here = code > 0 && number[0] == '+' && strncmp(number + 1, country, code) == 0;
	const char *prefix = is_here ? national : international;
	const char *rest = number + 1 + (is_here ? code : 0);

	if (number[0] != '+' || !*rest || strlen(prefix) + strlen(rest) >= HS_NUMBER_BYTES)
		return false;
	snprintf(ret_number, HS_NUMBER_BYTES, "%s%s", prefix, rest);
	return true;
}

const char *hs_number_pattern_fault(const char *pattern)
{
	if (!pattern[0])
		return "is empty: write the numbers it takes, such as 112 or 9XXXXXX";
	for (const char *at = pattern; *at; at++) {
		if (*at == '.' && at[1])
			return "has a dot before its end, where it stands for one or more of anything";
		if (*at == '+' && at != pattern)
			return "has a + that is not in front";
		if (!is_dialled(*at) && !strchr("+XZN.", *at))
			return "may hold digits, * and #, a + in front, X for 0-9, Z for 1-9, N for 2-9, and a dot at "
			       "the "
			       "end for one or more of anything";
	}
	return NULL;
}

bool hs_number_pattern_is_number(const char *pattern)
{
	return !strpbrk(pattern, "XZN.");
}

static bool fits_one(char pattern, char digit)
{
	bool is_digit = digit >= '0' && digit <= '9';

	switch (pattern) {
	case 'X':
		return is_digit;
	case 'Z':
		return is_digit && digit > '0';
	case 'N':
		return is_digit && digit > '1';
	default:
		return pattern == digit;
	}
}

/* What of a pattern is left for more when a number was laid over it: at its dot that is the dot. NULL: it does not fit
 * so far. */
static const char *rest(const char *pattern, const char *number)
{
	for (; *number; pattern++, number++) {
		if (*pattern == '.')
			return pattern;
		if (!fits_one(*pattern, *number))
			return NULL;
	}
	return pattern;
}

bool hs_number_fits(const char *pattern, const char *number)
{
	const char *left = rest(pattern, number);

	return left && (!*left || (*left == '.' && strlen(number) >= strlen(pattern)));
}

bool hs_number_may_grow(const char *pattern, const char *number)
{
	const char *left = rest(pattern, number);

	return left && *left;
}
