/* Follow: every event of the log from a place on, once and in order.
 * Called by hookd's hear and hook-stream's hear; calls bus. Owns the place while it runs.
 * The published copy is used when it is the next one; after a gap, a restart of either side, or a pause, what is
 * missing comes from apid by cursor. Copies that arrive meanwhile wait in a bounded list.
 */
#ifndef HOOKD_FOLLOW_H
#define HOOKD_FOLLOW_H

#include "bus.h"

struct follow;

struct follow_event {
	const struct hs_event_head *head;
	const struct hs_json *json; /* the whole event; borrowed for the call */
	const char *text;           /* same, as it stands there */
	size_t bytes;
};

struct follow_setup {
	struct hs_bus *bus;
	uv_loop_t *loop;
	const char *cursor; /* go on after this; NULL: begin with what happens from now on */
	int64_t seq;        /* number of the event at the cursor; 0: unknown */
	void (*happened)(void *context, const struct follow_event *event);
	void (*began)(void *context, const char *cursor, int64_t seq); /* the log's end was found; NULL: nobody cares */
	void *context;
};

/* Subscribes and catches up. Calls back later, on the loop. */
struct follow *follow_create(const struct follow_setup *setup);

/* Nothing more happens until follow_resume; what is missed meanwhile is fetched then. May be called from happened: it
 * holds from the next event on. */
void follow_pause(struct follow *follow);
void follow_resume(struct follow *follow);

/* Goes back to an earlier place: what was taken after it was not kept. */
void follow_rewind(struct follow *follow, const char *cursor, int64_t seq);

/* Whether it knows of nothing newer than what happened. */
bool follow_is_current(const struct follow *follow);

void follow_destroy(struct follow *follow); /* NULL is fine; before the bus */

#endif
