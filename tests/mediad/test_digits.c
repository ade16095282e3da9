/* Keys: each told once, whatever happens to its packets; and how they are sent. */
#include "cases.h"
#include "digits.h"
#include <stdio.h>

static char heard[256];

static void note(void *context, enum digits_edge edge, char digit, uint32_t duration_ms)
{
	size_t at = strlen(heard);
	if (edge == DIGITS_BEGIN)
		snprintf(heard + at, sizeof heard - at, "+%c ", digit);
	else if (edge == DIGITS_END)
		snprintf(heard + at, sizeof heard - at, "-%c%u ", digit, duration_ms);
	else
		snprintf(heard + at, sizeof heard - at, "flash ");
}

static struct digits_in in;

static int begin(void **state)
{
	memset(&in, 0, sizeof in);
	heard[0] = 0;
	return 0;
}

static bool hear(uint32_t ssrc, uint32_t timestamp, uint8_t key, uint16_t duration, bool end, int64_t at_ms)
{
	struct packet_event event = {key, end, 10, duration};
	return digits_hear(&in, ssrc, timestamp, &event, at_ms * 1000, note, NULL);
}

static void test_usual(void **state)
{
	for (int i = 1; i <= 5; i++)
		hear(1, 1000, 5, (uint16_t)(160 * i), false, 20 * i);
	for (int i = 0; i < 3; i++)
		hear(1, 1000, 5, 800, true, 110);
	assert_string_equal(heard, "+5 -5100 ");
}

static void test_only_the_end_came(void **state)
{
	hear(1, 1000, 11, 800, true, 0);
	hear(1, 1000, 11, 800, true, 0);
	assert_string_equal(heard, "+# -#100 ");
}

static void test_lost_end(void **state)
{
	hear(1, 1000, 5, 160, false, 0);
	hear(1, 1000, 5, 320, false, 20);
	digits_expire(&in, 219000, note, NULL);
	assert_string_equal(heard, "+5 ");
	digits_expire(&in, 220000, note, NULL);
	hear(1, 1000, 5, 480, true, 300); /* comes after all: known */
	assert_string_equal(heard, "+5 -540 ");
}

static void test_lost_end_and_a_next_key(void **state)
{
	hear(1, 1000, 5, 160, false, 0);
	hear(1, 3000, 5, 160, false, 50); /* the same key again */
	hear(1, 3000, 5, 320, true, 70);
	assert_string_equal(heard, "+5 -520 +5 -540 ");
}

static void test_reordered(void **state)
{
	hear(1, 1000, 1, 320, false, 0);
	hear(1, 1000, 1, 160, false, 1);
	hear(1, 3000, 2, 160, false, 2);
	hear(1, 1000, 1, 480, true, 3); /* late: the first key is over */
	hear(1, 2000, 9, 160, true, 4); /* never heard of, but older than the present one */
	hear(1, 3000, 2, 800, true, 5);
	assert_string_equal(heard, "+1 -140 +2 -2100 ");
}

static void test_timestamps_wrap(void **state)
{
	hear(1, 0xffffff00, 1, 160, true, 0);
	hear(1, 0x00000100, 2, 160, true, 50);
	hear(1, 0xffffff00, 1, 160, true, 60);
	assert_string_equal(heard, "+1 -120 +2 -220 ");
}

static void test_held_for_long(void **state)
{
	uint32_t timestamp = 5000;
	for (int segment = 0; segment < 2; segment++, timestamp += 65535)
		for (uint32_t units = 160; units <= 65535; units += 1600)
			hear(1, timestamp, 3, (uint16_t)units, false, segment * 8192 + units / 8);
	hear(1, timestamp, 3, 8000, true, 17400);
	assert_string_equal(heard, "+3 -317383 ");
}

static void test_a_new_source_ends_the_old_key(void **state)
{
	hear(1, 1000, 5, 160, false, 0);
	hear(2, 900, 6, 160, true, 10);
	assert_string_equal(heard, "+5 -520 +6 -620 ");
}

static void test_flash_and_unknown(void **state)
{
	hear(1, 1000, 16, 160, false, 0);
	hear(1, 1000, 16, 320, true, 20);
	assert_string_equal(heard, "flash ");
	assert_false(hear(1, 2000, 17, 160, false, 0));
	assert_false(hear(1, 2000, 255, 160, true, 0));
	assert_string_equal(heard, "flash ");
}

/* Whatever is lost, doubled or late by one place: as many ends as begins, each key at most once. */
static void test_property(void **state)
{
	uint32_t random = 4242;
	for (int round = 0; round < 2000; round++) {
		int edges = 0, keys = 5;
		begin(NULL);
		for (int key = 0; key < keys; key++)
			for (int n = 1; n <= 7; n++) {
				uint32_t chance = cases_random(&random);
				if (chance % 4 == 0)
					continue;
				for (uint32_t copies = 0; copies <= chance % 3 / 2; copies++)
					hear(1, 1000 + 2000 * (uint32_t)key, (uint8_t)key,
					     (uint16_t)(n > 5 ? 800 : 160 * n), n >= 5, key * 300 + n * 20);
			}
		digits_stop(&in, note, NULL);
		for (int key = 0; key < keys; key++) {
			char begun[] = {'+', (char)('0' + key), 0}, ended[] = {'-', (char)('0' + key), 0};
			const char *first = strstr(heard, begun), *last = strstr(heard, ended);
			assert_int_equal(!first, !last);
			assert_true(!first || !strstr(first + 1, begun));
			assert_true(!last || (last > first && !strstr(last + 1, ended)));
			edges += first != NULL;
		}
		assert_true(edges <= keys);
	}
}

static void test_sending(void **state)
{
	struct digits_out out = {0};
	struct packet_event event;
	uint32_t timestamp, slot = 100000;
	bool marker;
	char sent[256] = "";
	assert_false(digits_busy(&out));
	assert_true(digits_queue(&out, "1#", 50)); /* rounded up to whole slots: 60 ms */
	for (int i = 0; digits_busy(&out) && i < 100; i++, slot += 160) {
		size_t at = strlen(sent);
		if (digits_slot(&out, slot, &event, &timestamp, &marker))
			snprintf(sent + at, sizeof sent - at, "%d%s%s%u@%u ", event.event, marker ? "M" : "",
				 event.end ? "E" : "", event.duration, (timestamp - 100000) / 160);
		else
			snprintf(sent + at, sizeof sent - at, ". ");
	}
	assert_string_equal(sent, "1M160@0 1320@0 1E480@0 1E480@0 1E480@0 . . "
				  "11M160@7 11320@7 11E480@7 11E480@7 11E480@7 . . ");
}

static void test_queue_is_bounded(void **state)
{
	struct digits_out out = {0};
	char many[DIGITS_QUEUE + 1];
	memset(many, '5', DIGITS_QUEUE);
	many[DIGITS_QUEUE] = 0;
	assert_false(digits_queue(&out, "5x", 100));
	assert_false(digits_busy(&out));
	assert_true(digits_queue(&out, many, 100));
	assert_false(digits_queue(&out, "1", 100));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_usual, begin),
		cmocka_unit_test_setup(test_only_the_end_came, begin),
		cmocka_unit_test_setup(test_lost_end, begin),
		cmocka_unit_test_setup(test_lost_end_and_a_next_key, begin),
		cmocka_unit_test_setup(test_reordered, begin),
		cmocka_unit_test_setup(test_timestamps_wrap, begin),
		cmocka_unit_test_setup(test_held_for_long, begin),
		cmocka_unit_test_setup(test_a_new_source_ends_the_old_key, begin),
		cmocka_unit_test_setup(test_flash_and_unknown, begin),
		cmocka_unit_test_setup(test_property, begin),
		cmocka_unit_test(test_sending),
		cmocka_unit_test(test_queue_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
