/* The feed: all events of the suite, in order and once each, in one ring.
 * Called by hear (what apid publishes), subscription and stream (who listen); calls apid for what was missed.
 * Owns the ring. The copies of calls and digits come over two sockets; they are merged by seq. A gap, a new publisher
 * or a first contact means: ask apid for the events after the last cursor, and let the copies wait meanwhile.
 */
#ifndef FRONT_FEED_H
#define FRONT_FEED_H

#include "front.h"
#include "ring.h"
#include <sys/queue.h>

struct feed;

/* Who listens. Embed it; the callbacks may remove any listener but others' own. */
struct feed_listener {
	void (*added)(struct feed_listener *listener, const struct ring_event *event); /* a new event is in the ring */
	void (*broken)(struct feed_listener *listener); /* the log began anew: what is missing cannot be had */
	TAILQ_ENTRY(feed_listener) link;
};

struct feed *feed_create(struct front *front);

/* A copy that apid published. */
void feed_published(struct feed *feed, const struct hs_published *event);

/* Copies were missed. */
void feed_missed(struct feed *feed);

const struct ring *feed_ring(const struct feed *feed);

void feed_listen(struct feed *feed, struct feed_listener *listener);
void feed_leave(struct feed *feed, struct feed_listener *listener);

void feed_destroy(struct feed *feed); /* NULL is fine */

/* ---- Events as JSON, for whoever gets them from apid ---- */

struct event_parts {
	struct ring_event event; /* its text is borrowed from json, the others are in the arena */
	struct hs_arena *arena;
};

/* Reads an event; prev is taken out. edge: it came over, or HS_EDGES. 0, or -EINVAL with a log line. */
int event_read(const struct hs_json *json, enum hs_edge edge, struct event_parts *ret_parts);
void event_free(struct event_parts *parts);

#endif
