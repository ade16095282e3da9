/* An end that is an operator's stream: frames of a front, both ways.
 * Called by serve (open), hear (frames) and, through its kind, by session and leg_rtp; calls audio and playout.
 * Owns the playout queue. A stream outlives calls; what it says while it has no leg is not kept.
 */
#ifndef MEDIAD_LEG_STREAM_H
#define MEDIAD_LEG_STREAM_H

#include "end.h"
#include "frame.h"

/* A new stream under its grant. It belongs to the session as soon as that took it. -EAGAIN: there is no room for it. */
int leg_stream_create(struct world *world, const char *grant, const char *call, struct end **ret_end);

/* Takes up a stream that a predecessor left, with what waited to be played. It belongs to the session as soon as that
 * took it. -EPROTO: it is damaged. */
int leg_stream_restore(struct world *world, const char *grant, struct end_record *found, size_t bytes,
		       struct end **ret_end);

/* A front takes the stream; one that had it before is told that it lost it. tracks: bits by enum end_track that it
 * wants to hear. -EHOSTUNREACH when it is gone already. */
int leg_stream_attach(struct end *end, uint64_t peer, unsigned int tracks);

/* Whether this peer holds the stream. */
bool leg_stream_is_held_by(const struct end *end, uint64_t peer);

/* The front lets go: nothing is sent to it any more. */
void leg_stream_detach(struct end *end);

/* Audio of the operator, to be played in order. */
void leg_stream_say(struct end *end, enum hs_codec codec, const uint8_t *bytes, size_t count);

/* Drops what waits to be played, answers its marks, and tells how the queue is. */
void leg_stream_clear(struct end *end);

/* Tells when all that was said before was played. */
void leg_stream_mark(struct end *end, uint32_t number);

/* Plays nothing, or goes on, and tells how the queue is. */
void leg_stream_pause(struct end *end, bool is_paused);

/* Tells how the queue is. */
void leg_stream_tell_queue(struct end *end);

/* Bytes of its record (see struct hs_layout). */
extern const size_t leg_stream_kept;

#endif
