#include "jitter.h"
#include <string.h>

enum {
	GAP = 1600,       /* samples: a longer hole is a pause, whose silence was played already, not a loss */
	WINDOW = 200,     /* frames over which a reserve must not have been needed */
	RESERVE = 2 * 160 /* samples left over after each frame of a window: one frame of them goes */
};

static void blank(struct jitter *jitter, uint32_t from, size_t count)
{
	size_t at = from % JITTER_SAMPLES, first = count < JITTER_SAMPLES - at ? count : JITTER_SAMPLES - at;
	memset(jitter->ring + at, hs_law_silence(jitter->codec), first);
	memset(jitter->ring, hs_law_silence(jitter->codec), count - first);
}

void jitter_init(struct jitter *jitter, enum hs_codec codec)
{
	uint64_t underruns = jitter->underruns, dropped = jitter->dropped;
	*jitter = (struct jitter){.codec = codec, .underruns = underruns, .dropped = dropped};
	blank(jitter, 0, JITTER_SAMPLES);
}

size_t jitter_depth(const struct jitter *jitter)
{
	return jitter->newest - jitter->read;
}

static void skip(struct jitter *jitter, uint32_t count)
{
	blank(jitter, jitter->read, count);
	jitter->read += count;
}

void jitter_clear(struct jitter *jitter)
{
	skip(jitter, jitter->newest - jitter->read);
	jitter->is_playing = jitter->has_begun = false;
	jitter->slots = 0;
}

static void copy_in(struct jitter *jitter, enum hs_codec codec, uint32_t to, const uint8_t *bytes, size_t count)
{
	size_t at = to % JITTER_SAMPLES, first = count < JITTER_SAMPLES - at ? count : JITTER_SAMPLES - at;
	memcpy(jitter->ring + at, bytes, first);
	memcpy(jitter->ring, bytes + first, count - first);
	hs_law_convert(codec, jitter->codec, jitter->ring + at, first);
	hs_law_convert(codec, jitter->codec, jitter->ring, count - first);
}

/* Where a packet goes on our time line. After a restart, a pause, or while nothing plays it follows what waits. */
static uint32_t place(struct jitter *jitter, uint32_t timestamp, bool is_restart)
{
	uint32_t to = timestamp + jitter->offset;
	int32_t ahead = (int32_t)(to - jitter->newest);
	bool follows = !jitter->has_begun || is_restart || ahead > GAP || ahead < -GAP;
	if (follows || (!jitter->is_playing && ahead > 0)) {
		jitter->offset = jitter->newest - timestamp;
		to = jitter->newest;
	}
	jitter->has_begun = true;
	return to;
}

/* Room is made by letting go of the oldest, in whole frames. */
static void make_room(struct jitter *jitter, uint32_t end)
{
	while ((int32_t)(end - jitter->read) > JITTER_SAMPLES) {
		skip(jitter, CODEC_FRAME);
		jitter->dropped++;
		if ((int32_t)(jitter->newest - jitter->read) < 0)
			jitter->newest = jitter->read;
	}
}

void jitter_put(struct jitter *jitter, enum hs_codec codec, uint32_t timestamp, const uint8_t *bytes, size_t count,
		bool is_restart)
{
	if (count > JITTER_SAMPLES / 2)
		return; /* half a second in one packet is no telephony */
	uint32_t to = place(jitter, timestamp, is_restart);
	int32_t late = (int32_t)(jitter->read - to);
	if (late >= (int32_t)count)
		return; /* its time is over */
	size_t passed = late > 0 ? (size_t)late : 0;
	uint32_t end = to + (uint32_t)count;
	make_room(jitter, end);
	copy_in(jitter, codec, to + (uint32_t)passed, bytes + passed, count - passed);
	if ((int32_t)(end - jitter->newest) > 0)
		jitter->newest = end;
}

/* A reserve that no frame of the window needed: one frame of it is let go. */
static void relax(struct jitter *jitter)
{
	uint32_t left = jitter->newest - jitter->read;
	if (jitter->slots == 0 || left < jitter->least)
		jitter->least = left;
	if (++jitter->slots < WINDOW)
		return;
	jitter->slots = 0;
	if (jitter->least < RESERVE)
		return;
	skip(jitter, CODEC_FRAME);
	jitter->dropped++;
}

bool jitter_take(struct jitter *jitter, uint8_t ret_frame[CODEC_FRAME])
{
	if (jitter_depth(jitter) < CODEC_FRAME) {
		if (jitter->is_playing)
			jitter->underruns++;
		jitter->is_playing = false;
		return false;
	}
	jitter->is_playing = true;
	size_t at = jitter->read % JITTER_SAMPLES;
	size_t first = JITTER_SAMPLES - at < CODEC_FRAME ? JITTER_SAMPLES - at : CODEC_FRAME;
	memcpy(ret_frame, jitter->ring + at, first);
	memcpy(ret_frame + first, jitter->ring, CODEC_FRAME - first);
	skip(jitter, CODEC_FRAME);
	relax(jitter);
	return true;
}
