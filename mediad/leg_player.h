/* What is played to a leg: uploaded sounds, one after the other, and call-progress tones.
 * Called by leg_rtp (each slot), hear (uploads) and serve; calls wav in a worker thread, and tones.
 * Owns the plays of its leg, from player_expect until they were heard; the world's table of plays knows them by grant.
 * A sound that was read whole is in memory that a successor finds, with the place up to which it was heard.
 */
#ifndef MEDIAD_LEG_PLAYER_H
#define MEDIAD_LEG_PLAYER_H

#include "end.h"
#include "frame.h"

struct player *player_create(struct end *leg);

/* Expects an upload under a grant; the same grant again is fine. -EBUSY: too many plays wait; -EEXIST: the grant is
 * another leg's. */
int player_expect(struct player *player, const char *play, enum hs_upload_format format);

/* Takes a frame of an upload, in order, from one peer. 0: go on, or (after the last one) an answer will follow.
 * -EINVAL: refuse it; ret_why is a static sentence. */
int player_upload(struct world *world, uint64_t peer, const struct hs_frame *frame, const char **ret_why);

/* The peer gives an upload up; unknown grants are fine. */
void player_abandon(struct world *world, uint64_t peer, const char *play);

/* Starts, changes or (HS_TONE_NONE) stops the tone. */
void player_tone(struct player *player, enum hs_tone tone);

/* Takes up the sounds that a predecessor played or was to play, where it was; find gives a leg, or NULL. */
void player_restore(struct world *world, struct end *(*find)(void *context, const char *leg), void *context);

/* Drops what is being played, what waits and what is expected. */
void player_stop(struct player *player);

/* There is something to play now. */
bool player_busy(const struct player *player);

/* One slot: sounds before the tone. False: nothing. */
bool player_take(struct player *player, enum hs_codec codec, uint8_t ret_frame[CODEC_FRAME]);

/* Drops uploads that stopped coming. */
void player_tick(struct player *player, int64_t now_us);

/* Drops all; reports each as not completed. NULL is fine. */
void player_destroy(struct player *player);

/* Bytes of a sound that is kept, without its samples (see struct hs_layout). */
extern const size_t leg_player_kept;

#endif
