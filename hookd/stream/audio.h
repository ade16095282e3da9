/* The audio edge to mediad: frames find their operator by the grant they carry.
 * Called by operator; calls bus. Owns the connection, not the holders.
 */
#ifndef STREAM_AUDIO_H
#define STREAM_AUDIO_H

#include "stream.h"

struct audio *audio_create(struct stream *stream);

bool audio_is_up(const struct audio *audio);

/* From now on frames with this grant go to operator_heard. -EINVAL: it does not fit a frame. */
int audio_hold(struct audio *audio, const char *grant, struct operator_link *link);

/* Not any longer; "" is fine. */
void audio_drop(struct audio *audio, const char *grant);

/* Sends a frame. 0, -EAGAIN, -EHOSTUNREACH or -EMSGSIZE. */
int audio_send(struct audio *audio, const struct hs_frame *frame);

void audio_destroy(struct audio *audio); /* NULL is fine */

#endif
