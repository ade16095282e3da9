/* An operator: the WebSocket we hold open for one line, and its audio grant.
 * Made by main; told by hear, audio, resolve and lwsio. Calls ask, audio and talk. Owns the WebSocket and the grant.
 * Its life is one table (operator.c). While the WebSocket is open, the grant is renewed over restarts of mediad and
 * apid without the operator noticing more than silence.
 */
#ifndef STREAM_OPERATOR_H
#define STREAM_OPERATOR_H

#include "stream.h"

/* For a line, which one of the stream's applications serves. NULL with a log line when the first's URL cannot be read.
 * Opens their ports in the rules. */
struct operator_link *operator_create(struct stream *stream, const char *line);

/* Begins to dial. */
void operator_start(struct operator_link *link);

/* An event of the log. */
void operator_event(struct operator_link *link, const struct hs_event_head *head, const struct hs_json *event);

/* A frame of mediad under its grant. */
void operator_heard(struct operator_link *link, const struct hs_frame *frame);

/* mediad's audio edge came or went. */
void operator_audio_changed(struct operator_link *link, bool up);

/* Hangs up politely and dials no more. */
void operator_stop(struct operator_link *link);

/* Frees it; its handles close on the loop's next turns. NULL is fine. */
void operator_destroy(struct operator_link *link);

#endif
