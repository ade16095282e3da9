#include "cleanup.h"
#include "talk_inner.h"
#include <stdlib.h>
#include <string.h>

#define TELL_MS 1000 /* between two "dropped" */

/* ---- To the operator ---- */

static const char *format_name(const struct hs_talk *talk, enum hs_codec codec)
{
	if (talk->options.format != HS_STREAM_FORMAT_LINE)
		return hs_enum_stream_format.names[talk->options.format];
	return codec ? hs_enum_codec.names[codec] : NULL;
}

static void say_hello(struct hs_talk *talk, enum hs_line_state state, const char *call_id, enum hs_codec codec)
{
	struct hs_wire_out object = {0};

	talk_add_word(&object, "type", "hello");
	talk_add_word(&object, "line", talk->line);
	talk_add_word(&object, "codec", format_name(talk, codec));
	if (talk->options.rate != CODEC_RATE)
		talk_add_number(&object, "rate", talk->options.rate);
	talk_add_word(&object, "state", state ? hs_enum_line_state.names[state] : NULL);
	talk_add_word(&object, "call_id", call_id);
	talk_say_object(talk, &object);
	talk->told_codec = codec;
}

static void say_boundary(struct hs_talk *talk, const char *type, const struct hs_event_head *head)
{
	struct hs_wire_out object = {0};

	talk_add_word(&object, "type", type);
	talk_add_word(&object, "line", talk->line);
	talk_add_word(&object, "call_id", head->call_id);
	talk_add_word(&object, "cursor", head->cursor);
	talk_say_object(talk, &object);
}

static void say_event(struct hs_talk *talk, const struct hs_event_head *head, const char *json, size_t bytes)
{
	if (!strcmp(head->type, "call.answered"))
		say_boundary(talk, "call_started", head);
	else if (!strcmp(head->type, "call.ended"))
		say_boundary(talk, "call_ended", head);
	else if (talk->tells_events && (!strcmp(head->type, "state_change") || !strcmp(head->type, "dtmf")))
		talk_say(talk, NULL, json, bytes);
}

static void say_queue(struct hs_talk *talk, const struct hs_frame_queue *queue)
{
	struct hs_wire_out object = {0};

	talk_add_word(&object, "type", "queue");
	talk_add_number(&object, "heard_samples", (int64_t)queue->heard);
	talk_add_number(&object, "waiting_samples", queue->waiting);
	talk_add_number(&object, "dropped_samples", (int64_t)queue->dropped);
	talk_add_number(&object, "underruns", (int64_t)queue->underruns);
	talk_add_truth(&object, "paused", queue->is_paused);
	talk_add_word(&object, "flow", queue->is_full ? "stop" : "go");
	talk_say_object(talk, &object);
}

static void say_marked(struct hs_talk *talk, const char *name, const struct hs_frame_queue *queue)
{
	struct hs_wire_out object = {0};

	talk_add_word(&object, "type", "mark");
	talk_add_word(&object, "name", name);
	talk_add_truth(&object, "played", !queue->was_cleared);
	talk_add_number(&object, "heard_samples", (int64_t)queue->heard);
	talk_say_object(talk, &object);
}

static void say_codec(struct hs_talk *talk, enum hs_codec codec)
{
	struct hs_wire_out object = {0};

	talk_add_word(&object, "type", "codec");
	talk_add_word(&object, "codec", hs_enum_codec.names[codec]);
	talk_say_object(talk, &object);
}

static void say_lost(struct hs_talk *talk, int64_t now_ms)
{
	struct hs_wire_out object = {0};

	if ((!talk->lost_to && !talk->lost_from) || now_ms - talk->told_at_ms < TELL_MS)
		return;
	talk_add_word(&object, "type", "dropped");
	talk_add_number(&object, "to_you", talk->lost_to);
	talk_add_number(&object, "from_you", talk->lost_from);
	talk_say_object(talk, &object);
	talk->lost_to = talk->lost_from = 0;
	talk->told_at_ms = now_ms;
}

/* A codec is told before the first audio that has it. */
static void say_before(struct hs_talk *talk, int64_t now_ms)
{
	const struct talk_frame *frame = &talk->frames[talk->frames_first];

	say_lost(talk, now_ms);
	if (!talk->frames_count || frame->codec == talk->told_codec)
		return;
	if (talk->options.format == HS_STREAM_FORMAT_LINE)
		say_codec(talk, frame->codec);
	talk->told_codec = frame->codec;
}

/* With both tracks each message begins with a byte that says which. */
static size_t make_audio(struct hs_talk *talk, const struct talk_frame *frame)
{
	size_t head = talk->options.track == HS_STREAM_TRACK_BOTH ? 1 : 0, bytes;

	memcpy(talk->message + head, frame->data, frame->bytes);
	bytes = talk_format_out(talk->formats[frame->is_outbound], frame->codec, talk->message + head, frame->bytes);
	talk->message[0] = head ? frame->is_outbound : talk->message[0];
	return bytes ? head + bytes : 0;
}

/* ---- From the operator ---- */

static bool refuse_mark(struct hs_talk *talk, const char *name)
{
	struct hs_wire_out object = {0};

	talk_add_word(&object, "type", "error");
	talk_add_word(&object, "about", "mark");
	talk_add_word(&object, "why",
		      !name                            ? "a mark needs a name"
		      : strlen(name) > TALK_MARK_BYTES ? "a mark's name has at most 512 bytes"
						       : "1024 marks wait already");
	talk_say_object(talk, &object);
	return true;
}

static const struct {
	const char *type;
	enum hs_frame_kind kind;
} orders[] = {
	{"clear", HS_FRAME_CLEAR},
	{"pause", HS_FRAME_PAUSE},
	{"resume", HS_FRAME_RESUME},
	{"queue", HS_FRAME_QUEUE},
};

static bool obey(struct hs_talk *talk, const struct hs_json *message, struct hs_arena *arena)
{
	const struct hs_json *type = hs_json_member(message, "type");
	const char *name = hs_json_text(hs_json_member(message, "name"), arena);

	if (hs_json_is(type, "mark"))
		return (name && talk_set_mark(talk, name)) || refuse_mark(talk, name);
	for (size_t i = 0; i < HS_COUNT(orders); i++) {
		if (!hs_json_is(type, orders[i].type))
			continue;
		talk_order(talk, orders[i].kind, 0);
		return true;
	}
	return false;
}

static bool read_message(struct hs_talk *talk, bool text, const uint8_t *data, size_t bytes)
{
	struct hs_arena *arena;
	const struct hs_json *message;
	struct hs_wire_fault fault;
	bool is_known;

	if (talk->options.direction == HS_STREAM_DIRECTION_LISTEN)
		return false;
	if (!text) {
		talk_say_audio(talk, data, bytes);
		return true;
	}
	arena = hs_arena_create();
	is_known = !hs_wire_parse((const char *)data, bytes, arena, &message, &fault) && obey(talk, message, arena);
	hs_arena_destroy(arena);
	return is_known;
}

const struct talk_dialect talk_plain = {
	.hello = say_hello,
	.event = say_event,
	.queue = say_queue,
	.marked = say_marked,
	.before = say_before,
	.audio = make_audio,
	.read = read_message,
};
