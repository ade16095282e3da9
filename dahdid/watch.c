#include "watch.h"
#include "cleanup.h"
#include "dahdid.h"
#include "exchange.h"
#include "frames.h"
#include "grid.h"
#include "ladder.h"
#include "lamp.h"
#include "log.h"
#include "metrics.h"
#include "pulse.h"
#include "ring.h"
#include <errno.h>
#include <stdlib.h>

#define QUEUE 63     /* events that the driver keeps */
#define DEBOUNCE 700 /* ms: the driver does not time a handset sooner after an answer */
#define PARKED_LOOK 2000
#define CORRECTED_LOOK 900 /* ms: hanging up under a running flash timer costs a battery drop, which hears nothing */

/* ---- the hook ---- */

/* States in which the handset must be down, or lifted. */
static const enum {
	ANY,
	DOWN,
	LIFTED
} hooks[PORT_STATES] = {
	[PORT_IDLE] = DOWN,      [PORT_LIGHTING] = DOWN, [PORT_ANNOUNCING] = DOWN, [PORT_RINGING] = DOWN,
	[PORT_OFFERED] = LIFTED, [PORT_UP] = LIFTED,     [PORT_PARKED] = LIFTED,
};

static void look_again(uv_timer_t *timer);

void watch_moved(struct port *port)
{
	uv_timer_stop(&port->truth);
}

static void look(struct port *port, bool is_second)
{
	struct chan_facts facts;
	bool is_wrong;

	if (port->chan.fd < 0 || port->exchange || hooks[port->r.state] == ANY || chan_ask(&port->chan, &facts) < 0)
		return;
	is_wrong = facts.off_hook != (hooks[port->r.state] == LIFTED);
	if (is_wrong && (is_second || facts.off_hook)) {
		hs_log(INFO, "port.hook_corrected", LOG_LINE(port->r.line), LOG_TEXT("state", port_state_name(port)),
		       LOG_TEXT("hook", facts.off_hook ? "off" : "on"));
		port_step(port, facts.off_hook ? PORT_LIFTED : PORT_DOWN, NULL);
		watch_hook(port, CORRECTED_LOOK);
	} else if (is_wrong) { /* down: it may be a flash that has begun */
		port->doubted = port->moves;
		uv_timer_start(&port->truth, look_again, (uint64_t)port->settings.flash_ms + DEBOUNCE, 0);
	} else if (port->r.state == PORT_PARKED) {
		watch_hook(port, PARKED_LOOK);
	}
}

/* What is down now may be the next flash, if the one that was doubted was told meanwhile. */
static void look_again(uv_timer_t *timer)
{
	struct port *port = timer->data;

	look(port, port->moves == port->doubted);
}

static void look_first(uv_timer_t *timer)
{
	look(timer->data, false);
}

void watch_hook(struct port *port, int ms)
{
	uv_timer_start(&port->truth, look_first, (uint64_t)ms, 0);
}

/* ---- events ---- */

static void step(struct port *port, enum port_event event, const void *argument)
{
	if (port_step(port, event, argument) < 0)
		watch_hook(port, 0);
}

static void on_pulses(struct port *port, const struct chan_event *event)
{
	pulse_began(port);
}

static void on_pulse_digit(struct port *port, const struct chan_event *event)
{
	pulse_ended(port, event->digit);
}

static void on_removed(struct port *port, const struct chan_event *event)
{
	enum hs_trouble trouble = HS_TROUBLE_UNPLUGGED;

	step(port, PORT_LOST, &trouble);
}

/* What an event of the driver is for the port: an event of its own, or a function. Others say nothing of an FXS port.
 */
static const struct {
	enum port_event event;
	void (*happened)(struct port *port, const struct chan_event *event);
	bool is_used, is_hook;
} rows[CHAN_EVENTS] = {
	[CHAN_ON_HOOK] = {PORT_DOWN, NULL, true, true},         [CHAN_OFF_HOOK] = {PORT_LIFTED, NULL, true, true},
	[CHAN_FLASH] = {PORT_FLASHED, NULL, true, true},        [CHAN_PULSES] = {0, on_pulses, true, true},
	[CHAN_PULSE_DIGIT] = {0, on_pulse_digit, true, true},   [CHAN_BURST_ON] = {PORT_BURST_ON, NULL, true, false},
	[CHAN_BURST_OFF] = {PORT_BURST_OFF, NULL, true, false}, [CHAN_ALARM] = {PORT_ALARMED, NULL, true, false},
	[CHAN_NO_ALARM] = {PORT_CLEARED, NULL, true, false},    [CHAN_RING_BEGAN] = {PORT_RINGS, NULL, true, false},
	[CHAN_POLARITY] = {PORT_REVERSED, NULL, true, false},   [CHAN_DIALLED] = {PORT_DIALLED, NULL, true, false},
	[CHAN_REMOVED] = {0, on_removed, true, false},
};

static void happen(struct port *port, const struct chan_event *event)
{
	hs_metric_add(port->dahdid->meters.events[event->kind], 1);
	hs_log(DEBUG, "port.event", LOG_LINE(port->r.line), LOG_INT("channel", port->chan.number),
	       LOG_TEXT("event", chan_event_name(event->kind)), LOG_TEXT("state", port_state_name(port)));
	ladder_came(port, event);
	port->moves += rows[event->kind].is_hook;
	if (!rows[event->kind].is_used)
		return;
	if (rows[event->kind].happened)
		rows[event->kind].happened(port, event);
	else
		step(port, rows[event->kind].event, NULL);
}

/* The channel is of no use any more: it is closed, and looked for again. */
static void lose(struct port *port, int error)
{
	enum hs_trouble trouble = error == -ENODEV ? HS_TROUBLE_UNPLUGGED : HS_TROUBLE_DEVICE;

	port_step(port, PORT_LOST, &trouble);
}

/* One event. 0: there was none, or the channel is lost; else 1. */
static int take(struct port *port)
{
	struct chan_event event;
	int *number = taking_begin(&port->taking);
	int result = chan_take_event(&port->chan, number);

	chan_read_event(*number, &event);
	if (result < 0)
		lose(port, result);
	else if (event.kind != CHAN_NOTHING)
		happen(port, &event);
	taking_end(&port->taking);
	return result == 0 && event.kind != CHAN_NOTHING;
}

void watch_left(struct port *port)
{
	int number = taking_left(&port->taking);
	struct chan_event event;

	if (!number)
		return;
	chan_read_event(number, &event);
	hs_metric_add(port->dahdid->meters.events_left, 1);
	hs_log(INFO, "port.event_left", LOG_LINE(port->r.line), LOG_TEXT("event", chan_event_name(event.kind)),
	       LOG_TEXT("state", port_state_name(port)));
	happen(port, &event);
	taking_end(&port->taking);
}

void watch_events(struct port *port)
{
	int count = 0;

	while (port->chan.fd >= 0 && take(port))
		count++;
	if (count < QUEUE)
		return;
	hs_metric_add(port->dahdid->meters.queue_full, 1);
	hs_log(WARN, "port.events_lost", LOG_LINE(port->r.line),
	       LOG_WHY("the driver's event queue was full; the hook is looked at again"));
	watch_hook(port, 0);
}

/* ---- the descriptor ---- */

/* While an event waits, there are no blocks to be had. */
static int read_blocks(struct port *port, int most)
{
	int result = frames_read(port, most);

	if (result != -CHAN_ELAST)
		return result;
	watch_events(port);
	frames_put_kept(port);
	return port->chan.fd >= 0 ? frames_read(port, most) : 0;
}

static void sound_ended(struct port *port)
{
	if (port->r.state == PORT_LIGHTING)
		lamp_sound_ended(port);
	else
		ring_sound_ended(port);
}

void watch_blocks(struct port *port, int most)
{
	int result = read_blocks(port, most);

	if (result == -CHAN_ELAST) /* and another one: at the next look */
		return;
	if (result < 0 && port->chan.fd >= 0)
		lose(port, result);
	else if (frames_sound_ended(port))
		sound_ended(port);
	else if (port->exchange)
		exchange_act(port);
}

/* status < 0: the driver cut the descriptor off, which shows when it is asked for events. */
static void ready(uv_poll_t *poll, int status, int events)
{
	struct port *port = poll->data;

	if (status < 0) {
		watch_events(port);
		if (port->poll == poll)
			lose(port, -ENODEV);
		return;
	}
	if (events & UV_PRIORITIZED)
		watch_events(port);
	frames_put_kept(port);
	if (!(events & UV_READABLE) || port->poll != poll || !port->audio.is_on)
		return;
	if (port->beat.place == BEAT_CLOCK)
		grid_turn(port);
	else
		watch_blocks(port, frames_due(port));
}

static int arm(struct port *port)
{
	return uv_poll_start(port->poll, port->polled, ready);
}

int watch_begin(struct port *port)
{
	int result;

	port->poll = hs_zalloc(sizeof(*port->poll));
	result = uv_poll_init(port->dahdid->house->loop, port->poll, port->chan.fd);
	if (result < 0) {
		free(TAKE(port->poll));
		return result;
	}
	port->poll->data = port;
	port->polled = UV_PRIORITIZED;
	result = arm(port);
	if (result < 0)
		watch_end(port);
	return result;
}

static void closed(uv_handle_t *handle)
{
	free(handle);
}

void watch_end(struct port *port)
{
	uv_timer_stop(&port->truth);
	if (port->poll)
		uv_close((uv_handle_t *)TAKE(port->poll), closed);
}

void watch_audio(struct port *port, bool is_on)
{
	port->polled = is_on ? UV_PRIORITIZED | UV_READABLE : UV_PRIORITIZED;
	if (port->poll)
		arm(port);
}
