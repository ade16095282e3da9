#include "find.h"
#include "cleanup.h"
#include "clock.h"
#include "dahdid.h"
#include "frames.h"
#include "ladder.h"
#include "lamp.h"
#include "log.h"
#include "metrics.h"
#include "slow.h"
#include "tell.h"
#include "trouble.h"
#include "watch.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SURVEY_MS 1000
#define LEAVING_MS 2000    /* a card that is being taken away can be opened for a second still */
#define REPORT_HOOK_MS 300 /* some cards report the hook a little after they were opened */

static void keep_name(const struct port *port, char ret_name[HS_KEEP_NAME])
{
	snprintf(ret_name, HS_KEEP_NAME, "channel.%d", port->chan.number);
}

/* ---- set-up ---- */

static int set_gains(struct port *port)
{
	uint8_t receive[256], transmit[256];

	if (!port->settings.rx_gain_db && !port->settings.tx_gain_db)
		return 0;
	settings_gain(port->facts.law, port->settings.rx_gain_db, receive);
	settings_gain(port->facts.law, port->settings.tx_gain_db, transmit);
	return chan_gains(&port->chan, receive, transmit);
}

static int set_up(struct port *port)
{
	struct chan *chan = &port->chan;
	int result = 0;

	if (port->settings.law && port->settings.law != port->facts.law)
		result = chan_law(chan, port->settings.law);
	if (result == 0)
		result = chan_ask(chan, &port->facts);
	if (result == 0)
		result = chan_blocks(chan, port->dahdid->block_bytes, WATCH_BLOCKS);
	if (result == 0 && !port->exchange)
		result = chan_flash_time(chan, port->settings.flash_ms);
	else if (result == 0)
		result = chan_recall_time(chan, port->settings.recall_ms);
	if (result == 0 && !port->exchange)
		result = chan_cadence(chan, port->settings.cadence);
	return result == 0 ? set_gains(port) : result;
}

static enum hs_trouble check(const struct port *port)
{
	if (!port->facts.is_configured)
		return HS_TROUBLE_UNCONFIGURED;
	return port->facts.signalling != port->settings.signalling ? HS_TROUBLE_WRONG_SIGNALLING : 0;
}

/* Opens and sets up. What keeps it from working, or 0. */
static enum hs_trouble open_channel(struct port *port)
{
	enum hs_trouble trouble;
	int result = chan_open(&port->chan, port->dahdid->config->device, (int)port->line->channel);

	if (result < 0)
		return trouble_of(result);
	result = chan_ask(&port->chan, &port->facts);
	trouble = result < 0 ? HS_TROUBLE_DEVICE : check(port);
	if (!trouble && set_up(port) < 0)
		trouble = HS_TROUBLE_DEVICE;
	if (!trouble && watch_begin(port) < 0)
		trouble = HS_TROUBLE_NO_RESOURCES;
	if (trouble)
		chan_close(&port->chan);
	return trouble;
}

static void hold(struct port *port)
{
	char name[HS_KEEP_NAME];
	int result;

	keep_name(port, name);
	result = hs_keep_hold(port->dahdid->house->keep, name, port->chan.fd);
	if (result < 0)
		hs_log(WARN, "port.unprotected", LOG_LINE(port->r.line), LOG_TEXT("error", strerror(-result)),
		       LOG_WHY("its keeper does not hold the channel: a death of the daemon would end its calls"));
}

/* ---- trouble ---- */

static void note_trouble(struct port *port, enum hs_trouble trouble)
{
	char why[200], labels[96];

	if (trouble == port->trouble)
		return;
	port->trouble = trouble;
	if (!trouble) {
		hs_log(INFO, "port.works", LOG_LINE(port->r.line), LOG_INT("channel", port->chan.number),
		       LOG_TEXT("name", port->facts.name), LOG_TEXT("card", port->span.description));
		return;
	}
	trouble_explain(trouble, port->chan.number, port->dahdid->config->device, why, sizeof(why));
	snprintf(labels, sizeof(labels), "layer=\"%s\",trouble=\"%s\"", trouble_layer_name(trouble_layer(trouble)),
		 hs_enum_trouble.names[trouble]);
	hs_metric_add(hs_metric_counter("hookswitch_analog_troubles_total", labels, "What kept ports from working."),
		      1);
	hs_log(WARN, "port.trouble", LOG_LINE(port->r.line), LOG_INT("channel", port->chan.number),
	       LOG_TEXT("layer", trouble_layer_name(trouble_layer(trouble))),
	       LOG_TEXT("trouble", hs_enum_trouble.names[trouble]), LOG_WHY(why));
}

/* ---- the survey ---- */

static void seek(struct port *port)
{
	/* An unplugged card is told as such until it is back, whatever the files say meanwhile. */
	enum hs_trouble trouble = open_channel(port);

	if (trouble) {
		if (port->trouble != HS_TROUBLE_UNPLUGGED || trouble == HS_TROUBLE_WRONG_SIGNALLING)
			note_trouble(port, trouble);
		tell_line(port);
		return;
	}
	port->counts.opened++;
	if (chan_own_span(&port->chan, &port->span) < 0)
		port->span = (struct chan_span){0};
	hold(port);
	port_step(port, PORT_FOUND, NULL);
	if (port->chan.fd >= 0 && chan_ask(&port->chan, &port->facts) == 0 && port->facts.alarms)
		port_step(port, PORT_ALARMED, NULL); /* it was there before we were */
	watch_hook(port, REPORT_HOOK_MS);
}

struct tally {
	int64_t reachable, off_hook;
};

static void survey_one(void *context, struct port *port)
{
	struct tally *tally = context;

	if (port->r.state == PORT_AWAY && !port->slow && !port->dahdid->stopping && hs_clock_ms() >= port->seek_at_ms)
		seek(port);
	if (!port->is_told)
		tell_line(port);
	tally->reachable += !port->trouble;
	tally->off_hook += port->r.state == PORT_UP || port->r.state == PORT_OFFERED || port->r.state == PORT_PARKED;
}

static void survey(uv_timer_t *timer)
{
	struct dahdid *dahdid = timer->data;
	struct tally tally = {0};

	ports_each(dahdid->ports, survey_one, &tally);
	hs_metric_set(dahdid->meters.reachable, tally.reachable);
	hs_metric_set(dahdid->meters.off_hook, tally.off_hook);
}

void find_begin(struct dahdid *dahdid)
{
	hs_metric_set(dahdid->meters.ports, (int64_t)ports_count(dahdid->ports));
	survey(&dahdid->survey);
	uv_timer_start(&dahdid->survey, survey, SURVEY_MS, SURVEY_MS);
}

bool find_take_over(struct port *port, int fd)
{
	port->chan.fd = fd;
	if (chan_ask(&port->chan, &port->facts) == 0 && !check(port) && watch_begin(port) == 0) {
		if (chan_own_span(&port->chan, &port->span) < 0)
			port->span = (struct chan_span){0};
		port->counts.opened++;
		return true;
	}
	chan_close(&port->chan);
	return false;
}

bool find_guard_lifted(const void *object, const void *argument)
{
	struct chan chan = ((const struct port *)object)->chan;
	struct chan_facts facts;

	return chan_ask(&chan, &facts) == 0 && facts.off_hook;
}

/* ---- actions ---- */

void find_ready(void *object, const void *argument)
{
	struct port *port = object;

	note_trouble(port, 0);
	tell_line(port);
	lamp_show(port);
	port_save(port);
}

void find_lifted(void *object, const void *argument)
{
	struct port *port = object;

	note_trouble(port, HS_TROUBLE_OFF_HOOK);
	tell_line(port);
	watch_hook(port, REPORT_HOOK_MS);
	port_save(port);
}

static void end_call(struct port *port, const char *why)
{
	uv_timer_stop(&port->timer);
	frames_end(port);
	frames_detach(port);
	tell_ended(port, HS_CAUSE_FAILED, false, why);
}

void find_alarmed(void *object, const void *argument)
{
	struct port *port = object;
	char why[200];

	trouble_explain(HS_TROUBLE_ALARM, port->chan.number, port->dahdid->config->device, why, sizeof(why));
	end_call(port, why);
	ladder_hook(port, CHAN_STOP_RING);
	note_trouble(port, HS_TROUBLE_ALARM);
	tell_line(port);
	port_save(port);
}

void find_away(void *object, const void *trouble)
{
	struct port *port = object;
	enum hs_trouble reason = *(const enum hs_trouble *)trouble;
	char why[200], name[HS_KEEP_NAME];

	trouble_explain(reason, port->chan.number, port->dahdid->config->device, why, sizeof(why));
	watch_end(port);
	chan_close(&port->chan);
	port->seek_at_ms = hs_clock_ms() + LEAVING_MS;
	keep_name(port, name);
	hs_keep_drop(port->dahdid->house->keep, name);
	end_call(port, why);
	port->r.lamp_told = 0; /* another telephone may be there when it comes back */
	note_trouble(port, reason);
	tell_line(port);
	port_save(port);
}
