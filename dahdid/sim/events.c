#include "events.h"

void events_clear(struct events *events)
{
	events->first = events->next = 0;
}

bool events_waiting(const struct events *events)
{
	return events->first != events->next;
}

bool events_put(struct events *events, int event)
{
	unsigned int after = (events->next + 1) % EVENTS_RING;

	if (after == events->first) {
		events->lost++;
		return false;
	}
	events->ring[events->next] = event;
	events->next = after;
	return true;
}

int events_take(struct events *events)
{
	if (!events_waiting(events))
		return 0;
	int event = events->ring[events->first];

	events->first = (events->first + 1) % EVENTS_RING;
	return event;
}
