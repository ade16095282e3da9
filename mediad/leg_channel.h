/* An end that is the channel of an analog port: blocks of dahdid, both ways.
 * Called by serve (descriptions), hear (blocks) and, through its kind, by session and other ends; calls audio, inband,
 * jitter, frames, figures, digits, tones and voices. Owns its two detectors and its player.
 *
 * The card's clock is the clock of all that the leg hears: each block that comes up is answered at once by one of the
 * same length. Digits go before sounds and tones, these before streams, and streams before the partner leg, whose
 * packets wait in a jitter queue. What the phone says goes on in frames of 20 ms, sample for sample; keys noticed in it
 * are told, and are silence towards streams and towards a partner that takes keys beside the audio.
 *
 * A leg whose dahdid is gone stays: its successor attaches again, and the time between is missing audio.
 */
#ifndef MEDIAD_LEG_CHANNEL_H
#define MEDIAD_LEG_CHANNEL_H

#include "channel.h"
#include "end.h"
#include "frame.h"

/* A new leg. It belongs to the session as soon as that took it. -EAGAIN: there is no room for it. */
int leg_channel_create(struct world *world, const char *id, const char *call, struct end **ret_end);

/* Takes up a leg that a predecessor left. It belongs to the session as soon as that took it. -EPROTO: it is damaged. */
int leg_channel_restore(struct world *world, const char *id, struct end_record *found, size_t bytes,
			struct end **ret_end);

/* True for ends made here. */
bool leg_channel_is(const struct end *end);

/* What its driver said of it. */
void leg_channel_describe(struct end *end, const struct hs_channel *channel);

/* dahdid takes the leg, from whatever connection had it before. -EHOSTUNREACH when it is gone already. */
int leg_channel_attach(struct end *end, uint64_t peer);

/* Whether this connection holds the leg. */
bool leg_channel_is_held_by(const struct end *end, uint64_t peer);

/* dahdid lets go: nothing is sent to it any more. */
void leg_channel_detach(struct end *end);

/* A block from the card; it is answered. False: its length or law cannot be. */
bool leg_channel_hear_block(struct end *end, const struct hs_frame *block);

/* Bytes of its record (see struct hs_layout). */
extern const size_t leg_channel_kept;

#endif
