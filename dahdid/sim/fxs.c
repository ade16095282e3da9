/* An FXS port: the card feeds and rings a telephone. It does what the drivers of real cards do, on-hook transfer after
 * each ring burst included; the telephone has a hook, a bell, a lamp and a caller-ID display.
 */
#include "port.h"
#include <dahdi/user.h>
#include <errno.h>
#include <string.h>

#define TRANSFER_AFTER_RING_MS 6000

/* WCTDM_GET_STATS of <dahdi/wctdm_user.h>, in mV. */
struct line_volts {
	int tip, ring, battery;
};
#define GET_STATS _IOR(DAHDI_CODE, 60, struct line_volts)
#define VOLT_STEP 376

const char *const fxs_feed_names[FEEDS] = {
	"open", "forward", "onhook_transfer", "reversed", "onhook_transfer_reversed", "ringing",
};

static bool is_reversed(const struct port *port)
{
	return port->fxs.reversed != port->fxs.lamp_reverses;
}

static enum feed active(const struct port *port)
{
	return is_reversed(port) ? FEED_REVERSED : FEED_FORWARD;
}

static bool in_transfer(enum feed feed)
{
	return feed == FEED_ONHOOK_TRANSFER || feed == FEED_ONHOOK_REVERSED;
}

/* The bell moves when the line rings, the cable is whole and the handset lies on its hook. */
static void look_at_bell(struct port *port)
{
	struct fxs *fxs = &port->fxs;
	bool ringing = fxs->feed == FEED_RINGING && !port->cut && !fxs->off_hook;

	if (ringing == fxs->ringing)
		return;
	long long lasted = (long long)(port->now_ms - fxs->ring_changed_ms);

	fxs->ringing = ringing;
	if (ringing && lasted > TRANSFER_AFTER_RING_MS)
		fxs->rings = 0;
	if (ringing)
		port_note(port, "ring_on", "%d", ++fxs->rings);
	else
		port_note(port, "ring_off", "%lld", lasted);
	fxs->ring_changed_ms = port->now_ms;
}

static void set_feed(struct port *port, enum feed feed)
{
	enum feed old = port->fxs.feed;

	if (old == feed)
		return;
	port->fxs.feed = feed;
	port_note(port, "feed", "%s", fxs_feed_names[feed]);
	if (feed == FEED_OPEN)
		port_note(port, "battery_drop", "%s", "");
	else if (old == FEED_OPEN)
		port_note(port, "battery_back", "%s", "");
	look_at_bell(port);
}

static void drive(struct port *port, enum chan_out out)
{
	switch (out) {
	case CHAN_OUT_ONHOOK:
	case CHAN_OUT_OFFHOOK:
		set_feed(port, port->fxs.idle);
		break;
	case CHAN_OUT_START:
		set_feed(port, FEED_RINGING);
		break;
	case CHAN_OUT_KEWL:
		set_feed(port, FEED_OPEN);
		break;
	}
}

static void signal_out(void *owner, enum chan_out out)
{
	struct port *port = owner;

	if (port->plugged)
		drive(port, out);
}

static void opened(void *owner)
{
	port_note((struct port *)owner, "opened", "%s", "");
}

static void closed(void *owner)
{
	struct port *port = owner;

	port->fxs.idle = active(port);
	port_note(port, "closed", "%s", "");
}

/* What the card sees of the handset: nothing through a cut cable. */
static void hook_seen(struct port *port, bool off)
{
	struct fxs *fxs = &port->fxs;

	if (!port->plugged)
		return;
	if (off && (fxs->feed == FEED_RINGING || in_transfer(fxs->feed)))
		fxs->idle = active(port); /* ring trip, or the end of an on-hook transfer */
	if (fxs->feed != FEED_OPEN)
		drive(port, off ? CHAN_OUT_OFFHOOK : CHAN_OUT_ONHOOK);
	chan_signal(&port->chan, off ? CHAN_IN_OFFHOOK : CHAN_IN_ONHOOK);
}

static void hook_moved(void *owner, bool off)
{
	struct port *port = owner;

	if (port->fxs.off_hook == off)
		return;
	port->fxs.off_hook = off;
	port_note(port, off ? "hook_off" : "hook_on", "%s", "");
	look_at_bell(port);
	if (!port->cut)
		hook_seen(port, off);
}

void port_cut(struct port *port, bool cut)
{
	if (port->cut == cut)
		return;
	port->cut = cut;
	port_note(port, cut ? "cut" : "mended", "%s", "");
	if (port->is_fxo)
		return;
	look_at_bell(port);
	if (port->fxs.off_hook)
		hook_seen(port, !cut);
}

/* ---- The display and the lamp ---- */

static bool lamp_is_lit(const struct port *port)
{
	bool by_voltage = port->fxs.messages && port->fxs.lamp_kinds & (DAHDI_VMWI_HVDC | DAHDI_VMWI_HVAC);

	return by_voltage || (port->fxs.messages && port->fxs.lamp_reverses) || port->fxs.lamp_message.lamp;
}

bool port_lamp(const struct port *port)
{
	return lamp_is_lit(port);
}

static void note_lamp(struct port *port, bool was_lit)
{
	bool lit = lamp_is_lit(port);

	if (lit != was_lit)
		port_note(port, lit ? "lamp_on" : "lamp_off", "%s", "");
}

static void display_told(void *owner, const struct display_message *message)
{
	struct port *port = owner;
	bool was_lit = lamp_is_lit(port);

	if (message->kind == DISPLAY_LAMP) {
		port->fxs.lamp_message = *message;
		port_note(port, "message_waiting", "%s %d", message->lamp ? "on" : "off", message->waiting);
		note_lamp(port, was_lit);
		return;
	}
	port->fxs.shown = *message;
	port_note(port, "caller_id", "%s %s", message->number, message->name);
}

/* ---- The kind's functions ---- */

static void init(struct port *port)
{
	port->fxs.display = display_create(display_told, port);
	port->fxs.ring_changed_ms = -TRANSFER_AFTER_RING_MS;
}

static void finish(struct port *port)
{
	display_destroy(port->fxs.display);
}

static void plug(struct port *port)
{
	struct fxs *fxs = &port->fxs;

	fxs->reversed = fxs->lamp_reverses = fxs->transfer = false;
	fxs->messages = 0;
	fxs->lamp_kinds = 0;
	fxs->feed = fxs->idle = FEED_FORWARD;
}

static void tick(struct port *port)
{
	struct fxs *fxs = &port->fxs;

	if (!port->plugged)
		return;
	if (fxs->feed == FEED_RINGING) {
		fxs->transfer = true;
		fxs->transfer_until_ms = port->now_ms + TRANSFER_AFTER_RING_MS;
		fxs->idle = is_reversed(port) ? FEED_ONHOOK_REVERSED : FEED_ONHOOK_TRANSFER;
	} else if (fxs->transfer && fxs->off_hook && !port->cut) {
		fxs->transfer = false;
		fxs->idle = active(port);
	} else if (fxs->transfer && port->now_ms >= fxs->transfer_until_ms) {
		fxs->transfer = false;
		fxs->idle = active(port);
		if (in_transfer(fxs->feed))
			set_feed(port, fxs->idle);
	}
}

static void display_listens(struct port *port, const uint8_t *sent)
{
	int16_t samples[CHAN_CHUNK];

	if (!port->fxs.listening)
		display_restart(port->fxs.display);
	for (int i = 0; i < CHAN_CHUNK; i++)
		samples[i] = law_linear(port->chan.default_law, sent[i]);
	display_hear(port->fxs.display, samples, CHAN_CHUNK);
}

/* Audio passes with the loop closed, and on hook during a transfer. */
static const uint8_t *line(struct port *port, const uint8_t *sent, uint8_t *ret_received)
{
	struct fxs *fxs = &port->fxs;
	bool fed = port->plugged && !port->cut && fxs->feed != FEED_OPEN && fxs->feed != FEED_RINGING;
	bool display = fed && !fxs->off_hook && in_transfer(fxs->feed);
	bool hears = fed && (fxs->off_hook || display);

	voice_tick(&port->voice, port->chan.default_law, hears ? sent : NULL, ret_received);
	if (display)
		display_listens(port, sent);
	fxs->listening = display;
	if (!fed || !fxs->off_hook)
		memset(ret_received, law_silence(port->chan.default_law), CHAN_CHUNK);
	return ret_received;
}

/* ---- ioctls ---- */

/* The line takes its polarity at once, whatever state it is in. */
static void repolarize(struct port *port)
{
	static const enum feed turned[2][FEEDS] = {
		{FEED_OPEN, FEED_FORWARD, FEED_ONHOOK_TRANSFER, FEED_FORWARD, FEED_ONHOOK_TRANSFER, FEED_RINGING},
		{FEED_OPEN, FEED_REVERSED, FEED_ONHOOK_REVERSED, FEED_REVERSED, FEED_ONHOOK_REVERSED, FEED_RINGING},
	};
	const enum feed *to = turned[is_reversed(port)];

	port->fxs.idle = to[port->fxs.idle];
	set_feed(port, to[port->fxs.feed]);
}

static int ioctl_transfer(struct port *port, void *argument)
{
	struct fxs *fxs = &port->fxs;
	int ms = *(int *)argument;

	fxs->idle = active(port);
	if (fxs->feed == FEED_FORWARD || fxs->feed == FEED_REVERSED)
		set_feed(port, is_reversed(port) ? FEED_ONHOOK_REVERSED : FEED_ONHOOK_TRANSFER);
	fxs->transfer = true;
	fxs->transfer_until_ms = port->now_ms + (ms > 0 ? ms : 0);
	return 0;
}

static int ioctl_polarity(struct port *port, void *argument)
{
	if (port->fxs.feed == FEED_RINGING || port->fxs.feed == FEED_OPEN)
		return -EINVAL;
	port->fxs.reversed = *(int *)argument != 0;
	repolarize(port);
	return 0;
}

static void set_messages(struct port *port, int messages, bool was_lit)
{
	port->fxs.messages = messages;
	port->fxs.lamp_reverses = messages && port->fxs.lamp_kinds & DAHDI_VMWI_LREV;
	port_note(port, "messages", "%d", messages);
	repolarize(port);
	note_lamp(port, was_lit);
}

static int ioctl_messages(struct port *port, void *argument)
{
	int messages = *(int *)argument;

	if (messages < 0)
		return -EFAULT; /* what the drivers say */
	set_messages(port, messages, lamp_is_lit(port));
	return 0;
}

static int ioctl_lamp_kinds(struct port *port, void *argument)
{
	bool was_lit = lamp_is_lit(port);

	port->fxs.lamp_kinds = ((struct dahdi_vmwi_info *)argument)->vmwi_type;
	set_messages(port, port->fxs.messages, was_lit);
	return 0;
}

static int ioctl_volts(struct port *port, void *argument)
{
	struct line_volts *volts = argument;
	bool closed_loop = port->fxs.off_hook && !port->cut;

	*volts = (struct line_volts){.battery = -140 * VOLT_STEP};
	if (port->fxs.feed == FEED_OPEN)
		return 0;
	if (port->fxs.feed == FEED_RINGING) {
		*volts = (struct line_volts){-90 * VOLT_STEP, -100 * VOLT_STEP, -200 * VOLT_STEP};
		return 0;
	}
	volts->tip = -VOLT_STEP * (closed_loop ? 55 : 8);
	volts->ring = -VOLT_STEP * (closed_loop ? 75 : 132);
	if (port->fxs.feed == FEED_REVERSED || port->fxs.feed == FEED_ONHOOK_REVERSED) {
		int tip = volts->tip;

		volts->tip = volts->ring;
		volts->ring = tip;
	}
	return 0;
}

static int ioctl_nothing(struct port *port, void *argument)
{
	return 0;
}

static int ioctl_no_detector(struct port *port, void *argument)
{
	return -ENOSYS;
}

static int ioctl(struct port *port, unsigned int command, void *argument)
{
	static const struct {
		unsigned int command;
		int (*answer)(struct port *port, void *argument);
	} rows[] = {
		{DAHDI_ONHOOKTRANSFER, ioctl_transfer},
		{DAHDI_SETPOLARITY, ioctl_polarity},
		{DAHDI_VMWI, ioctl_messages},
		{DAHDI_VMWI_CONFIG, ioctl_lamp_kinds},
		{GET_STATS, ioctl_volts},
		{DAHDI_SET_HWGAIN, ioctl_nothing},
		{DAHDI_TONEDETECT, ioctl_no_detector},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].command == command)
			return rows[i].answer(port, argument);
	}
	return -ENOTTY;
}

const struct port_kind fxs_kind = {
	.card = {.signal = signal_out, .opened = opened, .closed = closed},
	.init = init,
	.finish = finish,
	.plug = plug,
	.hook = hook_moved,
	.tick = tick,
	.line = line,
	.ioctl = ioctl,
};
