/* Reception figures (RFC 3550 appendix A), frames of 20 ms, sums of streams. */
#include "cases.h"
#include "figures.h"
#include "frames.h"
#include "mix.h"

static enum figures_arrival add(struct figures *figures, uint16_t sequence)
{
	return figures_add(figures, 1, sequence, sequence * 160U, sequence * 20000, true);
}

static void test_lost_late_duplicate(void **state)
{
	struct figures figures = {0};
	assert_int_equal(add(&figures, 10), FIGURES_RESTART);
	assert_int_equal(add(&figures, 11), FIGURES_NEXT);
	assert_int_equal(add(&figures, 11), FIGURES_DUPLICATE);
	assert_int_equal(add(&figures, 15), FIGURES_NEXT);
	assert_int_equal(figures_lost(&figures), 3);
	assert_int_equal(add(&figures, 13), FIGURES_LATE);
	assert_int_equal(add(&figures, 13), FIGURES_DUPLICATE);
	assert_int_equal(figures_lost(&figures), 2);
	assert_int_equal(add(&figures, 9), FIGURES_LATE); /* older than the first one */
	assert_int_equal(figures_lost(&figures), 2);
	assert_int_equal(figures_fraction(&figures), 2 * 256 / 7);
	assert_int_equal(figures_fraction(&figures), 0);
	assert_int_equal(add(&figures, 200), FIGURES_NEXT);
	assert_int_equal(add(&figures, 100), FIGURES_DUPLICATE); /* too old to know */
}

static void test_wrap_and_restart(void **state)
{
	struct figures figures = {0};
	add(&figures, 65534);
	assert_int_equal(add(&figures, 65535), FIGURES_NEXT);
	assert_int_equal(add(&figures, 0), FIGURES_NEXT);
	assert_int_equal(add(&figures, 2), FIGURES_NEXT);
	assert_int_equal(figures_lost(&figures), 1);
	assert_int_equal(add(&figures, 30000), FIGURES_RESTART);
	assert_int_equal(figures_add(&figures, 2, 5, 0, 0, true), FIGURES_RESTART);
	assert_int_equal(add(&figures, 30001), FIGURES_RESTART);
	assert_int_equal(figures_lost(&figures), 1); /* kept over sources */
}

/* Whoever begins anew not far behind where he was is heard again with his second packet, not a minute later. */
static void test_restart_behind(void **state)
{
	struct figures figures = {0};
	for (int i = 0; i < 300; i++)
		add(&figures, (uint16_t)i);
	assert_int_equal(add(&figures, 0), FIGURES_DUPLICATE);
	assert_int_equal(add(&figures, 300), FIGURES_NEXT); /* it was a straggler */
	assert_int_equal(add(&figures, 3), FIGURES_DUPLICATE);
	assert_int_equal(add(&figures, 7), FIGURES_DUPLICATE); /* stragglers, too */
	assert_int_equal(add(&figures, 0), FIGURES_DUPLICATE);
	assert_int_equal(add(&figures, 1), FIGURES_RESTART);
	assert_int_equal(add(&figures, 2), FIGURES_NEXT);
	assert_int_equal(figures_lost(&figures), 0);
	for (int i = 3; i < 100; i++)
		add(&figures, (uint16_t)i);
	for (int i = 10; i < 30; i++) /* seen within the last 100: copies, however many */
		assert_int_equal(add(&figures, (uint16_t)i), FIGURES_DUPLICATE);
}

static void test_jitter(void **state)
{
	struct figures figures = {0};
	for (int i = 0; i < 1000; i++)
		figures_add(&figures, 1, (uint16_t)i, (uint32_t)i * 160, i * 20000, true);
	assert_int_equal(figures_jitter_us(&figures), 0);
	for (int i = 1000; i < 3000; i++) /* every other packet is 10 ms late: D is 10 ms each time */
		figures_add(&figures, 1, (uint16_t)i, (uint32_t)i * 160, i * 20000 + i % 2 * 10000, true);
	assert_in_range(figures_jitter_us(&figures), 9500, 10500);
	uint64_t before = figures_jitter_us(&figures);
	figures_add(&figures, 1, 3000, 0, 3000 * 20000, false); /* events say nothing */
	assert_int_equal(figures_jitter_us(&figures), before);
}

/* ---- Frames ---- */

static uint8_t emitted[4000];
static uint32_t emitted_at[40];
static int emitted_count;

static void emit(void *context, enum hs_codec codec, uint32_t timestamp, const uint8_t frame[CODEC_FRAME])
{
	memcpy(emitted + emitted_count * CODEC_FRAME, frame, CODEC_FRAME);
	emitted_at[emitted_count++] = timestamp;
}

static void test_frames(void **state)
{
	static const size_t sizes[] = {80, 160, 240, 320, 33, 480};
	for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
		struct frames frames = {0};
		uint8_t audio[2000];
		size_t at = 0;
		emitted_count = 0;
		for (size_t i = 0; i < sizeof audio; i++)
			audio[i] = (uint8_t)i;
		for (; at + sizes[s] <= sizeof audio; at += sizes[s])
			frames_add(&frames, HS_CODEC_PCMU, 500 + (uint32_t)at, audio + at, sizes[s], emit, NULL);
		assert_int_equal(emitted_count, at / CODEC_FRAME);
		assert_memory_equal(emitted, audio, (size_t)emitted_count * CODEC_FRAME);
		for (int i = 0; i < emitted_count; i++)
			assert_int_equal(emitted_at[i], 500 + i * CODEC_FRAME);
	}
}

static void test_frames_with_a_hole(void **state)
{
	struct frames frames = {0};
	uint8_t audio[80];
	memset(audio, 0x11, sizeof audio);
	emitted_count = 0;
	frames_add(&frames, HS_CODEC_PCMA, 0, audio, 80, emit, NULL);
	frames_add(&frames, HS_CODEC_PCMA, 160, audio, 80, emit, NULL); /* 80 to 159 never came */
	frames_add(&frames, HS_CODEC_PCMA, 240, audio, 80, emit, NULL);
	assert_int_equal(emitted_count, 2);
	assert_int_equal(emitted[79], 0x11);
	assert_int_equal(emitted[80], 0xd5);
	assert_int_equal(emitted_at[1], 160);
}

/* ---- Mix ---- */

static void test_mix(void **state)
{
	uint8_t one[CODEC_FRAME], two[CODEC_FRAME], out[CODEC_FRAME];
	struct mix mix;
	mix.count = 0;
	assert_false(mix_result(&mix, HS_CODEC_PCMU, out));
	for (int i = 0; i < CODEC_FRAME; i++) {
		one[i] = (uint8_t)i;
		two[i] = hs_law_from_linear(HS_CODEC_PCMA, 1000);
	}
	mix_add(&mix, HS_CODEC_PCMU, one);
	assert_true(mix_result(&mix, HS_CODEC_PCMU, out));
	assert_memory_equal(out, one, CODEC_FRAME); /* untouched */
	mix_add(&mix, HS_CODEC_PCMA, two);
	assert_true(mix_result(&mix, HS_CODEC_PCMU, out));
	for (int i = 0; i < CODEC_FRAME; i++) {
		int sum = hs_law_to_linear(HS_CODEC_PCMU, one[i]) + hs_law_to_linear(HS_CODEC_PCMA, two[i]);
		sum = sum > INT16_MAX ? INT16_MAX : sum;
		assert_int_equal(out[i], hs_law_from_linear(HS_CODEC_PCMU, (int16_t)sum));
	}
}

static void test_mix_saturates(void **state)
{
	uint8_t loud[CODEC_FRAME], out[CODEC_FRAME];
	struct mix mix;
	mix.count = 0;
	memset(loud, 0x00, sizeof loud); /* most negative in mu-law */
	for (int i = 0; i < 8; i++)
		mix_add(&mix, HS_CODEC_PCMU, loud);
	assert_true(mix_result(&mix, HS_CODEC_PCMU, out));
	assert_memory_equal(out, loud, CODEC_FRAME);
	assert_true(mix_result(&mix, HS_CODEC_PCMA, out));
	assert_int_equal(out[0], hs_law_from_linear(HS_CODEC_PCMA, INT16_MIN));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lost_late_duplicate),
		cmocka_unit_test(test_wrap_and_restart),
		cmocka_unit_test(test_restart_behind),
		cmocka_unit_test(test_jitter),
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_frames_with_a_hole),
		cmocka_unit_test(test_mix),
		cmocka_unit_test(test_mix_saturates),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
