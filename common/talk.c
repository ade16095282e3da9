#include "cleanup.h"
#include "talk_inner.h"
#include <stdlib.h>
#include <string.h>

static const struct talk_dialect *const dialects[HS_STREAM_DIALECT_COUNT] = {
	[HS_STREAM_DIALECT_PLAIN] = &talk_plain,
	[HS_STREAM_DIALECT_TWILIO] = &talk_twilio,
};

/* ---- Life ---- */

const char *hs_talk_fault(const struct hs_stream_options *options, const char **ret_field)
{
	bool is_twilio = options->dialect == HS_STREAM_DIALECT_TWILIO;

	*ret_field = "rate";
	if (options->rate != 8000 && (options->rate != 16000 || options->format != HS_STREAM_FORMAT_L16))
		return "It must be 8000, or 16000 with format=l16.";
	*ret_field = "format";
	if (is_twilio && options->format != HS_STREAM_FORMAT_LINE && options->format != HS_STREAM_FORMAT_PCMU)
		return "The dialect twilio has mu-law alone.";
	return NULL;
}

struct hs_talk *hs_talk_create(const struct hs_talk_setup *setup)
{
	struct hs_talk *talk = hs_zalloc(sizeof(*talk));

	talk->options = setup->options;
	if (talk->options.dialect == HS_STREAM_DIALECT_TWILIO)
		talk->options.format = HS_STREAM_FORMAT_PCMU;
	talk->dialect = dialects[talk->options.dialect];
	talk->line = hs_strdup(setup->line);
	talk->node = hs_strdup(setup->node);
	talk->tells_events = setup->tells_events;
	talk->send = setup->send;
	talk->context = setup->context;
	STAILQ_INIT(&talk->texts);
	STAILQ_INIT(&talk->marks);
	for (int i = 0; i < 2; i++)
		talk->formats[i] = talk_format_create(talk->options.format, talk->options.rate);
	return talk;
}

static void drop_text(struct hs_talk *talk)
{
	struct talk_text *text = STAILQ_FIRST(&talk->texts);

	STAILQ_REMOVE_HEAD(&talk->texts, link);
	talk->texts_count--;
	free(text->text);
	free(text);
}

/* The oldest mark's name, which is the caller's now. */
static char *take_mark(struct hs_talk *talk)
{
	AUTO(free) struct talk_mark *mark = STAILQ_FIRST(&talk->marks);

	STAILQ_REMOVE_HEAD(&talk->marks, link);
	talk->marks_count--;
	return mark->name;
}

void hs_talk_destroy(struct hs_talk *talk)
{
	if (!talk)
		return;
	while (talk->texts_count)
		drop_text(talk);
	while (talk->marks_count)
		free(take_mark(talk));
	for (int i = 0; i < 2; i++)
		talk_format_destroy(talk->formats[i]);
	free(talk->numbered.bytes);
	free(talk->line);
	free(talk->node);
	free(talk);
}

uint8_t hs_talk_tracks(const struct hs_talk *talk)
{
	static const uint8_t tracks[HS_STREAM_TRACK_COUNT] = {
		[HS_STREAM_TRACK_INBOUND] = 1, [HS_STREAM_TRACK_OUTBOUND] = 2, [HS_STREAM_TRACK_BOTH] = 3};

	return talk->options.direction == HS_STREAM_DIRECTION_SPEAK ? 0 : tracks[talk->options.track];
}

bool hs_talk_is_stuck(const struct hs_talk *talk)
{
	return talk->is_stuck;
}

bool hs_talk_is_over(const struct hs_talk *talk)
{
	return talk->is_over && !talk->texts_count;
}

bool hs_talk_wants_call(const struct hs_talk *talk)
{
	return talk->options.dialect == HS_STREAM_DIALECT_TWILIO && talk->is_greeted && !*talk->call;
}

/* ---- Texts ---- */

void hs_talk_allow_digits(struct hs_talk *talk, bool may_see)
{
	talk->may_see_digits = may_see;
}

void talk_say(struct hs_talk *talk, const char *event, const char *words, size_t bytes)
{
	struct talk_text *text;

	if (talk->texts_count == HS_TALK_TEXTS + TALK_MARKS) {
		talk->is_stuck = true;
		return;
	}
	text = hs_zalloc(sizeof(*text));
	text->event = event;
	text->text = hs_zalloc(bytes + 1);
	memcpy(text->text, words, bytes);
	text->bytes = bytes;
	STAILQ_INSERT_TAIL(&talk->texts, text, link);
	talk->texts_count++;
}

void talk_say_object(struct hs_talk *talk, struct hs_wire_out *object)
{
	hs_wire_put(object, "}", 1);
	talk_say(talk, NULL, object->bytes, object->used);
	free(object->bytes);
}

void talk_add_word(struct hs_wire_out *object, const char *name, const char *word)
{
	hs_wire_put_name(object, name);
	hs_wire_put_text(object, word);
}

void talk_add_number(struct hs_wire_out *object, const char *name, int64_t number)
{
	hs_wire_put_name(object, name);
	hs_wire_put_int(object, number);
}

void talk_add_truth(struct hs_wire_out *object, const char *name, bool truth)
{
	hs_wire_put_name(object, name);
	hs_wire_put(object, truth ? "true" : "false", truth ? 4 : 5);
}

void hs_talk_hello(struct hs_talk *talk, enum hs_line_state state, const char *call_id, enum hs_codec codec)
{
	if (talk->is_greeted)
		return;
	talk->dialect->hello(talk, state, call_id, codec);
	talk->is_greeted = true;
}

void hs_talk_event(struct hs_talk *talk, const struct hs_event_head *head, const char *json, size_t bytes)
{
	if (talk->is_greeted && head->line && strcmp(head->line, talk->line) == 0)
		talk->dialect->event(talk, head, json, bytes);
}

/* ---- Marks: mediad knows their numbers, we their names ---- */

bool talk_set_mark(struct hs_talk *talk, const char *name)
{
	struct talk_mark *mark;

	if (talk->marks_count == TALK_MARKS || strlen(name) > TALK_MARK_BYTES)
		return false;
	mark = hs_zalloc(sizeof(*mark));
	mark->number = ++talk->mark_number;
	mark->name = hs_strdup(name);
	STAILQ_INSERT_TAIL(&talk->marks, mark, link);
	talk->marks_count++;
	talk_order(talk, HS_FRAME_MARK, mark->number);
	return true;
}

static void answer_first_mark(struct hs_talk *talk, const struct hs_frame_queue *queue)
{
	AUTO(free) char *name = take_mark(talk);

	talk->dialect->marked(talk, name, queue);
}

/* Those before it, too: mediad answers in order, so they were lost on the way. */
static void answer_marks(struct hs_talk *talk, uint32_t number, const struct hs_frame_queue *queue)
{
	while (talk->marks_count && (int32_t)(STAILQ_FIRST(&talk->marks)->number - number) <= 0)
		answer_first_mark(talk, queue);
}

void hs_talk_forgotten(struct hs_talk *talk)
{
	const struct hs_frame_queue nothing = {.was_cleared = true};

	answer_marks(talk, talk->mark_number, &nothing);
}

/* ---- From mediad ---- */

static bool keep_audio(struct hs_talk *talk, const struct hs_frame *frame)
{
	bool kept_all = talk->frames_count < HS_TALK_FRAMES;
	struct talk_frame *kept;

	if (!frame->payload_bytes || frame->payload_bytes > CODEC_FRAME || !frame->codec) {
		talk->lost_to++;
		return false;
	}
	if (!kept_all) {
		talk->made = talk->made == TALK_AUDIO ? TALK_NOTHING : talk->made;
		talk->frames_first = (talk->frames_first + 1) % HS_TALK_FRAMES;
		talk->frames_count--;
		talk->lost_to++;
	}
	kept = &talk->frames[(talk->frames_first + talk->frames_count++) % HS_TALK_FRAMES];
	kept->codec = frame->codec;
	kept->is_outbound = frame->is_outbound;
	kept->timestamp = frame->timestamp;
	kept->bytes = frame->payload_bytes;
	memcpy(kept->data, frame->payload, frame->payload_bytes);
	return kept_all;
}

bool hs_talk_heard(struct hs_talk *talk, const struct hs_frame *frame)
{
	struct hs_frame_queue queue;

	if (frame->kind == HS_FRAME_AUDIO)
		return keep_audio(talk, frame);
	if (hs_frame_read_queue(frame->payload, frame->payload_bytes, &queue) < 0)
		return true;
	if (frame->kind == HS_FRAME_MARKED)
		answer_marks(talk, frame->timestamp, &queue);
	else if (frame->kind == HS_FRAME_QUEUE)
		talk->dialect->queue(talk, &queue);
	return true;
}

/* ---- To the operator ---- */

/* Its number is given when it is sent: audio that was let go leaves no gap. */
static void make_text(struct hs_talk *talk)
{
	const struct talk_text *text = STAILQ_FIRST(&talk->texts);
	struct hs_wire_out *out = &talk->numbered;

	talk->made = TALK_TEXT;
	talk->is_text = true;
	talk->data = text->text;
	talk->bytes = text->bytes;
	if (!text->event)
		return;
	AUTO(free)
	char *head = hs_printf("{\"event\":\"%s\",\"sequenceNumber\":\"%llu\",\"streamSid\":\"%s\",", text->event,
			       (unsigned long long)talk->numbers + 1, talk->stream_sid);
	out->used = 0;
	hs_wire_put(out, head, strlen(head));
	hs_wire_put(out, text->text, text->bytes);
	talk->data = out->bytes;
	talk->bytes = out->used;
}

static void drop_frame(struct hs_talk *talk)
{
	talk->frames_first = (talk->frames_first + 1) % HS_TALK_FRAMES;
	talk->frames_count--;
}

static void make_audio(struct hs_talk *talk)
{
	talk->is_text = talk->options.dialect == HS_STREAM_DIALECT_TWILIO;
	talk->data = talk->message;
	while (talk->frames_count && talk->made == TALK_NOTHING) {
		talk->bytes = talk->dialect->audio(talk, &talk->frames[talk->frames_first]);
		if (talk->bytes)
			talk->made = TALK_AUDIO;
		else
			drop_frame(talk);
	}
}

bool hs_talk_next(struct hs_talk *talk, int64_t now_ms, bool *ret_text, const void **ret_data, size_t *ret_bytes)
{
	if (!talk->is_greeted)
		return false;
	if (talk->made == TALK_NOTHING)
		talk->dialect->before(talk, now_ms);
	if (talk->made == TALK_NOTHING && talk->texts_count)
		make_text(talk);
	else if (talk->made == TALK_NOTHING && !hs_talk_wants_call(talk))
		make_audio(talk);
	*ret_text = talk->is_text;
	*ret_data = talk->data;
	*ret_bytes = talk->bytes;
	return talk->made != TALK_NOTHING;
}

void hs_talk_sent(struct hs_talk *talk)
{
	if (talk->made == TALK_TEXT) {
		talk->numbers += STAILQ_FIRST(&talk->texts)->event != NULL;
		drop_text(talk);
	} else if (talk->made == TALK_AUDIO) {
		talk->numbers++;
		talk->chunks[talk->frames[talk->frames_first].is_outbound]++;
		drop_frame(talk);
	}
	talk->made = TALK_NOTHING;
}

/* ---- From the operator ---- */

static void send_out(struct hs_talk *talk, struct hs_frame *frame)
{
	frame->sequence = talk->sequence++;
	if (talk->send(talk->context, frame) < 0)
		talk->lost_from++;
}

void talk_order(struct hs_talk *talk, enum hs_frame_kind kind, uint32_t number)
{
	send_out(talk, &(struct hs_frame){.kind = kind, .timestamp = number});
}

static void send_audio(void *context, enum hs_codec codec, const uint8_t *data, size_t bytes)
{
	struct hs_talk *talk = context;

	while (bytes) {
		size_t part = bytes < HS_FRAME_MAX_PAYLOAD ? bytes : HS_FRAME_MAX_PAYLOAD;
		struct hs_frame frame = {.kind = HS_FRAME_AUDIO,
					 .codec = codec,
					 .timestamp = talk->timestamp,
					 .payload = data,
					 .payload_bytes = part};

		talk->timestamp += (uint32_t)part; /* G.711: a byte a sample */
		send_out(talk, &frame);
		data += part;
		bytes -= part;
	}
}

void talk_say_audio(struct hs_talk *talk, const uint8_t *data, size_t bytes)
{
	enum hs_codec codec = talk->told_codec ? talk->told_codec : HS_CODEC_PCMU;

	talk_format_in(talk->formats[0], codec, data, bytes, send_audio, talk);
}

bool hs_talk_read(struct hs_talk *talk, bool text, const uint8_t *data, size_t bytes)
{
	return talk->dialect->read(talk, text, data, bytes);
}
