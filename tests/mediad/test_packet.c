/* RTP and RTCP: what is read, what is built, what is refused. */
#include "cases.h"
#include "packet.h"

static const uint8_t plain[] = {0x80, 0x88, 0x12, 0x34, 0, 0, 0x10, 0, 0xde, 0xad, 0xbe, 0xef, 1, 2, 3};

static void test_plain(void **state)
{
	uint8_t data[sizeof plain];
	struct packet packet;
	memcpy(data, plain, sizeof plain);
	assert_int_equal(packet_read(data, sizeof data, &packet), PACKET_OK);
	assert_true(packet.marker);
	assert_int_equal(packet.type, 8);
	assert_int_equal(packet.sequence, 0x1234);
	assert_int_equal(packet.timestamp, 0x1000);
	assert_int_equal(packet.ssrc, 0xdeadbeef);
	assert_int_equal(packet.payload_bytes, 3);
	assert_ptr_equal(packet_write(&packet), data);
	assert_memory_equal(data, plain, sizeof plain);
}

static void test_csrc_extension_padding(void **state)
{
	uint8_t data[] = {0xb2, 0, 0, 1, 0, 0, 0, 2, 0,    0,    0, 3, /* two CSRCs, extension, padding */
			  9,    9, 9, 9, 9, 9, 9, 9, 0xbe, 0xde, 0, 1, 7, 7, 7, 7, 0x55, 0x66, 0, 2};
	struct packet packet;
	assert_int_equal(packet_read(data, sizeof data, &packet), PACKET_OK);
	assert_int_equal(packet.payload_bytes, 2);
	assert_int_equal(packet.payload[0], 0x55);
	uint8_t *begin = packet_write(&packet);
	assert_int_equal(packet.payload - begin, PACKET_HEADER);
	assert_int_equal(begin[0], 0x80);
}

static void test_refused(void **state)
{
	static const struct {
		uint8_t data[20];
		size_t bytes;
		enum packet_fault fault;
	} rows[] = {
		{{0}, 0, PACKET_SHORT},
		{{0x80}, 11, PACKET_SHORT},
		{{0x40}, 20, PACKET_VERSION},
		{{0x00}, 20, PACKET_VERSION},
		{{0x80}, 12, PACKET_EMPTY},
		{{0x83}, 20, PACKET_LENGTH},
		{{0x90}, 14, PACKET_LENGTH},
		{{0x90, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 20, PACKET_LENGTH},
		{{0xa0}, 20, PACKET_LENGTH}, /* padding of zero bytes */
		{{0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9}, 20, PACKET_LENGTH},
		{{0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255}, 20, PACKET_LENGTH},
		{{0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8}, 20, PACKET_EMPTY},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint8_t data[20];
		struct packet packet;
		memcpy(data, rows[i].data, sizeof data);
		assert_int_equal(packet_read(data, rows[i].bytes, &packet), rows[i].fault);
	}
}

static void test_event(void **state)
{
	uint8_t payload[PACKET_EVENT];
	struct packet_event event = {11, true, 10, 1600}, back;
	packet_write_event(&event, payload);
	assert_memory_equal(payload, "\x0b\x8a\x06\x40", 4);
	assert_true(packet_read_event(payload, 4, &back));
	assert_int_equal(back.event, 11);
	assert_true(back.end);
	assert_int_equal(back.duration, 1600);
	assert_false(packet_read_event(payload, 3, &back));
}

static void test_demultiplexing(void **state)
{
	uint8_t data[8] = {0x80, 200};
	assert_true(packet_is_rtcp(data, 8));
	assert_false(packet_is_rtcp(data, 7));
	data[1] = 0x80 | 72; /* RFC 5761: marker and payload type 72 look like RTCP */
	assert_true(packet_is_rtcp(data, 8));
	data[1] = 0x80 | 101;
	assert_false(packet_is_rtcp(data, 8));
}

static void test_report_there_and_back(void **state)
{
	uint8_t data[PACKET_RTCP_MAX];
	struct packet_report report = {.ssrc = 1,
				       .is_sender = true,
				       .ntp = 0x0102030405060708,
				       .timestamp = 2,
				       .packets = 3,
				       .octets = 4,
				       .has_block = true,
				       .block = {5, 6, -7, 8, 9, 10, 11}};
	struct packet_report back;
	size_t bytes = packet_write_rtcp(&report, "abc", data);
	assert_int_equal(bytes % 4, 0);
	assert_int_equal(packet_read_rtcp(data, bytes, 5, &back), PACKET_OK);
	assert_memory_equal(&back, &report, sizeof back);
	assert_int_equal(packet_read_rtcp(data, bytes, 99, &back), PACKET_OK);
	assert_false(back.has_block);
	report.is_sender = false;
	bytes = packet_write_rtcp(&report, "0123456789012345678901234567890", data);
	assert_int_equal(packet_read_rtcp(data, bytes, 5, &back), PACKET_OK);
	assert_false(back.is_sender);
	assert_int_equal(back.block.lost, -7);
	assert_int_equal(data[8 + 24 + 1], 202);
}

static void test_reports_refused(void **state)
{
	static const struct {
		uint8_t data[32];
		size_t bytes;
		enum packet_fault fault;
	} rows[] = {
		{{0x80, 201}, 4, PACKET_SHORT},
		{{0x80, 201, 0, 9}, 8, PACKET_LENGTH},
		{{0x40, 201, 0, 1}, 8, PACKET_VERSION},
		{{0x81, 201, 0, 1}, 8, PACKET_LENGTH},                               /* says one block, has none */
		{{0x80, 200, 0, 1}, 8, PACKET_LENGTH},                               /* SR without its figures */
		{{0x80, 203, 0, 1}, 8, PACKET_EMPTY},                                /* BYE alone */
		{{0x80, 201, 0, 1, 0, 0, 0, 0, 0x80, 203}, 10, PACKET_LENGTH},       /* cut off behind the first */
		{{0xa0, 201, 0, 1, 0, 0, 0, 0, 0x80, 203, 0, 1}, 16, PACKET_LENGTH}, /* padding not at the end */
	};
	struct packet_report report;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_int_equal(packet_read_rtcp(rows[i].data, rows[i].bytes, 0, &report), rows[i].fault);
}

/* Every prefix of a valid datagram, and every single changed byte, is judged without reading beyond it. */
static void test_cut_and_changed(void **state)
{
	uint8_t good[PACKET_RTCP_MAX];
	struct packet_report report = {.ssrc = 1, .is_sender = true, .has_block = true}, back;
	size_t bytes = packet_write_rtcp(&report, "name", good);
	for (size_t length = 0; length <= bytes; length++) {
		uint8_t *exact = test_malloc(length ? length : 1);
		memcpy(exact, good, length);
		packet_read_rtcp(exact, length, 1, &back);
		for (size_t at = 0; at < length && at < 8; at++) {
			exact[at] ^= 0xff;
			packet_read_rtcp(exact, length, 1, &back);
			exact[at] ^= 0xff;
		}
		test_free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),           cmocka_unit_test(test_csrc_extension_padding),
		cmocka_unit_test(test_refused),         cmocka_unit_test(test_event),
		cmocka_unit_test(test_demultiplexing),  cmocka_unit_test(test_report_there_and_back),
		cmocka_unit_test(test_reports_refused), cmocka_unit_test(test_cut_and_changed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
