/* Pulse: one page that a keeper shares with its child. The child says on it that its loop turns, and what it works on;
 * so its keeper notices a child that hangs, and knows what killed one. Called by keeper.c (the upper half of this
 * header) and, in the child, by house, journal and bus. Owns the page, from hs_pulse_create to the end of the process.
 *
 * What was worked on at three deaths is poison: who finds it among what he has to do leaves it alone and says so. A
 * death by chance hits the same piece of work three times about never, for it lasts microseconds.
 */
#ifndef HS_PULSE_H
#define HS_PULSE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define HS_PULSE_WORK 96      /* longest name of a piece of work, with NUL */
#define HS_PULSE_BEAT_MS 500  /* the child beats so often */
#define HS_PULSE_LOOK_MS 1000 /* the keeper looks so often */

/* Keeper, before its first child. 0 or -errno: then nobody is watched. */
int hs_pulse_create(void);

/* Keeper: a child begins. */
void hs_pulse_begin(void);

/* Keeper, each HS_PULSE_LOOK_MS: why the child hangs, in one sentence, or NULL. One that waits for a processor, for a
 * disk or under a debugger does not hang. */
const char *hs_pulse_look(pid_t child);

/* Keeper: whether a thread of the child waits for a disk at this moment, so that nobody could end it now. */
bool hs_pulse_is_at_disk(pid_t child);

/* Keeper: the child serves. */
bool hs_pulse_has_begun(void);

/* Keeper, after a look: the child serves, and its loop has turned since the look before. */
bool hs_pulse_is_steady(void);

/* Keeper: the child died; hung: by our hand. Notes what it worked on. Returns that when it is poison now, else NULL. */
const char *hs_pulse_mourn(bool hung);

/* ---- the child's half: without a page all of it does nothing ---- */

/* The loop turns. From the first one on it has to. */
void hs_pulse_beat(void);

/* From now on this is worked on; number tells pieces of one name apart. False: it is poison, leave it alone. */
bool hs_pulse_work(const char *what, uint64_t number);

/* The piece of work is done. */
void hs_pulse_done(void);

/* How many children of this keeper hung; how much is poison. */
int hs_pulse_hangs(void);
int hs_pulse_poisons(void);

#endif
