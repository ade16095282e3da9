/* What an exchange lets hear, in both laws: tones of several countries by their rhythm, speech-like noise, silence. */
#include "progress.h"
#include <math.h>
#include <setjmp.h>
#include <spandsp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

struct rhythm {
	double low, high; /* Hz; 0: silence, below 0: noise */
	int on_ms, off_ms, times;
};

/* How often each sound was recognised. */
static void play(const struct rhythm *rhythm, enum hs_codec law, int ret_heard[PROGRESS_VOICE + 1])
{
	struct progress progress = {0};
	int period = (rhythm->on_ms + rhythm->off_ms) * 8, total = period * rhythm->times;
	unsigned int seed = 7;
	double level = 0;

	for (int i = 0; i <= PROGRESS_VOICE; i++)
		ret_heard[i] = 0;
	for (int n = 0; n < total; n++) {
		bool is_on = n % period < rhythm->on_ms * 8;
		double value = 0;
		uint8_t byte;

		if (is_on && rhythm->low < 0) {
			seed = seed * 1103515245 + 12345;
			level = 0.7 * level + ((int)(seed >> 16) % 6000 - 3000);
			value = level;
		} else if (is_on) {
			value = 3000 * sin(2 * M_PI * rhythm->low * n / 8000) +
				3000 * sin(2 * M_PI * rhythm->high * n / 8000);
		}
		byte = law == HS_CODEC_PCMA ? linear_to_alaw((int)value) : linear_to_ulaw((int)value);
		ret_heard[progress_hear(&progress, law, &byte, 1)]++;
	}
}

static void busy(void **state)
{
	static const struct rhythm kinds[] = {
		{480, 620, 500, 500, 6}, {480, 620, 250, 250, 6}, {425, 425, 500, 500, 6}, {425, 425, 250, 250, 6},
		{400, 400, 375, 375, 6}, {450, 450, 350, 350, 6}, {425, 425, 200, 200, 6},
	};
	int heard[PROGRESS_VOICE + 1];

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		for (int law = 1; law < HS_CODEC_COUNT; law++) {
			play(&kinds[i], (enum hs_codec)law, heard);
			assert_true(heard[kinds[i].on_ms > 300 ? PROGRESS_BUSY : PROGRESS_FAST] >= 1);
			assert_int_equal(heard[kinds[i].on_ms > 300 ? PROGRESS_FAST : PROGRESS_BUSY], 0);
			assert_int_equal(heard[PROGRESS_VOICE], 0);
		}
}

static void dial_tone_and_ringback(void **state)
{
	static const struct rhythm dial = {350, 440, 3000, 1, 1}, us = {440, 480, 2000, 4000, 2},
				   eu = {425, 425, 1000, 4000, 2};
	int heard[PROGRESS_VOICE + 1];

	play(&dial, HS_CODEC_PCMU, heard);
	assert_int_equal(heard[PROGRESS_TONE], 1);
	play(&us, HS_CODEC_PCMU, heard);
	assert_int_equal(heard[PROGRESS_RINGBACK], 2);
	assert_int_equal(heard[PROGRESS_BUSY], 0);
	play(&eu, HS_CODEC_PCMA, heard);
	assert_int_equal(heard[PROGRESS_RINGBACK], 2);
	assert_int_equal(heard[PROGRESS_VOICE], 0);
}

static void others(void **state)
{
	static const struct rhythm talk = {-1, 0, 400, 400, 6}, quiet = {0, 0, 10, 4000, 1};
	int heard[PROGRESS_VOICE + 1];

	play(&talk, HS_CODEC_PCMU, heard);
	assert_true(heard[PROGRESS_VOICE] >= 1);
	assert_int_equal(heard[PROGRESS_BUSY], 0);
	play(&quiet, HS_CODEC_PCMU, heard);
	assert_int_equal(heard[PROGRESS_VOICE] + heard[PROGRESS_TONE] + heard[PROGRESS_BUSY] + heard[PROGRESS_RINGBACK],
			 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(busy),
		cmocka_unit_test(dial_tone_and_ringback),
		cmocka_unit_test(others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
