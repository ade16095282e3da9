#include "frames.h"
#include "cleanup.h"
#include "clock.h"
#include "dahdid.h"
#include "exchange.h"
#include "frame.h"
#include "grid.h"
#include "log.h"
#include "metrics.h"
#include "watch.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How much of what the telephone is to hear waits in the card: one block, which is the time until the next one comes,
 * and a margin for the way to mediad and back. It grows when the card ran dry, and shrinks after a quiet while. */
#define MARGIN 80       /* samples: 10 ms */
#define MARGIN_MOST 480 /* 60 ms */
#define QUIET 80000     /* samples: 10 s */
#define READS 8         /* blocks read in one turn */
#define LATE_BLOCKS 3

static uint8_t silence_of(enum hs_codec law)
{
	return law == HS_CODEC_PCMA ? 0xd5 : 0xff;
}

static void say(struct port *port, enum hs_frame_kind kind)
{
	struct hs_frame frame = {.kind = kind, .codec = port->facts.law};
	uint8_t data[HS_FRAME_HEADER_BYTES];
	int bytes;

	hs_copy(frame.grant, sizeof(frame.grant), port->r.grant);
	bytes = hs_frame_pack(&frame, data, sizeof(data));
	if (bytes > 0)
		hs_audio_send(port->dahdid->audio, 0, data, (size_t)bytes);
}

void frames_attach(struct port *port)
{
	if (port->r.grant[0])
		say(port, HS_FRAME_ATTACH);
}

void frames_detach(struct port *port)
{
	if (port->r.grant[0])
		say(port, HS_FRAME_DETACH);
	port->audio.is_attached = false;
}

/* ---- to the telephone ---- */

/* A block for the card: true when it took it, or dropped it for good. While an event waits it takes nothing. */
static bool put(struct port *port, const uint8_t *bytes, size_t count)
{
	int result = chan_write(&port->chan, bytes, count);

	if (result == -CHAN_ELAST)
		return false;
	if (result > 0) {
		port->audio.written += result;
		port->counts.blocks_out++;
		hs_metric_add(port->dahdid->meters.blocks_out, 1);
		return true;
	}
	port->counts.overruns++;
	hs_metric_add(port->dahdid->meters.overruns, 1);
	return true;
}

/* The same; what an event keeps out waits until it was taken. */
static void put_or_keep(struct port *port, const uint8_t *bytes, size_t count)
{
	struct port_audio *audio = &port->audio;

	if (put(port, bytes, count))
		return;
	memcpy(audio->kept, bytes, count);
	audio->kept_bytes = count;
}

void frames_put_kept(struct port *port)
{
	struct port_audio *audio = &port->audio;
	size_t count = audio->kept_bytes;

	audio->kept_bytes = 0;
	if (audio->is_on && count)
		put_or_keep(port, audio->kept, count);
}

static void put_silence(struct port *port, size_t count)
{
	uint8_t block[CHAN_BLOCK_MAX];
	size_t most = (size_t)port->dahdid->block_bytes;

	memset(block, silence_of(port->facts.law), most);
	for (; count > 0; count -= count < most ? count : most)
		put_or_keep(port, block, count < most ? count : most);
}

static bool is_silence(const uint8_t *bytes, size_t count, enum hs_codec law)
{
	for (size_t i = 0; i < count; i++)
		if (bytes[i] != silence_of(law))
			return false;
	return true;
}

/* The card ran dry: it begins again with a larger margin. */
static void refill(struct port *port)
{
	struct port_audio *audio = &port->audio;

	audio->is_dry = false;
	audio->margin = audio->margin * 2 > MARGIN_MOST ? MARGIN_MOST : audio->margin * 2;
	audio->changed_at = audio->heard;
	put_silence(port, (size_t)audio->margin);
}

/* Half of the margin is given back where nobody hears it. What is left of the block. */
static size_t shrink(struct port *port, const uint8_t *bytes, size_t count)
{
	struct port_audio *audio = &port->audio;

	if (audio->margin <= MARGIN || audio->heard - audio->changed_at < QUIET ||
	    !is_silence(bytes, count, port->facts.law))
		return count;
	audio->changed_at = audio->heard;
	audio->margin /= 2;
	return count - ((size_t)audio->margin < count ? (size_t)audio->margin : count - 1);
}

/* What mediad answers to a block. */
static void hear(struct port *port, const struct hs_frame *frame)
{
	struct port_audio *audio = &port->audio;
	int64_t most = (LATE_BLOCKS + 1) * (int64_t)port->dahdid->block_bytes + audio->margin;

	if (!audio->is_on || audio->is_mute || audio->sound || frame->payload_bytes == 0 ||
	    frame->payload_bytes > CHAN_BLOCK_MAX || frame->codec != port->facts.law)
		return;
	if (audio->written - audio->heard > most) { /* it came late, and others after it in time */
		port->counts.overruns++;
		hs_metric_add(port->dahdid->meters.overruns, 1);
		return;
	}
	if (audio->is_dry)
		refill(port);
	put_or_keep(port, frame->payload, shrink(port, frame->payload, frame->payload_bytes));
}

/* ---- from the telephone ---- */

static void send_block(struct port *port, const uint8_t *block, size_t bytes)
{
	struct port_audio *audio = &port->audio;
	uint8_t data[HS_FRAME_HEADER_BYTES + CHAN_BLOCK_MAX], silence[CHAN_BLOCK_MAX];
	struct hs_frame frame = {
		.kind = HS_FRAME_AUDIO,
		.codec = port->facts.law,
		.sequence = audio->sequence++,
		.timestamp = audio->timestamp,
		.payload = block,
		.payload_bytes = bytes,
	};
	int packed;

	if (port->r.held) {
		memset(silence, silence_of(port->facts.law), bytes);
		frame.payload = silence;
	}
	hs_copy(frame.grant, sizeof(frame.grant), port->r.grant);
	packed = hs_frame_pack(&frame, data, sizeof(data));
	if (packed < 0 || hs_audio_send(port->dahdid->audio, 0, data, (size_t)packed) < 0)
		hs_metric_add(port->dahdid->meters.lost, 1);
}

/* The card's clock went on by a block: did it have something to play all the time? */
static void tick(struct port *port, size_t bytes)
{
	struct port_audio *audio = &port->audio;

	audio->heard += (int64_t)bytes;
	if (audio->written >= audio->heard)
		return;
	audio->written = audio->heard;
	if (audio->is_dry || audio->is_mute || audio->sound)
		return;
	audio->is_dry = true;
	port->counts.underruns++;
	hs_metric_add(port->dahdid->meters.underruns, 1);
}

/* As much of a sound as the card takes. */
static void play_on(struct port *port)
{
	struct port_audio *audio = &port->audio;
	int64_t most = (int64_t)(WATCH_SOUND_BLOCKS - 1) * port->dahdid->block_bytes;

	while (audio->sound_at < audio->sound_bytes && audio->written - audio->heard < most) {
		size_t left = audio->sound_bytes - audio->sound_at, block = (size_t)port->dahdid->block_bytes;
		size_t count = left < block ? left : block;

		if (!put(port, audio->sound + audio->sound_at, count))
			return; /* at the next block */
		audio->sound_at += count;
	}
}

/* Samples that the card dropped because nobody read for long show in the clock only. */
static void notice_gap(struct port *port, int blocks)
{
	struct port_audio *audio = &port->audio;
	int64_t now_us = hs_clock_us(), passed = (now_us - audio->heard_at_us) / 125;
	int64_t missing = passed - (int64_t)blocks * port->dahdid->block_bytes;

	if (audio->heard_at_us && blocks >= WATCH_BLOCKS && missing > port->dahdid->block_bytes) {
		audio->timestamp += (uint32_t)missing;
		audio->heard += missing;
		port->counts.overruns++;
		hs_metric_add(port->dahdid->meters.overruns, 1);
	}
	audio->heard_at_us = now_us;
}

static void take_block(struct port *port, const uint8_t *block, size_t bytes)
{
	port->counts.blocks_in++;
	hs_metric_add(port->dahdid->meters.blocks_in, 1);
	tick(port, bytes);
	if (port->audio.sound)
		play_on(port);
	else if (port->audio.is_attached)
		send_block(port, block, bytes);
	port->audio.timestamp += (uint32_t)bytes;
	if (port->exchange)
		exchange_hear(port, block, bytes);
}

/* How long nothing was heard of a call in which dahdid died. */
static void end_silence(struct port *port, int64_t now_us)
{
	int64_t silence_us = now_us - port->audio.silent_since_us;

	port->audio.silent_since_us = 0;
	hs_metric_observe_us(port->dahdid->meters.silence, silence_us);
	hs_log(INFO, "port.heard_again", LOG_LINE(port->r.line), LOG_CALL(port->r.call), LOG_LEG(port->r.leg),
	       LOG_INT("silence_ms", silence_us / 1000));
}

static void note_sent(struct port *port)
{
	struct port_audio *audio = &port->audio;

	if (!audio->is_attached || audio->sound)
		return;
	if (audio->silent_since_us)
		end_silence(port, audio->heard_at_us);
	*audio->sent_at_us = audio->heard_at_us;
}

int frames_due(const struct port *port)
{
	int64_t passed = port->audio.heard_at_us ? (hs_clock_us() - port->audio.heard_at_us) / 125 : 0;
	int64_t blocks = (passed + port->dahdid->block_bytes / 2) / port->dahdid->block_bytes;

	return blocks < 1 ? 1 : blocks > READS ? READS : (int)blocks;
}

int frames_read(struct port *port, int most)
{
	uint8_t *block = port->dahdid->block;
	int blocks = 0, result = 0;

	while (port->audio.is_on && blocks < most) {
		result = chan_read(&port->chan, block, (size_t)port->dahdid->block_bytes);
		if (result <= 0)
			break;
		take_block(port, block, (size_t)result);
		blocks++;
	}
	if (blocks && port->audio.is_on) {
		notice_gap(port, blocks);
		note_sent(port);
	}
	return result >= 0 || result == -EAGAIN || result == -EINTR ? 0 : result;
}

/* ---- on and off ---- */

static void reset(struct port_audio *audio)
{
	audio->is_dry = false;
	audio->written = audio->heard = audio->heard_at_us = audio->changed_at = 0;
	audio->margin = MARGIN;
	audio->kept_bytes = 0;
}

static void begin(struct port *port, int blocks)
{
	port->audio.is_on = true;
	port->audio.is_mute = false;
	reset(&port->audio);
	chan_blocks(&port->chan, port->dahdid->block_bytes, blocks); /* which empties them */
	grid_leave(port);
	watch_audio(port, true);
}

static void put_lead(struct port *port)
{
	put_silence(port, (size_t)port->dahdid->block_bytes + (size_t)port->audio.margin);
}

void frames_begin(struct port *port)
{
	free(TAKE(port->audio.sound));
	if (port->settings.echo_taps)
		chan_echo(&port->chan, port->settings.echo_taps);
	port->audio.sequence = 0;
	begin(port, WATCH_BLOCKS);
	put_lead(port);
	frames_attach(port);
	grid_join(port);
}

void frames_align(struct port *port)
{
	reset(&port->audio);
	chan_flush(&port->chan, CHAN_FLUSH_READ | CHAN_FLUSH_WRITE);
	if (!port->audio.is_mute)
		put_lead(port);
}

void frames_mute(struct port *port, bool is_mute)
{
	struct port_audio *audio = &port->audio;

	if (!audio->is_on || audio->is_mute == is_mute)
		return;
	audio->is_mute = is_mute;
	audio->kept_bytes = 0;
	if (is_mute)
		chan_flush(&port->chan, CHAN_FLUSH_WRITE);
	else
		put_lead(port);
}

void frames_listen(struct port *port)
{
	begin(port, WATCH_BLOCKS);
}

void frames_play(struct port *port, uint8_t *sound, size_t bytes)
{
	free(port->audio.sound);
	port->audio.sound = sound;
	port->audio.sound_bytes = bytes;
	port->audio.sound_at = 0;
	begin(port, WATCH_SOUND_BLOCKS);
	play_on(port);
}

bool frames_sound_ended(struct port *port)
{
	struct port_audio *audio = &port->audio;

	if (!audio->sound || audio->sound_at < audio->sound_bytes || audio->written > audio->heard)
		return false;
	frames_end(port);
	return true;
}

void frames_end(struct port *port)
{
	struct port_audio *audio = &port->audio;

	free(TAKE(audio->sound));
	if (!audio->is_on)
		return;
	audio->is_on = false;
	audio->silent_since_us = *audio->sent_at_us = 0;
	grid_leave(port);
	if (port->chan.fd < 0)
		return;
	watch_audio(port, false);
	chan_flush(&port->chan, CHAN_FLUSH_READ | CHAN_FLUSH_WRITE);
	if (port->settings.echo_taps)
		chan_echo(&port->chan, 0);
}

/* ---- the edge ---- */

static void hear_attached(struct port *port, const struct hs_frame *frame)
{
	port->audio.is_attached = true;
}

static void hear_refused(struct port *port, const struct hs_frame *frame)
{
	port->audio.is_attached = false;
	hs_log(WARN, "audio.refused", LOG_LINE(port->r.line), LOG_CALL(port->r.call), LOG_LEG(port->r.leg),
	       LOG_WHY("the audio engine does not know the channel: it may have been restarted"));
}

static void hear_detach(struct port *port, const struct hs_frame *frame)
{
	port->audio.is_attached = false;
}

static void (*const rows[])(struct port *port, const struct hs_frame *frame) = {
	[HS_FRAME_ATTACHED] = hear_attached,
	[HS_FRAME_REFUSED] = hear_refused,
	[HS_FRAME_AUDIO] = hear,
	[HS_FRAME_DETACH] = hear_detach,
};

static void heard(void *context, uint64_t peer, enum hs_role role, const uint8_t *data, size_t bytes)
{
	struct dahdid *dahdid = context;
	struct hs_frame frame;
	struct port *port;

	if (hs_frame_read(data, bytes, &frame) < 0)
		return;
	port = ports_of_grant(dahdid->ports, frame.grant);
	if (port && (size_t)frame.kind < HS_COUNT(rows) && rows[frame.kind])
		rows[frame.kind](port, &frame);
}

static void attach_again(void *context, struct port *port)
{
	port->audio.is_attached = false;
	if (*(const bool *)context)
		frames_attach(port);
}

static void changed(void *context, bool is_up)
{
	struct dahdid *dahdid = context;

	ports_each(dahdid->ports, attach_again, &is_up);
}

static void find_last(void *context, struct port *port)
{
	const struct dahdid *dahdid = context;
	char key[HS_JOURNAL_KEY];
	int64_t *kept;

	snprintf(key, sizeof(key), "audio/%s", port->r.line);
	kept = hs_journal_live(dahdid->house->journal, key, sizeof(*kept));
	port->audio.sent_at_us = kept ? kept : &port->audio.own_sent_at_us;
	port->audio.silent_since_us = *port->audio.sent_at_us;
}

static void forget_last(void *context, struct port *port)
{
	if (!port->audio.is_on)
		port->audio.silent_since_us = 0;
}

void frames_restored(struct dahdid *dahdid)
{
	ports_each(dahdid->ports, forget_last, NULL);
}

int frames_open(struct dahdid *dahdid)
{
	ports_each(dahdid->ports, find_last, dahdid);
	dahdid->audio = hs_audio_connect(dahdid->house->bus, heard, changed, dahdid);
	return dahdid->audio ? 0 : -EADDRNOTAVAIL;
}
