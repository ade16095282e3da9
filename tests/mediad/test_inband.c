/* Keys as tones: every key that we make is noticed once, with its length; speech, noise and call tones are none. */
#include "cases.h"
#include "inband.h"
#include "tones.h"
#include <math.h>
#include <stdio.h>

static const char keys[] = "0123456789*#ABCD";
static char heard[512];
static size_t samples_at, begun_at;
static uint32_t last_ms;
static struct tones *tones;
static struct inband *inband;

static void note(void *context, bool is_down, char key, uint32_t duration_ms)
{
	size_t at = strlen(heard);
	snprintf(heard + at, sizeof heard - at, "%c%c ", is_down ? '+' : '-', key);
	if (is_down)
		begun_at = samples_at;
	else
		last_ms = duration_ms;
}

static int begin(void **state)
{
	heard[0] = 0;
	samples_at = 0;
	tones = tones_create(HS_TONE_PLAN_US);
	inband = inband_create(note, NULL);
	return 0;
}

static int end(void **state)
{
	tones_destroy(tones);
	inband_destroy(inband);
	return 0;
}

static void hear(const uint8_t *bytes, enum hs_codec codec, size_t count, size_t piece)
{
	while (count > 0) {
		size_t part = piece < count ? piece : count;
		samples_at += part;
		inband_hear(inband, codec, bytes, part);
		bytes += part;
		count -= part;
	}
}

static void press(char key, int frames, enum hs_codec codec, size_t piece)
{
	static uint8_t bytes[400 * CODEC_FRAME];
	for (int i = 0; i < frames; i++)
		tones_fill_key(tones, key, (uint64_t)i * CODEC_FRAME, codec, bytes + i * CODEC_FRAME);
	samples_at = 0;
	hear(bytes, codec, (size_t)frames * CODEC_FRAME, piece);
}

static void test_every_key_in_every_block_length(void **state)
{
	static const size_t pieces[] = {80, 160, 240, 320, 480};
	for (size_t p = 0; p < 5; p++)
		for (int codec = HS_CODEC_PCMU; codec < HS_CODEC_COUNT; codec++)
			for (const char *key = keys; *key; key++) {
				char wanted[8];
				heard[0] = 0;
				snprintf(wanted, sizeof wanted, "+%c -%c ", *key, *key);
				press(*key, 5, (enum hs_codec)codec, pieces[p]);
				assert_int_equal(inband_key(inband), *key);
				press(0, 5, (enum hs_codec)codec, pieces[p]);
				assert_string_equal(heard, wanted);
				assert_in_range(last_ms, 75, 115);
				assert_int_equal(inband_key(inband), 0);
			}
}

static void test_told_at_once(void **state)
{
	press('7', 5, HS_CODEC_PCMU, 1);
	assert_in_range(begun_at, 0, 46 * CODEC_SAMPLES_PER_MS);
}

static void test_the_same_key_again(void **state)
{
	for (int i = 0; i < 3; i++) {
		press('5', 3, HS_CODEC_PCMA, 160);
		press(0, 3, HS_CODEC_PCMA, 160);
	}
	assert_string_equal(heard, "+5 -5 +5 -5 +5 -5 ");
}

static void test_held_for_long(void **state)
{
	press('#', 400, HS_CODEC_PCMU, 160);
	press(0, 5, HS_CODEC_PCMU, 160);
	assert_string_equal(heard, "+# -# ");
	assert_in_range(last_ms, 7975, 8025);
}

static void test_straight_from_key_to_key(void **state)
{
	press('1', 5, HS_CODEC_PCMU, 160);
	press('2', 5, HS_CODEC_PCMU, 160);
	press(0, 5, HS_CODEC_PCMU, 160);
	assert_string_equal(heard, "+1 -1 +2 -2 ");
}

static void test_ended_by_the_leg(void **state)
{
	press('9', 5, HS_CODEC_PCMU, 160);
	inband_stop(inband);
	inband_stop(inband);
	assert_string_equal(heard, "+9 -9 ");
	press(0, 5, HS_CODEC_PCMU, 160);
	assert_string_equal(heard, "+9 -9 ");
}

static void test_too_short(void **state)
{
	press('3', 1, HS_CODEC_PCMU, 160);
	press(0, 10, HS_CODEC_PCMU, 160);
	assert_string_equal(heard, "");
}

/* The phone's own dial tone comes back from the hybrid while a key is pressed. */
static void test_through_a_dial_tone(void **state)
{
	uint8_t key[CODEC_FRAME], dial[CODEC_FRAME];
	for (int i = 0; i < 10; i++) {
		tones_fill_key(tones, i < 5 ? '6' : 0, (uint64_t)i * CODEC_FRAME, HS_CODEC_PCMU, key);
		tones_fill(tones, HS_TONE_DIAL, (uint64_t)i * CODEC_FRAME, HS_CODEC_PCMU, dial);
		for (int n = 0; n < CODEC_FRAME; n++) {
			int echo = hs_law_to_linear(HS_CODEC_PCMU, dial[n]) / 4;
			int sum = hs_law_to_linear(HS_CODEC_PCMU, key[n]) + echo;
			key[n] = hs_law_from_linear(HS_CODEC_PCMU, (int16_t)(sum > 32000    ? 32000
									     : sum < -32000 ? -32000
											    : sum));
		}
		hear(key, HS_CODEC_PCMU, CODEC_FRAME, CODEC_FRAME);
	}
	assert_string_equal(heard, "+6 -6 ");
}

static void test_what_is_no_key(void **state)
{
	uint8_t bytes[CODEC_FRAME];
	uint32_t random = 5;
	for (int tone = HS_TONE_DIAL; tone < HS_TONE_COUNT; tone++)
		for (int i = 0; i < 500; i++) {
			tones_fill(tones, (enum hs_tone)tone, (uint64_t)i * CODEC_FRAME, HS_CODEC_PCMU, bytes);
			hear(bytes, HS_CODEC_PCMU, CODEC_FRAME, CODEC_FRAME);
		}
	for (int i = 0; i < 6000; i++) { /* two minutes of noise, some of it as loud as it can be */
		for (int n = 0; n < CODEC_FRAME; n++)
			bytes[n] = (uint8_t)(i % 100 < 50 ? cases_random(&random) : 0xc0 + cases_random(&random) % 64);
		hear(bytes, HS_CODEC_PCMU, CODEC_FRAME, CODEC_FRAME);
	}
	for (int hz = 300; hz < 3400; hz += 7) /* a whistle that climbs, and its octave */
		for (int n = 0; n < 4; n++) {
			for (int k = 0; k < CODEC_FRAME; k++) {
				double angle = 2 * M_PI * hz * (n * CODEC_FRAME + k) / CODEC_RATE;
				bytes[k] = hs_law_from_linear(HS_CODEC_PCMU,
							      (int16_t)(8000 * sin(angle) + 4000 * sin(2 * angle)));
			}
			hear(bytes, HS_CODEC_PCMU, CODEC_FRAME, CODEC_FRAME);
		}
	assert_string_equal(heard, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_every_key_in_every_block_length, begin, end),
		cmocka_unit_test_setup_teardown(test_told_at_once, begin, end),
		cmocka_unit_test_setup_teardown(test_the_same_key_again, begin, end),
		cmocka_unit_test_setup_teardown(test_held_for_long, begin, end),
		cmocka_unit_test_setup_teardown(test_straight_from_key_to_key, begin, end),
		cmocka_unit_test_setup_teardown(test_ended_by_the_leg, begin, end),
		cmocka_unit_test_setup_teardown(test_too_short, begin, end),
		cmocka_unit_test_setup_teardown(test_through_a_dial_tone, begin, end),
		cmocka_unit_test_setup_teardown(test_what_is_no_key, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
