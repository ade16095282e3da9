#include "channel.h"
#include "cleanup.h"
#include "id.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char head[] = "channel/1";

enum { WORD = 96 };

static bool read_codec(struct hs_channel *channel, const char *value)
{
	for (int codec = 1; codec < HS_CODEC_COUNT; codec++)
		if (strcmp(hs_enum_codec.names[codec], value) == 0)
			channel->codec = (enum hs_codec)codec;
	return channel->codec != 0;
}

static bool read_ptime(struct hs_channel *channel, const char *value)
{
	char *end;
	long ms = strtol(value, &end, 10);
	if (end == value || *end || ms < HS_CHANNEL_MS_MIN || ms > HS_CHANNEL_MS_MAX || ms % 10)
		return false;
	channel->ptime_ms = (int)ms;
	return true;
}

/* It is shown in logs and in the API. */
static bool read_name(struct hs_channel *channel, const char *value)
{
	size_t length = strlen(value);
	if (length == 0 || length >= sizeof channel->name)
		return false;
	for (size_t i = 0; i < length; i++)
		if (value[i] <= ' ' || value[i] > '~')
			return false;
	hs_copy(channel->name, sizeof channel->name, value);
	return true;
}

static bool read_grant(struct hs_channel *channel, const char *value)
{
	return hs_id_valid(value) && hs_copy(channel->grant, sizeof channel->grant, value);
}

static const struct row {
	const char *key;
	bool (*read)(struct hs_channel *channel, const char *value);
	const char *why;
} rows[] = {
	{"codec", read_codec, "codec is pcmu or pcma"},
	{"ptime", read_ptime, "ptime is 10 to 60 ms in steps of 10"},
	{"name", read_name, "name has 1 to 63 printable characters"},
	{"grant", read_grant, "grant is an id"},
};

static int read_word(struct hs_channel *channel, char *word, const char **ret_why)
{
	char *value = strchr(word, '=');
	if (!value)
		return 0;
	*value++ = 0;
	for (size_t i = 0; i < HS_COUNT(rows); i++) {
		if (strcmp(rows[i].key, word) != 0)
			continue;
		*ret_why = rows[i].why;
		return rows[i].read(channel, value) ? 0 : -EINVAL;
	}
	return 0;
}

/* The next word, NUL-terminated; longer ones than any we know are cut, which no value survives. */
static const char *next_word(const char *text, char ret_word[WORD])
{
	text += strspn(text, " ");
	size_t length = strcspn(text, " "), kept = length < WORD - 1 ? length : WORD - 1;
	memcpy(ret_word, text, kept);
	ret_word[kept] = 0;
	return text + length;
}

int hs_channel_read(const char *text, struct hs_channel *ret_channel, const char **ret_why)
{
	struct hs_channel channel = {0};
	char word[WORD];
	*ret_why = "it does not begin with channel/1";
	if (!text)
		return -EINVAL;
	text = next_word(text, word);
	if (strcmp(word, head) != 0)
		return -EINVAL;
	while (text = next_word(text, word), word[0])
		if (read_word(&channel, word, ret_why) < 0)
			return -EINVAL;
	*ret_channel = channel;
	return 0;
}

void hs_channel_write(const struct hs_channel *channel, char ret_text[HS_CHANNEL_BYTES])
{
	char ptime[16] = "";
	if (channel->ptime_ms)
		snprintf(ptime, sizeof ptime, " ptime=%d", channel->ptime_ms);
	snprintf(ret_text, HS_CHANNEL_BYTES, "%s%s%s%s%s%s%s%s", head, channel->codec ? " codec=" : "",
		 channel->codec ? hs_enum_codec.names[channel->codec] : "", ptime, channel->name[0] ? " name=" : "",
		 channel->name, channel->grant[0] ? " grant=" : "", channel->grant);
}
