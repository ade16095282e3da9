/* The jitter queue of an analog leg: its partner's packets in, blocks for the card's clock out. Pure.
 * Called by leg_dahdi; calls codec. A plain record that the leg embeds: nothing is allocated while audio flows.
 * Audio stands in the order of its timestamps, sample for sample; what never came is silence. It starts with the first
 * packet, holds back one more frame each time it ran dry, and lets one go when it was not needed for a while: so it
 * follows the arrivals, and a partner whose clock is faster or slower than the card's.
 */
#ifndef MEDIAD_JITTER_H
#define MEDIAD_JITTER_H

#include "law.h"

#define JITTER_SAMPLES 4096 /* a power of two: 512 ms */

struct jitter {
	enum hs_codec codec;         /* all that waits has this law */
	bool is_playing;             /* else it waits for a whole frame */
	bool has_begun;              /* something came since the last clear */
	uint32_t read, newest;       /* own time line: next sample out, and the one after the last that came */
	uint32_t offset;             /* own time line minus the partner's */
	uint32_t least;              /* samples left over, at least, in the present window */
	int slots;                   /* frames taken in the present window */
	uint64_t underruns, dropped; /* frames missing in the middle of audio; frames thrown away */
	uint8_t ring[JITTER_SAMPLES];
};

/* Empty, for a leg of this law. */
void jitter_init(struct jitter *jitter, enum hs_codec codec);

/* Takes a packet of any length; another law is turned into the queue's. is_restart: its timestamps have no relation to
 * what came before. */
void jitter_put(struct jitter *jitter, enum hs_codec codec, uint32_t timestamp, const uint8_t *bytes, size_t count,
		bool is_restart);

/* The next 20 ms. False: nothing to play, ret_frame is untouched. */
bool jitter_take(struct jitter *jitter, uint8_t ret_frame[CODEC_FRAME]);

/* Drops what waits: the partner is another one, or was not to be heard. */
void jitter_clear(struct jitter *jitter);

/* Samples that wait. */
size_t jitter_depth(const struct jitter *jitter);

#endif
