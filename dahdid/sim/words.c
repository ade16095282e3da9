#include "words.h"
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool is_text(const char *line)
{
	for (const unsigned char *at = (const unsigned char *)line; *at; at++) {
		if ((*at < ' ' && *at != '\t') || *at == 0x7f)
			return false;
	}
	return true;
}

int words_split(char *line, char *ret_words[WORDS_MAX])
{
	int count = 0;

	if (!is_text(line))
		return -EINVAL;
	while (*(line += strspn(line, " \t"))) {
		bool quoted = *line == '"';

		if (count == WORDS_MAX)
			return -E2BIG;
		line += quoted;
		ret_words[count++] = line;
		char *end = line + strcspn(line, quoted ? "\"" : " \t");

		if (quoted && !*end)
			return -EINVAL;
		line = *end ? end + 1 : end;
		*end = '\0';
	}
	return count;
}

int words_number(const char *word, long lowest, long highest, int *ret_number)
{
	char *end;

	errno = 0;
	long number = strtol(word, &end, 10);

	if (errno || end == word || *end || number < lowest || number > highest)
		return -EINVAL;
	*ret_number = (int)number;
	return 0;
}
