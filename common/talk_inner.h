/* What the files of talk share: one connection, and what a dialect does.
 * Included by talk.c (queues), talk_plain.c and talk_twilio.c (dialects) and talk_format.c only.
 */
#ifndef HS_TALK_INNER_H
#define HS_TALK_INNER_H

#include "law.h"
#include "sid.h"
#include "talk.h"
#include "wire.h"
#include <sys/queue.h>

#define TALK_MARKS 1024                            /* that mediad has not answered */
#define TALK_MARK_BYTES 512                        /* of a name */
#define TALK_AUDIO_BYTES (CODEC_FRAME * 2 * 2 + 1) /* of one message: L16 at 16 kHz, and a track */
#define TALK_MESSAGE_BYTES 1024                    /* a text with audio in it */

/* Turns G.711 into what the operator wants, and back. */
struct talk_format;

struct talk_format *talk_format_create(enum hs_stream_format format, int64_t rate);
void talk_format_destroy(struct talk_format *format); /* NULL is fine */

/* 20 ms of the line in place, bytes has room for TALK_AUDIO_BYTES. Its length; 0: it comes with the next one. */
size_t talk_format_out(struct talk_format *format, enum hs_codec codec, uint8_t *bytes, size_t count);

/* Audio of the operator as G.711, piece by piece. codec: the line's. */
void talk_format_in(struct talk_format *format, enum hs_codec codec, const uint8_t *data, size_t bytes,
		    void (*emit)(void *context, enum hs_codec codec, const uint8_t *data, size_t bytes), void *context);

struct talk_text {
	char *text;
	size_t bytes;
	const char *event; /* twilio: its name; the text is what follows after the number. Or NULL */
	STAILQ_ENTRY(talk_text) link;
};

struct talk_frame {
	enum hs_codec codec;
	bool is_outbound;
	uint32_t timestamp;
	size_t bytes;
	uint8_t data[CODEC_FRAME];
};

struct talk_mark {
	uint32_t number;
	char *name;
	STAILQ_ENTRY(talk_mark) link;
};

struct talk_dialect {
	void (*hello)(struct hs_talk *talk, enum hs_line_state state, const char *call_id, enum hs_codec codec);
	void (*event)(struct hs_talk *talk, const struct hs_event_head *head, const char *json, size_t bytes);
	void (*queue)(struct hs_talk *talk, const struct hs_frame_queue *queue); /* how mediad's queue is */
	void (*marked)(struct hs_talk *talk, const char *name, const struct hs_frame_queue *queue);
	void (*before)(struct hs_talk *talk, int64_t now_ms); /* something may be sent now: is there a word before? */
	/* A frame into talk->message: its length. 0: it comes with the next one. */
	size_t (*audio)(struct hs_talk *talk, const struct talk_frame *frame);
	bool (*read)(struct hs_talk *talk, bool text, const uint8_t *data, size_t bytes);
};

extern const struct talk_dialect talk_plain, talk_twilio;

/* Texts go first: they are few. */
struct hs_talk {
	const struct talk_dialect *dialect;
	struct hs_stream_options options;
	char *line, *node;
	bool tells_events, is_greeted, is_stuck, is_over;
	int (*send)(void *context, struct hs_frame *frame);
	void *context;
	enum hs_codec told_codec;
	struct talk_format *formats[2]; /* by is_outbound; the first one is for what the operator says, too */

	STAILQ_HEAD(, talk_text) texts;
	size_t texts_count;
	struct talk_frame frames[HS_TALK_FRAMES];
	size_t frames_first, frames_count;

	/* the oldest text or frame, made to be sent */
	enum { TALK_NOTHING, TALK_TEXT, TALK_AUDIO } made;
	bool is_text;
	const void *data;
	size_t bytes;
	uint8_t message[TALK_MESSAGE_BYTES];
	struct hs_wire_out numbered;

	STAILQ_HEAD(, talk_mark) marks;
	size_t marks_count;
	uint32_t mark_number, sequence, timestamp; /* of frames to mediad */
	int64_t lost_to, lost_from, told_at_ms;    /* frames lost since it was told */

	/* twilio */
	bool may_see_digits;
	char call[65];
	char stream_sid[HS_SID_BYTES];
	uint64_t numbers, chunks[2]; /* of messages and of audio that were sent */
	bool has_begun;              /* begun_at is the stream's first timestamp */
	uint32_t begun_at;
};

/* ---- talk.c, for dialects ---- */

/* Says a text; event as in struct talk_text. */
void talk_say(struct hs_talk *talk, const char *event, const char *words, size_t bytes);

/* Ends an object, says it and frees it. */
void talk_say_object(struct hs_talk *talk, struct hs_wire_out *object);

void talk_add_word(struct hs_wire_out *object, const char *name, const char *word); /* NULL: null */
void talk_add_number(struct hs_wire_out *object, const char *name, int64_t number);
void talk_add_truth(struct hs_wire_out *object, const char *name, bool truth);

/* An order without payload for mediad. */
void talk_order(struct hs_talk *talk, enum hs_frame_kind kind, uint32_t number);

/* Audio of the operator, as its options have it. */
void talk_say_audio(struct hs_talk *talk, const uint8_t *data, size_t bytes);

/* A mark behind what was said. False: too many wait, or the name is too long. */
bool talk_set_mark(struct hs_talk *talk, const char *name);

#endif
