/* The audio edge to mediad, shared by streams and uploads: frames find their owner by the grant they carry.
 * Called by stream and upload; calls bus. Owns the connection, not the holders.
 */
#ifndef FRONT_AUDIO_H
#define FRONT_AUDIO_H

#include "bus.h"
#include "frame.h"

struct audio;

/* Who uses a grant. Embed it; zeroed before the first use. */
struct audio_holder {
	char grant[HS_FRAME_GRANT_BYTES + 1];
	void (*heard)(struct audio_holder *holder, const struct hs_frame *frame);
	void (*changed)(struct audio_holder *holder, bool up); /* mediad came or went */
};

struct audio *audio_create(struct hs_bus *bus);

bool audio_is_up(const struct audio *audio);

/* From now on frames with this grant go to the holder. -EINVAL: the grant does not fit a frame. */
int audio_hold(struct audio *audio, struct audio_holder *holder, const char *grant);

/* Not any longer. Fine when it was not held. */
void audio_drop(struct audio *audio, struct audio_holder *holder);

/* Sends a frame under the holder's grant (frame's own is ignored). 0, -EAGAIN, -EHOSTUNREACH, -EMSGSIZE. */
int audio_send(struct audio *audio, const struct audio_holder *holder, const struct hs_frame *frame);

void audio_destroy(struct audio *audio); /* NULL is fine */

#endif
