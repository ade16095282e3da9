#include "lane.h"
#include "cleanup.h"
#include <stdlib.h>

/* FNV-1a. Two calls with the same hash only wait for each other. */
static uint64_t hash(const char *text)
{
	uint64_t value = 14695981039346656037ull;

	for (; *text; text++)
		value = (value ^ (unsigned char)*text) * 1099511628211ull;
	return value;
}

void lane_push(struct lane *lane, struct outbox_delivery *delivery, bool first, uint64_t generation)
{
	struct job *job = hs_zalloc(sizeof(*job));

	job->lane = lane;
	job->delivery = delivery;
	job->order = hash(*delivery->call ? delivery->call : delivery->line);
	job->first = first;
	job->generation = generation;
	if (lane->tail)
		lane->tail->next = job;
	else
		lane->head = job;
	lane->tail = job;
	lane->waiting++;
	lane->retries += !first;
}

static bool must_wait(const struct lane *lane, const struct job *job)
{
	if (!job->first)
		return false;
	for (const struct job *other = lane->flying; other; other = other->next)
		if (other->first && other->order == job->order)
			return true;
	return false;
}

/* Walking from the head keeps the order: a job is only passed over while an earlier one of its call is flying, and then
 * all later ones of that call are passed over too. */
struct job *lane_pick(struct lane *lane, uint64_t generation)
{
	struct job *before = NULL, *job = lane->head;

	while (job && (job->generation >= generation || must_wait(lane, job))) {
		before = job;
		job = job->next;
	}
	if (!job)
		return NULL;
	if (before)
		before->next = job->next;
	else
		lane->head = job->next;
	if (lane->tail == job)
		lane->tail = before;
	lane->waiting--;
	job->next = lane->flying;
	lane->flying = job;
	lane->flying_count++;
	return job;
}

static void free_job(struct lane *lane, struct job *job)
{
	lane->retries -= !job->first;
	free(job->delivery);
	free(job);
}

void lane_land(struct lane *lane, struct job *job)
{
	struct job **at = &lane->flying;

	while (*at != job)
		at = &(*at)->next;
	*at = job->next;
	lane->flying_count--;
	free_job(lane, job);
}

bool lane_is_flying(const struct lane *lane, int64_t number)
{
	for (const struct job *job = lane->flying; job; job = job->next)
		if (job->delivery->number == number)
			return true;
	return false;
}

void lane_clear(struct lane *lane)
{
	while (lane->head) {
		struct job *job = lane->head;

		lane->head = job->next;
		free_job(lane, job);
	}
	lane->tail = NULL;
	lane->waiting = 0;
}
