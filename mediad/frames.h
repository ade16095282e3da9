/* Audio of any packet length becomes frames of 20 ms. Pure.
 * Called by leg_rtp for the streams that hear it; calls codec. A plain record that the caller keeps.
 * Packets that already hold whole frames pass without a copy. Time that is missing between packets stays missing: the
 * next frame's timestamp jumps, and a frame that was begun is filled up with silence.
 */
#ifndef MEDIAD_FRAMES_H
#define MEDIAD_FRAMES_H

#include "law.h"

struct frames {
	enum hs_codec codec;
	uint32_t timestamp; /* of bytes[0] */
	size_t fill;
	uint8_t bytes[CODEC_FRAME];
};

/* False for bytes that cannot be a record of ours. */
bool frames_is_sane(const struct frames *frames);

typedef void frames_emit(void *context, enum hs_codec codec, uint32_t timestamp, const uint8_t frame[CODEC_FRAME]);

/* Takes a packet's audio and emits each frame that is complete, at once. */
void frames_add(struct frames *frames, enum hs_codec codec, uint32_t timestamp, const uint8_t *bytes, size_t count,
		frames_emit *emit, void *context);

#endif
