/* What a leg hears besides its partner leg, and who hears a leg: the same for every kind of leg.
 * Called by leg_rtp and leg_channel; calls leg_player, mix and the leg's streams through their kinds.
 * Owns nothing: the floor is the end's.
 */
#ifndef MEDIAD_VOICES_H
#define MEDIAD_VOICES_H

#include "end.h"

/* Next 20 ms in the leg's law, of what outranks the partner: sounds and tones before streams. Streams are taken from
 * even while a sound drowns them: they go on in real time. False: nothing; the partner may be heard once
 * voices_outrank says so, too. */
bool voices_take(struct end *leg, uint8_t ret_frame[CODEC_FRAME]);

/* Something outranks the partner now: a sound, a tone, or streams that spoke within the last 100 ms. */
bool voices_outrank(const struct end *leg);

/* A stream has something to say. */
bool voices_wait(const struct end *leg);

/* Gives 20 ms that the leg's party said or heard to its streams. */
void voices_tell(const struct end *leg, const struct spoken *spoken);

#endif
