/* Events we subscribe to: both audiences of apid, for the feed. */
#include "feed.h"

static void on_event(void *context, const struct hs_published *event)
{
	struct front *front = context;
	feed_published(front->feed, event);
}

static void on_missed(void *context)
{
	struct front *front = context;
	feed_missed(front->feed);
}

void front_hear(struct front *front)
{
	hs_bus_subscribe(front->house->bus, HS_ROLE_APID, HS_EDGE_CALLS, on_event, on_missed, front);
	hs_bus_subscribe(front->house->bus, HS_ROLE_APID, HS_EDGE_DIGITS, on_event, on_missed, front);
}
