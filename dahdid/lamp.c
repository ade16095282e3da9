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

static bool by_data(const struct port *port)
{
	return !port->exchange && (port->settings.lamp == HS_LAMP_BELLCORE || port->settings.lamp == HS_LAMP_ETSI);
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

void lamp_begin(void *object, const void *argument)
{
	struct port *port = object;
	int ms;

	drop_sound(port);
	port->r.lamp_told = 0; /* nobody knows what it shows until all was played, our successor least */
	port_save(port);
	port->lamp_telling = port->r.messages;
	port->caller_sound =
		callerid_make_lamp(port->settings.lamp, port->lamp_telling, port->facts.law, &port->caller_bytes);
	ms = (int)(port->caller_bytes / 8) + TRANSFER_SPARE_MS;
	if (slow_on_hook_transfer(port, ms, transferred) < 0)
		told(port);
}

void lamp_sound_ended(struct port *port)
{
	hs_metric_add(port->dahdid->meters.lamps, 1);
	hs_log(INFO, "port.lamp", LOG_LINE(port->r.line), LOG_INT("messages", port->lamp_telling));
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
}

void lamp_cut_by_handset(void *object, const void *argument)
{
	lamp_cut(object, NULL);
	lift_offer(object, NULL);
}
