/* Goal: which of several operators is dialled, by how they did.
 * Called by operator; calls nobody. Pure: time is an argument. Owns nothing.
 */
#ifndef STREAM_GOAL_H
#define STREAM_GOAL_H

#include <stddef.h>
#include <stdint.h>

#define GOAL_REST_MS 30000 /* one that failed is left alone for so long, while there is another */

/* How one did. Begins as zeros. */
struct goal {
	int64_t rests_until_ms;
};

/* It could not be reached, or was lost. */
void goal_failed(struct goal *goal, int64_t now_ms);

/* The first one that does not rest; when all do, the one that rests no longer soonest. count: at least 1. */
size_t goal_next(const struct goal *goals, size_t count, int64_t now_ms);

#endif
