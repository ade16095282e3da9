#include "words.h"
#include "cleanup.h"
#include "id.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char begin[] = "channel/1";

static bool read_codec(struct words *words, const char *value)
{
	for (int i = 1; i < HS_CODEC_COUNT; i++)
		if (strcmp(value, hs_enum_codec.names[i]) == 0)
			words->codec = (enum hs_codec)i;
	return words->codec != 0;
}

static bool read_ptime(struct words *words, const char *value)
{
	char *end;
	long ms = strtol(value, &end, 10);

	if (*end || ms < 10 || ms > 60 || ms % 10)
		return false;
	words->ptime_ms = (int)ms;
	return true;
}

static bool read_name(struct words *words, const char *value)
{
	memset(words->name, 0, sizeof(words->name)); /* a word said twice leaves nothing of the first */
	return hs_copy(words->name, sizeof(words->name), value) && value[0];
}

static bool read_grant(struct words *words, const char *value)
{
	memset(words->grant, 0, sizeof(words->grant));
	return hs_id_valid(value) && hs_copy(words->grant, sizeof(words->grant), value);
}

static const struct {
	const char *word;
	bool (*read)(struct words *words, const char *value);
} rows[] = {
	{"codec", read_codec},
	{"ptime", read_ptime},
	{"name", read_name},
	{"grant", read_grant},
};

static bool read_word(struct words *words, char *word)
{
	char *value = strchr(word, '=');

	if (!value)
		return true;
	*value++ = 0;
	for (size_t i = 0; i < HS_COUNT(rows); i++)
		if (strcmp(rows[i].word, word) == 0)
			return rows[i].read(words, value);
	return true;
}

int words_read(const char *text, struct words *ret_words)
{
	struct words words = {0};
	char copy[WORDS_BYTES], *rest = copy, *word;

	if (!text || !hs_copy(copy, sizeof(copy), text) || !(word = strsep(&rest, " ")) || strcmp(word, begin) != 0)
		return -EINVAL;
	while ((word = strsep(&rest, " ")))
		if (!read_word(&words, word))
			return -EINVAL;
	*ret_words = words;
	return 0;
}

void words_write(const struct words *words, char ret_text[WORDS_BYTES])
{
	char ptime[16] = "";

	if (words->ptime_ms)
		snprintf(ptime, sizeof(ptime), " ptime=%d", words->ptime_ms);
	snprintf(ret_text, WORDS_BYTES, "%s%s%s%s%s%s%s%s", begin, words->codec ? " codec=" : "",
		 words->codec ? hs_enum_codec.names[words->codec] : "", ptime, words->name[0] ? " name=" : "",
		 words->name, words->grant[0] ? " grant=" : "", words->grant);
}
