/* Talk: words and audio of an operator's WebSocket, both dialects, as they go over the wire. */
#include "check.h"

#include "cleanup.h"
#include "id.h"
#include "sid.h"
#include "talk.h"
#include <stdlib.h>
#include <string.h>

static const uint8_t sound[400] = {1, 2, 3};

struct sent {
	size_t count, audio_bytes;
	struct hs_frame frames[8];
	uint8_t first[8];
	uint8_t audio[4000];
};

static int keep(void *context, struct hs_frame *frame)
{
	struct sent *sent = context;

	if (sent->count < HS_COUNT(sent->frames))
		sent->frames[sent->count] = *frame;
	sent->count++;
	if (sent->audio_bytes + frame->payload_bytes <= sizeof(sent->audio) && frame->payload_bytes) {
		memcpy(sent->audio + sent->audio_bytes, frame->payload, frame->payload_bytes);
		sent->audio_bytes += frame->payload_bytes;
	}
	return 0;
}

static int lose(void *context, struct hs_frame *frame)
{
	return -1;
}

static struct hs_talk *make(struct sent *sent, enum hs_stream_dialect dialect, enum hs_stream_format format, int rate,
			    enum hs_stream_track track)
{
	const struct hs_talk_setup setup = {.line = "phone1",
					    .node = "1",
					    .options = {dialect, format, rate, track, HS_STREAM_DIRECTION_BOTH},
					    .tells_events = true,
					    .send = sent ? keep : lose,
					    .context = sent};

	return hs_talk_create(&setup);
}

static struct hs_talk *plain(struct sent *sent)
{
	return make(sent, HS_STREAM_DIALECT_PLAIN, HS_STREAM_FORMAT_LINE, 8000, HS_STREAM_TRACK_INBOUND);
}

static void expect_text(struct hs_talk *talk, int64_t now_ms, const char *expected)
{
	const void *data;
	size_t bytes;
	bool text;

	assert_true(hs_talk_next(talk, now_ms, &text, &data, &bytes));
	assert_true(text);
	if (bytes != strlen(expected) || memcmp(data, expected, bytes) != 0)
		fail_msg("%.*s is not %s", (int)bytes, (const char *)data, expected);
	hs_talk_sent(talk);
}

static const uint8_t *expect_audio(struct hs_talk *talk, size_t length)
{
	const void *data;
	size_t bytes;
	bool text;

	assert_true(hs_talk_next(talk, 0, &text, &data, &bytes));
	assert_false(text);
	assert_int_equal(bytes, length);
	hs_talk_sent(talk);
	return data;
}

static void expect_nothing(struct hs_talk *talk)
{
	const void *data;
	size_t bytes;
	bool text;

	assert_false(hs_talk_next(talk, 0, &text, &data, &bytes));
}

static void happen(struct hs_talk *talk, const char *type, const char *line)
{
	struct hs_event_head head = {.type = type, .line = line, .call_id = "c1-a", .cursor = "1.g1.9"};
	static const char text[] = "{\"type\":\"x\",\"digit\":\"7\"}";

	hs_talk_event(talk, &head, text, sizeof(text) - 1);
}

static bool hear(struct hs_talk *talk, enum hs_codec codec, const uint8_t *data, size_t bytes, bool is_outbound,
		 uint32_t timestamp)
{
	struct hs_frame frame = {.kind = HS_FRAME_AUDIO,
				 .codec = codec,
				 .is_outbound = is_outbound,
				 .timestamp = timestamp,
				 .payload = data,
				 .payload_bytes = bytes};

	return hs_talk_heard(talk, &frame);
}

static void hear_queue(struct hs_talk *talk, enum hs_frame_kind kind, uint32_t number, struct hs_frame_queue queue)
{
	uint8_t payload[HS_FRAME_QUEUE_BYTES];
	struct hs_frame frame = {
		.kind = kind, .timestamp = number, .payload = payload, .payload_bytes = sizeof(payload)};

	hs_frame_pack_queue(&queue, payload);
	assert_true(hs_talk_heard(talk, &frame));
}

static bool says(struct hs_talk *talk, const char *text)
{
	return hs_talk_read(talk, true, (const uint8_t *)text, strlen(text));
}

/* ---- plain ---- */

static void hello_comes_first_and_once(void **state)
{
	struct hs_talk *talk = plain(NULL);

	hear(talk, HS_CODEC_PCMU, sound, 160, false, 0);
	happen(talk, "state_change", "phone1");
	expect_nothing(talk);
	hs_talk_hello(talk, HS_LINE_STATE_OFF_HOOK, "c1-a", HS_CODEC_PCMU);
	hs_talk_hello(talk, HS_LINE_STATE_ON_HOOK, NULL, HS_CODEC_PCMA);
	expect_text(talk, 0,
		    "{\"type\":\"hello\",\"line\":\"phone1\",\"codec\":\"pcmu\",\"state\":\"off_hook\",\"call_id\":"
		    "\"c1-a\"}");
	assert_int_equal(expect_audio(talk, 160)[0], 1);
	expect_nothing(talk);
	hs_talk_destroy(talk);
	talk = plain(NULL);
	hs_talk_hello(talk, 0, NULL, 0);
	expect_text(talk, 0, "{\"type\":\"hello\",\"line\":\"phone1\",\"codec\":null,\"state\":null,\"call_id\":null}");
	hs_talk_destroy(talk);
}

static struct hs_talk *greeted(struct sent *sent)
{
	struct hs_talk *talk = plain(sent);
	const void *data;
	size_t bytes;
	bool text;

	hs_talk_hello(talk, HS_LINE_STATE_ON_HOOK, NULL, HS_CODEC_PCMU);
	assert_true(hs_talk_next(talk, 0, &text, &data, &bytes));
	hs_talk_sent(talk);
	return talk;
}

static void only_the_lines_own_events_are_told(void **state)
{
	struct hs_talk *talk = greeted(NULL);

	happen(talk, "call.created", "phone1");
	happen(talk, "call.answered", "phone2");
	happen(talk, "dtmf.begin", "phone1");
	happen(talk, "state_change", NULL);
	expect_nothing(talk);
	happen(talk, "call.answered", "phone1");
	happen(talk, "dtmf", "phone1");
	happen(talk, "call.ended", "phone1");
	expect_text(talk, 0,
		    "{\"type\":\"call_started\",\"line\":\"phone1\",\"call_id\":\"c1-a\",\"cursor\":\"1.g1.9\"}");
	expect_text(talk, 0, "{\"type\":\"x\",\"digit\":\"7\"}");
	expect_text(talk, 0,
		    "{\"type\":\"call_ended\",\"line\":\"phone1\",\"call_id\":\"c1-a\",\"cursor\":\"1.g1.9\"}");
	hs_talk_destroy(talk);
}

static void the_oldest_audio_is_dropped_and_told(void **state)
{
	struct hs_talk *talk = greeted(NULL);
	uint8_t frame[160] = {0};

	for (int i = 0; i < HS_TALK_FRAMES + 3; i++) {
		frame[0] = (uint8_t)i;
		assert_int_equal(hear(talk, HS_CODEC_PCMU, frame, sizeof(frame), false, 0), i < HS_TALK_FRAMES);
	}
	hs_talk_read(talk, false, sound, 160); /* which mediad does not take */
	expect_text(talk, 1000, "{\"type\":\"dropped\",\"to_you\":3,\"from_you\":1}");
	for (int i = 3; i < HS_TALK_FRAMES + 3; i++)
		assert_int_equal(expect_audio(talk, 160)[0], i);
	hs_talk_read(talk, false, sound, 160);
	expect_nothing(talk); /* not before a second is over */
	expect_text(talk, 2000, "{\"type\":\"dropped\",\"to_you\":0,\"from_you\":1}");
	hs_talk_destroy(talk);
}

/* What was made for a socket that had no room: the same once more, whatever comes meanwhile, unless it was let go. */
static void what_could_not_be_sent_comes_again(void **state)
{
	struct hs_talk *talk = greeted(NULL);
	uint8_t frame[160] = {9};
	const void *data;
	size_t bytes;
	bool text;

	hear(talk, HS_CODEC_PCMU, frame, sizeof(frame), false, 0);
	assert_true(hs_talk_next(talk, 0, &text, &data, &bytes) && !text);
	happen(talk, "dtmf", "phone1");
	assert_true(hs_talk_next(talk, 0, &text, &data, &bytes) && !text);
	assert_int_equal(expect_audio(talk, 160)[0], 9);
	expect_text(talk, 0, "{\"type\":\"x\",\"digit\":\"7\"}");
	for (int i = 0; i < HS_TALK_FRAMES + 1; i++) {
		frame[0] = (uint8_t)i;
		hear(talk, HS_CODEC_PCMU, frame, sizeof(frame), false, 0);
		if (i == 0)
			assert_true(hs_talk_next(talk, 0, &text, &data, &bytes));
	}
	assert_int_equal(expect_audio(talk, 160)[0], 1);
	hs_talk_destroy(talk);
}

static void a_new_codec_is_told_before_its_audio(void **state)
{
	struct sent sent = {0};
	struct hs_talk *talk = greeted(&sent);

	hear(talk, HS_CODEC_PCMU, sound, 160, false, 0);
	hear(talk, HS_CODEC_PCMA, sound, 80, false, 0);
	expect_audio(talk, 160);
	hs_talk_read(talk, false, sound, 5);
	expect_text(talk, 0, "{\"type\":\"codec\",\"codec\":\"pcma\"}");
	expect_audio(talk, 80);
	hs_talk_read(talk, false, sound, 5);
	assert_int_equal(sent.frames[0].codec, HS_CODEC_PCMU);
	assert_int_equal(sent.frames[1].codec, HS_CODEC_PCMA);
	hs_talk_destroy(talk);
}

static void what_is_no_frame_is_lost(void **state)
{
	struct hs_talk *talk = greeted(NULL);

	assert_false(hear(talk, HS_CODEC_PCMU, sound, 161, false, 0));
	assert_false(hear(talk, HS_CODEC_PCMU, sound, 0, false, 0));
	assert_false(hear(talk, 0, sound, 160, false, 0));
	expect_text(talk, 1000, "{\"type\":\"dropped\",\"to_you\":3,\"from_you\":0}");
	hs_talk_destroy(talk);
}

static void who_reads_no_texts_is_stuck(void **state)
{
	struct hs_talk *talk = greeted(NULL);

	for (int i = 0; i < 5000 && !hs_talk_is_stuck(talk); i++)
		happen(talk, "dtmf", "phone1");
	assert_true(hs_talk_is_stuck(talk));
	hs_talk_destroy(talk);
}

static void words_are_understood_or_ignored(void **state)
{
	static const char *const unknown[] = {"",
					      "clear",
					      "{}",
					      "[\"clear\"]",
					      "{\"type\":5}",
					      "{\"type\":\"Clear\"}",
					      "{\"type\":\"clear\"",
					      "{\"type\":\"clear\",\"type\":\"clear\"}"};
	struct sent sent = {0};
	struct hs_talk *talk = greeted(&sent);

	for (size_t i = 0; i < HS_COUNT(unknown); i++)
		assert_false(says(talk, unknown[i]));
	assert_int_equal(sent.count, 0);
	assert_true(says(talk, "{\"type\":\"clear\"}") && says(talk, "{\"type\":\"pause\"}"));
	assert_true(says(talk, "{\"type\":\"resume\"}") && says(talk, "{\"type\":\"queue\"}"));
	assert_int_equal(sent.frames[0].kind, HS_FRAME_CLEAR);
	assert_int_equal(sent.frames[1].kind, HS_FRAME_PAUSE);
	assert_int_equal(sent.frames[2].kind, HS_FRAME_RESUME);
	assert_int_equal(sent.frames[3].kind, HS_FRAME_QUEUE);
	hear_queue(talk, HS_FRAME_QUEUE, 0,
		   (struct hs_frame_queue){.heard = 5, .dropped = 6, .underruns = 7, .waiting = 8, .is_full = true});
	expect_text(talk, 0,
		    "{\"type\":\"queue\",\"heard_samples\":5,\"waiting_samples\":8,\"dropped_samples\":6,"
		    "\"underruns\":7,\"paused\":false,\"flow\":\"stop\"}");
	hs_talk_destroy(talk);
}

static void marks_have_names(void **state)
{
	struct sent sent = {0};
	struct hs_talk *talk = greeted(&sent);

	assert_true(says(talk, "{\"type\":\"mark\",\"name\":\"a\\\"b\"}"));
	assert_true(says(talk, "{\"type\":\"mark\",\"name\":\"\"}"));
	assert_true(says(talk, "{\"type\":\"mark\",\"name\":\"c\"}"));
	assert_int_equal(sent.frames[0].kind, HS_FRAME_MARK);
	assert_int_equal(sent.frames[2].timestamp - sent.frames[0].timestamp, 2);
	hear_queue(talk, HS_FRAME_MARKED, sent.frames[0].timestamp, (struct hs_frame_queue){.heard = 100});
	expect_text(talk, 0, "{\"type\":\"mark\",\"name\":\"a\\\"b\",\"played\":true,\"heard_samples\":100}");
	hear_queue(talk, HS_FRAME_MARKED, sent.frames[0].timestamp, (struct hs_frame_queue){.heard = 100});
	expect_nothing(talk); /* once */
	hs_talk_forgotten(talk);
	expect_text(talk, 0, "{\"type\":\"mark\",\"name\":\"\",\"played\":false,\"heard_samples\":0}");
	expect_text(talk, 0, "{\"type\":\"mark\",\"name\":\"c\",\"played\":false,\"heard_samples\":0}");
	assert_true(says(talk, "{\"type\":\"mark\"}"));
	expect_text(talk, 0, "{\"type\":\"error\",\"about\":\"mark\",\"why\":\"a mark needs a name\"}");
	for (int i = 0; i < 1024; i++)
		says(talk, "{\"type\":\"mark\",\"name\":\"x\"}");
	expect_nothing(talk);
	says(talk, "{\"type\":\"mark\",\"name\":\"y\"}");
	expect_text(talk, 0, "{\"type\":\"error\",\"about\":\"mark\",\"why\":\"1024 marks wait already\"}");
	hs_talk_destroy(talk);
}

/* ---- formats and tracks ---- */

static void skip_hello(struct hs_talk *talk, const char *expected)
{
	hs_talk_hello(talk, HS_LINE_STATE_ON_HOOK, NULL, HS_CODEC_PCMA);
	expect_text(talk, 0, expected);
}

static void linear_samples_go_both_ways(void **state)
{
	static const uint8_t in[] = {0x00, 0x00, 0x84, 0x7d, 0x7c};
	struct sent sent = {0};
	struct hs_talk *talk = make(&sent, HS_STREAM_DIALECT_PLAIN, HS_STREAM_FORMAT_L16, 8000, HS_STREAM_TRACK_BOTH);
	const uint8_t *data;
	uint8_t frame[160];

	skip_hello(talk, "{\"type\":\"hello\",\"line\":\"phone1\",\"codec\":\"l16\",\"state\":\"on_hook\",\"call_id\":"
			 "null}");
	memset(frame, 0x80, sizeof(frame)); /* the loudest there is: -32124 or 32124 of mu-law */
	hear(talk, HS_CODEC_PCMU, frame, sizeof(frame), true, 0);
	data = expect_audio(talk, 321);
	assert_int_equal(data[0], 1); /* outbound */
	assert_int_equal((int16_t)(data[1] | data[2] << 8), 32124);
	hs_talk_read(talk, false, in, 5); /* a sample is cut in two */
	hs_talk_read(talk, false, in, 1);
	assert_int_equal(sent.audio_bytes, 3);
	assert_int_equal(sent.audio[0], 0xff);
	assert_int_equal(sent.audio[1], 0x80);
	assert_int_equal(sent.frames[1].timestamp, 2);
	assert_false(hs_talk_next(talk, 0, &(bool){false}, &(const void *){NULL}, &(size_t){0}));
	hs_talk_destroy(talk);
}

static void sixteen_kilohertz_lose_and_gain_nothing(void **state)
{
	struct sent sent = {0};
	struct hs_talk *talk =
		make(&sent, HS_STREAM_DIALECT_PLAIN, HS_STREAM_FORMAT_L16, 16000, HS_STREAM_TRACK_INBOUND);
	uint8_t frame[160], back[640];
	size_t messages = 0, bytes;
	const void *data;
	bool text;

	skip_hello(talk, "{\"type\":\"hello\",\"line\":\"phone1\",\"codec\":\"l16\",\"rate\":16000,\"state\":"
			 "\"on_hook\",\"call_id\":null}");
	memset(frame, 0xa0, sizeof(frame)); /* the same sample over and over */
	for (int i = 0; i < 50; i++) {
		hear(talk, HS_CODEC_PCMU, frame, sizeof(frame), false, 0);
		for (; hs_talk_next(talk, 0, &text, &data, &bytes); hs_talk_sent(talk)) {
			assert_int_equal(bytes, 640);
			memcpy(back, data, sizeof(back));
			messages++;
		}
	}
	assert_in_range(messages, 47, 50); /* the filter holds a little back */
	for (int i = 0; i < 4; i++)
		hs_talk_read(talk, false, back, sizeof(back));
	assert_in_range(sent.audio_bytes, 3 * 160, 4 * 160);
	assert_in_range(sent.audio[sent.audio_bytes / 2], 0x9f, 0xa1);
	hs_talk_destroy(talk);
}

static void a_law_is_turned_into_mu_law(void **state)
{
	struct sent sent = {0};
	struct hs_talk *talk =
		make(&sent, HS_STREAM_DIALECT_PLAIN, HS_STREAM_FORMAT_PCMU, 8000, HS_STREAM_TRACK_INBOUND);
	uint8_t frame[160];

	skip_hello(talk, "{\"type\":\"hello\",\"line\":\"phone1\",\"codec\":\"pcmu\",\"state\":\"on_hook\",\"call_id\":"
			 "null}");
	memset(frame, 0xd5, sizeof(frame));
	hear(talk, HS_CODEC_PCMA, frame, sizeof(frame), false, 0);
	assert_true(expect_audio(talk, 160)[0] >= 0xfe);
	hs_talk_read(talk, false, sound, 3);
	assert_int_equal(sent.frames[0].codec, HS_CODEC_PCMU);
	hs_talk_destroy(talk);
}

static void some_options_do_not_fit(void **state)
{
	struct hs_stream_options options = {HS_STREAM_DIALECT_PLAIN, HS_STREAM_FORMAT_L16, 16000,
					    HS_STREAM_TRACK_INBOUND, HS_STREAM_DIRECTION_BOTH};
	const char *field;

	assert_null(hs_talk_fault(&options, &field));
	options.format = HS_STREAM_FORMAT_PCMU;
	assert_non_null(hs_talk_fault(&options, &field));
	assert_string_equal(field, "rate");
	options.rate = 8001;
	assert_non_null(hs_talk_fault(&options, &field));
	options.rate = 8000;
	options.dialect = HS_STREAM_DIALECT_TWILIO;
	assert_null(hs_talk_fault(&options, &field));
	options.format = HS_STREAM_FORMAT_L16;
	assert_non_null(hs_talk_fault(&options, &field));
	assert_string_equal(field, "format");
}

/* ---- twilio ---- */

static const char call_id[] = "c1-0123456789abcdefghjkmnpqrs";

/* The next message with the stream's name taken out, which is made anew each time. */
static char *next_text(struct hs_talk *talk)
{
	const void *data;
	size_t bytes;
	bool text;
	char *found, *copy;

	assert_true(hs_talk_next(talk, 0, &text, &data, &bytes) && text);
	copy = hs_printf("%.*s", (int)bytes, (const char *)data);
	hs_talk_sent(talk);
	for (char *at = copy; (found = strstr(at, "\"MZ")); at = found + 2) {
		for (int i = 3; i < 35; i++)
			assert_non_null(strchr("0123456789abcdef", found[i]));
		assert_int_equal(found[35], '"');
		memmove(found + 3, found + 35, strlen(found + 35) + 1);
	}
	return copy;
}

static void expect_twilio(struct hs_talk *talk, const char *expected)
{
	AUTO(free) char *text = next_text(talk);

	assert_string_equal(text, expected);
}

static void expect_end_of_call(struct hs_talk *talk, const char *expected)
{
	struct hs_event_head head = {.type = "call.ended", .line = "phone1", .call_id = "c1-other", .cursor = "1.g1.9"};

	hs_talk_event(talk, &head, "{}", 2);
	expect_nothing(talk);
	head.call_id = call_id;
	hs_talk_event(talk, &head, "{}", 2);
	assert_false(hs_talk_is_over(talk));
	hear(talk, HS_CODEC_PCMU, sound, 160, false, 900);
	expect_twilio(talk, expected);
	expect_nothing(talk); /* stop is the last */
	assert_true(hs_talk_is_over(talk));
}

#define ACCOUNT "AC00000000000000000000000000000031"

static void a_call_as_twilio_tells_it(void **state)
{
	struct sent sent = {0};
	struct hs_talk *talk = make(&sent, HS_STREAM_DIALECT_TWILIO, HS_STREAM_FORMAT_LINE, 8000, HS_STREAM_TRACK_BOTH);
	char call[HS_SID_BYTES];
	uint8_t silence[160];

	memset(silence, 0xff, sizeof(silence));
	hs_sid_make("CA", call_id, call);
	hs_talk_hello(talk, HS_LINE_STATE_ON_HOOK, NULL, HS_CODEC_PCMU);
	hear(talk, HS_CODEC_PCMU, silence, sizeof(silence), false, 800);
	expect_twilio(talk, "{\"event\":\"connected\",\"protocol\":\"Call\",\"version\":\"1.0.0\"}");
	expect_nothing(talk); /* no audio before start */
	assert_true(hs_talk_wants_call(talk));
	hs_talk_call(talk, &(struct hs_stream_call_answer){NULL, NULL, NULL});
	hs_talk_call(talk, &(struct hs_stream_call_answer){call_id, "+14155550100", "0"});
	assert_false(hs_talk_wants_call(talk));
	AUTO(free)
	char *start = hs_printf("{\"event\":\"start\",\"sequenceNumber\":\"1\",\"streamSid\":\"MZ\",\"start\":{"
				"\"accountSid\":\"" ACCOUNT "\",\"callSid\":\"%s\",\"streamSid\":\"MZ\",\"tracks\":["
				"\"inbound\",\"outbound\"],\"customParameters\":{\"line\":\"phone1\",\"from_number\":"
				"\"+14155550100\",\"to_number\":\"0\"},\"mediaFormat\":{\"encoding\":"
				"\"audio/x-mulaw\",\"sampleRate\":8000,\"channels\":1}}}",
				call);
	expect_twilio(talk, start);
	AUTO(free) char *media = next_text(talk);
	assert_int_equal(strncmp(media,
				 "{\"event\":\"media\",\"sequenceNumber\":\"2\",\"media\":{\"track\":\"inbound\","
				 "\"chunk\":\"1\",\"timestamp\":\"0\",\"payload\":\"//////",
				 100),
			 0);
	assert_non_null(strstr(media, "/w==\"},\"streamSid\":\"MZ\"}"));
	hear(talk, HS_CODEC_PCMU, silence, sizeof(silence), true, 960);
	AUTO(free) char *outbound = next_text(talk);
	assert_non_null(strstr(outbound, "\"sequenceNumber\":\"3\",\"media\":{\"track\":\"outbound\",\"chunk\":\"1\","
					 "\"timestamp\":\"20\","));
	assert_true(says(talk, "{\"event\":\"media\",\"streamSid\":\"MZx\",\"media\":{\"payload\":\"AQIDBA==\"}}"));
	assert_true(says(talk, "{\"event\":\"mark\",\"streamSid\":\"MZx\",\"mark\":{\"name\":\"m 1\"}}"));
	assert_true(says(talk, "{\"event\":\"clear\",\"streamSid\":\"MZx\"}"));
	assert_int_equal(sent.audio_bytes, 4);
	assert_memory_equal(sent.audio, "\1\2\3\4", 4);
	assert_int_equal(sent.frames[0].codec, HS_CODEC_PCMU);
	assert_int_equal(sent.frames[1].kind, HS_FRAME_MARK);
	assert_int_equal(sent.frames[2].kind, HS_FRAME_CLEAR);
	hear_queue(talk, HS_FRAME_MARKED, sent.frames[1].timestamp, (struct hs_frame_queue){.was_cleared = true});
	hear_queue(talk, HS_FRAME_QUEUE, 0, (struct hs_frame_queue){0});
	expect_twilio(talk,
		      "{\"event\":\"mark\",\"sequenceNumber\":\"4\",\"streamSid\":\"MZ\",\"mark\":{\"name\":\"m 1\"}}");
	happen(talk, "dtmf", "phone1");
	expect_nothing(talk); /* of another call, and not allowed */
	AUTO(free)
	char *stop = hs_printf("{\"event\":\"stop\",\"sequenceNumber\":\"5\",\"streamSid\":\"MZ\",\"stop\":{"
			       "\"accountSid\":\"" ACCOUNT "\",\"callSid\":\"%s\"}}",
			       call);
	expect_end_of_call(talk, stop);
	hs_talk_destroy(talk);
}

static void digits_for_those_who_may_see_them(void **state)
{
	struct hs_talk *talk =
		make(NULL, HS_STREAM_DIALECT_TWILIO, HS_STREAM_FORMAT_LINE, 8000, HS_STREAM_TRACK_INBOUND);

	hs_talk_hello(talk, HS_LINE_STATE_ON_HOOK, NULL, HS_CODEC_PCMU);
	hs_talk_call(talk, &(struct hs_stream_call_answer){"c1-a", NULL, NULL});
	for (int i = 0; i < 2; i++)
		free(next_text(talk));
	happen(talk, "dtmf", "phone1");
	expect_nothing(talk);
	hs_talk_allow_digits(talk, true);
	happen(talk, "dtmf", "phone1");
	expect_twilio(talk, "{\"event\":\"dtmf\",\"sequenceNumber\":\"2\",\"streamSid\":\"MZ\",\"dtmf\":{\"track\":"
			    "\"inbound_track\",\"digit\":\"7\"}}");
	hs_talk_destroy(talk);
}

static void a_bots_mistakes_are_ignored(void **state)
{
	static const char *const ignored[] = {
		"no json",
		"{\"event\":\"media\"}",
		"{\"event\":\"media\",\"media\":5}",
		"{\"event\":\"media\",\"media\":{\"payload\":5}}",
		"{\"event\":\"media\",\"media\":{\"payload\":\"not base 64\"}}",
		"{\"event\":\"mark\",\"mark\":{}}",
		"{\"event\":\"mark\",\"mark\":\"x\"}",
		"{\"event\":\"connected\"}",
		"{\"type\":\"clear\"}",
	};
	struct sent sent = {0};
	struct hs_talk *talk =
		make(&sent, HS_STREAM_DIALECT_TWILIO, HS_STREAM_FORMAT_LINE, 8000, HS_STREAM_TRACK_INBOUND);

	for (size_t i = 0; i < HS_COUNT(ignored); i++)
		assert_false(says(talk, ignored[i]));
	assert_false(hs_talk_read(talk, false, sound, 160)); /* the dialect has no binary messages */
	assert_int_equal(sent.count, 0);
	hs_talk_destroy(talk);
}

static void names_go_there_and_back(void **state)
{
	char id[HS_ID_BYTES], sid[HS_SID_BYTES], back[HS_SID_BYTES];

	for (int i = 0; i < 100; i++) {
		hs_id_make('c', "n1", id);
		hs_sid_make("CA", id, sid);
		assert_int_equal(strlen(sid), 34);
		assert_true(hs_sid_read(sid, 'c', "n1", back));
		assert_string_equal(back, id);
	}
	hs_sid_make("CA", "c1-short", sid);
	assert_string_equal(sid, "c1-short");
	assert_true(hs_sid_read(sid, 'c', "1", back));
	assert_string_equal(back, "c1-short");
	assert_false(hs_sid_read("", 'c', "1", back));
	assert_false(hs_sid_read("a/b", 'c', "1", back));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hello_comes_first_and_once),
		cmocka_unit_test(only_the_lines_own_events_are_told),
		cmocka_unit_test(the_oldest_audio_is_dropped_and_told),
		cmocka_unit_test(what_could_not_be_sent_comes_again),
		cmocka_unit_test(a_new_codec_is_told_before_its_audio),
		cmocka_unit_test(what_is_no_frame_is_lost),
		cmocka_unit_test(who_reads_no_texts_is_stuck),
		cmocka_unit_test(words_are_understood_or_ignored),
		cmocka_unit_test(marks_have_names),
		cmocka_unit_test(linear_samples_go_both_ways),
		cmocka_unit_test(sixteen_kilohertz_lose_and_gain_nothing),
		cmocka_unit_test(a_law_is_turned_into_mu_law),
		cmocka_unit_test(some_options_do_not_fit),
		cmocka_unit_test(a_call_as_twilio_tells_it),
		cmocka_unit_test(digits_for_those_who_may_see_them),
		cmocka_unit_test(a_bots_mistakes_are_ignored),
		cmocka_unit_test(names_go_there_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
