/* Twilio Media Streams, protocol "Call", version 1.0.0. We are the platform: the operator is the bot. */
#include "cleanup.h"
#include "id.h"
#include "talk_inner.h"
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- To the operator ---- */

static void say(struct hs_talk *talk, const char *event, struct hs_wire_out *words)
{
	talk_say(talk, event, words->bytes, words->used);
	free(words->bytes);
}

static void put(struct hs_wire_out *words, const char *text)
{
	hs_wire_put(words, text, strlen(text));
}

/* "name":"word" with a comma before it. */
static void put_word(struct hs_wire_out *words, const char *name, const char *word)
{
	put(words, ",\"");
	put(words, name);
	put(words, "\":");
	hs_wire_put_text(words, word);
}

static void say_connected(struct hs_talk *talk, enum hs_line_state state, const char *call_id, enum hs_codec codec)
{
	struct hs_wire_out object = {0};

	talk_add_word(&object, "event", "connected");
	talk_add_word(&object, "protocol", "Call");
	talk_add_word(&object, "version", "1.0.0");
	talk_say_object(talk, &object);
}

static void put_ids(const struct hs_talk *talk, struct hs_wire_out *words)
{
	char account[HS_SID_BYTES], call[HS_SID_BYTES];

	hs_sid_account(talk->node, account);
	hs_sid_make("CA", talk->call, call);
	put(words, "\"accountSid\":");
	hs_wire_put_text(words, account);
	put_word(words, "callSid", call);
}

void hs_talk_call(struct hs_talk *talk, const struct hs_stream_call_answer *call)
{
	static const char *const tracks[HS_STREAM_TRACK_COUNT] = {
		[HS_STREAM_TRACK_INBOUND] = "[\"inbound\"]",
		[HS_STREAM_TRACK_OUTBOUND] = "[\"outbound\"]",
		[HS_STREAM_TRACK_BOTH] = "[\"inbound\",\"outbound\"]",
	};
	struct hs_wire_out words = {0};
	char id[HS_ID_BYTES];

	if (!hs_talk_wants_call(talk) || !call->call_id)
		return;
	hs_copy(talk->call, sizeof(talk->call), call->call_id);
	hs_id_make('s', talk->node, id);
	hs_sid_make("MZ", id, talk->stream_sid);
	put(&words, "\"start\":{");
	put_ids(talk, &words);
	put_word(&words, "streamSid", talk->stream_sid);
	put(&words, ",\"tracks\":");
	put(&words, tracks[talk->options.track]);
	put(&words, ",\"customParameters\":{\"line\":");
	hs_wire_put_text(&words, talk->line);
	if (call->from_number)
		put_word(&words, "from_number", call->from_number);
	if (call->to_number)
		put_word(&words, "to_number", call->to_number);
	put(&words, "},\"mediaFormat\":{\"encoding\":\"audio/x-mulaw\",\"sampleRate\":8000,\"channels\":1}}}");
	say(talk, "start", &words);
}

static void say_stop(struct hs_talk *talk)
{
	struct hs_wire_out words = {0};

	put(&words, "\"stop\":{");
	put_ids(talk, &words);
	put(&words, "}}");
	say(talk, "stop", &words);
	talk->is_over = true;
}

static void say_digit(struct hs_talk *talk, const char *json, size_t bytes)
{
	struct hs_arena *arena = hs_arena_create();
	const struct hs_json *event;
	struct hs_wire_fault fault;
	struct hs_wire_out words = {0};
	const char *digit = NULL;

	if (hs_wire_reread(json, bytes, arena, &event, &fault) == 0)
		digit = hs_json_text(hs_json_member(event, "digit"), arena);
	if (digit) {
		put(&words, "\"dtmf\":{\"track\":\"inbound_track\"");
		put_word(&words, "digit", digit);
		put(&words, "}}");
		say(talk, "dtmf", &words);
	}
	hs_arena_destroy(arena);
}

static void say_event(struct hs_talk *talk, const struct hs_event_head *head, const char *json, size_t bytes)
{
	bool is_ours = *talk->call && head->call_id && strcmp(head->call_id, talk->call) == 0 && !talk->is_over;

	if (is_ours && !strcmp(head->type, "call.ended"))
		say_stop(talk);
	else if (is_ours && talk->may_see_digits && !strcmp(head->type, "dtmf"))
		say_digit(talk, json, bytes);
}

/* The dialect has no word for it: marks come, or do not. */
static void say_queue(struct hs_talk *talk, const struct hs_frame_queue *queue)
{
}

static void say_marked(struct hs_talk *talk, const char *name, const struct hs_frame_queue *queue)
{
	struct hs_wire_out words = {0};

	if (!*talk->call || talk->is_over)
		return;
	put(&words, "\"mark\":{\"name\":");
	hs_wire_put_text(&words, name);
	put(&words, "}}");
	say(talk, "mark", &words);
}

/* Nothing comes after stop. */
static void say_before(struct hs_talk *talk, int64_t now_ms)
{
	if (talk->is_over)
		talk->frames_count = 0;
}

/* Milliseconds since the stream began. */
static uint32_t age_ms(struct hs_talk *talk, uint32_t timestamp)
{
	if (!talk->has_begun)
		talk->begun_at = timestamp;
	talk->has_begun = true;
	return (int32_t)(timestamp - talk->begun_at) > 0 ? (timestamp - talk->begun_at) / CODEC_SAMPLES_PER_MS : 0;
}

static size_t make_audio(struct hs_talk *talk, const struct talk_frame *frame)
{
	uint8_t bytes[TALK_AUDIO_BYTES];
	char payload[sodium_base64_ENCODED_LEN(CODEC_FRAME, sodium_base64_VARIANT_ORIGINAL)];
	int length;

	memcpy(bytes, frame->data, frame->bytes);
	talk_format_out(talk->formats[frame->is_outbound], frame->codec, bytes, frame->bytes);
	sodium_bin2base64(payload, sizeof(payload), bytes, frame->bytes, sodium_base64_VARIANT_ORIGINAL);
	length = snprintf((char *)talk->message, sizeof(talk->message),
			  "{\"event\":\"media\",\"sequenceNumber\":\"%llu\",\"media\":{\"track\":\"%s\",\"chunk\":"
			  "\"%llu\",\"timestamp\":\"%u\",\"payload\":\"%s\"},\"streamSid\":\"%s\"}",
			  (unsigned long long)talk->numbers + 1, frame->is_outbound ? "outbound" : "inbound",
			  (unsigned long long)talk->chunks[frame->is_outbound] + 1, age_ms(talk, frame->timestamp),
			  payload, talk->stream_sid);
	return (size_t)length;
}

/* ---- From the operator: other members are ignored, as are messages we do not know ---- */

static bool read_media(struct hs_talk *talk, const struct hs_json *message, struct hs_arena *arena)
{
	const struct hs_json *media = hs_json_member(message, "media");
	bool is_object = media && media->kind == HS_JSON_OBJECT;
	const char *payload = is_object ? hs_json_text(hs_json_member(media, "payload"), arena) : NULL;
	size_t length = payload ? strlen(payload) : 0, bytes = 0;
	uint8_t *audio = hs_arena_alloc(arena, length * 3 / 4 + 1);

	if (!payload || sodium_base642bin(audio, length * 3 / 4 + 1, payload, length, NULL, &bytes, NULL,
					  sodium_base64_VARIANT_ORIGINAL))
		return false;
	if (bytes)
		talk_say_audio(talk, audio, bytes);
	return true;
}

static bool read_mark(struct hs_talk *talk, const struct hs_json *message, struct hs_arena *arena)
{
	const struct hs_json *mark = hs_json_member(message, "mark");
	bool is_object = mark && mark->kind == HS_JSON_OBJECT;
	const char *name = is_object ? hs_json_text(hs_json_member(mark, "name"), arena) : NULL;

	return name && talk_set_mark(talk, name);
}

static bool read_clear(struct hs_talk *talk, const struct hs_json *message, struct hs_arena *arena)
{
	talk_order(talk, HS_FRAME_CLEAR, 0);
	return true;
}

static const struct {
	const char *event;
	bool (*read)(struct hs_talk *talk, const struct hs_json *message, struct hs_arena *arena);
} readers[] = {{"media", read_media}, {"mark", read_mark}, {"clear", read_clear}};

static bool obey(struct hs_talk *talk, const struct hs_json *message, struct hs_arena *arena)
{
	const struct hs_json *event = hs_json_member(message, "event");

	for (size_t i = 0; i < HS_COUNT(readers); i++)
		if (hs_json_is(event, readers[i].event))
			return readers[i].read(talk, message, arena);
	return false;
}

static bool read_message(struct hs_talk *talk, bool text, const uint8_t *data, size_t bytes)
{
	struct hs_arena *arena;
	const struct hs_json *message;
	struct hs_wire_fault fault;
	bool is_known;

	if (!text || talk->options.direction == HS_STREAM_DIRECTION_LISTEN)
		return false;
	arena = hs_arena_create();
	is_known = !hs_wire_parse((const char *)data, bytes, arena, &message, &fault) && obey(talk, message, arena);
	hs_arena_destroy(arena);
	return is_known;
}

const struct talk_dialect talk_twilio = {
	.hello = say_connected,
	.event = say_event,
	.queue = say_queue,
	.marked = say_marked,
	.before = say_before,
	.audio = make_audio,
	.read = read_message,
};
