/* A lane: what waits for one endpoint in memory, and what is under way to it.
 * Called by dispatch only; calls nobody. Pure. Owns its jobs and their deliveries.
 * Order: the first attempts of one call leave one after the other, each when the one before has its answer. The lane
 * keeps a window; what does not fit stays on the disk (backlog).
 */
#ifndef HOOKD_LANE_H
#define HOOKD_LANE_H

#include "breaker.h"
#include "endpoint.h"
#include "ledger.h"
#include <uv.h>

#define LANE_WINDOW 512 /* jobs that wait in memory */
#define LANE_RETRIES 64 /* retries that are loaded at once */

struct lane;

struct job {
	struct lane *lane;
	struct outbox_delivery *delivery;
	uint64_t order; /* same for deliveries that must keep their order */
	bool first;     /* first attempt: order matters */
	struct job *next;
};

struct lane {
	struct dispatch *dispatch;
	struct endpoint *endpoint;
	struct breaker breaker;
	struct ledger *ledger;
	struct job *head, *tail; /* waiting */
	struct job *searched;    /* up to this one all wait for an answer; NULL: nobody looked */
	struct job *let;         /* waited for an answer that has come */
	int waiting;
	struct job *flying;
	int flying_count;
	int retries;         /* jobs that are not first, waiting or flying */
	int unkept;          /* jobs that the outbox does not know, waiting or flying */
	int64_t loaded;      /* number of the last fresh delivery that was loaded */
	bool backlog;        /* fresh ones are on the disk that were not loaded */
	int64_t next_due_ms; /* of retries on the disk; hs_clock_lasting_ms */
	bool removed;        /* freed with its last flying job, when nobody holds it */
	int held;            /* trials under way */
	bool locked;         /* the secret cannot be opened */
	bool dirty;          /* the endpoint's row is to be written */
	bool listed;         /* in dispatch's list of lanes to pump */
	uv_timer_t timer;
	struct lane *next_leaving; /* in dispatch's list of removed ones */
};

/* Appends a job for a delivery, which it takes over. */
void lane_push(struct lane *lane, struct outbox_delivery *delivery, bool first);

/* The next job that may leave, moved to the flying ones; NULL: none. */
struct job *lane_pick(struct lane *lane);

/* Hands over each delivery that has no number yet, in an order that holds for each call. keep gives it one. */
void lane_keep(struct lane *lane, void (*keep)(void *context, struct outbox_delivery *delivery), void *context);

/* Frees a flying job and its delivery. */
void lane_land(struct lane *lane, struct job *job);

/* Whether this delivery is under way. */
bool lane_is_flying(const struct lane *lane, int64_t number);

/* Frees all that waits; what is flying stays. */
void lane_clear(struct lane *lane);

#endif
