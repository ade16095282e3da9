/* Audio blocks: old audio is kept, short blocks stay short, and policies hold the transmitter back. */
#include "check.h"

static void count_up(uint8_t *bytes, int from, int count)
{
	for (int i = 0; i < count; i++)
		bytes[i] = (uint8_t)(from + i);
}

static void test_the_old_is_kept(void **state)
{
	struct blocks blocks = {.policy = BLOCKS_IMMEDIATE};
	uint8_t bytes[100];
	bool filled;
	int length;

	blocks_resize(&blocks, 16, 2);
	count_up(bytes, 0, 100);
	assert_int_equal(blocks_receive(&blocks, bytes, 40, &filled), 8);
	assert_true(filled);
	assert_memory_equal(blocks_oldest(&blocks, &length), bytes, 16);
	assert_int_equal(length, 16);
	blocks_drop(&blocks);
	assert_int_equal(blocks_receive(&blocks, bytes + 60, 8, &filled), 0);
	assert_false(filled);
	assert_memory_equal(blocks_oldest(&blocks, &length), bytes + 16, 16);
	blocks_finish(&blocks);
}

static void test_sending(void **state)
{
	struct blocks blocks = {.policy = BLOCKS_IMMEDIATE};
	uint8_t got[64] = {0};
	bool freed;

	blocks_resize(&blocks, 16, 2);
	count_up(blocks_free(&blocks), 0, 5);
	blocks_written(&blocks, 5);
	count_up(blocks_free(&blocks), 5, 16);
	blocks_written(&blocks, 16);
	assert_null(blocks_free(&blocks));
	assert_int_equal(blocks_send(&blocks, got, 8, &freed), 8);
	assert_true(freed);
	assert_int_equal(blocks_send(&blocks, got + 8, 32, &freed), 13);
	for (int i = 0; i < 21; i++)
		assert_int_equal(got[i], i);
	assert_true(blocks_all_sent(&blocks));
	blocks_finish(&blocks);
}

static void test_when_full(void **state)
{
	struct blocks blocks = {.policy = BLOCKS_WHEN_FULL};
	uint8_t got[64];
	bool freed;

	blocks_resize(&blocks, 16, 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(blocks_send(&blocks, got, 8, &freed), 0);
		memset(blocks_free(&blocks), i, 16);
		blocks_written(&blocks, 16);
	}
	assert_int_equal(blocks_send(&blocks, got, 48, &freed), 48);
	memset(blocks_free(&blocks), 9, 16);
	blocks_written(&blocks, 16);
	assert_int_equal(blocks_send(&blocks, got, 8, &freed), 0); /* and again after it ran dry */
	blocks_release(&blocks);
	assert_int_equal(blocks_send(&blocks, got, 8, &freed), 8);
	blocks_finish(&blocks);
}

static void test_counts_are_clamped(void **state)
{
	struct blocks blocks = {.policy = BLOCKS_IMMEDIATE};

	blocks_resize(&blocks, 16, -5);
	assert_int_equal(blocks.count, 2);
	blocks_resize(&blocks, 8192, 1000);
	assert_int_equal(blocks.count, BLOCKS_MAX);
	blocks_finish(&blocks);
	assert_false(blocks_writable(&blocks));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_old_is_kept),
		cmocka_unit_test(test_sending),
		cmocka_unit_test(test_when_full),
		cmocka_unit_test(test_counts_are_clamped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
