#include "chan.h"
#include "dialling.h"
#include "hook.h"
#include <dahdi/user.h>
#include <errno.h>
#include <string.h>

static const struct chan_times default_times = {
	.prewink = 50,
	.preflash = 50,
	.wink = 150,
	.flash = 750,
	.rxwink = 300,
	.rxflash = 1250,
	.debounce = 600,
	.pulsebreak = 50,
	.pulsemake = 50,
	.pulseafter = 750,
};

static void no_gain(struct chan *chan)
{
	for (int i = 0; i < 256; i++)
		chan->rx_gain[i] = chan->tx_gain[i] = (uint8_t)i;
}

void chan_init(struct chan *chan, int number, int position, int signalling, enum law law, const struct zone *zone)
{
	*chan = (struct chan){
		.number = number,
		.position = position,
		.signalling = signalling,
		.default_law = law,
		.law = law,
		.zones = zone,
		.in = CHAN_IN_INITIAL,
		.present = true,
		.digit_mode = 'T',
	};
	no_gain(chan);
}

void chan_finish(struct chan *chan)
{
	blocks_finish(&chan->blocks);
}

void chan_event(struct chan *chan, int event)
{
	events_put(&chan->events, event);
	chan->woken = chan->event_came = true;
}

/* What HOOK ONHOOK, open and close have in common. */
static void hang_up(struct chan *chan)
{
	hook_hang_up(chan);
	blocks_clear_in(&chan->blocks);
	blocks_clear_out(&chan->blocks);
	dialling_stop(chan);
	chan->after_dial_ms = 0;
	chan->cadence_at = 0;
}

/* What both ends of a descriptor's life put back. */
static void reset(struct chan *chan)
{
	chan->in_timer_set_ms = chan->in_timer_ms = 0;
	chan->ring_debounce_ms = 0;
	chan->seized = false;
	chan->digit_mode = 'T';
	chan->taps = 0;
	chan->confmute = 0;
	chan->linear = false;
	events_clear(&chan->events);
	chan_use_law(chan, 0);
	no_gain(chan);
}

int chan_open(struct chan *chan, bool nonblocking)
{
	if (!chan->signalling)
		return -ENXIO;
	if (chan->open)
		return -EBUSY;
	chan->open = true;
	chan->nonblocking = nonblocking;
	chan->blocks.policy = BLOCKS_IMMEDIATE;
	blocks_resize(&chan->blocks, DAHDI_DEFAULT_BLOCKSIZE, DAHDI_DEFAULT_NUM_BUFS);
	chan->times = default_times;
	chan->times.start = chan->signalling & __DAHDI_SIG_FXO ? 2000 : 1500;
	chan->out_timer_ms = 0;
	reset(chan);
	hang_up(chan);
	chan->cadence_loop = 0;
	chan->zone = NULL;
	chan_cadence(chan, NULL);
	chan_use_zone(chan, DAHDI_TONE_ZONE_DEFAULT);
	chan->card->opened(chan->owner);
	return 0;
}

void chan_close(struct chan *chan)
{
	blocks_finish(&chan->blocks);
	chan->zone = NULL;
	hang_up(chan);
	chan->pulses = chan->pulse_timer_ms = 0;
	chan->looped = chan->frozen = false;
	reset(chan);
	chan->open = false;
	chan->card->closed(chan->owner);
}

void chan_configure(struct chan *chan, int signalling)
{
	chan->signalling = signalling;
	hang_up(chan);
	chan->in = CHAN_IN_INITIAL;
}

/* ---- read and write ---- */

static int read_linear(struct chan *chan, const uint8_t *block, int length, uint8_t *ret_bytes, size_t size)
{
	int samples = (size_t)length * 2 < size ? length : (int)(size / 2);

	for (int i = 0; i < samples; i++) {
		int16_t sample = law_linear(chan->law, block[i]);

		memcpy(ret_bytes + 2 * i, &sample, sizeof(sample));
	}
	return (size_t)length * 2 < size ? length * 2 : (int)size;
}

int chan_read(struct chan *chan, uint8_t *ret_bytes, size_t size)
{
	int length = 0;

	size &= 0xffff;
	if (!size)
		return -EINVAL;
	if (events_waiting(&chan->events))
		return -ELAST;
	const uint8_t *block = blocks_oldest(&chan->blocks, &length);

	if (!block)
		return -EAGAIN;
	if (chan->linear) {
		length = read_linear(chan, block, length, ret_bytes, size);
	} else {
		length = (size_t)length < size ? length : (int)size;
		memcpy(ret_bytes, block, (size_t)length);
	}
	blocks_drop(&chan->blocks);
	return length;
}

static void write_linear(struct chan *chan, uint8_t *block, const uint8_t *bytes, int samples)
{
	for (int i = 0; i < samples; i++) {
		int16_t sample;

		memcpy(&sample, bytes + 2 * i, sizeof(sample));
		block[i] = law_byte(chan->law, sample);
	}
}

int chan_write(struct chan *chan, const uint8_t *bytes, size_t size)
{
	int most = chan->linear ? chan->blocks.size * 2 : chan->blocks.size;

	size &= 0xffff;
	if (!size)
		return -EINVAL;
	if (chan->player.sound || chan->pulses_to_send)
		dialling_stop(chan);
	if (events_waiting(&chan->events))
		return -ELAST;
	uint8_t *block = blocks_free(&chan->blocks);

	if (!block)
		return -EAGAIN;
	int taken = size < (size_t)most ? (int)size : most;

	if (chan->linear)
		write_linear(chan, block, bytes, taken / 2);
	else
		memcpy(block, bytes, (size_t)taken);
	blocks_written(&chan->blocks, chan->linear ? taken / 2 : taken);
	return taken;
}

/* ---- DAHDI_HOOK ---- */

static int hook_on(struct chan *chan)
{
	hang_up(chan);
	return 0;
}

static int hook_off(struct chan *chan)
{
	if (chan->state == CHAN_KEWL || chan->state == CHAN_AFTERKEWL)
		return -EBUSY;
	hook_enter(chan, CHAN_OUT_OFFHOOK, CHAN_DEBOUNCE, chan->times.debounce);
	return 0;
}

static int hook_ring(struct chan *chan)
{
	if (!chan->zone)
		return -ENODATA;
	if (chan->state != CHAN_ONHOOK)
		return -EBUSY;
	if (chan->signalling & __DAHDI_SIG_FXO) {
		chan->cadence_at = 0;
		hook_enter(chan, CHAN_OUT_START, CHAN_RINGON, chan->cadence_ms[0]);
	} else {
		hook_enter(chan, CHAN_OUT_START, CHAN_START, chan->times.start);
	}
	return chan->nonblocking ? -EINPROGRESS : 0;
}

static int hook_wink(struct chan *chan)
{
	if (chan->state != CHAN_ONHOOK)
		return -EBUSY;
	hook_enter(chan, CHAN_OUT_ONHOOK, CHAN_PREWINK, chan->times.prewink);
	return chan->nonblocking ? -EINPROGRESS : CHAN_SLEEP;
}

static int hook_flash(struct chan *chan)
{
	if (chan->state != CHAN_OFFHOOK)
		return -EBUSY;
	hook_enter(chan, CHAN_OUT_OFFHOOK, CHAN_PREFLASH, chan->times.preflash);
	return chan->nonblocking ? -EINPROGRESS : CHAN_SLEEP;
}

static int hook_ring_off(struct chan *chan)
{
	hook_enter(chan, CHAN_OUT_ONHOOK, CHAN_ONHOOK, 0);
	return 0;
}

int chan_hook(struct chan *chan, int value)
{
	static int (*const actions[])(struct chan *) = {
		[DAHDI_ONHOOK] = hook_on,        [DAHDI_OFFHOOK] = hook_off, [DAHDI_WINK] = hook_wink,
		[DAHDI_FLASH] = hook_flash,      [DAHDI_START] = hook_ring,  [DAHDI_RING] = hook_ring,
		[DAHDI_RINGOFF] = hook_ring_off,
	};

	dialling_stop(chan);
	if (value < 0 || value >= (int)(sizeof(actions) / sizeof(actions[0])))
		return -EINVAL;
	return actions[value](chan);
}

bool chan_settled(const struct chan *chan, int hook_value)
{
	return chan->state == (hook_value == DAHDI_WINK ? CHAN_ONHOOK : CHAN_OFFHOOK);
}

/* ---- Settings ---- */

int chan_use_zone(struct chan *chan, int number)
{
	if (!chan->zones || (number != DAHDI_TONE_ZONE_DEFAULT && number != chan->zones->number))
		return -ENODATA;
	dialling_stop(chan);
	chan->zone = chan->zones;
	memcpy(chan->cadence_ms, chan->zone->cadence_ms, sizeof(chan->cadence_ms));
	return 0;
}

void chan_cadence(struct chan *chan, const int *cadence_ms)
{
	const int none[ZONE_CADENCE] = {chan->times.start, 4000};

	if (!cadence_ms)
		cadence_ms = chan->zone ? chan->zone->cadence_ms : none;
	memcpy(chan->cadence_ms, cadence_ms, sizeof(chan->cadence_ms));
	chan->cadence_loop = 0;
	for (int i = 0; i < ZONE_CADENCE; i += 2) {
		if (chan->cadence_ms[i] >= 0)
			continue;
		chan->cadence_ms[i] = chan->cadence_ms[i] == INT32_MIN ? INT32_MAX : -chan->cadence_ms[i];
		chan->cadence_loop = i;
		break;
	}
}

void chan_flush(struct chan *chan, int mask)
{
	if (mask & DAHDI_FLUSH_READ)
		blocks_clear_in(&chan->blocks);
	if (mask & DAHDI_FLUSH_WRITE)
		blocks_clear_out(&chan->blocks);
	if (mask & DAHDI_FLUSH_EVENT)
		events_clear(&chan->events);
	if (mask & DAHDI_FLUSH_BOTH)
		chan->woken = chan->out_freed = true;
}

void chan_use_law(struct chan *chan, int law)
{
	chan->law = law ? (enum law)law : chan->default_law;
}

void chan_use_blocks(struct chan *chan, int size, int count, int policy)
{
	chan->blocks.policy = (enum blocks_policy)(policy & 3);
	blocks_resize(&chan->blocks, size, count);
}

bool chan_is_off_hook(const struct chan *chan)
{
	return chan->in != CHAN_IN_ONHOOK && chan->in != CHAN_IN_INITIAL;
}

void chan_alarm(struct chan *chan, uint32_t alarms)
{
	if (chan->alarms == alarms)
		return;
	chan->alarms = alarms;
	chan_event(chan, alarms ? DAHDI_EVENT_ALARM : DAHDI_EVENT_NOALARM);
}

/* ---- The clock ---- */

/* A tone ended by itself: with a dial string, the next digit. */
static void tone_ended(struct chan *chan)
{
	if (chan->dialling)
		dialling_next(chan);
}

static void fill(struct chan *chan, uint8_t *samples, int count)
{
	for (int i = 0; i < count; i++) {
		bool playing = chan->player.sound;

		samples[i] = law_byte(chan->law, zone_sample(&chan->player));
		if (playing && !chan->player.sound)
			tone_ended(chan);
	}
}

static void note_underrun(struct chan *chan, bool dry)
{
	if (dry && !chan->underrun && chan->buffer_events)
		chan_event(chan, DAHDI_EVENT_WRITE_UNDERRUN);
	chan->underrun = dry;
}

void chan_tick_out(struct chan *chan, uint8_t *ret_samples)
{
	bool freed;

	hook_tick_out(chan);
	int got = blocks_send(&chan->blocks, ret_samples, CHAN_CHUNK, &freed);

	if (freed)
		chan->woken = chan->out_freed = true;
	if (chan->player.sound) {
		fill(chan, ret_samples + got, CHAN_CHUNK - got);
		note_underrun(chan, false);
	} else if (chan->looped && got < CHAN_CHUNK) {
		memcpy(ret_samples + got, chan->last_in, (size_t)(CHAN_CHUNK - got));
		note_underrun(chan, false);
	} else {
		memset(ret_samples + got, law_silence(chan->law), (size_t)(CHAN_CHUNK - got));
		note_underrun(chan, got < CHAN_CHUNK);
	}
	for (int i = 0; i < CHAN_CHUNK; i++)
		ret_samples[i] = chan->tx_gain[ret_samples[i]];
}

void chan_tick_in(struct chan *chan, const uint8_t *samples)
{
	uint8_t heard[CHAN_CHUNK];
	bool filled;

	if (chan->dialling)
		chan->after_dial_ms = 50;
	else if (chan->after_dial_ms)
		chan->after_dial_ms--;
	if (chan->after_dial_ms)
		memset(heard, law_silence(chan->law), sizeof(heard));
	else
		memcpy(heard, samples, sizeof(heard));
	memcpy(chan->last_in, samples, sizeof(chan->last_in));
	for (int i = 0; i < CHAN_CHUNK; i++)
		heard[i] = chan->rx_gain[heard[i]];
	int lost = blocks_receive(&chan->blocks, heard, CHAN_CHUNK, &filled);

	if (filled)
		chan->woken = chan->in_filled = true;
	if (lost && !chan->overrun && chan->buffer_events)
		chan_event(chan, DAHDI_EVENT_READ_OVERRUN);
	chan->overrun = lost > 0;
	hook_tick_in(chan);
}
