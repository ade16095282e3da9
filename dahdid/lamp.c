#include "lamp.h"
#include "callerid.h"
#include "cleanup.h"
#include "dahdid.h"
#include "frames.h"
#include "ladder.h"
#include "lift.h"
#include "log.h"
#include "metrics.h"
#include "slow.h"
#include <stdlib.h>
#include <string.h>

#define REST_MS 700            /* after a call or a ring: the telephone and the line have settled */
#define TRANSFER_SPARE_MS 1000 /* the line stays open for so much longer than the sound takes */

#define RING_PAUSE_MS 4000 /* after the ring that announces it: there is no second one */

static bool by_data(const struct port *port)
{
	return !port->exchange && callerid_lamp_way(port->settings.lamp);
}

static void due(uv_timer_t *timer)
{
	port_step(timer->data, PORT_NEWS, NULL);
}

/* A lamp that was told by data stays as it is without us; it is told again only what is new. */
void lamp_moved(struct port *port)
{
	uv_timer_stop(&port->lamp);
	if (port->r.state == PORT_IDLE && by_data(port) && port->r.lamp_told != port->r.messages + 1)
		uv_timer_start(&port->lamp, due, REST_MS, 0);
}

void lamp_show(struct port *port)
{
	if (by_data(port))
		lamp_moved(port);
	else
		slow_lamp(port);
}

static void drop_sound(struct port *port)
{
	free(TAKE(port->caller_sound));
	port->caller_bytes = 0;
}

static void told(struct port *port)
{
	port->r.lamp_told = port->lamp_telling + 1;
	port_step(port, PORT_TOLD, NULL);
}

static void transferred(void *context, struct port *port, const struct slow_call *call)
{
	size_t bytes = port->caller_bytes;

	if (port->r.state != PORT_LIGHTING || port->audio.sound || !port->caller_sound || port->chan.fd < 0)
		return; /* it was cut off meanwhile */
	if (call->result == 0) {
		ladder_sent(port, "message waiting");
		port->caller_bytes = 0;
		frames_play(port, TAKE(port->caller_sound), bytes);
		return;
	}
	hs_log(WARN, "port.no_lamp", LOG_LINE(port->r.line), LOG_TEXT("error", strerror(-call->result)),
	       LOG_WHY("the card cannot transmit on hook: choose a lamp that is lit by voltage"));
	told(port);
}

/* Opens the line for the sound, on the hook. */
static void open_line(void *context, struct port *port, const struct slow_call *call)
{
	int ms = (int)(port->caller_bytes / 8) + TRANSFER_SPARE_MS;

	if (port->r.state == PORT_LIGHTING && port->caller_sound && slow_on_hook_transfer(port, ms, transferred) < 0)
		told(port);
}

static void announce(struct port *port, const struct callerid_way *way)
{
	const int cadence[CHAN_CADENCE] = {way->ring_ms, RING_PAUSE_MS};
	const struct slow_call none = {0};

	if (way->ring_ms && chan_cadence(&port->chan, cadence) == 0 && ladder_hook(port, CHAN_RING) == 0)
		return; /* lamp_alerted goes on */
	if (!way->is_reversed)
		open_line(NULL, port, &none);
	else if (slow_polarity(port, true, open_line) < 0)
		told(port);
}

void lamp_alerted(void *object, const void *argument)
{
	struct port *port = object;
	const struct slow_call none = {0};

	if (!callerid_lamp_way(port->settings.lamp)->ring_ms || port->audio.sound)
		return;
	ladder_hook(port, CHAN_STOP_RING);
	open_line(NULL, port, &none);
}

void lamp_begin(void *object, const void *argument)
{
	struct port *port = object;

	drop_sound(port);
	port->r.lamp_told = 0; /* nobody knows what it shows until all was played, our successor least */
	port_save(port);
	port->lamp_telling = port->r.messages;
	port->caller_sound =
		callerid_make_lamp(port->settings.lamp, port->lamp_telling, port->facts.law, &port->caller_bytes);
	announce(port, callerid_lamp_way(port->settings.lamp));
}

static void turn_back(struct port *port)
{
	if (port->r.reversed)
		slow_polarity(port, false, NULL);
}

void lamp_sound_ended(struct port *port)
{
	hs_metric_add(port->dahdid->meters.lamps, 1);
	hs_log(INFO, "port.lamp", LOG_LINE(port->r.line), LOG_INT("messages", port->lamp_telling));
	turn_back(port);
	told(port);
}

void lamp_end(void *object, const void *argument)
{
	drop_sound(object);
	port_save(object);
}

/* It is told anew when the port is idle again. */
void lamp_cut(void *object, const void *argument)
{
	struct port *port = object;

	hs_metric_add(port->dahdid->meters.lamps_cut, 1);
	drop_sound(port);
	frames_end(port);
	if (callerid_lamp_way(port->settings.lamp)->ring_ms)
		ladder_hook(port, CHAN_STOP_RING);
	turn_back(port);
}

void lamp_cut_by_handset(void *object, const void *argument)
{
	lamp_cut(object, NULL);
	lift_offer(object, NULL);
}
