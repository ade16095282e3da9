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

void lane_push(struct lane *lane, struct outbox_delivery *delivery, bool first)
{
	struct job *job = hs_zalloc(sizeof(*job));

	job->lane = lane;
	job->delivery = delivery;
	job->order = hash(*delivery->call ? delivery->call : delivery->line);
	job->first = first;
	if (lane->tail)
		lane->tail->next = job;
	else
		lane->head = job;
	lane->tail = job;
	lane->waiting++;
	lane->retries += !first;
	lane->unkept += !delivery->number;
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

static void unlink_job(struct lane *lane, struct job *before, struct job *job)
{
	if (before)
		before->next = job->next;
	else
		lane->head = job->next;
	if (lane->tail == job)
		lane->tail = before;
	if (lane->searched == job)
		lane->searched = before;
}

/* Walking on keeps the order: a job is only passed over while an earlier one of its call is flying, and then all later
 * ones of that call are passed over too. */
static struct job *search(struct lane *lane)
{
	struct job *job = lane->searched ? lane->searched->next : lane->head;

	while (job && must_wait(lane, job)) {
		lane->searched = job;
		job = job->next;
	}
	if (job)
		unlink_job(lane, lane->searched, job);
	return job;
}

/* An answer has come: the next of its call need not wait any longer. Had it not been passed over, it would be found. */
static void let_next(struct lane *lane, uint64_t order)
{
	struct job *before = NULL, *job = lane->searched ? lane->head : NULL;

	while (job && !(job->first && job->order == order)) {
		before = job;
		job = job == lane->searched ? NULL : job->next;
	}
	if (!job)
		return;
	unlink_job(lane, before, job);
	job->next = lane->let;
	lane->let = job;
}

struct job *lane_pick(struct lane *lane)
{
	struct job *job = lane->let;

	if (job)
		lane->let = job->next;
	else
		job = search(lane);
	if (!job)
		return NULL;
	lane->waiting--;
	job->next = lane->flying;
	lane->flying = job;
	lane->flying_count++;
	return job;
}

static void free_job(struct lane *lane, struct job *job)
{
	lane->retries -= !job->first;
	lane->unkept -= !job->delivery->number;
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
	if (job->first)
		let_next(lane, job->order);
	free_job(lane, job);
}

/* Of one call only one is flying, and it was picked before those that wait. */
void lane_keep(struct lane *lane, void (*keep)(void *context, struct outbox_delivery *delivery), void *context)
{
	struct job *const lists[] = {lane->flying, lane->let, lane->head};

	for (size_t i = 0; i < HS_COUNT(lists); i++)
		for (struct job *job = lists[i]; job && lane->unkept; job = job->next) {
			if (job->delivery->number)
				continue;
			keep(context, job->delivery);
			lane->unkept--;
		}
}

bool lane_is_flying(const struct lane *lane, int64_t number)
{
	for (const struct job *job = lane->flying; job; job = job->next)
		if (job->delivery->number == number)
			return true;
	return false;
}

static void free_jobs(struct lane *lane, struct job *job)
{
	while (job) {
		struct job *next = job->next;

		free_job(lane, job);
		job = next;
	}
}

void lane_clear(struct lane *lane)
{
	free_jobs(lane, TAKE(lane->let));
	free_jobs(lane, TAKE(lane->head));
	lane->tail = lane->searched = NULL;
	lane->waiting = 0;
}
