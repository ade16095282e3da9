/* Descriptions: a table of good and hostile ones, and what is answered. */
#include "cases.h"
#include "offer.h"
#include <stdio.h>

#define HEAD "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"

static struct offer read_good(const char *text)
{
	struct offer offer;
	char why[OFFER_WHY] = "";
	if (offer_read(text, &offer, why) < 0)
		fail_msg("refused: %s", why);
	return offer;
}

static void test_plain(void **state)
{
	struct offer offer = read_good(HEAD "m=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
					    "a=fmtp:101 0-15\r\na=ptime:30\r\n");
	char text[ADDRESS_TEXT];
	address_format(&offer.rtp, text);
	assert_string_equal(text, "192.0.2.1:4000");
	assert_int_equal(offer.rtcp.port, 4001);
	assert_int_equal(offer.codecs_count, 2);
	assert_int_equal(offer.codecs[0], HS_CODEC_PCMA);
	assert_int_equal(offer.types[1], 0);
	assert_int_equal(offer.event, 101);
	assert_false(offer.event_flash);
	assert_int_equal(offer.ptime_ms, 30);
	assert_int_equal(offer.direction, HS_DIRECTION_SENDRECV);
}

static void test_dynamic_types_and_flash(void **state)
{
	struct offer offer = read_good(HEAD "m=audio 4000 RTP/AVP 96 97 98 13\r\na=rtpmap:96 pcma/8000/1\r\n"
					    "a=rtpmap:97 telephone-event/48000\r\na=rtpmap:98 TELEPHONE-EVENT/8000\r\n"
					    "a=fmtp:98 0-11,16\r\n");
	assert_int_equal(offer.codecs_count, 1);
	assert_int_equal(offer.types[0], 96);
	assert_int_equal(offer.event, 98);
	assert_true(offer.event_flash);
	assert_int_equal(offer.comfort, 13);
}

static void test_directions(void **state)
{
	static const struct {
		const char *session, *media;
		enum hs_direction direction; /* seen from us */
	} rows[] = {
		{"", "", HS_DIRECTION_SENDRECV},
		{"", "a=sendonly\r\n", HS_DIRECTION_RECVONLY},
		{"", "a=recvonly\r\n", HS_DIRECTION_SENDONLY},
		{"", "a=inactive\r\n", HS_DIRECTION_INACTIVE},
		{"a=sendonly\r\n", "", HS_DIRECTION_RECVONLY},
		{"a=inactive\r\n", "a=sendrecv\r\n", HS_DIRECTION_SENDRECV},
		{"", "c=IN IP4 0.0.0.0\r\n", HS_DIRECTION_RECVONLY},
		{"", "c=IN IP4 0.0.0.0\r\na=recvonly\r\n", HS_DIRECTION_INACTIVE},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char text[512];
		snprintf(text, sizeof text, HEAD "%sm=audio 4000 RTP/AVP 0\r\n%s", rows[i].session, rows[i].media);
		assert_int_equal(read_good(text).direction, rows[i].direction);
	}
}

static void test_rtcp(void **state)
{
	struct offer offer = read_good(HEAD "m=audio 4000 RTP/AVP 0\r\na=rtcp:5005\r\n");
	assert_int_equal(offer.rtcp.port, 5005);
	assert_true(address_same_host(&offer.rtcp, &offer.rtp));
	offer = read_good(HEAD "m=audio 4000 RTP/AVP 0\r\na=rtcp:5005 IN IP4 192.0.2.9\r\na=rtcp-mux\r\n");
	char text[ADDRESS_TEXT];
	address_format(&offer.rtcp, text);
	assert_string_equal(text, "192.0.2.9:5005");
	assert_true(offer.rtcp_mux);
}

static void test_lenient(void **state)
{
	read_good("v=0\no=- 1 1 IN IP4 1.1.1.1\nc=IN IP4 1.1.1.1\nm=audio 9 RTP/AVP 0\n");  /* LF, no s= and t= */
	read_good("v=0\ro=- 1 1 IN IP4 1.1.1.1\rc=IN IP4 1.1.1.1\rm=audio 9 RTP/AVP 0 \r"); /* CR, a blank */
	read_good(HEAD "m=audio 4000/1 RTP/AVP 0 0 0 0 18 4 111\r\na=x\r\na=ptime:x\r\na=fmtp:x\r\na=ptime:0\r\n");
	read_good("v=0\r\no=- 1 1 IN IP6 2001:db8::1\r\nc=IN IP6 2001:db8::1\r\nm=audio 4000 RTP/AVP 0\r\n");
	struct offer offer = read_good(HEAD "m=audio 0 RTP/AVP 0\r\nm=audio 4000 RTP/SAVP 0\r\na=rtpmap:0 X/8000\r\n"
					    "m=audio 4002 RTP/AVP 0\r\nm=image 9 udptl t38\r\n");
	assert_int_equal(offer.line, 2);
	assert_int_equal(offer.lines_count, 4);
}

static void test_refused(void **state)
{
	static const char *const rows[] = {
		"",
		"x",
		"=",
		"\n\n\n",
		"v=0",
		"v=1\r\n",
		"o=- 1 1 IN IP4 1.1.1.1\r\nv=0\r\n",
		"v=0\r\nc=IN IP4 1.1.1.1\r\nm=audio 4000 RTP/AVP 0\r\n",
		"v=0\r\no=-\r\n",
		"v=0\r\no=- 1 1 IN IP4 1.1.1.1\r\nm=audio 4000 RTP/AVP 0\r\n",
		HEAD,
		HEAD "m=\r\n",
		HEAD "m=audio\r\n",
		HEAD "m=audio 4000 RTP/AVP\r\n",
		HEAD "m=audio x RTP/AVP 0\r\n",
		HEAD "m=audio -1 RTP/AVP 0\r\n",
		HEAD "m=audio 65536 RTP/AVP 0\r\n",
		HEAD "m=audio 99999999999999999999 RTP/AVP 0\r\n",
		HEAD "m=audio 4000 RTP/AVP 128\r\n",
		HEAD "m=audio 4000 RTP/AVP x\r\n",
		HEAD "m=audio  4000 RTP/AVP 0\r\n",
		HEAD "m=audio 0 RTP/AVP 0\r\n",
		HEAD "m=audio 4000 RTP/SAVP 0\r\n",
		HEAD "m=audio 4000 UDP/TLS/RTP/SAVPF 0\r\n",
		HEAD "m=audio 4000 RTP/AVPF 0\r\n",
		HEAD "m=video 4000 RTP/AVP 0\r\n",
		HEAD "m=audio 4000 RTP/AVP 18\r\n",
		HEAD "m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 X/8000\r\n",
		HEAD "m=audio 4000 RTP/AVP 0\r\na=rtpmap:999 PCMU/8000\r\n",
		HEAD "m=audio 4000 RTP/AVP 0\r\na=rtpmap:0\r\nx\r\n",
		HEAD "m=audio 4000 RTP/AVP 0\r\na=rtcp:0\r\n",
		HEAD "m=audio 4000 RTP/AVP 0\r\na=rtcp:5005 IN IP4 name\r\n",
		HEAD "m=audio 4000 RTP/AVP 0\r\nc=IN IP4 host.example\r\n",
		HEAD "m=audio 4000 RTP/AVP 0\r\nc=IN IP4 224.2.1.1/127\r\n",
		HEAD "m=audio 4000 RTP/AVP 0\r\nc=IN IP4 239.0.0.1\r\n",
		HEAD "m=audio 4000 RTP/AVP 0\r\nc=IN IP4 255.255.255.255\r\n",
		HEAD "m=audio 4000 RTP/AVP 0\r\nc=IN IP6 ff02::1\r\n",
		HEAD "m=audio 4000 RTP/AVP 0\r\nc=IN IP6 1.2.3.4\r\n",
		HEAD "m=audio 4000 RTP/AVP 0\r\nc=IN IP4 1.2.3.4:99\r\n",
		HEAD "m=audio 4000 RTP/AVP 0\r\nc=IN IP7 1.2.3.4\r\n",
		HEAD "m=audio 4000 RTP/AVP 0\r\nc=ATM IP4 1.2.3.4\r\n",
		HEAD "m=audiooooooooooooooooooooooooooo 4000 RTP/AVP 0\r\n",
		HEAD "m=\x01 4000 RTP/AVP 0\r\n",
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct offer offer;
		char why[OFFER_WHY] = "";
		if (offer_read(rows[i], &offer, why) != -22)
			fail_msg("taken: %s", rows[i]);
		assert_true(strlen(why) > 10);
	}
}

static size_t put(char *at, const char *text)
{
	size_t length = strlen(text);
	memcpy(at, text, length);
	return length;
}

static void test_bounds(void **state)
{
	static char text[OFFER_BYTES + 100];
	struct offer offer;
	char why[OFFER_WHY];
	memset(text, 'a', sizeof text - 1);
	assert_int_equal(offer_read(text, &offer, why), -22); /* too long */
	size_t length = strlen(HEAD);
	memcpy(text, HEAD, length);
	for (int i = 0; i < 17; i++)
		length += put(text + length, "m=video 9 RTP/AVP 9\r\n");
	text[length] = 0;
	assert_int_equal(offer_read(text, &offer, why), -22); /* too many media lines */
	length = strlen(HEAD);
	length += put(text + length, "m=audio 4000 RTP/AVP");
	for (int i = 0; i < 200; i++)
		length += put(text + length, " 0");
	length += put(text + length, "\r\n");
	text[length] = 0;
	assert_int_equal(offer_read(text, &offer, why), -22); /* too many formats */
}

static struct offer_ours ours(enum hs_codec prefer, enum hs_direction direction)
{
	struct offer_ours made = {.id = 7, .version = 2, .direction = direction, .prefer = prefer};
	address_parse("198.51.100.1:20000", &made.rtp);
	return made;
}

static void test_our_offer_is_read_back(void **state)
{
	char text[OFFER_BYTES];
	struct offer_ours made = ours(HS_CODEC_PCMA, HS_DIRECTION_SENDRECV);
	assert_true(offer_write(&made, text, sizeof text) > 0);
	struct offer offer = read_good(text);
	assert_int_equal(offer.codecs[0], HS_CODEC_PCMA);
	assert_int_equal(offer.codecs_count, 2);
	assert_int_equal(offer.event, OFFER_TYPE_EVENT);
	assert_false(offer.event_flash);
	assert_int_equal(offer.rtp.port, 20000);
	assert_int_equal(offer_write(&made, text, 50), -90);
}

static void test_answer_mirrors(void **state)
{
	char text[OFFER_BYTES];
	struct offer offer = read_good(HEAD "m=video 5000 RTP/AVP 31\r\nm=audio 4000 RTP/AVP 0 96 99\r\n"
					    "a=rtpmap:96 PCMA/8000\r\na=rtpmap:99 telephone-event/8000\r\n"
					    "a=fmtp:99 0-16\r\na=rtcp-mux\r\nm=audio 6000 RTP/SAVP 0\r\n");
	struct offer_ours made = ours(HS_CODEC_PCMA, HS_DIRECTION_RECVONLY);
	assert_true(offer_write_answer(&made, &offer, text, sizeof text) > 0);
	assert_non_null(strstr(text, "o=- 7 2 IN IP4 198.51.100.1\r\n"));
	assert_non_null(strstr(text, "m=video 0 RTP/AVP 31\r\nm=audio 20000 RTP/AVP 96 99\r\n"));
	assert_non_null(
		strstr(text, "a=rtpmap:96 PCMA/8000\r\na=rtpmap:99 telephone-event/8000\r\na=fmtp:99 0-16\r\n"));
	assert_non_null(strstr(text, "a=rtcp-mux\r\na=ptime:20\r\na=recvonly\r\nm=audio 0 RTP/SAVP 0\r\n"));
}

static void test_meeting(void **state)
{
	assert_int_equal(offer_meet(HS_DIRECTION_SENDRECV, HS_DIRECTION_RECVONLY), HS_DIRECTION_RECVONLY);
	assert_int_equal(offer_meet(HS_DIRECTION_SENDONLY, HS_DIRECTION_RECVONLY), HS_DIRECTION_INACTIVE);
	assert_int_equal(offer_meet(HS_DIRECTION_SENDONLY, HS_DIRECTION_SENDRECV), HS_DIRECTION_SENDONLY);
	assert_int_equal(offer_meet(HS_DIRECTION_SENDRECV, HS_DIRECTION_SENDRECV), HS_DIRECTION_SENDRECV);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),          cmocka_unit_test(test_dynamic_types_and_flash),
		cmocka_unit_test(test_directions),     cmocka_unit_test(test_rtcp),
		cmocka_unit_test(test_lenient),        cmocka_unit_test(test_refused),
		cmocka_unit_test(test_bounds),         cmocka_unit_test(test_our_offer_is_read_back),
		cmocka_unit_test(test_answer_mirrors), cmocka_unit_test(test_meeting),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
