// SPDX-License-Identifier: GPL-2.0
/*
 * hscard - a telephone card for DAHDI without hardware, for tests in a virtual machine.
 *
 * The DAHDI core above it is the real one. Towards it this module does what the drivers of analog cards do: line feed,
 * ring trip, on-hook transfer after each ring, polarity and message waiting on FXS ports; battery, ringing and polarity
 * with their delays on FXO ports. Below, instead of a line, each port has two device files for whoever plays the
 * telephone or the exchange:
 *
 *   /dev/hscard/N        write a command a line (see the tables), read what happened, a line each: MS EVENT [DETAIL]
 *   /dev/hscard/N.voice  G.711 bytes, 8000 a second: write what is said into the line, read what is heard of it
 *   /dev/hscard/card     unplug | plug | alarm BITS
 *
 * Commands of FXS ports: lift, hangup, flash MS, pulse DIGITS, pause MS; of FXO ports: ring, unring, battery on|off,
 * polarity. They are carried out one after the other. "time" on an FXO port is told at once, after all that was before
 * it. This file is under the GPL because kernel modules of its kind are; it is no part of what hookswitch installs.
 */
#include <dahdi/kernel.h>
#include <dahdi/wctdm_user.h>
#include <linux/cdev.h>
#include <linux/ctype.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/kfifo.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#define PORTS_MAX 48
#define TRANSFER_AFTER_RING_MS 6000
#define BATTERY_MS 64 /* until a change of the battery is believed */
#define ALARM_MS 1000 /* until a missing battery is an alarm */
#define SAID_BYTES 16384
#define HEARD_BYTES 65536
#define NEWS_BYTES 8192
#define COMMAND_BYTES 256

static char *ports = "ssss";
module_param(ports, charp, 0444);
MODULE_PARM_DESC(ports, "a letter a port: s for FXS, o for FXO");

enum feed { OPEN, FORWARD, TRANSFER, REVERSED, TRANSFER_REVERSED, RINGING, FEEDS };

static const char *const feed_names[FEEDS] = {
	"open", "forward", "onhook_transfer", "reversed", "onhook_transfer_reversed", "ringing",
};

enum act { ACT_NONE, ACT_HOOK, ACT_BATTERY, ACT_RING, ACT_POLARITY };

/* Something to do, and how long to wait after it. */
struct step {
	u8 act, value;
	u16 ms;
};

struct port {
	spinlock_t lock;
	struct dahdi_chan *chan; /* NULL: the card is out */
	int number;
	bool is_fxo;
	wait_queue_head_t wait;
	DECLARE_KFIFO(steps, struct step, 512);
	DECLARE_KFIFO(said, u8, SAID_BYTES);
	DECLARE_KFIFO(heard, u8, HEARD_BYTES);
	DECLARE_KFIFO(news, char, NEWS_BYTES);
	int pause_ms;
	int listeners;
	/* FXS */
	enum feed feed, idle;
	bool off_hook, ringing, reverse, lamp_reverse, transfer;
	unsigned long transfer_until, ring_changed;
	int rings, messages;
	struct dahdi_vmwi_info lamp;
	/* FXO */
	bool battery, seen_battery, ring, seized;
	int battery_ms, alarm_ms;
};

static struct port *port;
static int count;
static struct dahdi_device *device;
static struct board {
	struct dahdi_span span;
	struct dahdi_chan *chans[PORTS_MAX];
} * board;
static DEFINE_MUTEX(plugging);
static struct hrtimer clock;
static unsigned long now; /* ms */

/* ---- News ---- */

/* with the port's lock held */
static void tell(struct port *p, const char *event, const char *detail)
{
	char line[64];
	int length = scnprintf(line, sizeof(line), "%lu %s%s%s\n", now, event, *detail ? " " : "", detail);

	if (kfifo_avail(&p->news) >= length)
		kfifo_in(&p->news, line, length);
	wake_up_interruptible(&p->wait);
}

static void tell_number(struct port *p, const char *event, long number)
{
	char detail[16];

	snprintf(detail, sizeof(detail), "%ld", number);
	tell(p, event, detail);
}

/* ---- FXS: feeding a telephone ---- */

static bool reversed(const struct port *p)
{
	return p->reverse != p->lamp_reverse;
}

static enum feed active(const struct port *p)
{
	return reversed(p) ? REVERSED : FORWARD;
}

static bool in_transfer(enum feed feed)
{
	return feed == TRANSFER || feed == TRANSFER_REVERSED;
}

static void look_at_bell(struct port *p)
{
	bool ringing = p->feed == RINGING && !p->off_hook;

	if (ringing == p->ringing)
		return;
	p->ringing = ringing;
	if (ringing && now - p->ring_changed > TRANSFER_AFTER_RING_MS)
		p->rings = 0;
	if (ringing)
		tell_number(p, "ring_on", ++p->rings);
	else
		tell_number(p, "ring_off", now - p->ring_changed);
	p->ring_changed = now;
}

static void set_feed(struct port *p, enum feed feed)
{
	enum feed old = p->feed;

	if (feed == old)
		return;
	p->feed = feed;
	tell(p, "feed", feed_names[feed]);
	if (feed == OPEN)
		tell(p, "battery_drop", "");
	else if (old == OPEN)
		tell(p, "battery_back", "");
	look_at_bell(p);
}

static void feed_line(struct port *p, enum dahdi_txsig out)
{
	if (out == DAHDI_TXSIG_START)
		set_feed(p, RINGING);
	else if (out == DAHDI_TXSIG_KEWL)
		set_feed(p, OPEN);
	else
		set_feed(p, p->idle);
}

static void repolarize(struct port *p)
{
	static const enum feed to[2][FEEDS] = {
		{OPEN, FORWARD, TRANSFER, FORWARD, TRANSFER, RINGING},
		{OPEN, REVERSED, TRANSFER_REVERSED, REVERSED, TRANSFER_REVERSED, RINGING},
	};

	p->idle = to[reversed(p)][p->idle];
	set_feed(p, to[reversed(p)][p->feed]);
}

static void transfer_timer(struct port *p)
{
	if (p->feed == RINGING) {
		p->transfer = true;
		p->transfer_until = now + TRANSFER_AFTER_RING_MS;
		p->idle = reversed(p) ? TRANSFER_REVERSED : TRANSFER;
	} else if (p->transfer && p->off_hook) {
		p->transfer = false;
		p->idle = active(p);
	} else if (p->transfer && !time_before(now, p->transfer_until)) {
		p->transfer = false;
		p->idle = active(p);
		if (in_transfer(p->feed))
			set_feed(p, p->idle);
	}
}

static int fxs_transfer(struct port *p, int ms)
{
	p->idle = active(p);
	if (p->feed == FORWARD || p->feed == REVERSED)
		set_feed(p, reversed(p) ? TRANSFER_REVERSED : TRANSFER);
	p->transfer = true;
	p->transfer_until = now + max(ms, 0);
	return 0;
}

static int fxs_polarity(struct port *p, int reverse)
{
	if (p->feed == RINGING || p->feed == OPEN)
		return -EINVAL;
	p->reverse = !!reverse;
	repolarize(p);
	return 0;
}

static int fxs_messages(struct port *p, int messages)
{
	if (messages < 0)
		return -EFAULT;
	p->messages = messages;
	p->lamp_reverse = messages && (p->lamp.vmwi_type & DAHDI_VMWI_LREV);
	tell_number(p, "messages", messages);
	repolarize(p);
	return 0;
}

/* Plausible volts for each state, in the SLIC's steps of 376 mV. */
static void measure(const struct port *p, struct wctdm_stats *volts)
{
	memset(volts, 0, sizeof(*volts));
	volts->batvolt = -376 * 140;
	if (p->feed == OPEN)
		return;
	volts->tipvolt = -376 * (p->off_hook ? 55 : 8);
	volts->ringvolt = -376 * (p->off_hook ? 75 : 132);
	if (p->feed == RINGING) {
		volts->tipvolt = -376 * 90;
		volts->ringvolt = -376 * 100;
		volts->batvolt = -376 * 200;
	} else if (p->feed == REVERSED || p->feed == TRANSFER_REVERSED) {
		swap(volts->tipvolt, volts->ringvolt);
	}
}

/* ---- What DAHDI asks of a card ---- */

static int card_hooksig(struct dahdi_chan *chan, enum dahdi_txsig out)
{
	struct port *p = chan->pvt;
	unsigned long flags;
	bool closed = out == DAHDI_TXSIG_OFFHOOK || out == DAHDI_TXSIG_START;

	spin_lock_irqsave(&p->lock, flags);
	if (!p->is_fxo) {
		feed_line(p, out);
	} else if (p->seized != closed) {
		p->seized = closed;
		tell(p, closed ? "loop_closed" : "loop_opened", "");
	}
	spin_unlock_irqrestore(&p->lock, flags);
	return 0;
}

static int card_open(struct dahdi_chan *chan)
{
	struct port *p = chan->pvt;
	unsigned long flags;

	spin_lock_irqsave(&p->lock, flags);
	tell(p, "opened", "");
	spin_unlock_irqrestore(&p->lock, flags);
	return 0;
}

static int card_close(struct dahdi_chan *chan)
{
	struct port *p = chan->pvt;
	unsigned long flags;

	spin_lock_irqsave(&p->lock, flags);
	p->idle = active(p);
	tell(p, "closed", "");
	spin_unlock_irqrestore(&p->lock, flags);
	return 0;
}

static int with_number(struct port *p, int (*act)(struct port *, int), unsigned long data)
{
	unsigned long flags;
	int number, res;

	if (get_user(number, (int __user *)data))
		return -EFAULT;
	spin_lock_irqsave(&p->lock, flags);
	res = act(p, number);
	spin_unlock_irqrestore(&p->lock, flags);
	return res;
}

static int set_lamp(struct port *p, int kinds)
{
	p->lamp.vmwi_type = kinds;
	return fxs_messages(p, p->messages);
}

static int fxs_ioctl(struct port *p, unsigned int cmd, unsigned long data)
{
	struct wctdm_stats volts;
	unsigned long flags;

	switch (cmd) {
	case DAHDI_ONHOOKTRANSFER:
		return with_number(p, fxs_transfer, data);
	case DAHDI_SETPOLARITY:
		return with_number(p, fxs_polarity, data);
	case DAHDI_VMWI:
		return with_number(p, fxs_messages, data);
	case DAHDI_VMWI_CONFIG:
		return with_number(p, set_lamp, data);
	case WCTDM_GET_STATS:
		spin_lock_irqsave(&p->lock, flags);
		measure(p, &volts);
		spin_unlock_irqrestore(&p->lock, flags);
		return copy_to_user((void __user *)data, &volts, sizeof(volts)) ? -EFAULT : 0;
	default:
		return -ENOTTY;
	}
}

static int card_ioctl(struct dahdi_chan *chan, unsigned int cmd, unsigned long data)
{
	struct port *p = chan->pvt;

	switch (cmd) {
	case DAHDI_SET_HWGAIN:
		return 0;
	case DAHDI_TONEDETECT:
		return -ENOSYS;
	case DAHDI_ONHOOKTRANSFER:
	case DAHDI_SETPOLARITY:
	case DAHDI_VMWI:
	case DAHDI_VMWI_CONFIG:
		return p->is_fxo ? -EINVAL : fxs_ioctl(p, cmd, data);
	default:
		return p->is_fxo ? -ENOTTY : fxs_ioctl(p, cmd, data);
	}
}

static const struct dahdi_span_ops card_ops = {
	.owner = THIS_MODULE,
	.hooksig = card_hooksig,
	.open = card_open,
	.close = card_close,
	.ioctl = card_ioctl,
};

/* ---- The far ends ---- */

/* Called without the lock: the core calls back into card_hooksig. */
static void move_hook(struct port *p, bool off)
{
	unsigned long flags;

	spin_lock_irqsave(&p->lock, flags);
	if (p->off_hook == off) {
		spin_unlock_irqrestore(&p->lock, flags);
		return;
	}
	p->off_hook = off;
	tell(p, off ? "hook_off" : "hook_on", "");
	look_at_bell(p);
	if (off && (p->feed == RINGING || in_transfer(p->feed)))
		p->idle = active(p);
	if (p->feed != OPEN)
		set_feed(p, p->idle);
	spin_unlock_irqrestore(&p->lock, flags);
	if (p->chan)
		dahdi_hooksig(p->chan, off ? DAHDI_RXSIG_OFFHOOK : DAHDI_RXSIG_ONHOOK);
}

static void do_step(struct port *p, const struct step *step)
{
	switch (step->act) {
	case ACT_HOOK:
		move_hook(p, step->value);
		break;
	case ACT_BATTERY:
		p->battery = step->value;
		break;
	case ACT_RING:
		p->ring = step->value;
		if (p->chan && p->seen_battery)
			dahdi_hooksig(p->chan, p->ring ? DAHDI_RXSIG_RING : DAHDI_RXSIG_OFFHOOK);
		break;
	case ACT_POLARITY:
		if (p->chan && p->seen_battery)
			dahdi_qevent_lock(p->chan, DAHDI_EVENT_POLARITY);
		break;
	default:
		break;
	}
}

static void do_steps(struct port *p)
{
	struct step step;

	if (p->pause_ms && --p->pause_ms)
		return;
	while (!p->pause_ms && kfifo_get(&p->steps, &step)) {
		do_step(p, &step);
		p->pause_ms = step.ms;
	}
}

static void watch_battery(struct port *p)
{
	if (!p->chan)
		return;
	if (p->battery == p->seen_battery) {
		p->battery_ms = 0;
	} else if (++p->battery_ms >= BATTERY_MS) {
		p->seen_battery = p->battery;
		p->alarm_ms = ALARM_MS;
		dahdi_hooksig(p->chan, p->battery ? DAHDI_RXSIG_OFFHOOK : DAHDI_RXSIG_ONHOOK);
	}
	if (p->alarm_ms && !--p->alarm_ms)
		dahdi_alarm_channel(p->chan, p->seen_battery ? 0 : DAHDI_ALARM_RED);
}

/* Audio passes with the loop closed; on an FXS port outwards also on hook during a transfer. */
static void pass_audio(struct port *p)
{
	struct dahdi_chan *chan = p->chan;
	u8 silence = DAHDI_LIN2X(0, chan), byte;
	bool fed = p->is_fxo ? p->battery : p->feed != OPEN && p->feed != RINGING;
	bool speaks = fed && (p->is_fxo || p->off_hook);
	bool listens = fed && (p->is_fxo ? p->seized : p->off_hook || in_transfer(p->feed));
	int i;

	for (i = 0; i < DAHDI_CHUNKSIZE; i++) {
		if (!kfifo_get(&p->said, &byte) || !speaks)
			byte = silence;
		chan->readchunk[i] = byte;
		if (p->listeners)
			kfifo_put(&p->heard, listens ? chan->writechunk[i] : silence);
	}
	if (p->listeners)
		wake_up_interruptible(&p->wait);
}

static void tick_port(struct port *p)
{
	unsigned long flags;

	do_steps(p);
	if (p->is_fxo)
		watch_battery(p);
	spin_lock_irqsave(&p->lock, flags);
	if (!p->is_fxo)
		transfer_timer(p);
	if (p->chan)
		pass_audio(p);
	spin_unlock_irqrestore(&p->lock, flags);
}

static enum hrtimer_restart on_clock(struct hrtimer *timer)
{
	u64 ticks = min_t(u64, hrtimer_forward_now(timer, ms_to_ktime(1)), 200);
	int i;

	while (ticks--) {
		now++;
		if (board)
			dahdi_transmit(&board->span);
		for (i = 0; i < count; i++)
			tick_port(&port[i]);
		if (board) {
			dahdi_ec_span(&board->span);
			dahdi_receive(&board->span);
		}
	}
	return HRTIMER_RESTART;
}

/* ---- The card comes and goes ---- */

static struct dahdi_chan *make_channel(int i)
{
	struct dahdi_chan *chan = kzalloc(sizeof(*chan), GFP_KERNEL);

	if (!chan)
		return NULL;
	snprintf(chan->name, sizeof(chan->name), "HSCARD/0/%d", i);
	chan->chanpos = i + 1;
	chan->pvt = &port[i];
	chan->sigcap = port[i].is_fxo ? DAHDI_SIG_FXSKS | DAHDI_SIG_FXSLS | DAHDI_SIG_SF | DAHDI_SIG_CLEAR
				      : DAHDI_SIG_FXOKS | DAHDI_SIG_FXOLS | DAHDI_SIG_FXOGS | DAHDI_SIG_SF |
						DAHDI_SIG_EM | DAHDI_SIG_CLEAR;
	return chan;
}

static void reset_port(struct port *p)
{
	p->reverse = p->lamp_reverse = p->transfer = p->seen_battery = false;
	p->messages = p->battery_ms = p->alarm_ms = 0;
	p->lamp.vmwi_type = 0;
	p->feed = p->idle = FORWARD;
}

static void describe(struct board *b)
{
	bool fxs = false, fxo = false;
	int i;

	for (i = 0; i < count; i++) {
		fxo |= port[i].is_fxo;
		fxs |= !port[i].is_fxo;
	}
	snprintf(b->span.name, sizeof(b->span.name), "HSCARD/0");
	snprintf(b->span.desc, sizeof(b->span.desc), "hscard board 1");
	b->span.spantype = fxs && fxo ? SPANTYPE_ANALOG_MIXED : fxo ? SPANTYPE_ANALOG_FXO : SPANTYPE_ANALOG_FXS;
	b->span.deflaw = DAHDI_LAW_MULAW;
	b->span.flags = DAHDI_FLAG_RBS;
	b->span.ops = &card_ops;
	b->span.chans = b->chans;
	b->span.channels = count;
	device->manufacturer = "hookswitch";
	device->devicetype = "hscard";
	device->location = "a virtual machine";
	device->hardware_id = "hscard-0";
	dev_set_name(&device->dev, "hscard:0");
	list_add_tail(&b->span.device_node, &device->spans);
}

static int plug(void)
{
	struct board *b;
	int i, res;

	if (board)
		return -EBUSY;
	b = kzalloc(sizeof(*b), GFP_KERNEL);
	device = dahdi_create_device();
	if (!b || !device)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		b->chans[i] = make_channel(i);
		if (!b->chans[i])
			return -ENOMEM;
		reset_port(&port[i]);
	}
	describe(b);
	res = dahdi_register_device(device, NULL);
	if (res)
		return res;
	for (i = 0; i < count; i++)
		port[i].chan = b->chans[i];
	board = b;
	return 0;
}

/* The board's memory stays: an open descriptor may still point into it. */
static int unplug(void)
{
	int i;

	if (!board)
		return -ENODEV;
	dahdi_unregister_device(device);
	hrtimer_cancel(&clock);
	board = NULL;
	for (i = 0; i < count; i++) {
		port[i].chan = NULL;
		port[i].feed = port[i].idle = OPEN;
	}
	hrtimer_start(&clock, ms_to_ktime(1), HRTIMER_MODE_REL);
	dahdi_free_device(device);
	device = NULL;
	return 0;
}

/* ---- Device files ---- */

static dev_t first;
static struct cdev files;
static struct class *class;

/* Minor 0 is the card, 2n-1 port n, 2n its voice. */
static struct port *port_of(struct file *file)
{
	int minor = iminor(file_inode(file));

	return minor ? &port[(minor - 1) / 2] : NULL;
}

static bool is_voice(struct file *file)
{
	int minor = iminor(file_inode(file));

	return minor && !(minor & 1);
}

static int file_open(struct inode *inode, struct file *file)
{
	struct port *p = port_of(file);

	if (is_voice(file) && file->f_mode & FMODE_READ) {
		spin_lock_irq(&p->lock);
		if (!p->listeners++)
			kfifo_reset(&p->heard);
		spin_unlock_irq(&p->lock);
	}
	return nonseekable_open(inode, file);
}

static int file_release(struct inode *inode, struct file *file)
{
	struct port *p = port_of(file);

	if (is_voice(file) && file->f_mode & FMODE_READ) {
		spin_lock_irq(&p->lock);
		p->listeners--;
		spin_unlock_irq(&p->lock);
	}
	return 0;
}

static bool has_something(struct file *file)
{
	struct port *p = port_of(file);

	return is_voice(file) ? !kfifo_is_empty(&p->heard) : !kfifo_is_empty(&p->news);
}

static ssize_t file_read(struct file *file, char __user *user, size_t size, loff_t *at)
{
	struct port *p = port_of(file);
	u8 bytes[256];
	int got;

	if (!p)
		return -EINVAL;
	while (!has_something(file)) {
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		if (wait_event_interruptible(p->wait, has_something(file)))
			return -ERESTARTSYS;
	}
	size = min(size, sizeof(bytes));
	spin_lock_irq(&p->lock);
	got = is_voice(file) ? kfifo_out(&p->heard, bytes, size) : kfifo_out(&p->news, (char *)bytes, size);
	spin_unlock_irq(&p->lock);
	return copy_to_user(user, bytes, got) ? -EFAULT : got;
}

static ssize_t say(struct port *p, struct file *file, const char __user *user, size_t size)
{
	u8 bytes[256];
	int took;

	size = min(size, sizeof(bytes));
	if (copy_from_user(bytes, user, size))
		return -EFAULT;
	for (;;) {
		spin_lock_irq(&p->lock);
		took = kfifo_in(&p->said, bytes, size);
		spin_unlock_irq(&p->lock);
		if (took)
			return took;
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		if (wait_event_interruptible_timeout(p->wait, !kfifo_is_full(&p->said), HZ / 50) < 0)
			return -ERESTARTSYS;
	}
}

static int add(struct port *p, u8 act, u8 value, int ms)
{
	struct step step = {act, value, clamp(ms, 0, 60000)};

	return kfifo_put(&p->steps, step) ? 0 : -ENOSPC;
}

static int add_pulses(struct port *p, const char *digits)
{
	int res = 0, i, pulses;

	for (; isdigit(*digits); digits++) {
		pulses = *digits == '0' ? 10 : *digits - '0';
		for (i = 1; i <= pulses && !res; i++) {
			res = add(p, ACT_HOOK, false, 60);
			res = res ?: add(p, ACT_HOOK, true, i == pulses ? 700 : 40);
		}
	}
	return *digits ? -EINVAL : res;
}

static int fxs_command(struct port *p, const char *line)
{
	int ms, at = 0;

	if (!strcmp(line, "lift"))
		return add(p, ACT_HOOK, true, 0);
	if (!strcmp(line, "hangup"))
		return add(p, ACT_HOOK, false, 0);
	if (sscanf(line, "flash %d", &ms) == 1)
		return add(p, ACT_HOOK, false, ms) ?: add(p, ACT_HOOK, true, 0);
	if (sscanf(line, "pause %d", &ms) == 1)
		return add(p, ACT_NONE, 0, ms);
	if (sscanf(line, "pulse %n", &at) == 0 && at)
		return add_pulses(p, line + at);
	return -EINVAL;
}

static int fxo_command(struct port *p, const char *line)
{
	if (!strcmp(line, "ring") || !strcmp(line, "unring"))
		return add(p, ACT_RING, line[0] == 'r', 0);
	if (!strcmp(line, "battery on") || !strcmp(line, "battery off"))
		return add(p, ACT_BATTERY, !strcmp(line, "battery on"), 0);
	if (!strcmp(line, "polarity"))
		return add(p, ACT_POLARITY, 0, 0);
	if (!strcmp(line, "time")) {
		tell(p, "time", "");
		return 0;
	}
	return -EINVAL;
}

static int card_command(const char *line)
{
	int bits, res = -EINVAL;

	mutex_lock(&plugging);
	if (!strcmp(line, "unplug"))
		res = unplug();
	else if (!strcmp(line, "plug"))
		res = plug();
	else if (sscanf(line, "alarm %d", &bits) == 1 && board) {
		board->span.alarms = bits;
		dahdi_alarm_notify(&board->span);
		res = 0;
	}
	mutex_unlock(&plugging);
	return res;
}

static int command(struct port *p, const char *line)
{
	int res;

	if (!*line)
		return 0;
	if (!p)
		return card_command(line);
	spin_lock_irq(&p->lock);
	res = p->is_fxo ? fxo_command(p, line) : fxs_command(p, line);
	spin_unlock_irq(&p->lock);
	return res;
}

static ssize_t file_write(struct file *file, const char __user *user, size_t size, loff_t *at)
{
	struct port *p = port_of(file);
	char text[COMMAND_BYTES], *rest = text;
	int res = 0;

	if (is_voice(file))
		return say(p, file, user, size);
	if (size >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, user, size))
		return -EFAULT;
	text[size] = 0;
	while (rest && !res)
		res = command(p, strim(strsep(&rest, "\n")));
	return res ?: size;
}

static __poll_t file_poll(struct file *file, poll_table *table)
{
	struct port *p = port_of(file);

	if (!p)
		return EPOLLOUT;
	poll_wait(file, &p->wait, table);
	return EPOLLOUT | (has_something(file) ? EPOLLIN | EPOLLRDNORM : 0);
}

static const struct file_operations operations = {
	.owner = THIS_MODULE,
	.open = file_open,
	.release = file_release,
	.read = file_read,
	.write = file_write,
	.poll = file_poll,
	.llseek = no_llseek,
};

static int make_files(void)
{
	int i, res = alloc_chrdev_region(&first, 0, 2 * count + 1, "hscard");

	if (res)
		return res;
	cdev_init(&files, &operations);
	files.owner = THIS_MODULE;
	res = cdev_add(&files, first, 2 * count + 1);
	if (res)
		return res;
	class = class_create(THIS_MODULE, "hscard");
	device_create(class, NULL, first, NULL, "hscard!card");
	for (i = 0; i < count; i++) {
		device_create(class, NULL, first + 2 * i + 1, NULL, "hscard!%d", i + 1);
		device_create(class, NULL, first + 2 * i + 2, NULL, "hscard!%d.voice", i + 1);
	}
	return 0;
}

static void make_port(struct port *p, int i)
{
	spin_lock_init(&p->lock);
	init_waitqueue_head(&p->wait);
	INIT_KFIFO(p->steps);
	INIT_KFIFO(p->said);
	INIT_KFIFO(p->heard);
	INIT_KFIFO(p->news);
	p->number = i + 1;
	p->is_fxo = ports[i] == 'o';
	p->battery = true;
}

static int __init hscard_init(void)
{
	int i, res;

	count = min_t(int, strlen(ports), PORTS_MAX);
	port = kvzalloc(sizeof(*port) * count, GFP_KERNEL);
	if (!port || !count)
		return -EINVAL;
	for (i = 0; i < count; i++)
		make_port(&port[i], i);
	res = make_files();
	if (res)
		return res;
	hrtimer_init(&clock, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	clock.function = on_clock;
	mutex_lock(&plugging);
	res = plug();
	mutex_unlock(&plugging);
	hrtimer_start(&clock, ms_to_ktime(1), HRTIMER_MODE_REL);
	return res;
}

/* The machine ends with its card in it: there is no way to unload. */
module_init(hscard_init);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A telephone card for DAHDI without hardware, for tests");
