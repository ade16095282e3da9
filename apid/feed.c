/* Publishing: the copy of each committed event, for fronts and hookd, on the edge of its audience. */
#include "apid.h"

void feed_event(void *context, const struct eventlog_entry *entry)
{
	const struct apid *apid = context;
	const struct hs_message *message = &hs_messages[entry->event];

	hs_bus_publish(apid->house->bus, message->audience, message->name, entry->body, entry->bytes);
}
