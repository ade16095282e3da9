#include "lift.h"
#include "ask.h"
#include "cleanup.h"
#include "clock.h"
#include "dahdid.h"
#include "find.h"
#include "frames.h"
#include "id.h"
#include "ladder.h"
#include "log.h"
#include "slow.h"
#include "tell.h"
#include "trouble.h"
#include "watch.h"

#define PATIENCE_MS 4000      /* a lifted handset waits this long for a call control that is away */
#define LONGEST_WAIT_MS 60000 /* and this long for one that is there */
#define RELEASE_MS 850        /* battery drop, and what the driver waits after it */
#define SETTLE_MS 50          /* without a drop */
#define PARKED_MS 5000        /* a person may take so long to put the handset down */

/* ---- begin ---- */

static void patience_over(uv_timer_t *timer)
{
	struct port *port = timer->data;

	port->waited_ms += PATIENCE_MS;
	if (hs_bus_is_up(port->dahdid->house->bus, HS_ROLE_APID) && port->waited_ms < LONGEST_WAIT_MS)
		port_wait(port, PATIENCE_MS, patience_over);
	else
		port_step(port, PORT_UNHEARD, NULL);
}

static int tell_incoming(struct port *port)
{
	struct hs_leg_incoming fact = {
		.leg = port->r.leg, .call = port->r.call, .line = port->r.line, .measured = true};

	return tell_fact(port->dahdid, HS_LEG_INCOMING, &fact);
}

/* The port engages at once: the telephone must not be rung, and pulses count from now on. */
void lift_offer(void *object, const void *argument)
{
	struct port *port = object;
	char leg[HS_ID_BYTES], call[HS_ID_BYTES];

	ladder_hook(port, CHAN_ENGAGE);
	port->counts.lifted++;
	hs_id_make('l', port->dahdid->house->config->node, leg);
	hs_id_make('c', port->dahdid->house->config->node, call);
	port_take_leg(port, leg, call, false);
	hs_log(INFO, "leg.incoming", LOG_LINE(port->r.line), LOG_CALL(call), LOG_LEG(leg),
	       LOG_INT("channel", port->chan.number));
	port_tells(port);
	if (!tell_has_room(port->dahdid) || port_save(port) || tell_incoming(port)) {
		port_drop_leg(port); /* nobody knows of it: it never was */
		port_step(port, PORT_UNHEARD, NULL);
		return;
	}
	ask_describe_offer(port, frames_begin);
	port_wait(port, PATIENCE_MS, patience_over);
}

bool lift_is_described(const void *object, const void *argument)
{
	return ((const struct port *)object)->r.grant[0] != 0;
}

void lift_note_answer(void *object, const void *argument)
{
	struct port *port = object;

	uv_timer_stop(&port->timer);
	port->wants_answer = true;
}

void lift_answer(void *object, const void *argument)
{
	struct port *port = object;
	struct hs_leg_answered fact = {.leg = port->r.leg, .measured = true};

	uv_timer_stop(&port->timer);
	port->wants_answer = false;
	if (tell_fact(port->dahdid, HS_LEG_ANSWERED, &fact) == 0)
		port->r.answered = true;
	if (port->settings.answer_reversal)
		slow_polarity(port, true, NULL);
	port_save(port);
}

/* ---- while it lasts ---- */

void lift_flash(void *object, const void *argument)
{
	struct port *port = object;
	struct hs_leg_flash fact = {.leg = port->r.leg};

	port->counts.flashes++;
	tell_fact(port->dahdid, HS_LEG_FLASH, &fact);
}

/* The driver tells a pulse digit as a whole, a quarter of a second after its last pulse. */
void lift_digit(void *object, const void *digit)
{
	struct port *port = object;
	int64_t passed = hs_clock_ms() - port->pulsed_at_ms;
	struct hs_leg_digit fact = {
		.leg = port->r.leg,
		.digit = digit,
		.phase = HS_DIGIT_PHASE_END,
		.duration_ms = passed < 0 || passed > UINT16_MAX ? 0 : passed,
		.source = HS_DIGIT_SOURCE_PULSE,
	};

	port->counts.pulses++;
	tell_fact(port->dahdid, HS_LEG_DIGIT, &fact);
}

/* ---- the end ---- */

static void be_silent(struct port *port)
{
	uv_timer_stop(&port->timer);
	frames_end(port);
	frames_detach(port);
}

static void turn_back(struct port *port)
{
	if (port->r.reversed)
		slow_polarity(port, false, NULL);
}

void lift_rest(void *object, const void *argument)
{
	struct port *port = object;

	uv_timer_stop(&port->timer);
	ladder_hook(port, CHAN_HANG_UP); /* ready for the next ring at once */
	turn_back(port);
	port_save(port);
	find_ready(port, NULL);
}

static void put_down(struct port *port, enum hs_cause cause, const char *why)
{
	be_silent(port);
	ladder_sent(port, "the handset is down");
	tell_ended(port, cause, true, why);
	lift_rest(port, NULL);
}

void lift_abandoned(void *object, const void *argument)
{
	put_down(object, HS_CAUSE_CANCELLED, "the handset was put down before the answer");
}

void lift_put_down(void *object, const void *argument)
{
	put_down(object, HS_CAUSE_NORMAL, NULL);
}

static void released(uv_timer_t *timer)
{
	port_step(timer->data, PORT_RELEASED, NULL);
}

static void release(struct port *port)
{
	static const struct {
		enum chan_hook hook;
		int ms;
	} rows[] = {
		[HS_DISCONNECT_BATTERY_DROP] = {CHAN_HANG_UP, RELEASE_MS},
		[HS_DISCONNECT_REVERSAL] = {CHAN_STOP_RING, SETTLE_MS},
		[HS_DISCONNECT_NONE] = {CHAN_STOP_RING, SETTLE_MS},
	};
	enum hs_disconnect how = port->settings.disconnect;

	ladder_hook(port, rows[how].hook);
	if (how == HS_DISCONNECT_REVERSAL)
		slow_polarity(port, true, NULL);
	else if (how == HS_DISCONNECT_NONE)
		turn_back(port); /* with a battery drop a card refuses it until the battery is back */
	port->r.until_ms = hs_clock_ms() + rows[how].ms;
	port_save(port);
	port_wait(port, rows[how].ms, released);
}

void lift_hang_up(void *object, const void *argument)
{
	struct port *port = object;
	const struct port_end *end = argument;

	be_silent(port);
	release(port);
	tell_ended(port, end->cause, false, end->why);
}

/* ---- a handset that nobody talks to ---- */

static void parked_long(uv_timer_t *timer)
{
	find_lifted(timer->data, NULL);
}

void lift_park(void *object, const void *argument)
{
	struct port *port = object;

	if (port->settings.disconnect == HS_DISCONNECT_BATTERY_DROP)
		turn_back(port);
	port_save(port);
	port_wait(port, PARKED_MS, parked_long);
	watch_hook(port, RELEASE_MS);
}

/* The driver's own tone says that nothing will come of it: there may be no audio engine. */
static void turn_away(struct port *port)
{
	be_silent(port);
	chan_tone(&port->chan, CHAN_TONE_CONGESTION);
	lift_park(port, NULL);
}

void lift_unheard(void *object, const void *argument)
{
	struct port *port = object;

	tell_ended(port, HS_CAUSE_OVERLOADED, false, "call control did not decide in time");
	turn_away(port);
}

void lift_media_failed(void *object, const void *argument)
{
	struct port *port = object;
	const struct port_end *end = argument;

	tell_ended(port, end->cause, false, end->why);
	turn_away(port);
}

void lift_unpark(void *object, const void *argument)
{
	struct port *port = object;

	chan_tone(&port->chan, CHAN_TONE_NONE);
	lift_rest(port, NULL);
}

void lift_offer_parked(void *object, const void *argument)
{
	struct port *port = object;

	uv_timer_stop(&port->timer);
	chan_tone(&port->chan, CHAN_TONE_NONE);
	turn_back(port);
	find_ready(port, NULL);
	lift_offer(port, NULL);
}

/* ---- a predecessor's ---- */

void lift_restore_offered(struct port *port)
{
	if (port_is_untold(port))
		tell_incoming(port);
	port_wait(port, PATIENCE_MS, patience_over);
	if (port->r.grant[0])
		frames_begin(port);
	else
		ask_describe_offer(port, frames_begin);
}

void lift_restore_up(struct port *port)
{
	struct hs_leg_answered fact = {.leg = port->r.leg, .measured = true};

	if (port->r.outgoing)
		ask_describe_answer(port);
	if (!port->r.answered && tell_fact(port->dahdid, HS_LEG_ANSWERED, &fact) == 0)
		port->r.answered = true;
	frames_begin(port);
}

void lift_restore_releasing(struct port *port)
{
	tell_ended(port, HS_CAUSE_NORMAL, false, NULL);
	port_wait(port, port->r.until_ms - hs_clock_ms(), released);
}

void lift_restore_parked(struct port *port)
{
	lift_park(port, NULL);
}
