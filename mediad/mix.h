/* Summing frames: several G.711 frames become one, in linear with saturation. Pure.
 * Called by leg_rtp; calls codec. A plain record on the caller's stack.
 * A single frame passes untouched, sample for sample, when it already has the wanted law.
 */
#ifndef MEDIAD_MIX_H
#define MEDIAD_MIX_H

#include "law.h"

struct mix {
	int count; /* frames added */
	enum hs_codec codec;
	uint8_t first[CODEC_FRAME];
	int32_t sum[CODEC_FRAME]; /* valid from the second frame on */
};

/* Adds a frame. An empty mix is zeroed. */
void mix_add(struct mix *mix, enum hs_codec codec, const uint8_t frame[CODEC_FRAME]);

/* The sum in the wanted law. False when nothing was added; ret_frame is untouched then. */
bool mix_result(struct mix *mix, enum hs_codec codec, uint8_t ret_frame[CODEC_FRAME]);

#endif
