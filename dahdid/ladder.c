#include "ladder.h"
#include "dahdid.h"
#include "trace.h"
#include <stdio.h>

static const char *text_or_null(const char *text)
{
	return text[0] ? text : NULL;
}

static void name_of(const struct port *port, char ret_name[32])
{
	snprintf(ret_name, 32, "dahdi/%d", port->chan.number);
}

void ladder_sent(const struct port *port, const char *what)
{
	char name[32];

	name_of(port, name);
	hs_trace_add(HS_TRACE_KIND_STATE, text_or_null(port->r.call), text_or_null(port->r.leg), "dahdid", name, "%s",
		     what);
}

int ladder_hook(struct port *port, enum chan_hook hook)
{
	static const char *const words[] = {
		[CHAN_HANG_UP] = "ONHOOK",    [CHAN_ENGAGE] = "OFFHOOK", [CHAN_RING] = "RING",
		[CHAN_STOP_RING] = "RINGOFF", [CHAN_RECALL] = "FLASH",
	};

	ladder_sent(port, words[hook]);
	return chan_hook(&port->chan, hook);
}

/* Which digit it was is nobody's business here. */
void ladder_came(const struct port *port, const struct chan_event *event)
{
	char name[32];

	name_of(port, name);
	hs_trace_add(HS_TRACE_KIND_STATE, text_or_null(port->r.call), text_or_null(port->r.leg), name, "dahdid",
		     "event %s", chan_event_name(event->kind));
}
