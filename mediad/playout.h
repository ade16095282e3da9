/* The playout queue: audio of any chunk size in, 20 ms frames out, marks between. Pure.
 * Called by leg_stream; calls codec. 60 s of G.711 in memory of the caller's, touched only as deep as it was ever
 * filled, without pointers: a successor finds it as it was. After it ran dry it waits for 40 ms of audio, or two slots,
 * so that frames that come every 20 ms with some jitter do not run dry again at each hiccup.
 *
 * Positions count samples since the queue was made: what was taken in = heard + cleared + what waits, always. A mark
 * stands at the position at which it was set; it is passed when all before it was played or cleared.
 */
#ifndef MEDIAD_PLAYOUT_H
#define MEDIAD_PLAYOUT_H

#include "frame.h"
#include "law.h"

#define PLAYOUT_SAMPLES (60 * CODEC_RATE)
#define PLAYOUT_START (2 * CODEC_FRAME)    /* samples that make it start */
#define PLAYOUT_ENOUGH (50 * CODEC_RATE)   /* waiting: who fills it is to stop */
#define PLAYOUT_SOON_DRY (40 * CODEC_RATE) /* then it may go on */
#define PLAYOUT_MARKS 1024                 /* that wait */

struct playout;

/* Bytes that a queue takes; zeroed, they are an empty one. */
size_t playout_bytes(void);

/* Empties a queue that was found, where its bytes cannot be one. */
void playout_check(struct playout *playout);

/* Puts audio behind what waits. Returns how many samples had no room and were dropped: the newest. While something
 * waits, the queue keeps the law of what waits and turns other audio into it. */
size_t playout_put(struct playout *playout, enum hs_codec codec, const uint8_t *bytes, size_t count);

/* Sets a mark behind what waits. -ENOSPC: PLAYOUT_MARKS wait. */
int playout_mark(struct playout *playout, uint32_t number);

/* The oldest mark that was passed, which is forgotten with this. False: none was. */
bool playout_passed(struct playout *playout, uint32_t *ret_number);

/* One 20 ms slot: takes CODEC_FRAME samples, the last ones of a dry queue filled up with silence. False: nothing to
 * play in this slot. */
bool playout_take(struct playout *playout, enum hs_codec *ret_codec, uint8_t ret_frame[CODEC_FRAME]);

/* Drops all that waits; marks in it are passed. It stays paused if it was. */
void playout_clear(struct playout *playout);

/* Nothing is taken, and nothing dropped, while it is paused. */
void playout_pause(struct playout *playout, bool is_paused);

/* Whether there is something to be played. */
bool playout_waits(const struct playout *playout);

/* How it is: was_cleared is left false. */
void playout_measure(const struct playout *playout, struct hs_frame_queue *ret_queue);

/* Samples that wait. */
size_t playout_depth(const struct playout *playout);

/* Slots without audio in pauses shorter than 1 s: gaps in what should have been continuous. */
uint64_t playout_underruns(const struct playout *playout);

/* Bytes of a queue that is kept (see struct hs_layout). */
extern const size_t playout_kept;

#endif
