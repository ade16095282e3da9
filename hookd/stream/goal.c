#include "goal.h"

void goal_failed(struct goal *goal, int64_t now_ms)
{
	goal->rests_until_ms = now_ms + GOAL_REST_MS;
}

size_t goal_next(const struct goal *goals, size_t count, int64_t now_ms)
{
	size_t soonest = 0;

	for (size_t i = 0; i < count; i++) {
		if (goals[i].rests_until_ms <= now_ms)
			return i;
		if (goals[i].rests_until_ms < goals[soonest].rests_until_ms)
			soonest = i;
	}
	return soonest;
}
