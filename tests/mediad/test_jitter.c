/* The jitter queue of a channel: sample-exact, as late as the arrivals and no later, and it follows drifting clocks. */
#include "cases.h"
#include "jitter.h"

static struct jitter jitter;
static uint8_t frame[CODEC_FRAME];

static int begin(void **state)
{
	memset(&jitter, 0, sizeof jitter);
	jitter_init(&jitter, HS_CODEC_PCMU);
	return 0;
}

static void put(uint32_t timestamp, uint8_t value, size_t count)
{
	uint8_t bytes[2048];
	memset(bytes, value, sizeof bytes);
	jitter_put(&jitter, HS_CODEC_PCMU, timestamp, bytes, count, false);
}

/* The value of the next frame; -1: nothing; -2: not all one value. */
static int take(void)
{
	if (!jitter_take(&jitter, frame))
		return -1;
	for (int i = 1; i < CODEC_FRAME; i++)
		if (frame[i] != frame[0])
			return -2;
	return frame[0];
}

static void test_in_step(void **state)
{
	for (uint32_t n = 0; n < 1000; n++) {
		put(0xfffff000 + n * 160, (uint8_t)(n % 200), 160); /* over the wrap, and round the ring many times */
		assert_int_equal(take(), n % 200);
		assert_int_equal(jitter_depth(&jitter), 0);
	}
	assert_int_equal(jitter.underruns + jitter.dropped, 0);
}

static void test_any_packet_length(void **state)
{
	static const size_t lengths[] = {80, 160, 240, 320, 480, 1, 37, 1600};
	uint8_t said[48000], heard[48000];
	uint32_t random = 7, out = 0, timestamp = 5;
	for (size_t i = 0; i < sizeof said; i++)
		said[i] = (uint8_t)cases_random(&random);
	for (uint32_t at = 0; at + 1600 < sizeof said;) {
		size_t count = lengths[cases_random(&random) % 8];
		jitter_put(&jitter, HS_CODEC_PCMU, timestamp + at, said + at, count, false);
		at += (uint32_t)count;
		while (jitter_depth(&jitter) >= CODEC_FRAME) {
			assert_true(jitter_take(&jitter, heard + out));
			out += CODEC_FRAME;
		}
	}
	assert_true(out > 40000);
	assert_memory_equal(said, heard, out);
}

static void test_lost_and_reordered(void **state)
{
	put(0, 1, 160);
	put(160, 2, 160);
	assert_int_equal(take(), 1);
	put(480, 4, 160);
	put(320, 3, 160);
	put(800, 6, 160);
	for (int value = 2; value <= 4; value++)
		assert_int_equal(take(), value);
	assert_int_equal(take(), hs_law_silence(HS_CODEC_PCMU)); /* never came */
	put(640, 5, 160);                                        /* comes too late */
	assert_int_equal(take(), 6);
	assert_int_equal(jitter.underruns, 0);
}

static void test_late_by_a_part(void **state)
{
	put(0, 1, 160);
	assert_int_equal(take(), 1);
	put(80, 2, 160); /* half of it is over */
	put(240, 3, 80);
	assert_true(jitter_take(&jitter, frame));
	assert_true(frame[0] == 2 && frame[79] == 2 && frame[80] == 3 && frame[159] == 3);
}

/* A packet that is late once makes the queue one frame deeper, and no audio is lost. */
static void test_hiccup(void **state)
{
	put(0, 1, 160);
	assert_int_equal(take(), 1);
	assert_int_equal(take(), -1);
	assert_int_equal(jitter.underruns, 1);
	assert_int_equal(take(), -1);
	assert_int_equal(jitter.underruns, 1); /* one gap, however long */
	put(160, 2, 160);
	put(320, 3, 160);
	assert_int_equal(take(), 2);
	put(480, 4, 160);
	assert_int_equal(take(), 3);
	assert_int_equal(take(), 4);
}

static void test_pause_of_the_partner(void **state)
{
	put(0, 1, 160);
	assert_int_equal(take(), 1);
	assert_int_equal(take(), -1);
	put(16000, 2, 160); /* two seconds later: they were silent already */
	assert_int_equal(take(), 2);
	assert_int_equal(jitter_depth(&jitter), 0);
	put(160, 9, 160); /* a time base of somebody else */
	assert_int_equal(take(), 9);
}

static void test_restart_and_law(void **state)
{
	uint8_t bytes[160];
	memset(bytes, 0xd5, sizeof bytes);
	put(0, 1, 160);
	jitter_put(&jitter, HS_CODEC_PCMA, 100, bytes, sizeof bytes, true);
	assert_int_equal(take(), 1);
	hs_law_convert(HS_CODEC_PCMA, HS_CODEC_PCMU, bytes, sizeof bytes);
	assert_int_equal(take(), bytes[0]);
}

static void test_clear(void **state)
{
	put(0, 1, 480);
	jitter_clear(&jitter);
	assert_int_equal(take(), -1);
	assert_int_equal(jitter.underruns, 0);
	put(99999, 2, 160);
	assert_int_equal(take(), 2);
}

static void test_heap_is_bounded(void **state)
{
	for (uint32_t n = 0; n < 100; n++)
		put(n * 160, (uint8_t)n, 160);
	assert_true(jitter_depth(&jitter) <= JITTER_SAMPLES);
	assert_int_equal(jitter.dropped + jitter_depth(&jitter) / 160, 100);
	assert_int_equal(take(), (int)jitter.dropped); /* the oldest went */
	put(16000, 0, 2500);                           /* too long to be telephony: refused */
	assert_true(jitter_depth(&jitter) <= JITTER_SAMPLES);
}

/* A heap that is not needed is worked off, one frame at a time. */
static void test_reserve_goes(void **state)
{
	uint32_t n = 0;
	for (; n < 8; n++)
		put(n * 160, 1, 160);
	for (int slot = 0; slot < 2000; slot++) {
		assert_int_equal(take(), 1);
		put(n++ * 160, 1, 160);
	}
	assert_in_range(jitter_depth(&jitter), 160, 480);
	assert_int_equal(jitter.underruns, 0);
}

/* An hour with a partner whose clock is 100 ppm off: all is played but a frame now and then, the delay stays. */
static void drift(uint32_t partner_us)
{
	int64_t next_us = 3000, played = 0, deepest = 0;
	uint32_t n = 0;
	begin(NULL);
	for (int64_t slot = 0; slot < 180000; slot++) {
		for (; next_us <= slot * 20000; next_us += partner_us)
			put(n++ * 160, 1, 160);
		played += take() == 1;
		if (slot > 1000 && (int64_t)jitter_depth(&jitter) > deepest)
			deepest = (int64_t)jitter_depth(&jitter);
	}
	assert_true(played > 179900);
	assert_true(jitter.underruns < 40 && jitter.dropped < 40);
	assert_in_range(deepest, 0, 480);
}

static void test_drift(void **state)
{
	drift(19998);
	drift(20002);
}

/* Arrivals scattered by up to 12 ms: after a while nothing is missing any more, and the delay is small. */
static void test_scatter(void **state)
{
	uint32_t random = 99, n = 0;
	int64_t due_us = 0;
	uint64_t before = 0;
	for (int64_t slot = 0; slot < 10000; slot++) {
		while (due_us <= slot * 20000) {
			put(n++ * 160, 1, 160);
			due_us = (int64_t)n * 20000 + cases_random(&random) % 12000;
		}
		take();
		if (slot == 500)
			before = jitter.underruns;
		assert_true(jitter_depth(&jitter) <= 640);
	}
	assert_true(jitter.underruns - before < 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_in_step, begin),
		cmocka_unit_test_setup(test_any_packet_length, begin),
		cmocka_unit_test_setup(test_lost_and_reordered, begin),
		cmocka_unit_test_setup(test_late_by_a_part, begin),
		cmocka_unit_test_setup(test_hiccup, begin),
		cmocka_unit_test_setup(test_pause_of_the_partner, begin),
		cmocka_unit_test_setup(test_restart_and_law, begin),
		cmocka_unit_test_setup(test_clear, begin),
		cmocka_unit_test_setup(test_heap_is_bounded, begin),
		cmocka_unit_test_setup(test_reserve_goes, begin),
		cmocka_unit_test_setup(test_drift, begin),
		cmocka_unit_test_setup(test_scatter, begin),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
