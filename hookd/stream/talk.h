/* Talk: what is said over the operator's WebSocket, and what waits to be said. Queues and words, no socket and no bus.
 * Called by operator. Pure. Owns the queue of one connection.
 *
 * The dialect, the same as on /api/v1/lines/{line}/audio:
 *   we send, text    {"type":"hello","line":"phone1","codec":"pcmu","state":"on_hook","call_id":null}   first
 *                    {"type":"codec","codec":"pcma"}   before the first audio that has another one
 *                    {"type":"call_started","line":"phone1","call_id":"c1-...","cursor":"..."}   a call was answered
 *                    {"type":"call_ended","line":"phone1","call_id":"c1-...","cursor":"..."}
 *                    {"type":"dropped","to_you":3,"from_you":0}   frames lost on the way, at most once a second
 *                    and, since this operator may have no other ear: the line's events state_change and dtmf, as in the
 *                    event log
 *   we send, binary  G.711 exactly as it came from the phone, 160 bytes (20 ms) a message
 *   we take, binary  G.711 of the codec that was told last, any length: played in order, at most 60 s wait
 *   we take, text    {"type":"clear"}   drop what waits to be played; other types are ignored
 * Who reads too slowly loses the oldest audio, never a text.
 */
#ifndef STREAM_TALK_H
#define STREAM_TALK_H

#include "hs_proto.h"

#define TALK_FRAME 160 /* bytes of one audio message at most */
#define TALK_FRAMES 50 /* that wait: one second */
#define TALK_TEXTS 64  /* that wait */

struct talk;

enum talk_command {
	TALK_UNKNOWN,
	TALK_CLEAR,
};

struct talk *talk_create(const char *line);

/* Says hello, once. codec 0: not known yet. call_id: the call the line is in, or NULL. */
void talk_hello(struct talk *talk, enum hs_line_state state, const char *call_id, enum hs_codec codec);

/* An event of the log, of any line: says what the dialect says of it. Nothing before hello. */
void talk_event(struct talk *talk, const struct hs_event_head *head, const struct hs_json *event);

/* A frame of audio for the operator. False when a frame was lost by it: an older one, or this one because it is no
 * frame of ours. */
bool talk_audio(struct talk *talk, enum hs_codec codec, const uint8_t *data, size_t bytes);

/* A frame of the operator could not be passed on. */
void talk_lost(struct talk *talk);

/* The codec that was told last: what the operator sends. */
enum hs_codec talk_codec(const struct talk *talk);

/* The next message to send, borrowed until talk_sent. False: nothing waits. */
bool talk_next(struct talk *talk, int64_t now_ms, bool *ret_text, const void **ret_data, size_t *ret_bytes);
void talk_sent(struct talk *talk);

/* So many texts wait that the other side cannot be reading. */
bool talk_is_stuck(const struct talk *talk);

/* What a text of the operator asks for. */
enum talk_command talk_read(const void *text, size_t bytes);

void talk_destroy(struct talk *talk); /* NULL is fine */

#endif
