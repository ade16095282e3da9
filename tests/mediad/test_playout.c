/* The playout queue: what goes in comes out, in order, whatever the chunks; bounded; dry without a click. */
#include "cases.h"
#include "cleanup.h"
#include "playout.h"
#include <errno.h>
#include <stdlib.h>

/* ---- A model: what was said is bytes that count up, and everything else is arithmetic ---- */

enum { ROUNDS = 600, CHUNK = 40000 };

struct model {
	struct playout *playout;
	uint32_t random;
	uint64_t in, out; /* samples: taken in, and left it */
	uint64_t heard, dropped;
	bool is_paused, is_playing, is_full;
	int waited;
	uint64_t marks[ROUNDS];
	uint32_t marks_set, marks_passed;
};

static uint8_t byte_at(uint64_t position)
{
	return (uint8_t)(position * 7 + position / 251); /* its place can be seen from its neighbours */
}

static uint64_t depth_of(const struct model *model)
{
	return model->in - model->out;
}

static void note_flow(struct model *model)
{
	if (depth_of(model) >= PLAYOUT_ENOUGH)
		model->is_full = true;
	else if (depth_of(model) < PLAYOUT_SOON_DRY)
		model->is_full = false;
}

static void do_put(struct model *model)
{
	static uint8_t bytes[CHUNK];
	size_t most = cases_random(&model->random) % 4 ? 1000 : CHUNK;
	size_t count = cases_random(&model->random) % most, room = PLAYOUT_SAMPLES - (size_t)depth_of(model);
	size_t lost = count > room ? count - room : 0;
	for (size_t i = 0; i < count; i++)
		bytes[i] = byte_at(model->in + i);
	assert_int_equal(playout_put(model->playout, HS_CODEC_PCMU, bytes, count), lost);
	model->in += count - lost;
	model->dropped += lost;
	note_flow(model);
}

static void do_mark(struct model *model)
{
	model->marks[model->marks_set] = model->in;
	assert_int_equal(playout_mark(model->playout, model->marks_set++), 0);
}

static bool begins(struct model *model)
{
	if (model->is_paused || (!model->is_playing && depth_of(model) == 0))
		return false;
	if (!model->is_playing && depth_of(model) < PLAYOUT_START && ++model->waited <= 2)
		return false;
	model->is_playing = depth_of(model) > 0;
	if (!model->is_playing)
		model->waited = 0;
	return model->is_playing;
}

static void do_slot(struct model *model)
{
	uint8_t frame[CODEC_FRAME];
	enum hs_codec codec;
	bool is_taken = begins(model);
	size_t count = depth_of(model) < CODEC_FRAME ? (size_t)depth_of(model) : CODEC_FRAME;
	assert_int_equal(playout_take(model->playout, &codec, frame), is_taken);
	for (size_t i = 0; is_taken && i < CODEC_FRAME; i++)
		assert_int_equal(frame[i], i < count ? byte_at(model->out + i) : 0xff);
	if (!is_taken)
		return;
	model->out += count;
	model->heard += count;
	note_flow(model);
}

static void do_clear(struct model *model)
{
	playout_clear(model->playout);
	model->out = model->in;
	model->is_playing = false;
	model->waited = 0;
	note_flow(model);
}

static void do_pause(struct model *model)
{
	model->is_paused = !model->is_paused;
	playout_pause(model->playout, model->is_paused);
}

/* Marks are passed in order, each when all before it was played or cleared, not sooner and not later. */
static void expect_marks(struct model *model)
{
	uint32_t number;
	while (model->marks_passed < model->marks_set && model->marks[model->marks_passed] <= model->out) {
		assert_true(playout_passed(model->playout, &number));
		assert_int_equal(number, model->marks_passed++);
	}
	assert_false(playout_passed(model->playout, &number));
}

static void expect_same(const struct model *model)
{
	struct hs_frame_queue queue;
	playout_measure(model->playout, &queue);
	assert_int_equal(queue.heard, model->heard);
	assert_int_equal(queue.dropped, model->dropped);
	assert_int_equal(queue.waiting, depth_of(model));
	assert_int_equal(queue.is_paused, model->is_paused);
	assert_int_equal(queue.is_full, model->is_full);
	assert_int_equal(playout_waits(model->playout), depth_of(model) > 0 && !model->is_paused);
}

/* Random operations: nothing is lost, doubled or moved; every position is exact; clear is over with the next slot. */
static void test_property(void **state)
{
	static void (*const operations[])(struct model * model) = {do_put,  do_put,  do_put,   do_slot,
								   do_slot, do_slot, do_slot,  do_slot,
								   do_slot, do_mark, do_pause, do_clear};
	for (uint32_t seed = 1; seed <= 150; seed++) {
		struct model model = {.playout = hs_zalloc(playout_bytes()), .random = seed * 2654435761U};
		for (int i = 0; i < ROUNDS; i++) {
			uint32_t which = cases_random(&model.random) % 240;
			/* clearing and pausing are rare, so that the queue gets deep, and full */
			operations[which < 200 ? which % 10 : which < 238 ? 10 : 11](&model);
			expect_marks(&model);
			expect_same(&model);
		}
		free(model.playout);
	}
}

static void test_more_marks_than_can_wait(void **state)
{
	struct playout *playout = hs_zalloc(playout_bytes());
	uint8_t byte = 0;
	uint32_t number;
	playout_put(playout, HS_CODEC_PCMU, &byte, 1);
	for (uint32_t i = 0; i < PLAYOUT_MARKS; i++)
		assert_int_equal(playout_mark(playout, i), 0);
	assert_int_equal(playout_mark(playout, PLAYOUT_MARKS), -ENOSPC);
	playout_clear(playout);
	for (uint32_t i = 0; i < PLAYOUT_MARKS; i++)
		assert_true(playout_passed(playout, &number) && number == i);
	assert_int_equal(playout_mark(playout, 7), 0);
	assert_true(playout_passed(playout, &number) && number == 7); /* nothing waits: at once */
	free(playout);
}

static void test_a_pause_is_no_underrun(void **state)
{
	uint8_t frame[CODEC_FRAME], bytes[4 * CODEC_FRAME] = {0};
	enum hs_codec codec;
	struct playout *playout = hs_zalloc(playout_bytes());
	playout_put(playout, HS_CODEC_PCMU, bytes, sizeof bytes);
	assert_true(playout_take(playout, &codec, frame));
	playout_pause(playout, true);
	for (int i = 0; i < 10; i++)
		assert_false(playout_take(playout, &codec, frame));
	playout_pause(playout, false);
	assert_true(playout_take(playout, &codec, frame)); /* at once, without filling up again */
	assert_int_equal(playout_underruns(playout), 0);
	free(playout);
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
		assert_true(hs_law_to_linear(codec, frame[0]) <= 8);
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
		cmocka_unit_test(test_more_marks_than_can_wait),
		cmocka_unit_test(test_a_pause_is_no_underrun),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_starts_with_40_ms_or_after_two_slots),
		cmocka_unit_test(test_a_long_pause_is_no_underrun),
		cmocka_unit_test(test_laws_are_not_mixed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
