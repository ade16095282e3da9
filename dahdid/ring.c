#include "ring.h"
#include "ask.h"
#include "callerid.h"
#include "channel.h"
#include "cleanup.h"
#include "clock.h"
#include "dahdid.h"
#include "frames.h"
#include "ladder.h"
#include "log.h"
#include "metrics.h"
#include "slow.h"
#include "tell.h"
#include "trouble.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DROP_MS 850            /* a battery drop, and what the driver waits after it */
#define TRANSFER_SPARE_MS 1000 /* the line stays open for so much longer than the sound takes */

static const char no_zone[] = "the port cannot ring without a tone zone: set loadzone and defaultzone in system.conf, "
			      "run dahdi_cfg";

/* ---- begin ---- */

static int find_cadence(const struct port *port, const char *name, int ret_ms[CHAN_CADENCE])
{
	const struct hs_config_dahdi *config = port->dahdid->config;

	memcpy(ret_ms, port->settings.cadence, sizeof(port->settings.cadence));
	for (size_t i = 0; name && i < config->cadences_count; i++)
		if (strcmp(config->cadences[i].id, name) == 0)
			return settings_cadence(config->cadences[i].ms, ret_ms);
	return name ? -EINVAL : 0;
}

static void make_sound(struct port *port, const struct hs_leg_originate *request)
{
	struct callerid callerid = {
		.kind = port->settings.caller_id,
		.number = request->caller_number,
		.name = request->caller_name,
	};
	time_t now = time(NULL);

	localtime_r(&now, &callerid.now);
	free(port->caller_sound);
	port->caller_sound = callerid_make(&callerid, port->facts.law, &port->caller_bytes);
}

int ring_begin(struct port *port, const struct hs_leg_originate *request)
{
	int cadence[CHAN_CADENCE], result;
	struct hs_channel channel;
	const char *why;

	if (hs_channel_read(request->description, &channel, &why) < 0 || !channel.grant[0] ||
	    find_cadence(port, request->cadence, cadence) < 0)
		return -EINVAL;
	port_take_leg(port, request->leg, request->call, true);
	port_take_grant(port, channel.grant);
	port->r.until_ms = hs_clock_ms() + request->ring_timeout_ms;
	result = port_save(port);
	if (result < 0) {
		port_take_grant(port, "");
		port_drop_leg(port);
		return result;
	}
	chan_cadence(&port->chan, cadence);
	make_sound(port, request);
	hs_log(INFO, "leg.outgoing", LOG_LINE(port->r.line), LOG_CALL(port->r.call), LOG_LEG(port->r.leg),
	       LOG_NUMBER("caller", request->caller_number), LOG_TEXT("request", port->chan.request));
	frames_attach(port); /* so that nothing is late at the answer */
	return port_step(port, PORT_ORIGINATE, request);
}

static void drop_sound(struct port *port)
{
	free(TAKE(port->caller_sound));
	port->caller_bytes = 0;
}

static void play_sound(struct port *port)
{
	size_t bytes = port->caller_bytes;

	port->caller_bytes = 0;
	ladder_sent(port, "caller identification");
	frames_play(port, TAKE(port->caller_sound), bytes);
}

/* ---- before the first ring ---- */

bool ring_announces(const void *object, const void *argument)
{
	const struct port *port = object;

	return port->caller_sound && callerid_way(port->settings.caller_id)->before_ring;
}

static void transferred(void *context, struct port *port, const struct slow_call *call)
{
	if (port->r.state != PORT_ANNOUNCING || port->audio.sound || !port->caller_sound)
		return; /* the call is over, or a new one began */
	if (call->result == 0) {
		play_sound(port);
		return;
	}
	hs_log(WARN, "port.no_transfer", LOG_LINE(port->r.line), LOG_TEXT("error", strerror(-call->result)),
	       LOG_WHY("the card cannot transmit on hook: choose a caller_id that is sent between the rings"));
	drop_sound(port);
	port_step(port, PORT_ANNOUNCED, NULL);
}

static void reversed(void *context, struct port *port, const struct slow_call *call)
{
	int ms = (int)(port->caller_bytes / 8) + TRANSFER_SPARE_MS;

	if (port->r.state == PORT_ANNOUNCING && port->caller_sound && slow_on_hook_transfer(port, ms, transferred) < 0)
		port_step(port, PORT_ANNOUNCED, NULL);
}

void ring_announce(void *object, const void *argument)
{
	struct port *port = object;
	const struct slow_call none = {0};

	port_save(port);
	if (!callerid_way(port->settings.caller_id)->is_reversed)
		reversed(NULL, port, &none);
	else if (slow_polarity(port, true, reversed) < 0)
		port_step(port, PORT_ANNOUNCED, NULL);
}

static void announced(void *context, struct port *port, const struct slow_call *call)
{
	if (port->r.state == PORT_ANNOUNCING)
		port_step(port, PORT_ANNOUNCED, NULL);
}

/* The polarity is put right before the port rings: a card refuses it meanwhile. */
void ring_sound_ended(struct port *port)
{
	hs_metric_add(port->dahdid->meters.caller_ids, 1);
	if (!port->r.reversed || slow_polarity(port, false, announced) < 0)
		announced(NULL, port, NULL);
}

/* ---- ringing ---- */

static void ring_due(uv_timer_t *timer)
{
	port_step(timer->data, PORT_RING_TIMEOUT, NULL);
}

static void refuse_ring(struct port *port, int error)
{
	struct port_end end = {HS_CAUSE_FAILED, error == -ENODATA ? no_zone : "the driver refused to ring the port"};

	hs_log(ERROR, "port.no_ring", LOG_LINE(port->r.line), LOG_CALL(port->r.call), LOG_LEG(port->r.leg),
	       LOG_TEXT("error", strerror(-error)),
	       LOG_TEXT("layer", trouble_layer_name(trouble_layer(trouble_of(error)))), LOG_WHY(end.why));
	port_step(port, PORT_MEDIA_FAILED, &end);
}

static void wait_for_answer(struct port *port)
{
	port_wait(port, port->r.until_ms - hs_clock_ms(), ring_due);
}

static void ring_again(uv_timer_t *timer)
{
	ring_start(timer->data, NULL);
}

void ring_start(void *object, const void *argument)
{
	struct port *port = object;
	struct hs_leg_ringing fact = {.leg = port->r.leg};
	int result = ladder_hook(port, CHAN_RING);

	if (result == -EBUSY && !port->waited_ms) { /* the battery is dropped still, from before our time */
		port->waited_ms = DROP_MS;
		port_tells(port);
		port_save(port);
		port_wait(port, DROP_MS, ring_again);
		return;
	}
	if (result < 0) {
		refuse_ring(port, result);
		return;
	}
	port->counts.rung++;
	port_tells(port);
	port_save(port);
	tell_fact(port->dahdid, HS_LEG_RINGING, &fact);
	wait_for_answer(port);
}

void ring_restore(struct port *port)
{
	if (!port_is_untold(port)) {
		wait_for_answer(port);
		return;
	}
	ladder_hook(port, CHAN_STOP_RING); /* it may have begun or not */
	ring_start(port, NULL);
}

void ring_burst_on(void *object, const void *argument)
{
	struct port *port = object;

	if (!port->audio.sound)
		return;
	hs_metric_add(port->dahdid->meters.caller_ids_cut, 1);
	frames_end(port);
}

void ring_burst_off(void *object, const void *argument)
{
	struct port *port = object;

	if (port->bursts++ == 0 && port->caller_sound)
		play_sound(port);
}

/* ---- how it ends ---- */

void ring_answered(void *object, const void *argument)
{
	struct port *port = object;
	struct hs_leg_answered fact = {.leg = port->r.leg, .measured = true};

	ladder_hook(port, CHAN_ENGAGE); /* or the cadence goes on */
	uv_timer_stop(&port->timer);
	drop_sound(port);
	port->counts.lifted++;
	ask_describe_answer(port);
	if (tell_fact(port->dahdid, HS_LEG_ANSWERED, &fact) == 0)
		port->r.answered = true;
	port_save(port);
	frames_begin(port);
}

static void stop(struct port *port)
{
	uv_timer_stop(&port->timer);
	drop_sound(port);
	frames_end(port);
	frames_detach(port);
	ladder_hook(port, CHAN_STOP_RING); /* never drops the battery */
	if (port->r.reversed)
		slow_polarity(port, false, NULL);
}

void ring_timeout(void *object, const void *argument)
{
	stop(object);
	tell_ended(object, HS_CAUSE_NO_ANSWER, false, "nobody lifted in time");
}

void ring_cancel(void *object, const void *argument)
{
	const struct port_end *end = argument;

	stop(object);
	tell_ended(object, end->cause == HS_CAUSE_NORMAL ? HS_CAUSE_CANCELLED : end->cause, false, end->why);
}

void ring_failed(void *object, const void *argument)
{
	const struct port_end *end = argument;

	stop(object);
	tell_ended(object, end->cause, false, end->why);
}
