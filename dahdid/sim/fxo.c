/* An FXO port: the card plays the telephone on a line of an exchange. Battery, polarity and ringing are seen by the
 * card with the delays that its drivers have; the exchange hears keys and pulses, makes tones and sends caller
 * identity.
 */
#include "fxo.h"
#include "cleanup.h"
#include "signals.h"
#include <dahdi/user.h>
#include <errno.h>
#include <string.h>

#define BATTERY_MS 64   /* until the card believes a change of the battery */
#define ALARM_MS 1000   /* until a missing battery is an alarm */
#define RING_ON_MS 2000 /* the exchange's cadence */
#define RING_OFF_MS 4000
#define IDENTITY_AT_MS (RING_ON_MS + 500)
#define PULSE_MIN_MS 15
#define PULSE_MAX_MS 200
#define DIGIT_END_MS 250

static void stop_sender(struct fxo *fxo)
{
	signals_sender_destroy(fxo->sender);
	fxo->sender = NULL;
}

void fxo_play(struct port *port, enum fxo_sound sound)
{
	static const int tones[FXO_SOUNDS] = {
		[FXO_DIAL_TONE] = DAHDI_TONE_DIALTONE,
		[FXO_BUSY] = DAHDI_TONE_BUSY,
		[FXO_RINGBACK] = DAHDI_TONE_RINGTONE,
		[FXO_CONGESTION] = DAHDI_TONE_CONGESTION,
	};

	port->fxo.sound = sound;
	zone_play(&port->fxo.player, sound == FXO_SILENCE ? NULL : &port->zone->sounds[tones[sound]]);
}

void fxo_stop_ringing(struct port *port)
{
	struct fxo *fxo = &port->fxo;

	if (!fxo->ring_wanted)
		return;
	fxo->ring_wanted = fxo->ring_burst = false;
	stop_sender(fxo);
	if (port->plugged && port->chan.in == CHAN_IN_RING)
		chan_signal(&port->chan, CHAN_IN_OFFHOOK);
	port_note(port, "ring_stopped", "%d", fxo->rings);
}

int fxo_ring(struct port *port, const char *number, const char *name)
{
	struct fxo *fxo = &port->fxo;

	if (fxo->seized)
		return -EBUSY;
	fxo->ring_wanted = true;
	fxo->ring_at_ms = fxo->rings = 0;
	hs_copy(fxo->number, sizeof(fxo->number), number);
	hs_copy(fxo->name, sizeof(fxo->name), name);
	port_note(port, "ringing", "%s", fxo->number);
	return 0;
}

void fxo_battery(struct port *port, bool battery, int drop_ms)
{
	struct fxo *fxo = &port->fxo;

	fxo->drop_ms = drop_ms;
	if (fxo->battery == battery)
		return;
	fxo->battery = battery;
	port_note(port, battery ? "battery_back" : "battery_drop", "%s", "");
}

void fxo_reverse(struct port *port)
{
	port->fxo.reversed = !port->fxo.reversed;
	port_note(port, "polarity", "%s", port->fxo.reversed ? "reversed" : "forward");
	if (port->plugged && !port->cut && port->fxo.seen_battery)
		chan_event(&port->chan, DAHDI_EVENT_POLARITY);
}

/* ---- What the port does to the loop ---- */

static void take_digit(void *owner, char digit)
{
	struct port *port = owner;
	struct fxo *fxo = &port->fxo;
	size_t have = strlen(fxo->digits);

	if (have + 1 < sizeof(fxo->digits)) {
		fxo->digits[have] = digit;
		fxo->digits[have + 1] = '\0';
	}
	port_note(port, "digit", "%c", digit);
	if (fxo->sound == FXO_DIAL_TONE)
		fxo_play(port, FXO_SILENCE);
}

static void seized(struct port *port)
{
	struct fxo *fxo = &port->fxo;
	bool ringing = fxo->ring_wanted;

	fxo_stop_ringing(port);
	fxo->digits[0] = '\0';
	port_note(port, ringing ? "answered" : "seized", "%s", "");
	fxo_play(port, !ringing && fxo->auto_dial_tone ? FXO_DIAL_TONE : FXO_SILENCE);
}

static void loop_closed(struct port *port)
{
	struct fxo *fxo = &port->fxo;
	int open_ms = fxo->loop_open_ms;

	fxo->loop_open_ms = 0;
	if (open_ms >= PULSE_MIN_MS && open_ms <= PULSE_MAX_MS) {
		fxo->pulses++;
		fxo->pulse_pause_ms = DIGIT_END_MS;
	} else if (open_ms > PULSE_MAX_MS) {
		port_note(port, "flash", "%d", open_ms);
	}
}

static void signal_out(void *owner, enum chan_out out)
{
	struct port *port = owner;
	struct fxo *fxo = &port->fxo;
	bool closed = out == CHAN_OUT_OFFHOOK || out == CHAN_OUT_START;

	if (!port->plugged || closed == (fxo->seized && !fxo->loop_open_ms))
		return;
	if (!closed) {
		fxo->loop_open_ms = 1; /* a pulse, a flash or the end: time will tell */
	} else if (fxo->seized) {
		loop_closed(port);
	} else {
		fxo->seized = true;
		seized(port);
	}
}

static void opened(void *owner)
{
	port_note((struct port *)owner, "opened", "%s", "");
}

static void closed(void *owner)
{
	port_note((struct port *)owner, "closed", "%s", "");
}

/* An open loop of the hook machine's flash time and more is a hang-up. */
static void loop_timer(struct port *port)
{
	struct fxo *fxo = &port->fxo;

	if (fxo->pulse_pause_ms && !--fxo->pulse_pause_ms) {
		if (fxo->pulses <= 10)
			take_digit(port, (char)('0' + fxo->pulses % 10));
		fxo->pulses = 0;
	}
	if (!fxo->loop_open_ms || ++fxo->loop_open_ms <= port->chan.times.flash + PULSE_MAX_MS)
		return;
	fxo->loop_open_ms = 0;
	fxo->seized = false;
	fxo_play(port, FXO_SILENCE);
	port_note(port, "released", "%s", "");
}

/* ---- What the card sees of the line ---- */

static void battery_believed(struct port *port, bool there)
{
	port->fxo.seen_battery = there;
	port->fxo.alarm_ms = ALARM_MS;
	chan_signal(&port->chan, there ? CHAN_IN_OFFHOOK : CHAN_IN_ONHOOK);
}

static void watch_battery(struct port *port)
{
	struct fxo *fxo = &port->fxo;
	bool there = fxo->battery && !port->cut;

	if (fxo->drop_ms && !--fxo->drop_ms)
		fxo_battery(port, true, 0);
	if (!port->plugged)
		return;
	if (there == fxo->seen_battery)
		fxo->battery_ms = 0;
	else if (++fxo->battery_ms >= BATTERY_MS)
		battery_believed(port, there);
	if (fxo->alarm_ms && !--fxo->alarm_ms)
		chan_alarm(&port->chan, fxo->seen_battery ? 0 : DAHDI_ALARM_RED);
}

static void ring_cadence(struct port *port)
{
	struct fxo *fxo = &port->fxo;
	int at = fxo->ring_at_ms++ % (RING_ON_MS + RING_OFF_MS);
	bool burst = at < RING_ON_MS;
	bool seen = port->plugged && !port->cut && fxo->seen_battery;

	if (burst && !fxo->ring_burst)
		port_note(port, "ring_on", "%d", ++fxo->rings);
	fxo->ring_burst = burst;
	if (seen)
		chan_signal(&port->chan, burst ? CHAN_IN_RING : CHAN_IN_OFFHOOK);
	if (fxo->rings == 1 && at == IDENTITY_AT_MS && (fxo->number[0] || fxo->name[0])) {
		stop_sender(fxo);
		fxo->sender = signals_identity(fxo->number, fxo->name);
	}
}

static void init(struct port *port)
{
	port->fxo.battery = true;
	port->fxo.auto_dial_tone = true;
	port->fxo.keys = signals_keys(take_digit, port);
}

static void finish(struct port *port)
{
	stop_sender(&port->fxo);
	signals_keys_destroy(port->fxo.keys);
}

static void plug(struct port *port)
{
	struct fxo *fxo = &port->fxo;

	/* the card looked at its line before the channel was configured: no event tells of it */
	fxo->seen_battery = fxo->battery && !port->cut;
	port->chan.alarms = fxo->seen_battery ? 0 : DAHDI_ALARM_RED;
	fxo->battery_ms = fxo->alarm_ms = 0;
	if (fxo->seized && !fxo->loop_open_ms)
		fxo->loop_open_ms = 1;
}

static void hook_moved(void *owner, bool off)
{
	(void)owner; /* an exchange has no handset */
}

static void tick(struct port *port)
{
	watch_battery(port);
	loop_timer(port);
	if (port->fxo.ring_wanted)
		ring_cadence(port);
}

/* ---- Audio ---- */

static void add_signals(struct port *port, uint8_t *samples)
{
	struct fxo *fxo = &port->fxo;
	enum law law = port->chan.default_law;
	int16_t linear[CHAN_CHUNK];

	if (fxo->sender) {
		bool more = signals_send(fxo->sender, linear, CHAN_CHUNK);

		for (int i = 0; i < CHAN_CHUNK; i++)
			samples[i] = law_byte(law, linear[i]);
		if (!more)
			stop_sender(fxo);
	} else if (fxo->seized && fxo->player.sound && voice_is_idle(&port->voice)) {
		for (int i = 0; i < CHAN_CHUNK; i++)
			samples[i] = law_byte(law, zone_sample(&fxo->player));
	}
}

static void hear_keys(struct port *port, const uint8_t *sent)
{
	int16_t linear[CHAN_CHUNK];

	for (int i = 0; i < CHAN_CHUNK; i++)
		linear[i] = law_linear(port->chan.default_law, sent[i]);
	signals_listen(port->fxo.keys, linear, CHAN_CHUNK);
}

static const uint8_t *line(struct port *port, const uint8_t *sent, uint8_t *ret_received)
{
	struct fxo *fxo = &port->fxo;
	bool whole = port->plugged && !port->cut && fxo->battery;
	bool closed_loop = whole && fxo->seized && !fxo->loop_open_ms;

	voice_tick(&port->voice, port->chan.default_law, closed_loop ? sent : NULL, ret_received);
	add_signals(port, ret_received);
	if (closed_loop)
		hear_keys(port, sent);
	if (!whole || fxo->ring_burst)
		memset(ret_received, law_silence(port->chan.default_law), CHAN_CHUNK);
	return ret_received;
}

static int ioctl(struct port *port, unsigned int command, void *argument)
{
	switch (command) {
	case DAHDI_SET_HWGAIN:
		return 0;
	case DAHDI_TONEDETECT:
		return -ENOSYS;
	case DAHDI_ONHOOKTRANSFER:
	case DAHDI_SETPOLARITY:
	case DAHDI_VMWI:
	case DAHDI_VMWI_CONFIG:
		return -EINVAL; /* another kind of module */
	default:
		return -ENOTTY;
	}
}

const struct port_kind fxo_kind = {
	.card = {.signal = signal_out, .opened = opened, .closed = closed},
	.init = init,
	.finish = finish,
	.plug = plug,
	.hook = hook_moved,
	.tick = tick,
	.line = line,
	.ioctl = ioctl,
};
