/* Heads of handshakes, and frames as they come in: common/handshake.c and common/wsguard.c. */
#include "check.h"
#include "cleanup.h"
#include "handshake.h"
#include "wsguard.h"

#define GOOD                                                                                                           \
	"GET /api/v1/events?since=x HTTP/1.1\r\nHost: a\r\nupgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"  \
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static int read_head(const char *text, size_t bytes, struct hs_handshake *ret)
{
	static char head[4096];
	memcpy(head, text, bytes);
	head[bytes] = '\0';
	size_t end = hs_handshake_end(head, bytes);
	return end ? hs_handshake_read(head, end, ret) : -EAGAIN;
}

static void test_good_head(void **state)
{
	static const char text[] = GOOD "Origin: https://x \r\nAuthorization:\tBearer t\r\nX-Other: \xc3\xa9\r\n\r\n";
	struct hs_handshake handshake;
	assert_int_equal(read_head(text, strlen(text), &handshake), 0);
	assert_string_equal(handshake.method, "GET");
	assert_string_equal(handshake.path, "/api/v1/events");
	assert_string_equal(handshake.query, "since=x");
	assert_string_equal(handshake.origin, "https://x");
	assert_string_equal(handshake.authorization, "Bearer t");
	assert_string_equal(handshake.protocol, "");
	assert_true(handshake.is_websocket);
	assert_true(hs_handshake_acceptable(&handshake));
}

static void test_cut_head(void **state)
{
	static const char text[] = GOOD "\r\n";
	struct hs_handshake handshake;
	for (size_t bytes = 0; bytes < strlen(text); bytes++)
		assert_int_equal(read_head(text, bytes, &handshake), -EAGAIN);
	assert_int_equal(read_head(text, strlen(text), &handshake), 0);
}

#define HEAD(text)                                                                                                     \
	{                                                                                                              \
		text, sizeof(text) - 1                                                                                 \
	}

static const struct {
	const char *text;
	size_t bytes;
} bad[] = {
	HEAD("\r\n\r\n"),
	HEAD("GET\r\n\r\n"),
	HEAD("GET /\r\n\r\n"),
	HEAD("GET / HTTP/1.0\r\nHost: a\r\n\r\n"),
	HEAD("GET / HTTP/1.1 x\r\nHost: a\r\n\r\n"),
	HEAD("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
	HEAD("G\tT / HTTP/1.1\r\nHost: a\r\n\r\n"),
	HEAD("GET a HTTP/1.1\r\nHost: a\r\n\r\n"),
	HEAD("GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n"),
	HEAD("GET /#a HTTP/1.1\r\nHost: a\r\n\r\n"),
	HEAD("GET / HTTP/1.1\r\n\r\n"),
	HEAD("GET / HTTP/1.1\r\nHost:\r\n\r\n"),
	HEAD("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
	HEAD("GET / HTTP/1.1\r\nHost: a\r\nhOST: a\r\n\r\n"),
	HEAD("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n"),
	HEAD("GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
	HEAD("GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
	HEAD("GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n"),
	HEAD("GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n"),
	HEAD("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"),
	HEAD("GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n"),
	HEAD("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n"),
	HEAD("GET / HTTP/1.1\r\nHost: a\x01\r\n\r\n"),
	HEAD("GET / HTTP/1.1\r\nHost: a\x7f\r\n\r\n"),
	HEAD("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"),
	HEAD("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
	HEAD("GET / HTTP/1.1\r\nHost: a\r\nOrigin: \r\n\r\n"),
};

static void test_bad_heads(void **state)
{
	for (size_t i = 0; i < HS_COUNT(bad); i++) {
		struct hs_handshake handshake;
		if (read_head(bad[i].text, bad[i].bytes, &handshake) != -EBADMSG || !handshake.why)
			fail_msg("taken: %s", bad[i].text);
	}
}

static void test_what_is_no_handshake(void **state)
{
	static const char *const heads[] = {
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websockets\r\nConnection: upgrade\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgraded\r\n\r\n",
	};
	static const char no_key[] = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c, websocket\r\nConnection: upgrade\r\n"
				     "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=a\r\n\r\n";
	struct hs_handshake handshake;
	for (size_t i = 0; i < HS_COUNT(heads); i++) {
		assert_int_equal(read_head(heads[i], strlen(heads[i]), &handshake), 0);
		assert_false(handshake.is_websocket);
	}
	assert_int_equal(read_head(no_key, strlen(no_key), &handshake), 0);
	assert_true(handshake.is_websocket);
	assert_false(hs_handshake_acceptable(&handshake));
}

static const struct {
	const char *data;
	size_t bytes;
	bool good;
} frames[] = {
	{"\x81\x80mask", 6, true},
	{"\x81\x82maskhi\x82\x81maskx", 15, true},
	{"\x81\xfe\x00\x7emask", 8, true},
	{"\x81\xff\0\0\0\0\0\1\0\0mask", 14, true},
	{"\x88\xfdmask", 6, true},
	{"\x81\x00", 2, false},
	{"\x81\x82maskhi\x81\x01", 10, false},
	{"\x89\xfe\x00\x7e", 2, false},
	{"\x81\xfe\x00\x7d", 4, false},
	{"\x81\xff\0\0\0\0\0\0\xff\xff", 10, false},
	{"\x81\xff\x80\0\0\0\0\0\0\0", 10, false},
};

static void test_guard(void **state)
{
	for (size_t i = 0; i < HS_COUNT(frames); i++) {
		const uint8_t *data = (const uint8_t *)frames[i].data;
		struct hs_wsguard whole = {0}, bytes = {0};
		bool good = hs_wsguard_feed(&whole, data, frames[i].bytes);
		for (size_t b = 0; b < frames[i].bytes; b++)
			hs_wsguard_feed(&bytes, data + b, 1);
		if (good != frames[i].good || !bytes.why != frames[i].good)
			fail_msg("frame %zu: %s", i, whole.why ? whole.why : "good");
		assert_int_equal(whole.step, bytes.step);
	}
}

static void test_guard_skips_long_payloads(void **state)
{
	AUTO(free) uint8_t *payload = hs_zalloc(70000);
	struct hs_wsguard guard = {0};
	assert_true(hs_wsguard_feed(&guard, (const uint8_t *)"\x82\xff\0\0\0\0\0\1\x11\x70mask", 14));
	assert_true(hs_wsguard_feed(&guard, payload, 69999));
	assert_int_not_equal(guard.payload, 0);
	assert_true(hs_wsguard_feed(&guard, payload, 1));
	assert_false(hs_wsguard_feed(&guard, payload, 2));
}

static void test_close_frames(void **state)
{
	uint8_t frame[HS_WSGUARD_CLOSE_BYTES], mask[4] = {1, 2, 3, 4};
	char long_reason[200];
	struct hs_wsguard guard = {0};
	memset(long_reason, 'x', sizeof(long_reason) - 1);
	long_reason[sizeof(long_reason) - 1] = '\0';
	assert_int_equal(hs_wsguard_close_frame(1001, "bye", NULL, frame), 7);
	assert_memory_equal(frame, "\x88\5\3\351bye", 7);
	assert_int_equal(hs_wsguard_close_frame(1001, "bye", mask, frame), 11);
	assert_memory_equal(frame, "\x88\x85\1\2\3\4\2\353a}d", 11);
	assert_true(hs_wsguard_feed(&guard, frame, 11));
	assert_int_equal(guard.step, 0);
	assert_int_equal(hs_wsguard_close_frame(1001, long_reason, mask, frame), HS_WSGUARD_CLOSE_BYTES);
	assert_int_equal(hs_wsguard_close_frame(1001, long_reason, NULL, frame), 127);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_head),
		cmocka_unit_test(test_cut_head),
		cmocka_unit_test(test_bad_heads),
		cmocka_unit_test(test_what_is_no_handshake),
		cmocka_unit_test(test_guard),
		cmocka_unit_test(test_close_frames),
		cmocka_unit_test(test_guard_skips_long_payloads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
