#include "riff.h"
#include "cleanup.h"
#include <errno.h>
#include <stdbool.h>
#include <string.h>

enum {
	RIFF_HEAD = 12, /* "RIFF", length, "WAVE" */
	CHUNK_HEAD = 8, /* name, length */
	FORMAT_LEAST = 16,
	FORMAT_EXTENSIBLE = 40,
	TAG_EXTENSIBLE = 0xFFFE,
	SUBFORMAT_AT = 24 /* in the format chunk: the tag, then the rest of a fixed GUID */
};

struct chunk {
	const uint8_t *body;
	size_t bytes;
};

static int refuse(const char **ret_why, const char *why)
{
	*ret_why = why;
	return -EINVAL;
}

static unsigned read_16(const uint8_t *at)
{
	return at[0] | (unsigned)at[1] << 8;
}

static uint32_t read_32(const uint8_t *at)
{
	return read_16(at) | (uint32_t)read_16(at + 2) << 16;
}

/* The first chunk of that name. Every step goes forward by at least a head, so the walk ends. */
static bool find_chunk(const uint8_t *data, size_t bytes, const char *name, struct chunk *ret_chunk)
{
	size_t at = RIFF_HEAD;
	while (bytes - at >= CHUNK_HEAD) {
		size_t length = read_32(data + at + 4), left = bytes - at - CHUNK_HEAD;
		if (memcmp(data + at, name, 4) == 0) {
			*ret_chunk = (struct chunk){data + at + CHUNK_HEAD, length < left ? length : left};
			return true;
		}
		length += length % 2; /* chunks begin at even places */
		if (length >= left)
			return false;
		at += CHUNK_HEAD + length;
	}
	return false;
}

/* The tag that says how samples are written; the extensible one is a longer way to say the same. */
static unsigned format_tag(const struct chunk *format)
{
	static const uint8_t guid[14] = {0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71};
	unsigned tag = read_16(format->body);
	if (tag != TAG_EXTENSIBLE || format->bytes < FORMAT_EXTENSIBLE ||
	    memcmp(format->body + SUBFORMAT_AT + 2, guid, sizeof guid) != 0)
		return tag;
	return read_16(format->body + SUBFORMAT_AT);
}

static bool find_encoding(unsigned tag, unsigned bits, enum riff_encoding *ret_encoding)
{
	static const struct {
		unsigned tag, bits;
		enum riff_encoding encoding;
	} known[] = {{1, 8, RIFF_PCM},    {1, 16, RIFF_PCM},   {1, 24, RIFF_PCM}, {1, 32, RIFF_PCM},
		     {3, 32, RIFF_FLOAT}, {3, 64, RIFF_FLOAT}, {6, 8, RIFF_ALAW}, {7, 8, RIFF_ULAW}};
	for (size_t i = 0; i < HS_COUNT(known); i++)
		if (known[i].tag == tag && known[i].bits == bits) {
			*ret_encoding = known[i].encoding;
			return true;
		}
	return false;
}

int riff_read(const uint8_t *data, size_t bytes, struct riff *ret_riff, const char **ret_why)
{
	struct chunk format, samples;
	if (bytes < RIFF_HEAD || memcmp(data, "RIFF", 4) != 0 || memcmp(data + 8, "WAVE", 4) != 0)
		return refuse(ret_why, "this is not a WAV file: it does not begin with RIFF and WAVE");
	if (!find_chunk(data, bytes, "fmt ", &format) || format.bytes < FORMAT_LEAST)
		return refuse(ret_why, "the WAV file is damaged: it has no format chunk");
	struct riff riff = {
		.channels = read_16(format.body + 2),
		.rate = read_32(format.body + 4),
		.bits = read_16(format.body + 14),
	};
	if (!find_encoding(format_tag(&format), riff.bits, &riff.encoding))
		return refuse(ret_why, "the WAV file is compressed; use PCM, float, mu-law or A-law");
	if (riff.channels == 0 || read_16(format.body + 12) != riff.channels * riff.bits / 8)
		return refuse(ret_why, "the WAV file is damaged: its block size does not fit its channels");
	if (!find_chunk(data, bytes, "data", &samples))
		return refuse(ret_why, "the WAV file is damaged: it has no data chunk");
	riff.frames = samples.body;
	riff.bytes = samples.bytes - samples.bytes % (riff.channels * riff.bits / 8);
	*ret_riff = riff;
	return 0;
}
