/* Tones: the right frequencies and levels, the right cadences, nothing between frames. */
#include "cases.h"
#include "tones.h"
#include <math.h>
#include <stdlib.h>

enum { SECOND = CODEC_RATE };

static void render(enum hs_tone_plan plan, enum hs_tone tone, int16_t *ret_samples, int seconds)
{
	struct tones *tones = tones_create(plan);
	for (int at = 0; at < seconds * SECOND; at += CODEC_FRAME) {
		uint8_t frame[CODEC_FRAME];
		tones_fill(tones, tone, (uint64_t)at, HS_CODEC_PCMA, frame);
		for (int i = 0; i < CODEC_FRAME; i++)
			ret_samples[at + i] = hs_law_to_linear(HS_CODEC_PCMA, frame[i]);
	}
	tones_destroy(tones);
}

/* Level of one frequency in dBm0 over a second (Goertzel at whole hertz). */
static double level(const int16_t *samples, int count, int hz)
{
	double real = 0, imaginary = 0;
	for (int i = 0; i < count; i++) {
		real += samples[i] * cos(2 * M_PI * hz * i / SECOND);
		imaginary += samples[i] * sin(2 * M_PI * hz * i / SECOND);
	}
	double peak = 2 * sqrt(real * real + imaginary * imaginary) / count;
	return 20 * log10(peak / 32636 + 1e-9) + 3.17;
}

static void test_spectrum(void **state)
{
	static const struct {
		enum hs_tone_plan plan;
		enum hs_tone tone;
		int hz[2], level;
	} rows[] = {
		{HS_TONE_PLAN_US, HS_TONE_DIAL, {350, 440}, -13}, {HS_TONE_PLAN_US, HS_TONE_RINGBACK, {440, 480}, -19},
		{HS_TONE_PLAN_EU, HS_TONE_DIAL, {425, 425}, -10}, {HS_TONE_PLAN_EU, HS_TONE_RINGBACK, {425, 425}, -10},
		{HS_TONE_PLAN_UK, HS_TONE_DIAL, {350, 440}, -13},
	};
	static int16_t samples[2 * SECOND];
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		render(rows[i].plan, rows[i].tone, samples, 1);
		double energy = 0, wanted = 0;
		for (int n = 0; n < SECOND; n++)
			energy += (double)samples[n] * samples[n] / SECOND;
		for (int f = 0; f < 2; f++)
			assert_true(fabs(level(samples, SECOND, rows[i].hz[f]) - rows[i].level) < 0.5);
		double peak = 32636 * pow(10, (rows[i].level - 3.17) / 20);
		wanted = peak * peak / 2 * (rows[i].hz[0] == rows[i].hz[1] ? 1 : 2);
		assert_true(fabs(10 * log10(energy / wanted)) < 0.3); /* and nothing else */
	}
}

/* Where it sounds, in steps of 5 ms, against the cadence. */
static void check_cadence(enum hs_tone_plan plan, enum hs_tone tone, const int *cadence_ms, int parts)
{
	static int16_t samples[12 * SECOND];
	int at = 0, part = 0;
	render(plan, tone, samples, 12);
	while (at < 11 * SECOND) {
		int length = cadence_ms[part % parts] * 8, loudest = 0;
		for (int i = at; i < at + length && i < 12 * SECOND; i++)
			loudest = abs(samples[i]) > loudest ? abs(samples[i]) : loudest;
		assert_true(part % 2 == 0 ? loudest > 500 : loudest <= 8);
		at += length;
		part++;
	}
}

static void test_cadences(void **state)
{
	check_cadence(HS_TONE_PLAN_US, HS_TONE_RINGBACK, (const int[]){2000, 4000}, 2);
	check_cadence(HS_TONE_PLAN_US, HS_TONE_BUSY, (const int[]){500, 500}, 2);
	check_cadence(HS_TONE_PLAN_US, HS_TONE_CONGESTION, (const int[]){250, 250}, 2);
	check_cadence(HS_TONE_PLAN_EU, HS_TONE_RINGBACK, (const int[]){1000, 4000}, 2);
	check_cadence(HS_TONE_PLAN_EU, HS_TONE_BUSY, (const int[]){500, 500}, 2);
	check_cadence(HS_TONE_PLAN_EU, HS_TONE_CONGESTION, (const int[]){250, 250}, 2);
	check_cadence(HS_TONE_PLAN_UK, HS_TONE_RINGBACK, (const int[]){400, 200, 400, 2000}, 4);
	check_cadence(HS_TONE_PLAN_UK, HS_TONE_BUSY, (const int[]){375, 375}, 2);
	check_cadence(HS_TONE_PLAN_UK, HS_TONE_CONGESTION, (const int[]){400, 350, 225, 525}, 4);
	check_cadence(HS_TONE_PLAN_EU, HS_TONE_STUTTER, (const int[]){400, 40}, 2);
	check_cadence(HS_TONE_PLAN_US, HS_TONE_STUTTER,
		      (const int[]){100, 100, 100, 100, 100, 100, 100, 100, 100, 100,  100,
				    100, 100, 100, 100, 100, 100, 100, 100, 100, 60000},
		      21);
}

static void test_continuous(void **state)
{
	static int16_t samples[3 * SECOND];
	render(HS_TONE_PLAN_EU, HS_TONE_DIAL, samples, 3);
	for (int i = 1; i < 3 * SECOND; i++) /* a 425 Hz sine of this level moves less than this between samples */
		assert_true(abs(samples[i] - samples[i - 1]) < 3000);
	assert_memory_equal(samples, samples + SECOND, SECOND * sizeof samples[0]);
}

static void test_none_is_silent(void **state)
{
	static int16_t samples[SECOND];
	render(HS_TONE_PLAN_US, HS_TONE_NONE, samples, 1);
	for (int i = 0; i < SECOND; i++)
		assert_true(abs(samples[i]) <= 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spectrum),
		cmocka_unit_test(test_cadences),
		cmocka_unit_test(test_continuous),
		cmocka_unit_test(test_none_is_silent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
