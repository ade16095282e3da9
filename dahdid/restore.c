#include "restore.h"
#include "cleanup.h"
#include "clock.h"
#include "dahdid.h"
#include "exchange.h"
#include "find.h"
#include "frames.h"
#include "ladder.h"
#include "lift.h"
#include "log.h"
#include "ring.h"
#include "tell.h"
#include "watch.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SOON_MS 20

static const char sentence[] = "dahdid died and could not keep the call";

/* The caller identification is lost: the ring is not. */
static void go_on_announcing(struct port *port)
{
	port_step(port, PORT_ANNOUNCED, NULL);
}

/* The lamp is told anew. */
static void go_on_lighting(struct port *port)
{
	port_step(port, PORT_PREEMPTED, NULL);
}

static void go_on_idle(struct port *port)
{
	if (port->facts.ringing) /* for a call that had not begun */
		ladder_hook(port, CHAN_STOP_RING);
	find_ready(port, NULL);
}

static void (*const rows[PORT_STATES])(struct port *port) = {
	[PORT_IDLE] = go_on_idle,
	[PORT_LIGHTING] = go_on_lighting,
	[PORT_ANNOUNCING] = go_on_announcing,
	[PORT_RINGING] = ring_restore,
	[PORT_OFFERED] = lift_restore_offered,
	[PORT_UP] = lift_restore_up,
	[PORT_RELEASING] = lift_restore_releasing,
	[PORT_PARKED] = lift_restore_parked,
};

static void take_record(struct port *port, const struct port_record *record)
{
	port->r = *record;
	port->r.grant[0] = port->r.leg[0] = port->r.call[0] = 0;
	if (!record->leg[0] || record->state == PORT_IDLE) /* a call that had not begun: apid asks for it again */
		return;
	port_take_leg(port, record->leg, record->call, record->outgoing);
	port->r.answered = record->answered;
	port->r.held = record->held;
	port_take_grant(port, record->grant);
}

/* What it told after it had saved its record for the last time. */
static void catch_up(struct port *port)
{
	const struct dahdid *dahdid = port->dahdid;

	if (!port->r.leg[0])
		return;
	if (tell_was_told(dahdid, HS_LEG_ENDED, port->r.leg)) {
		port_take_grant(port, "");
		port_drop_leg(port);
		port->r.until_ms = 0;
		port->r.state = PORT_RELEASING;
	} else if (!port->r.answered && tell_was_told(dahdid, HS_LEG_ANSWERED, port->r.leg)) {
		port->r.answered = true;
		port->r.state = PORT_UP;
	}
}

static int take_channel(struct port *port)
{
	char name[HS_KEEP_NAME];

	snprintf(name, sizeof(name), "channel.%d", port->chan.number);
	return hs_keep_take(port->dahdid->house->keep, name);
}

/* The line is not ours any more: whoever is in a call there hears of its end. */
static void give_up(struct dahdid *dahdid, const struct port_record *record)
{
	struct hs_leg_ended fact = {.leg = record->leg, .cause = HS_CAUSE_DRIVER_RESTARTED, .why = sentence};
	char key[HS_JOURNAL_KEY];

	if (record->leg[0])
		tell_fact(dahdid, HS_LEG_ENDED, &fact);
	snprintf(key, sizeof(key), "port/%s", record->line);
	hs_journal_drop(dahdid->house->journal, key);
}

static void restart_one(struct port *port)
{
	port->r.state = PORT_AWAY;
	tell_ended(port, HS_CAUSE_DRIVER_RESTARTED, false, sentence);
	port_save(port);
}

static void restore_one(void *context, const struct port_record *record, struct port *port)
{
	int fd;

	if (!port || port->chan.number != record->channel) {
		give_up(context, record);
		return;
	}
	take_record(port, record);
	catch_up(port);
	tell_owed(port);
	fd = take_channel(port);
	if (fd < 0 || port->r.state == PORT_AWAY || port->r.state == PORT_ALARM || !find_take_over(port, fd)) {
		if (fd >= 0 && port->chan.fd < 0)
			close(fd);
		restart_one(port);
		return;
	}
	hs_log(INFO, "port.restored", LOG_LINE(port->r.line), LOG_INT("channel", port->chan.number),
	       LOG_TEXT("state", port_state_name(port)), LOG_CALL(port->r.call[0] ? port->r.call : NULL));
	if (port->exchange)
		exchange_restore(port);
	else
		rows[port->r.state](port);
	watch_left(port);
	watch_events(port); /* what happened meanwhile */
	if (port->chan.fd >= 0)
		watch_hook(port, SOON_MS);
}

void restore_ports(struct dahdid *dahdid)
{
	ports_left(dahdid->ports, restore_one, dahdid);
	frames_restored(dahdid);
}
