#include "tones.h"
#include "cleanup.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CADENCE = 4 };

struct tone_row {
	int hz[2];               /* 0: one frequency only */
	int level_dbm0;          /* of each frequency */
	int cadence_ms[CADENCE]; /* on, off, on, off; 0 ends it; none: continuous */
	int times;               /* the cadence is played so often, then it is continuous; 0: for ever */
};

static const struct tone_row rows[HS_TONE_PLAN_COUNT][HS_TONE_COUNT] =
	{
		[HS_TONE_PLAN_US] =
			{
				[HS_TONE_DIAL] = {{350, 440}, -13, {0}},
				[HS_TONE_RINGBACK] = {{440, 480}, -19, {2000, 4000}},
				[HS_TONE_BUSY] = {{480, 620}, -24, {500, 500}},
				[HS_TONE_CONGESTION] = {{480, 620}, -24, {250, 250}},
				[HS_TONE_STUTTER] = {{350, 440}, -13, {100, 100}, 10},
			},
		[HS_TONE_PLAN_EU] =
			{
				[HS_TONE_DIAL] = {{425, 0}, -10, {0}},
				[HS_TONE_RINGBACK] = {{425, 0}, -10, {1000, 4000}},
				[HS_TONE_BUSY] = {{425, 0}, -10, {500, 500}},
				[HS_TONE_CONGESTION] = {{425, 0}, -10, {250, 250}},
				[HS_TONE_STUTTER] = {{425, 0}, -10, {400, 40}},
			},
		[HS_TONE_PLAN_UK] =
			{
				[HS_TONE_DIAL] = {{350, 440}, -13, {0}},
				[HS_TONE_RINGBACK] = {{400, 450}, -16, {400, 200, 400, 2000}},
				[HS_TONE_BUSY] = {{400, 0}, -16, {375, 375}},
				[HS_TONE_CONGESTION] = {{400, 0}, -16, {400, 350, 225, 525}},
				[HS_TONE_STUTTER] = {{350, 440}, -13, {100, 100}, 10},
			},
};

struct tones {
	enum hs_tone_plan plan;
	float sine[CODEC_RATE];
};

struct tones *tones_create(enum hs_tone_plan plan)
{
	struct tones *tones = hs_zalloc(sizeof *tones);
	tones->plan = plan;
	for (int i = 0; i < CODEC_RATE; i++)
		tones->sine[i] = (float)sin(2 * M_PI * i / CODEC_RATE);
	return tones;
}

/* A sine that just reaches the last decision value of mu-law, 8159 in its 14 bits, is +3.17 dBm0 (G.711 section 6). */
static float peak(int level_dbm0)
{
	return 4 * 8159.0F * powf(10.0F, ((float)level_dbm0 - 3.17F) / 20.0F);
}

static bool sounds(const struct tone_row *row, uint64_t position)
{
	uint64_t period = 0;
	for (int i = 0; i < CADENCE; i++)
		period += (uint64_t)row->cadence_ms[i] * CODEC_SAMPLES_PER_MS;
	if (period == 0 || (row->times && position >= period * (uint64_t)row->times))
		return true;
	uint64_t at = position % period;
	for (int i = 0; i < CADENCE; i++) {
		uint64_t part = (uint64_t)row->cadence_ms[i] * CODEC_SAMPLES_PER_MS;
		if (at < part)
			return i % 2 == 0;
		at -= part;
	}
	return false;
}

static float sine(const struct tones *tones, int hz, uint64_t position)
{
	return tones->sine[(position % CODEC_RATE * (uint64_t)hz) % CODEC_RATE];
}

static float sample(const struct tones *tones, const struct tone_row *row, uint64_t position)
{
	float sum = 0;
	for (int i = 0; i < 2; i++)
		if (row->hz[i])
			sum += sine(tones, row->hz[i], position);
	return sum;
}

void tones_fill(const struct tones *tones, enum hs_tone tone, uint64_t position, enum hs_codec codec,
		uint8_t ret_frame[CODEC_FRAME])
{
	const struct tone_row *row = &rows[tones->plan][tone];
	float amplitude = row->hz[0] ? peak(row->level_dbm0) : 0;
	for (unsigned i = 0; i < CODEC_FRAME; i++) {
		float value = sounds(row, position + i) ? amplitude * sample(tones, row, position + i) : 0;
		ret_frame[i] = hs_law_from_linear(codec, (int16_t)lrintf(value));
	}
}

void tones_fill_key(const struct tones *tones, char key, uint64_t position, enum hs_codec codec,
		    uint8_t ret_frame[CODEC_FRAME])
{
	static const char pad[] = "123A456B789C*0#D";
	static const int low[] = {697, 770, 852, 941}, high[] = {1209, 1336, 1477, 1633};
	const char *at = key ? strchr(pad, key) : NULL;
	float low_peak = at ? peak(-10) : 0, high_peak = at ? peak(-8) : 0; /* the higher one is lost more on the way */
	int place = at ? (int)(at - pad) : 0;
	for (unsigned i = 0; i < CODEC_FRAME; i++) {
		float value = low_peak * sine(tones, low[place / 4], position + i) +
			      high_peak * sine(tones, high[place % 4], position + i);
		ret_frame[i] = hs_law_from_linear(codec, (int16_t)lrintf(value));
	}
}

void tones_destroy(struct tones *tones)
{
	free(tones);
}
