#include "playout.h"
#include <string.h>

enum { START_SLOTS = 2, PAUSE_SLOTS = 50 };

struct playout {
	enum hs_codec codec; /* of what waits */
	size_t head, depth;  /* in samples; a ring */
	bool playing;        /* else filling up */
	int waited;          /* slots since something came while filling up */
	bool has_played;
	int dry; /* slots since the last frame */
	uint64_t underruns;
	uint8_t ring[PLAYOUT_SAMPLES];
};

size_t playout_bytes(void)
{
	return sizeof(struct playout);
}

void playout_check(struct playout *playout)
{
	bool is_law = playout->codec == HS_CODEC_PCMU || playout->codec == HS_CODEC_PCMA;
	if (playout->head < PLAYOUT_SAMPLES && playout->depth <= PLAYOUT_SAMPLES && (is_law || !playout->depth))
		return;
	playout->codec = HS_CODEC_PCMU;
	playout_clear(playout);
}

static void copy_in(struct playout *playout, const uint8_t *bytes, size_t count)
{
	size_t at = (playout->head + playout->depth) % PLAYOUT_SAMPLES;
	size_t first = count < PLAYOUT_SAMPLES - at ? count : PLAYOUT_SAMPLES - at;
	memcpy(playout->ring + at, bytes, first);
	memcpy(playout->ring, bytes + first, count - first);
}

static void convert_in(struct playout *playout, enum hs_codec codec, size_t count)
{
	size_t at = (playout->head + playout->depth) % PLAYOUT_SAMPLES;
	size_t first = count < PLAYOUT_SAMPLES - at ? count : PLAYOUT_SAMPLES - at;
	codec_convert(codec, playout->codec, playout->ring + at, first);
	codec_convert(codec, playout->codec, playout->ring, count - first);
}

size_t playout_put(struct playout *playout, enum hs_codec codec, const uint8_t *bytes, size_t count)
{
	size_t room = PLAYOUT_SAMPLES - playout->depth, taken = count < room ? count : room;
	if (playout->depth == 0) {
		playout->head = 0; /* stay in the pages that are already there */
		playout->codec = codec;
	}
	copy_in(playout, bytes, taken);
	convert_in(playout, codec, taken);
	playout->depth += taken;
	return count - taken;
}

static bool may_start(struct playout *playout)
{
	if (playout->depth == 0)
		return false;
	return playout->depth >= PLAYOUT_START || ++playout->waited > START_SLOTS;
}

static bool stay_dry(struct playout *playout)
{
	if (playout->has_played && playout->dry < PAUSE_SLOTS)
		playout->dry++;
	return false;
}

bool playout_take(struct playout *playout, enum hs_codec *ret_codec, uint8_t ret_frame[CODEC_FRAME])
{
	if (!playout->playing && !may_start(playout))
		return stay_dry(playout);
	if (playout->depth == 0) {
		playout->playing = false;
		playout->waited = 0;
		return stay_dry(playout);
	}
	size_t count = playout->depth < CODEC_FRAME ? playout->depth : CODEC_FRAME;
	for (size_t i = 0; i < count; i++)
		ret_frame[i] = playout->ring[(playout->head + i) % PLAYOUT_SAMPLES];
	memset(ret_frame + count, codec_silence(playout->codec), CODEC_FRAME - count);
	playout->head = (playout->head + count) % PLAYOUT_SAMPLES;
	playout->depth -= count;
	if (playout->dry < PAUSE_SLOTS)
		playout->underruns += (uint64_t)playout->dry;
	playout->dry = 0;
	playout->playing = playout->has_played = true;
	*ret_codec = playout->codec;
	return true;
}

void playout_clear(struct playout *playout)
{
	playout->head = playout->depth = 0;
	playout->playing = playout->has_played = false;
	playout->waited = playout->dry = 0;
}

size_t playout_depth(const struct playout *playout)
{
	return playout->depth;
}

uint64_t playout_underruns(const struct playout *playout)
{
	return playout->underruns;
}
