/* The playout queue: what goes in comes out, in order, whatever the chunks; bounded; dry without a click. */
#include "cases.h"
#include "cleanup.h"
#include "playout.h"
#include <stdlib.h>

static uint8_t next_byte(uint32_t *counter)
{
	return (uint8_t)(*counter)++; /* every byte's place can be seen from its value, modulo 256 */
}

static void put(struct playout *playout, uint32_t *counter, size_t count)
{
	uint8_t bytes[5000];
	for (size_t i = 0; i < count; i++)
		bytes[i] = next_byte(counter);
	assert_int_equal(playout_put(playout, HS_CODEC_PCMU, bytes, count), 0);
}

/* Chunks of random sizes against slots: nothing is lost, doubled or moved. */
static void test_property(void **state)
{
	for (uint32_t seed = 1; seed <= 200; seed++) {
		uint32_t random = seed * 2654435761U, in = 0, out = 0;
		struct playout *playout = hs_zalloc(playout_bytes());
		for (int slot = 0; slot < 400; slot++) {
			uint8_t frame[CODEC_FRAME];
			enum hs_codec codec;
			size_t depth;
			if (cases_random(&random) % 3 == 0)
				put(playout, &in, cases_random(&random) % 1000);
			depth = playout_depth(playout);
			if (!playout_take(playout, &codec, frame))
				continue;
			size_t count = depth < CODEC_FRAME ? depth : CODEC_FRAME;
			for (size_t i = 0; i < count; i++)
				assert_int_equal(frame[i], next_byte(&out));
			for (size_t i = count; i < CODEC_FRAME; i++)
				assert_int_equal(frame[i], 0xff);
			assert_int_equal(playout_depth(playout), depth - count);
		}
		assert_int_equal(playout_depth(playout), in - out);
		free(playout);
	}
}

static void test_bounded(void **state)
{
	static uint8_t bytes[PLAYOUT_SAMPLES + 1000];
	struct playout *playout = hs_zalloc(playout_bytes());
	assert_int_equal(playout_put(playout, HS_CODEC_PCMU, bytes, sizeof bytes), 1000);
	assert_int_equal(playout_depth(playout), PLAYOUT_SAMPLES);
	assert_int_equal(playout_put(playout, HS_CODEC_PCMU, bytes, 1), 1);
	playout_clear(playout);
	assert_int_equal(playout_depth(playout), 0);
	assert_int_equal(playout_put(playout, HS_CODEC_PCMU, bytes, 1), 0);
	free(playout);
}

static void test_starts_with_40_ms_or_after_two_slots(void **state)
{
	uint8_t frame[CODEC_FRAME], bytes[PLAYOUT_START];
	enum hs_codec codec;
	struct playout *playout = hs_zalloc(playout_bytes());
	memset(bytes, 0x11, sizeof bytes);
	playout_put(playout, HS_CODEC_PCMA, bytes, CODEC_FRAME);
	assert_false(playout_take(playout, &codec, frame));
	playout_put(playout, HS_CODEC_PCMA, bytes, CODEC_FRAME);
	assert_true(playout_take(playout, &codec, frame));
	assert_int_equal(codec, HS_CODEC_PCMA);
	assert_true(playout_take(playout, &codec, frame));
	assert_false(playout_take(playout, &codec, frame)); /* dry */
	playout_put(playout, HS_CODEC_PCMA, bytes, 10);
	assert_false(playout_take(playout, &codec, frame));
	assert_false(playout_take(playout, &codec, frame));
	assert_true(playout_take(playout, &codec, frame)); /* a short end is not kept for ever */
	assert_int_equal(frame[9], 0x11);
	assert_int_equal(frame[10], 0xd5);
	assert_int_equal(playout_underruns(playout), 3);
	free(playout);
}

static void test_a_long_pause_is_no_underrun(void **state)
{
	uint8_t frame[CODEC_FRAME], bytes[PLAYOUT_START] = {0};
	enum hs_codec codec;
	struct playout *playout = hs_zalloc(playout_bytes());
	for (int i = 0; i < 100; i++)
		playout_take(playout, &codec, frame);
	playout_put(playout, HS_CODEC_PCMU, bytes, sizeof bytes);
	for (int i = 0; i < 100; i++)
		playout_take(playout, &codec, frame);
	playout_put(playout, HS_CODEC_PCMU, bytes, sizeof bytes);
	assert_true(playout_take(playout, &codec, frame));
	assert_int_equal(playout_underruns(playout), 0);
	free(playout);
}

static void test_laws_are_not_mixed(void **state)
{
	uint8_t frame[CODEC_FRAME], mu[CODEC_FRAME], a[CODEC_FRAME];
	enum hs_codec codec;
	struct playout *playout = hs_zalloc(playout_bytes());
	memset(mu, 0xff, sizeof mu);
	memset(a, 0xd5, sizeof a);
	playout_put(playout, HS_CODEC_PCMU, mu, sizeof mu);
	playout_put(playout, HS_CODEC_PCMA, a, sizeof a);
	for (int i = 0; i < 2; i++) {
		assert_true(playout_take(playout, &codec, frame));
		assert_int_equal(codec, HS_CODEC_PCMU);
		assert_int_equal(frame[0], i == 0 ? 0xff : frame[0]);
		assert_true(codec_to_linear(codec, frame[0]) <= 8);
	}
	playout_put(playout, HS_CODEC_PCMA, a, sizeof a);
	playout_put(playout, HS_CODEC_PCMA, a, sizeof a);
	assert_true(playout_take(playout, &codec, frame));
	assert_int_equal(codec, HS_CODEC_PCMA);
	free(playout);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_property),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_starts_with_40_ms_or_after_two_slots),
		cmocka_unit_test(test_a_long_pause_is_no_underrun),
		cmocka_unit_test(test_laws_are_not_mixed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
