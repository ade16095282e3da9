/* The event queue of one channel: what the driver remembers for whoever asks with GETEVENT.
 * Called by chan; calls nobody. Pure.
 * Owns its ring. As in the driver 63 events fit, and when it is full the newest is dropped without a sign.
 */
#ifndef SIM_EVENTS_H
#define SIM_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#define EVENTS_RING 64

struct events {
	int ring[EVENTS_RING];
	unsigned int first, next;
	uint64_t lost; /* since the start, for whoever wonders */
};

/* Forgets what waits. */
void events_clear(struct events *events);

bool events_waiting(const struct events *events);

/* Adds a DAHDI_EVENT_ number. False: it was full and the event is lost. */
bool events_put(struct events *events, int event);

/* The oldest event, or 0 (DAHDI_EVENT_NONE) when none waits. */
int events_take(struct events *events);

#endif
