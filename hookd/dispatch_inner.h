/* What dispatch and verdict share: the lanes' world.
 * Included by dispatch.c and verdict.c only. dispatch decides what leaves, verdict what an answer means.
 */
#ifndef HOOKD_DISPATCH_INNER_H
#define HOOKD_DISPATCH_INNER_H

#include "dispatch.h"
#include "lane.h"

struct dispatch {
	struct dispatch_setup setup;
	struct outbox *outbox;
	struct hs_table *lanes; /* by endpoint id */
	struct lane **order;    /* same, in order of id */
	struct lane **to_pump;  /* lanes with something new */
	size_t to_pump_count;
	char cursor[65]; /* to be written with the next commit; "": as it was */
	int64_t seq;
	struct lane *leaving; /* removed, with requests under way */
	uv_idle_t turn;       /* runs once at the beginning of the next turn */
	uv_timer_t commit, place, prune;
	int handles; /* not yet closed */
	bool running, stuck;
	struct hs_metric *attempts[3][DELIVER_CLASSES];
	struct hs_metric *latency, *depth, *flying, *dead;
};

/* What came and what came of it is written together, a few milliseconds later. */
void dispatch_commit_later(struct dispatch *dispatch);

/* Writes what the outbox does not know of a lane; committed with the rest. While the disk refuses, nothing: it is read
 * again from the log. */
void dispatch_keep(struct lane *lane);

/* Registers the figures of attempts. */
void verdict_set_up(struct dispatch *dispatch);

/* What came of an attempt: writes it to the outbox, and decides over endpoint, breaker and next try. */
void verdict_take(struct lane *lane, struct outbox_delivery *delivery, const struct deliver_result *result);

/* Counts anew what waits and what is dead of an endpoint. */
void verdict_recount(struct lane *lane);
void verdict_recount_waiting(struct lane *lane);

#endif
