#include "hook.h"
#include "dialling.h"
#include <dahdi/user.h>

#define KEWL_MS 500
#define AFTER_KEWL_MS 300
#define AFTER_START_MS 500
#define RING_DEBOUNCE_MS 2000
#define RING_TRAILER_MS 50
#define PULSE_MIN_MS 15
#define PULSE_MAX_MS 200
#define PULSE_END_MS (PULSE_MAX_MS + 50)

void hook_enter(struct chan *chan, enum chan_out out, enum chan_state state, int ms)
{
	chan->state = state;
	if (chan->out != out) {
		chan->out = out;
		chan->card->signal(chan->owner, out);
	}
	chan->out_timer_ms = ms;
}

/* HOOKCOMPLETE goes only to those who do not sleep. */
static void complete(struct chan *chan)
{
	if (chan->open && chan->nonblocking)
		chan_event(chan, DAHDI_EVENT_HOOKCOMPLETE);
	chan->woken = true;
}

static bool plays_a_telephone(const struct chan *chan)
{
	return chan->signalling & __DAHDI_SIG_FXS;
}

void hook_hang_up(struct chan *chan)
{
	bool other_end_is_down = chan->in == CHAN_IN_ONHOOK && chan->in_timer_ms <= 0;

	chan->hung_up_in_drop = false;
	if (plays_a_telephone(chan))
		chan->ring_debounce_ms = RING_DEBOUNCE_MS;
	if (chan->signalling == DAHDI_SIG_FXOKS && chan->state != CHAN_ONHOOK && !other_end_is_down)
		hook_enter(chan, CHAN_OUT_KEWL, CHAN_KEWL, KEWL_MS);
	else
		hook_enter(chan, CHAN_OUT_ONHOOK, CHAN_ONHOOK, 0);
}

/* ---- What happens when the timer of a state runs out ---- */

static void ring_again(struct chan *chan)
{
	int next = chan->cadence_at + 1;

	if (next >= ZONE_CADENCE || !chan->cadence_ms[next])
		next = chan->cadence_loop;
	chan->cadence_at = next;
	hook_enter(chan, CHAN_OUT_START, CHAN_RINGON, chan->cadence_ms[next]);
	chan_event(chan, DAHDI_EVENT_RINGERON);
}

/* A list that ends on an ON takes its pause from the zone, and forgets where to loop: the driver does. */
static void ring_pause(struct chan *chan)
{
	int next = chan->cadence_at + 1 >= ZONE_CADENCE ? 0 : chan->cadence_at + 1;
	int ms = chan->cadence_ms[next];

	if (!ms) {
		next = 0;
		ms = chan->zone ? chan->zone->cadence_ms[0] : 0;
	}
	chan->cadence_at = next;
	hook_enter(chan, CHAN_OUT_OFFHOOK, CHAN_RINGOFF, ms);
	chan_event(chan, DAHDI_EVENT_RINGEROFF);
}

static void debounced(struct chan *chan)
{
	hook_enter(chan, CHAN_OUT_OFFHOOK, CHAN_OFFHOOK, 0);
	if (chan->in == CHAN_IN_ONHOOK && chan->times.rxflash > 2)
		chan->in_timer_set_ms = chan->in_timer_ms = chan->times.rxflash;
	chan->woken = true;
}

static void drop_is_over(struct chan *chan)
{
	hook_enter(chan, CHAN_OUT_ONHOOK, CHAN_AFTERKEWL, AFTER_KEWL_MS);
	complete(chan);
}

static void idle_after_drop(struct chan *chan)
{
	if (chan->hung_up_in_drop)
		chan_event(chan, DAHDI_EVENT_ONHOOK);
	chan->state = CHAN_ONHOOK;
	chan->seized = false;
}

static void wink(struct chan *chan)
{
	hook_enter(chan, CHAN_OUT_OFFHOOK, CHAN_WINK, chan->times.wink);
}

static void winked(struct chan *chan)
{
	hook_enter(chan, CHAN_OUT_ONHOOK, CHAN_ONHOOK, 0);
	complete(chan);
}

static void flash(struct chan *chan)
{
	hook_enter(chan, CHAN_OUT_ONHOOK, CHAN_FLASH, chan->times.flash);
}

static void off_hook_and_done(struct chan *chan)
{
	hook_enter(chan, CHAN_OUT_OFFHOOK, CHAN_OFFHOOK, 0);
	complete(chan);
}

static void started(struct chan *chan)
{
	hook_enter(chan, CHAN_OUT_OFFHOOK, CHAN_AFTERSTART, AFTER_START_MS);
	chan->woken = true;
}

static void pulse_make(struct chan *chan)
{
	hook_enter(chan, CHAN_OUT_OFFHOOK, CHAN_PULSEMAKE, chan->times.pulsemake);
}

static void pulse_next(struct chan *chan)
{
	if (chan->pulses_to_send)
		chan->pulses_to_send--;
	if (chan->pulses_to_send) {
		hook_enter(chan, CHAN_OUT_ONHOOK, CHAN_PULSEBREAK, chan->times.pulsebreak);
		return;
	}
	chan->state = CHAN_PULSEAFTER;
	chan->out_timer_ms = chan->times.pulseafter;
}

static void pulses_sent(struct chan *chan)
{
	chan->state = CHAN_OFFHOOK;
	dialling_next(chan);
}

static void (*const expire[CHAN_STATES])(struct chan *) = {
	[CHAN_START] = started,
	[CHAN_PREWINK] = wink,
	[CHAN_WINK] = winked,
	[CHAN_PREFLASH] = flash,
	[CHAN_FLASH] = off_hook_and_done,
	[CHAN_DEBOUNCE] = debounced,
	[CHAN_AFTERSTART] = off_hook_and_done,
	[CHAN_RINGON] = ring_pause,
	[CHAN_RINGOFF] = ring_again,
	[CHAN_KEWL] = drop_is_over,
	[CHAN_AFTERKEWL] = idle_after_drop,
	[CHAN_PULSEBREAK] = pulse_make,
	[CHAN_PULSEMAKE] = pulse_next,
	[CHAN_PULSEAFTER] = pulses_sent,
};

void hook_tick_out(struct chan *chan)
{
	if (chan->out_timer_ms <= 0 || --chan->out_timer_ms > 0)
		return;
	if (expire[chan->state])
		expire[chan->state](chan);
}

void hook_pulse(struct chan *chan, int digit)
{
	chan->pulses_to_send = digit ? digit : 10;
	hook_enter(chan, CHAN_OUT_ONHOOK, CHAN_PULSEBREAK, chan->times.pulsebreak);
}

/* ---- The other end ---- */

/* Off hook again while the flash timer ran: a pulse, a flash, or a bounce too short for either. */
static void came_back(struct chan *chan)
{
	int ms = chan->in_timer_set_ms - chan->in_timer_ms;

	if (ms > PULSE_MAX_MS) {
		chan_event(chan, DAHDI_EVENT_WINKFLASH);
	} else if (ms >= PULSE_MIN_MS) {
		chan->pulse_timer_ms = PULSE_END_MS;
		if (++chan->pulses == 1)
			chan_event(chan, DAHDI_EVENT_PULSE_START);
	}
}

static void telephone_lifted(struct chan *chan)
{
	chan->hung_up_in_drop = false;
	if (chan->in_timer_ms) {
		came_back(chan);
	} else if (!chan->seized) {
		chan->seized = true;
		chan_event(chan, DAHDI_EVENT_RINGOFFHOOK);
	}
	chan->in_timer_set_ms = chan->in_timer_ms = 0;
}

static void telephone_put_down(struct chan *chan)
{
	if (chan->state == CHAN_KEWL)
		chan->hung_up_in_drop = true;
	if (chan->state != CHAN_DEBOUNCE && chan->state != CHAN_KEWL && chan->state != CHAN_AFTERKEWL)
		chan->in_timer_set_ms = chan->in_timer_ms = chan->times.rxflash;
}

static void exchange_signalled(struct chan *chan, enum chan_in in)
{
	if (chan->signalling != DAHDI_SIG_FXSKS || chan->state != CHAN_OFFHOOK || in != CHAN_IN_ONHOOK)
		return;
	chan->ring_debounce_ms = RING_DEBOUNCE_MS;
	chan->ring_trailer_ms = 0;
	chan->seized = false;
	chan_event(chan, DAHDI_EVENT_ONHOOK);
}

void chan_signal(struct chan *chan, enum chan_in in)
{
	if (chan->in == in || chan->frozen)
		return;
	chan->in = in;
	if (plays_a_telephone(chan)) {
		if (in == CHAN_IN_RING && !chan->ring_debounce_ms)
			chan_event(chan, DAHDI_EVENT_RINGBEGIN);
		exchange_signalled(chan, in);
	} else if (in == CHAN_IN_OFFHOOK) {
		telephone_lifted(chan);
	} else if (in == CHAN_IN_ONHOOK) {
		telephone_put_down(chan);
	}
}

static void incoming_timer(struct chan *chan)
{
	if (!chan->in_timer_ms || --chan->in_timer_ms > 0)
		return;
	if (plays_a_telephone(chan)) {
		chan_event(chan, DAHDI_EVENT_RINGOFFHOOK);
		return;
	}
	chan_event(chan, DAHDI_EVENT_ONHOOK);
	chan->seized = false;
}

static void ring_timers(struct chan *chan)
{
	if (chan->ring_debounce_ms)
		chan->ring_debounce_ms--;
	if (!plays_a_telephone(chan))
		return;
	if (chan->in == CHAN_IN_RING)
		chan->ring_trailer_ms = RING_TRAILER_MS;
	else if (chan->ring_trailer_ms && !--chan->ring_trailer_ms && !chan->ring_debounce_ms)
		chan_event(chan, DAHDI_EVENT_RINGOFFHOOK);
}

static int pulse_digit(int pulses)
{
	return pulses == 10 ? '0' : pulses == 11 ? '*' : pulses == 12 ? '#' : '0' + pulses;
}

static void pulse_timer(struct chan *chan)
{
	if (!chan->pulse_timer_ms || --chan->pulse_timer_ms > 0)
		return;
	if (chan->pulses > 0 && chan->pulses <= 12)
		chan_event(chan, DAHDI_EVENT_PULSEDIGIT | pulse_digit(chan->pulses));
	chan->pulses = 0;
}

void hook_tick_in(struct chan *chan)
{
	incoming_timer(chan);
	ring_timers(chan);
	pulse_timer(chan);
}
