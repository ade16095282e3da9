/* The 20 ms clock: one timerfd for all who need it, and none while nobody does.
 * Called by leg_rtp; calls libuv. Owns the timer; beats are their owners'.
 * Slots that a busy loop missed are made up for, at most five at once; after a longer stop the rest is skipped.
 */
#ifndef MEDIAD_PACE_H
#define MEDIAD_PACE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct pace;

/* Embedded by whoever wants slots. Zeroed but for slot. */
struct beat {
	void (*slot)(struct beat *beat, int64_t now_us); /* may add and remove any beat */
	struct beat *previous, *next;
	bool is_on;
};

/* NULL with errno when the kernel refuses a timer. */
struct pace *pace_create(uv_loop_t *loop);

/* Slots come from now on, every 20 ms. */
void pace_add(struct pace *pace, struct beat *beat);

/* No more slots. One that is off is fine. */
void pace_remove(struct pace *pace, struct beat *beat);

/* Frees it once libuv has let go. NULL is fine. */
void pace_destroy(struct pace *pace);

#endif
