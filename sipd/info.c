#include "info.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define USUAL_MS 160

/* Copies the next word of at most size-1 bytes; longer ones count as nothing. */
static void copy_word(const char *from, size_t bytes, char *ret_word, size_t size)
{
	size_t i = 0, used = 0;
	while (i < bytes && (from[i] == ' ' || from[i] == '\t' || from[i] == '\r' || from[i] == '\n'))
		i++;
	for (; i < bytes && from[i] > ' '; i++) {
		if (used + 1 >= size) {
			used = 0;
			break;
		}
		ret_word[used++] = from[i];
	}
	ret_word[used] = 0;
}

/* A decimal number of at most five digits and nothing else; -1: it is none. */
static int read_number(const char *word)
{
	int number = 0;
	size_t digits = strspn(word, "0123456789");
	if (digits == 0 || digits > 5 || word[digits])
		return -1;
	for (; *word; word++)
		number = number * 10 + (*word - '0');
	return number;
}

static void read_signal(const char *word, struct info *info)
{
	static const char by_code[] = "0123456789*#ABCD";
	int code = strlen(word) == 2 ? read_number(word) : -1;
	if (strlen(word) == 1 && strchr("0123456789*#ABCDabcd", *word)) {
		info->kind = INFO_DIGIT;
		info->digit[0] = (char)toupper((unsigned char)*word);
	} else if (!strcasecmp(word, "hf") || !strcasecmp(word, "flash") || !strcmp(word, "16") || !strcmp(word, "!")) {
		info->kind = INFO_FLASH;
	} else if (code >= 0 && code < 16) {
		info->kind = INFO_DIGIT;
		info->digit[0] = by_code[code];
	}
}

static void read_line(const char *line, size_t bytes, struct info *info)
{
	char word[16] = "";
	const char *equals = memchr(line, '=', bytes);
	if (!equals)
		equals = memchr(line, ':', bytes);
	if (!equals)
		return;
	copy_word(line, (size_t)(equals - line), word, sizeof(word));
	size_t rest = bytes - (size_t)(equals + 1 - line);
	if (!strcasecmp(word, "Signal")) {
		copy_word(equals + 1, rest, word, sizeof(word));
		read_signal(word, info);
	} else if (!strcasecmp(word, "Duration")) {
		copy_word(equals + 1, rest, word, sizeof(word));
		int duration = read_number(word);
		if (duration > 0 && duration <= 65535)
			info->duration_ms = duration;
	}
}

void info_read(const char *content_type, const char *body, size_t bytes, struct info *ret_info)
{
	char word[16] = "";
	*ret_info = (struct info){.duration_ms = USUAL_MS};
	if (!content_type)
		return;
	if (!strcasecmp(content_type, "application/hook-flash")) {
		ret_info->kind = INFO_FLASH;
	} else if (!strcasecmp(content_type, "application/dtmf")) {
		copy_word(body, bytes, word, sizeof(word));
		read_signal(word, ret_info);
	} else if (!strcasecmp(content_type, "application/dtmf-relay")) {
		for (const char *at = body, *end = body + bytes; at < end;) {
			const char *lf = memchr(at, '\n', (size_t)(end - at));
			size_t length = (size_t)((lf ? lf : end) - at);
			read_line(at, length, ret_info);
			at += length + 1;
		}
	}
}

int info_write(char digit, int duration_ms, char *ret_body, size_t size)
{
	return snprintf(ret_body, size, "Signal=%c\r\nDuration=%d\r\n", digit, duration_ms);
}
