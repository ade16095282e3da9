/* The last events, in order, once each; what a subscription wants of them.
 * Called by feed and subscription. Pure. Owns copies of the events.
 * Subscribers keep a number and look it up: no queue of their own. A number that the ring has passed is lost to them.
 */
#ifndef FRONT_RING_H
#define FRONT_RING_H

#include "hs_proto.h"

#define RING_EVENTS 4096
#define RING_CURSOR 65

struct ring_event {
	int64_t seq;
	int message;                      /* of the contract; -1: newer than we are */
	bool is_digits;                   /* of the digits audience */
	const char *cursor, *line, *call; /* line, call: "" when absent */
	const char *text;                 /* JSON, without prev */
	size_t bytes;
};

struct ring;

struct ring *ring_create(void);
void ring_destroy(struct ring *ring); /* NULL is fine */

/* Forgets all; the next event comes after this cursor. */
void ring_begin(struct ring *ring, const char *cursor);

/* Adds a copy of an event at the end; the oldest one makes room. */
void ring_add(struct ring *ring, const struct ring_event *event);

/* Number of the oldest event, and of the one that will come next. */
uint64_t ring_first(const struct ring *ring);
uint64_t ring_next(const struct ring *ring);

/* The event of a number, valid until the next ring_add; NULL: passed, or not there yet. */
const struct ring_event *ring_get(const struct ring *ring, uint64_t number);

/* Number of the event that follows this cursor. false: the ring does not know it. */
bool ring_after(const struct ring *ring, const char *cursor, uint64_t *ret_number);

/* Cursor of the newest event, or what ring_begin was told. */
const char *ring_cursor(const struct ring *ring);

/* ---- What a subscription wants ---- */

#define FILTER_WORDS ((HS_MESSAGES + 63) / 64)

struct filter {
	bool has_types;
	uint64_t types[FILTER_WORDS]; /* by message */
	char line[65], call[65];      /* "": all */
	bool digits;                  /* may see the digits audience */
};

/* Reads a comma-separated list of event names. -EINVAL: empty, or an unknown name. */
int filter_types(struct filter *filter, const char *list);

bool filter_wants(const struct filter *filter, const struct ring_event *event);

#endif
