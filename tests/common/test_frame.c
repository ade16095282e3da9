/* Audio frames: packed and read back; what is not one is refused. */
#include "cleanup.h"
#include "frame.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t payload[] = {1, 2, 3, 4, 5};

static struct hs_frame example(void)
{
	return (struct hs_frame){
		.kind = HS_FRAME_UPLOAD,
		.codec = HS_CODEC_PCMA,
		.last = true,
		.sequence = 0x01020304,
		.timestamp = 0xfffefdfc,
		.grant = "p1-0hk3",
		.payload = payload,
		.payload_bytes = sizeof(payload),
	};
}

static void test_bytes_on_the_wire(void **state)
{
	static const uint8_t head[] = {1,    5,    2,   1,   1,   2,   3,   4,   0xff, 0xfe,
				       0xfd, 0xfc, 'p', '1', '-', '0', 'h', 'k', '3',  0};
	struct hs_frame frame = example();
	uint8_t data[128];

	memset(data, 0xee, sizeof(data));
	assert_int_equal(hs_frame_pack(&frame, data, sizeof(data)), HS_FRAME_HEADER_BYTES + 5);
	assert_memory_equal(data, head, sizeof(head));
	for (int i = (int)sizeof(head); i < HS_FRAME_HEADER_BYTES; i++)
		assert_int_equal(data[i], 0);
	assert_memory_equal(data + HS_FRAME_HEADER_BYTES, payload, 5);
}

static void test_there_and_back(void **state)
{
	struct hs_frame frame = example(), read;
	uint8_t data[HS_FRAME_HEADER_BYTES + 5];

	memset(frame.grant, 'g', HS_FRAME_GRANT_BYTES); /* the longest there is */
	assert_int_equal(hs_frame_pack(&frame, data, sizeof(data)), sizeof(data));
	assert_int_equal(hs_frame_read(data, sizeof(data), &read), 0);
	assert_int_equal(read.kind, frame.kind);
	assert_int_equal(read.codec, frame.codec);
	assert_true(read.last);
	assert_int_equal(read.sequence, frame.sequence);
	assert_int_equal(read.timestamp, frame.timestamp);
	assert_string_equal(read.grant, frame.grant);
	assert_int_equal(read.payload_bytes, 5);
	assert_memory_equal(read.payload, payload, 5);
}

static void test_no_room(void **state)
{
	struct hs_frame frame = example();
	uint8_t data[HS_FRAME_HEADER_BYTES + 4];
	AUTO(free) uint8_t *large = hs_zalloc(HS_FRAME_HEADER_BYTES + HS_FRAME_MAX_PAYLOAD + 1);

	assert_int_equal(hs_frame_pack(&frame, data, sizeof(data)), -EMSGSIZE);
	frame.payload = large;
	frame.payload_bytes = HS_FRAME_MAX_PAYLOAD + 1;
	assert_int_equal(hs_frame_pack(&frame, large, HS_FRAME_HEADER_BYTES + HS_FRAME_MAX_PAYLOAD + 1), -EMSGSIZE);
}

static const struct {
	int at;
	uint8_t value;
} spoilt[] = {
	{HS_FRAME_AT_VERSION, 0},     {HS_FRAME_AT_VERSION, 2},      {HS_FRAME_AT_KIND, 0},
	{HS_FRAME_AT_KIND, 14},       {HS_FRAME_AT_CODEC, 3},        {HS_FRAME_AT_CODEC, 255},
	{HS_FRAME_AT_FLAGS, 4},       {HS_FRAME_AT_GRANT, 0},        {HS_FRAME_AT_GRANT, ' '},
	{HS_FRAME_AT_GRANT + 1, '/'}, {HS_FRAME_AT_GRANT + 31, 'x'}, {HS_FRAME_AT_GRANT + 2, 0x80},
};

static void test_spoilt_headers(void **state)
{
	struct hs_frame frame = example(), read;
	uint8_t data[128];
	int bytes;

	for (size_t i = 0; i < HS_COUNT(spoilt); i++) {
		bytes = hs_frame_pack(&frame, data, sizeof(data));
		data[spoilt[i].at] = spoilt[i].value;
		if (hs_frame_read(data, (size_t)bytes, &read) != -EPROTO)
			fail_msg("byte %d = %d was taken", spoilt[i].at, spoilt[i].value);
	}
	assert_true(hs_frame_pack(&frame, data, sizeof(data)) > HS_FRAME_HEADER_BYTES);
	for (int size = 0; size < HS_FRAME_HEADER_BYTES; size++)
		assert_int_equal(hs_frame_read(data, (size_t)size, &read), -EPROTO);
	assert_int_equal(hs_frame_read(data, HS_FRAME_HEADER_BYTES, &read), 0); /* a head alone is a frame */
	assert_int_equal(read.payload_bytes, 0);
}

static void test_too_large(void **state)
{
	AUTO(free) uint8_t *data = hs_zalloc(HS_FRAME_HEADER_BYTES + HS_FRAME_MAX_PAYLOAD + 1);
	struct hs_frame frame = example(), read;

	assert_true(hs_frame_pack(&frame, data, 128) > 0);
	assert_int_equal(hs_frame_read(data, HS_FRAME_HEADER_BYTES + HS_FRAME_MAX_PAYLOAD, &read), 0);
	assert_int_equal(hs_frame_read(data, HS_FRAME_HEADER_BYTES + HS_FRAME_MAX_PAYLOAD + 1, &read), -EPROTO);
}

static void test_queues(void **state)
{
	struct hs_frame_queue queue = {.heard = UINT64_C(1) << 40 | 5,
				       .dropped = 7,
				       .underruns = UINT64_MAX,
				       .waiting = 480000,
				       .is_paused = true,
				       .was_cleared = true},
			      read;
	uint8_t data[HS_FRAME_QUEUE_BYTES];

	hs_frame_pack_queue(&queue, data);
	assert_int_equal(hs_frame_read_queue(data, sizeof(data), &read), 0);
	assert_true(read.heard == queue.heard && read.dropped == 7 && read.underruns == UINT64_MAX);
	assert_true(read.waiting == 480000 && read.is_paused && !read.is_full && read.was_cleared);
	assert_int_equal(hs_frame_read_queue(data, sizeof(data) - 1, &read), -EPROTO);
	data[28] |= 8;
	assert_int_equal(hs_frame_read_queue(data, sizeof(data), &read), -EPROTO);
}

static void test_bundles(void **state)
{
	struct hs_frame frame = example();
	uint8_t packed[64], bundle[150];
	const uint8_t *found;
	size_t bytes = (size_t)hs_frame_pack(&frame, packed, sizeof(packed)), used = 0, at = 0, length;

	for (int i = 0; i < 2; i++) {
		packed[HS_FRAME_AT_FLAGS] = (uint8_t)i;
		used = hs_frame_bundle(bundle, sizeof(bundle), used, packed, bytes);
		assert_int_equal(used, 1 + (size_t)(i + 1) * (2 + bytes));
	}
	assert_int_equal(hs_frame_bundle(bundle, sizeof(bundle), used, packed, bytes), 0);
	assert_true(hs_frame_is_bundle(bundle, used));
	assert_false(hs_frame_is_bundle(packed, bytes));
	assert_false(hs_frame_is_bundle(bundle, 0));
	for (int i = 0; i < 2; i++) {
		found = hs_frame_unbundle(bundle, used, &at, &length);
		assert_non_null(found);
		assert_int_equal(length, bytes);
		assert_int_equal(found[HS_FRAME_AT_FLAGS], i);
	}
	assert_int_equal(at, used);
	assert_null(hs_frame_unbundle(bundle, used, &at, &length));
	at = 0;
	assert_null(hs_frame_unbundle(bundle, bytes, &at, &length)); /* it is cut */
	assert_int_equal(at, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_on_the_wire),
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_spoilt_headers),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_bundles),
		cmocka_unit_test(test_queues),
	};

	return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
