#include "talk.h"
#include "cleanup.h"
#include "wire.h"
#include <stdlib.h>
#include <string.h>

#define TELL_MS 1000 /* between two "dropped" */

struct text {
	char *text;
	size_t bytes;
};

struct frame {
	enum hs_codec codec;
	size_t bytes;
	uint8_t data[TALK_FRAME];
};

/* Two rings: texts go first, they are few. */
struct talk {
	char *line;
	bool greeted, stuck;
	enum hs_codec told_codec;
	struct text texts[TALK_TEXTS];
	size_t texts_first, texts_count;
	struct frame frames[TALK_FRAMES];
	size_t frames_first, frames_count;
	int64_t lost_to, lost_from, told_at_ms; /* frames lost since it was told */
};

struct talk *talk_create(const char *line)
{
	struct talk *talk = hs_zalloc(sizeof(*talk));

	talk->line = hs_strdup(line);
	return talk;
}

void talk_destroy(struct talk *talk)
{
	if (!talk)
		return;
	while (talk->texts_count)
		talk_sent(talk);
	free(talk->line);
	free(talk);
}

/* ---- Words ---- */

static void say(struct talk *talk, const char *words, size_t bytes)
{
	struct text *text;

	if (talk->texts_count == TALK_TEXTS) {
		talk->stuck = true;
		return;
	}
	text = &talk->texts[(talk->texts_first + talk->texts_count++) % TALK_TEXTS];
	text->text = hs_zalloc(bytes + 1);
	memcpy(text->text, words, bytes);
	text->bytes = bytes;
}

/* Ends a message, says it and frees it. */
static void say_message(struct talk *talk, struct hs_wire_out *message)
{
	hs_wire_put(message, "}", 1);
	say(talk, message->bytes, message->used);
	free(message->bytes);
}

static void add_word(struct hs_wire_out *message, const char *name, const char *word)
{
	hs_wire_put_name(message, name);
	hs_wire_put_text(message, word);
}

static void add_number(struct hs_wire_out *message, const char *name, int64_t number)
{
	hs_wire_put_name(message, name);
	hs_wire_put_int(message, number);
}

void talk_hello(struct talk *talk, enum hs_line_state state, const char *call_id, enum hs_codec codec)
{
	struct hs_wire_out message = {0};

	if (talk->greeted)
		return;
	add_word(&message, "type", "hello");
	add_word(&message, "line", talk->line);
	add_word(&message, "codec", codec ? hs_enum_codec.names[codec] : NULL);
	add_word(&message, "state", state ? hs_enum_line_state.names[state] : NULL);
	add_word(&message, "call_id", call_id);
	say_message(talk, &message);
	talk->greeted = true;
	talk->told_codec = codec;
}

static void say_boundary(struct talk *talk, const char *type, const struct hs_event_head *head)
{
	struct hs_wire_out message = {0};

	add_word(&message, "type", type);
	add_word(&message, "line", talk->line);
	add_word(&message, "call_id", head->call_id);
	add_word(&message, "cursor", head->cursor);
	say_message(talk, &message);
}

void talk_event(struct talk *talk, const struct hs_event_head *head, const struct hs_json *event)
{
	if (!talk->greeted || !head->line || strcmp(head->line, talk->line) != 0)
		return;
	if (!strcmp(head->type, "state_change") || !strcmp(head->type, "dtmf"))
		say(talk, event->text, event->bytes);
	else if (!strcmp(head->type, "call.answered"))
		say_boundary(talk, "call_started", head);
	else if (!strcmp(head->type, "call.ended"))
		say_boundary(talk, "call_ended", head);
}

static void say_codec(struct talk *talk, enum hs_codec codec)
{
	struct hs_wire_out message = {0};

	add_word(&message, "type", "codec");
	add_word(&message, "codec", hs_enum_codec.names[codec]);
	say_message(talk, &message);
	talk->told_codec = codec;
}

static void say_lost(struct talk *talk, int64_t now_ms)
{
	struct hs_wire_out message = {0};

	if ((!talk->lost_to && !talk->lost_from) || now_ms - talk->told_at_ms < TELL_MS)
		return;
	add_word(&message, "type", "dropped");
	add_number(&message, "to_you", talk->lost_to);
	add_number(&message, "from_you", talk->lost_from);
	say_message(talk, &message);
	talk->lost_to = talk->lost_from = 0;
	talk->told_at_ms = now_ms;
}

/* ---- Audio ---- */

bool talk_audio(struct talk *talk, enum hs_codec codec, const uint8_t *data, size_t bytes)
{
	bool kept_all = talk->frames_count < TALK_FRAMES;
	struct frame *frame;

	if (!bytes || bytes > TALK_FRAME || !codec) {
		talk->lost_to++;
		return false;
	}
	if (!kept_all) {
		talk->frames_first = (talk->frames_first + 1) % TALK_FRAMES;
		talk->frames_count--;
		talk->lost_to++;
	}
	frame = &talk->frames[(talk->frames_first + talk->frames_count++) % TALK_FRAMES];
	frame->codec = codec;
	frame->bytes = bytes;
	memcpy(frame->data, data, bytes);
	return kept_all;
}

void talk_lost(struct talk *talk)
{
	talk->lost_from++;
}

enum hs_codec talk_codec(const struct talk *talk)
{
	return talk->told_codec ? talk->told_codec : HS_CODEC_PCMU;
}

/* ---- The queue ---- */

bool talk_next(struct talk *talk, int64_t now_ms, bool *ret_text, const void **ret_data, size_t *ret_bytes)
{
	const struct frame *frame = &talk->frames[talk->frames_first];
	const struct text *text;

	if (!talk->greeted)
		return false;
	say_lost(talk, now_ms);
	if (!talk->texts_count && talk->frames_count && frame->codec != talk->told_codec)
		say_codec(talk, frame->codec);
	*ret_text = talk->texts_count > 0;
	if (talk->texts_count) {
		text = &talk->texts[talk->texts_first];
		*ret_data = text->text;
		*ret_bytes = text->bytes;
	} else if (talk->frames_count) {
		*ret_data = frame->data;
		*ret_bytes = frame->bytes;
	}
	return talk->texts_count || talk->frames_count;
}

void talk_sent(struct talk *talk)
{
	if (talk->texts_count) {
		free(talk->texts[talk->texts_first].text);
		talk->texts_first = (talk->texts_first + 1) % TALK_TEXTS;
		talk->texts_count--;
	} else if (talk->frames_count) {
		talk->frames_first = (talk->frames_first + 1) % TALK_FRAMES;
		talk->frames_count--;
	}
}

bool talk_is_stuck(const struct talk *talk)
{
	return talk->stuck;
}

enum talk_command talk_read(const void *text, size_t bytes)
{
	struct hs_arena *arena = hs_arena_create();
	const struct hs_json *message;
	struct hs_wire_fault fault;
	bool is_clear = hs_wire_parse(text, bytes, arena, &message, &fault) == 0 &&
			hs_json_is(hs_json_member(message, "type"), "clear");

	hs_arena_destroy(arena);
	return is_clear ? TALK_CLEAR : TALK_UNKNOWN;
}
