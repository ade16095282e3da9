/* Talk: what is said over an operator's WebSocket, and what waits to be said. Queues and words, no socket and no bus.
 * Called by api-front (stream) and hook-stream (operator); calls wire and law. Pure. Owns the queues of one connection.
 *
 * Two dialects (proto/docs/websocket.md has them for people): plain is ours; twilio is that of Twilio Media Streams,
 * one call a connection. Towards mediad both are the same frames. Who reads too slowly loses the oldest audio, never a
 * text.
 */
#ifndef HS_TALK_H
#define HS_TALK_H

#include "frame.h"

#define HS_TALK_FRAMES 50 /* of audio that wait: one second */
#define HS_TALK_TEXTS 64  /* that wait, besides answers to marks */

struct hs_talk;

struct hs_talk_setup {
	const char *line; /* borrowed until hs_talk_create returned */
	const char *node; /* likewise: of the account's name */
	struct hs_stream_options options;
	bool tells_events; /* plain: the line's events, too, for an operator that may have no other ear */

	/* A frame for mediad; its grant is the callee's to fill in. 0, or -errno: it was lost. */
	int (*send)(void *context, struct hs_frame *frame);
	void *context;
};

/* Why options cannot be had, as a sentence with the field; NULL: they can. */
const char *hs_talk_fault(const struct hs_stream_options *options, const char **ret_field);

struct hs_talk *hs_talk_create(const struct hs_talk_setup *setup);

/* For the payload of attach: a byte of tracks wanted. */
uint8_t hs_talk_tracks(const struct hs_talk *talk);

/* ---- What is told to the operator ---- */

/* Begins, once. codec 0: not known yet. call_id: the call the line is in, or NULL. */
void hs_talk_hello(struct hs_talk *talk, enum hs_line_state state, const char *call_id, enum hs_codec codec);

/* twilio: the line's call, once; from then on there is audio. */
void hs_talk_call(struct hs_talk *talk, const struct hs_stream_call_answer *call);

/* An event of the log, of any line. Nothing before hello. */
void hs_talk_event(struct hs_talk *talk, const struct hs_event_head *head, const char *json, size_t bytes);

/* A frame of mediad: audio, marked, queue; others are ignored. False when a frame of audio was lost by it. */
bool hs_talk_heard(struct hs_talk *talk, const struct hs_frame *frame);

/* mediad has forgotten what waited: marks in it are answered. */
void hs_talk_forgotten(struct hs_talk *talk);

/* The next message to send, borrowed until hs_talk_sent. False: nothing waits. */
bool hs_talk_next(struct hs_talk *talk, int64_t now_ms, bool *ret_text, const void **ret_data, size_t *ret_bytes);
void hs_talk_sent(struct hs_talk *talk);

/* So many texts wait that the other side cannot be reading. */
bool hs_talk_is_stuck(const struct hs_talk *talk);

/* twilio: the call is over, and the connection with it, once nothing waits any more. */
bool hs_talk_is_over(const struct hs_talk *talk);

/* twilio: it has no call yet, and could take one. */
bool hs_talk_wants_call(const struct hs_talk *talk);

/* Whether the operator may be told which keys are pressed; not until this says so. */
void hs_talk_allow_digits(struct hs_talk *talk, bool may_see);

/* ---- What the operator says ---- */

/* A message of the operator; frames follow from it. False: it means nothing to us. */
bool hs_talk_read(struct hs_talk *talk, bool text, const uint8_t *data, size_t bytes);

void hs_talk_destroy(struct hs_talk *talk); /* NULL is fine */

#endif
