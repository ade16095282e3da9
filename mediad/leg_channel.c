#include "leg_channel.h"
#include "audio.h"
#include "cleanup.h"
#include "clock.h"
#include "figures.h"
#include "frames.h"
#include "inband.h"
#include "jitter.h"
#include "kept.h"
#include "leg_player.h"
#include "log.h"
#include "metrics.h"
#include "trace.h"
#include "voices.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	BLOCK_MIN = HS_CHANNEL_MS_MIN * CODEC_SAMPLES_PER_MS,
	BLOCK_MAX = HS_CHANNEL_MS_MAX * CODEC_SAMPLES_PER_MS,
	KEY_MS_MIN = 60,     /* a key sent on is not shorter: far ends miss those */
	KEY_MS_MAX = 5000,   /* nor longer */
	ECHO_SAMPLES = 2000, /* samples: what we send comes back from the hybrid within this time, quieter */
};

/* All that a successor goes on with, written where it finds it: no pointers. */
struct channel_record {
	struct end_record end;
	struct hs_channel channel; /* name "": not described yet */

	/* in */
	struct figures figures;
	struct frames frames;
	bool is_used, has_heard, is_started, silence_told;
	uint32_t attachments; /* so many, and the SSRC of the figures */
	uint32_t timestamp;   /* our time line, of what comes next */
	int64_t heard_at_us;  /* last block, or first use */
	uint16_t sequence;    /* of frames to the partner */
	int64_t blocks_in, samples_in;

	/* out */
	struct digits_in partner_keys;
	struct digits_out digits_out;
	char echo_key;
	int64_t echo_until, deaf_until; /* in samples heard */
	uint32_t block_sequence, block_timestamp, heard_timestamp;
	int64_t blocks_out, dropped;
	uint64_t lost_told;
};

const size_t leg_channel_kept = sizeof(struct channel_record);

struct leg_channel {
	struct end end;
	struct channel_record *record;
	bool is_attached;
	uint64_t peer;

	/* in */
	struct inband *keys;
	bool is_ours;    /* the key that is heard is an echo of what we send */
	bool is_restart; /* the next block begins a new time line of dahdid's */
	bool has_jumped; /* audio is missing before the next frame */
	uint32_t offset; /* our time line minus dahdid's */

	/* out */
	const struct end *heard_from; /* whose packets wait; never looked into */
	struct jitter jitter;
	struct inband *echo;          /* keys in what we send */
	uint8_t pending[CODEC_FRAME]; /* of the frame that a block ended in: the last ones are still to be sent */
	size_t pending_count;
	uint64_t underruns_told, dropped_told;
};

static struct leg_channel *channel_of(const struct end *end)
{
	return (struct leg_channel *)end;
}

static void trace(const struct leg_channel *leg, const char *what)
{
	const char *name = leg->record->channel.name[0] ? leg->record->channel.name : "channel";
	hs_trace_add(HS_TRACE_KIND_MEDIA, end_call(&leg->end), leg->end.id, name, "mediad", "%s", what);
}

/* ---- Keys ---- */

/* A tone that we send, or let through from somewhere, comes back from the hybrid: it was told already, or is nobody's.
 */
static bool is_our_own(const struct leg_channel *leg, char key)
{
	if (leg->record->samples_in < leg->record->deaf_until)
		return true;
	return leg->record->echo_key == key &&
	       (inband_key(leg->echo) || leg->record->samples_in < leg->record->echo_until);
}

/* A partner that takes keys beside the audio gets it whole: its tone is kept from it. */
static void pass_key(struct leg_channel *leg, char key, int64_t duration_ms)
{
	struct end *partner = leg->end.partner;
	char text[2] = {key, 0};
	if (duration_ms < KEY_MS_MIN)
		duration_ms = KEY_MS_MIN;
	if (partner && partner->kind->takes_keys(partner))
		partner->kind->digits(partner, text, duration_ms < KEY_MS_MAX ? duration_ms : KEY_MS_MAX);
}

static void key_noticed(void *context, bool is_down, char key, uint32_t duration_ms)
{
	struct leg_channel *leg = context;
	struct world *world = leg->end.world;
	if (is_down)
		leg->is_ours = is_our_own(leg, key);
	if (leg->is_ours)
		return;
	if (!is_down)
		hs_metric_add(world->meters.digits[HS_DIGIT_SOURCE_INBAND], 1);
	world->report->digit(world->report_context, &leg->end, is_down ? DIGITS_BEGIN : DIGITS_END, key, duration_ms);
	if (!is_down)
		pass_key(leg, key, duration_ms);
}

static void echo_noticed(void *context, bool is_down, char key, uint32_t duration_ms)
{
	struct leg_channel *leg = context;
	leg->record->echo_key = key;
	leg->record->echo_until = leg->record->samples_in + ECHO_SAMPLES;
}

/* A key that the partner told beside its audio is played once it is known whole: it never merges with the next one. */
static void partner_key(void *context, enum digits_edge edge, char key, uint32_t duration_ms)
{
	struct leg_channel *leg = context;
	char text[2] = {key, 0};
	if (edge != DIGITS_END)
		return;
	if (duration_ms < KEY_MS_MIN)
		duration_ms = KEY_MS_MIN;
	digits_queue(&leg->record->digits_out, text, duration_ms < KEY_MS_MAX ? duration_ms : KEY_MS_MAX);
}

/* One slot of a digit or of the pause after it. False: no digits. */
static bool take_key(struct leg_channel *leg, uint8_t *ret_frame)
{
	struct digits_out *out = &leg->record->digits_out;
	struct packet_event event = {0};
	uint32_t timestamp;
	bool marker;
	if (!digits_busy(out))
		return false;
	char key = out->queue[out->head];
	bool sounds = digits_slot(out, leg->record->block_timestamp, &event, &timestamp, &marker) && out->ends <= 1;
	uint64_t position = sounds ? event.duration - CODEC_FRAME : 0;
	tones_fill_key(leg->end.world->tones, sounds ? key : 0, position, leg->end.codec, ret_frame);
	leg->record->deaf_until = leg->record->samples_in + ECHO_SAMPLES;
	return true;
}

/* ---- From the phone ---- */

static void tell_started(struct leg_channel *leg)
{
	struct world *world = leg->end.world;
	if (leg->record->is_started || !leg->record->has_heard || !leg->record->channel.name[0])
		return;
	leg->record->is_started = true;
	world->report->started(world->report_context, &leg->end, leg->end.codec, leg->record->channel.name, false);
}

static void tell_partner(struct leg_channel *leg, enum hs_codec codec, uint32_t timestamp, const uint8_t *frame)
{
	uint8_t room[PACKET_HEADER + CODEC_FRAME];
	struct heard heard = {
		.codec = codec,
		.marker = leg->has_jumped,
		.sequence = ++leg->record->sequence,
		.timestamp = timestamp,
		.ssrc = 1, /* one source for as long as the leg lives */
		.payload = room + PACKET_HEADER,
		.payload_bytes = CODEC_FRAME,
		.now_us = leg->record->heard_at_us,
	};
	leg->has_jumped = false;
	memcpy(heard.payload, frame, CODEC_FRAME);
	leg->end.partner->kind->hear(leg->end.partner, &heard);
}

static void emit_frame(void *context, enum hs_codec codec, uint32_t timestamp, const uint8_t frame[CODEC_FRAME])
{
	struct leg_channel *leg = context;
	const struct end *partner = leg->end.partner;
	uint8_t silence[CODEC_FRAME];
	bool is_key = inband_key(leg->keys) && !leg->is_ours;
	memset(silence, hs_law_silence(codec), sizeof silence);
	if (leg->record->end.is_muted)
		frame = silence;
	voices_tell(&leg->end,
		    &(struct spoken){TRACK_SAID, codec, timestamp, leg->record->heard_at_us, is_key ? silence : frame});
	if (partner)
		tell_partner(leg, codec, timestamp, is_key && partner->kind->takes_keys(partner) ? silence : frame);
}

/* dahdid's time line moved onto ours. A new dahdid has another one: the time that passed stays missing. */
static uint32_t place(struct leg_channel *leg, uint32_t timestamp, int64_t now_us)
{
	if (leg->is_restart) {
		int64_t passed =
			leg->record->has_heard ? (now_us - leg->record->heard_at_us) * CODEC_SAMPLES_PER_MS / 1000 : 0;
		leg->offset = leg->record->timestamp + (uint32_t)passed - timestamp;
		leg->is_restart = false;
	}
	uint32_t placed = timestamp + leg->offset;
	leg->has_jumped |= placed != leg->record->timestamp;
	return placed;
}

static void count_block(struct leg_channel *leg, const struct hs_frame *block, int64_t now_us)
{
	leg->record->blocks_in++;
	leg->record->samples_in += (int64_t)block->payload_bytes;
	hs_metric_add(leg->end.world->meters.blocks_in, 1);
	figures_add(&leg->record->figures, leg->record->attachments, (uint16_t)block->sequence, block->timestamp,
		    now_us, true);
}

static void set_law(struct leg_channel *leg, enum hs_codec codec)
{
	if (leg->end.codec == codec)
		return;
	leg->end.codec = codec;
	kept_note(&leg->end);
	leg->pending_count = 0;
	jitter_init(&leg->jitter, codec);
}

/* ---- To the phone ---- */

static void produce(struct leg_channel *leg, uint8_t ret_frame[CODEC_FRAME])
{
	uint8_t partner[CODEC_FRAME];
	bool has_partner = jitter_take(&leg->jitter, partner); /* it goes on in real time, whatever drowns it */
	bool has_voice = voices_take(&leg->end, ret_frame);
	if (take_key(leg, ret_frame) || has_voice)
		return;
	if (has_partner && !voices_outrank(&leg->end))
		memcpy(ret_frame, partner, CODEC_FRAME);
	else
		memset(ret_frame, hs_law_silence(leg->end.codec), CODEC_FRAME);
}

static void tell_heard(struct leg_channel *leg, const uint8_t frame[CODEC_FRAME])
{
	voices_tell(&leg->end, &(struct spoken){TRACK_HEARD, leg->end.codec, leg->record->heard_timestamp,
						leg->record->heard_at_us, frame});
	leg->record->heard_timestamp += CODEC_FRAME;
}

static void fill_block(struct leg_channel *leg, uint8_t *ret_block, size_t count)
{
	while (count > 0) {
		if (leg->pending_count == 0) {
			produce(leg, leg->pending);
			tell_heard(leg, leg->pending);
			leg->pending_count = CODEC_FRAME;
		}
		size_t part = count < leg->pending_count ? count : leg->pending_count;
		memcpy(ret_block, leg->pending + CODEC_FRAME - leg->pending_count, part);
		leg->pending_count -= part;
		ret_block += part;
		count -= part;
	}
}

static void send_block(struct leg_channel *leg, const uint8_t *bytes, size_t count)
{
	struct hs_frame frame = {
		.kind = HS_FRAME_AUDIO,
		.codec = leg->end.codec,
		.sequence = leg->record->block_sequence++,
		.timestamp = leg->record->block_timestamp,
		.payload = bytes,
		.payload_bytes = count,
	};
	hs_copy(frame.grant, sizeof frame.grant, leg->end.id);
	leg->record->block_timestamp += (uint32_t)count;
	int error = audio_send(leg->end.world->audio, leg->peer, &frame);
	if (error == -EHOSTUNREACH)
		leg->is_attached = false; /* its successor attaches again */
	if (error < 0) {
		leg->record->dropped++;
		return;
	}
	leg->record->blocks_out++;
	hs_metric_add(leg->end.world->meters.blocks_out, 1);
}

static void answer_block(struct leg_channel *leg, size_t count)
{
	uint8_t block[BLOCK_MAX];
	digits_expire(&leg->record->partner_keys, leg->record->heard_at_us, partner_key, leg);
	fill_block(leg, block, count);
	inband_hear(leg->echo, leg->end.codec, block, count);
	send_block(leg, block, count);
}

bool leg_channel_hear_block(struct end *end, const struct hs_frame *block)
{
	struct leg_channel *leg = channel_of(end);
	int64_t now_us = hs_clock_us();
	if (!block->codec || block->payload_bytes < BLOCK_MIN || block->payload_bytes > BLOCK_MAX)
		return false;
	set_law(leg, block->codec);
	count_block(leg, block, now_us);
	uint32_t timestamp = place(leg, block->timestamp, now_us);
	leg->record->timestamp = timestamp + (uint32_t)block->payload_bytes;
	leg->record->heard_at_us = now_us;
	leg->record->has_heard = true;
	leg->record->silence_told = false;
	tell_started(leg);
	inband_hear(leg->keys, block->codec, block->payload, block->payload_bytes);
	frames_add(&leg->record->frames, block->codec, timestamp, block->payload, block->payload_bytes, emit_frame,
		   leg);
	answer_block(leg, block->payload_bytes);
	return true;
}

/* ---- What other ends and the doors want ---- */

static void hear(struct end *end, const struct heard *heard)
{
	struct leg_channel *leg = channel_of(end);
	struct packet_event event;
	if (heard->codec)
		jitter_put(&leg->jitter, heard->codec, heard->timestamp, heard->payload, heard->payload_bytes,
			   heard->is_restart);
	else if (!heard->is_comfort && packet_read_event(heard->payload, heard->payload_bytes, &event))
		digits_hear(&leg->record->partner_keys, heard->ssrc, heard->timestamp, &event, heard->now_us,
			    partner_key, leg);
}

static void use(struct end *end)
{
	struct leg_channel *leg = channel_of(end);
	if (!leg->record->is_used)
		leg->record->heard_at_us = hs_clock_us();
	leg->record->is_used = true;
}

static int send_keys(struct end *end, const char *digits, int64_t duration_ms)
{
	return digits_queue(&channel_of(end)->record->digits_out, digits, duration_ms) ? 0 : -EBUSY;
}

static bool takes_keys(const struct end *end)
{
	return false; /* they go out as tones */
}

/* What one partner said is not for the next one. */
static void stir(struct end *end)
{
	struct leg_channel *leg = channel_of(end);
	if (leg->heard_from == end->partner)
		return;
	leg->heard_from = end->partner;
	jitter_clear(&leg->jitter);
	leg->record->partner_keys = (struct digits_in){0};
}

/* ---- Time ---- */

static void watch_silence(struct leg_channel *leg, int64_t now_us)
{
	struct world *world = leg->end.world;
	if ((!leg->record->is_used && !leg->record->has_heard) || leg->record->silence_told ||
	    now_us - leg->record->heard_at_us < world->silence_us)
		return;
	leg->record->silence_told = true;
	world->report->silent(world->report_context, &leg->end, (now_us - leg->record->heard_at_us) / 1000);
}

static void grow(struct hs_metric *metric, uint64_t now, uint64_t *told)
{
	if (now > *told)
		hs_metric_add(metric, (int64_t)(now - *told));
	*told = now;
}

static void tick(struct end *end, int64_t now_us)
{
	struct leg_channel *leg = channel_of(end);
	const struct meters *meters = &end->world->meters;
	player_tick(end->player, now_us);
	watch_silence(leg, now_us);
	grow(meters->blocks_lost, figures_lost(&leg->record->figures), &leg->record->lost_told);
	grow(meters->channel_underruns, leg->jitter.underruns, &leg->underruns_told);
	grow(meters->channel_dropped, leg->jitter.dropped, &leg->dropped_told);
}

/* ---- Life ---- */

static void measure(const struct end *end, struct hs_media_figures *ret_figures, char ret_remote[ADDRESS_TEXT])
{
	const struct leg_channel *leg = channel_of(end);
	hs_copy(ret_remote, ADDRESS_TEXT, leg->record->channel.name);
	*ret_figures = (struct hs_media_figures){
		.codec = end->codec,
		.remote = ret_remote[0] ? ret_remote : NULL,
		.packets_received = leg->record->blocks_in,
		.packets_sent = leg->record->blocks_out,
		.packets_lost = (int64_t)figures_lost(&leg->record->figures),
		.jitter_us = (int64_t)figures_jitter_us(&leg->record->figures),
		.underruns = (int64_t)leg->jitter.underruns,
		.dropped_frames = (int64_t)leg->jitter.dropped + leg->record->dropped,
	};
}

static void destroy(struct end *end)
{
	struct leg_channel *leg = channel_of(end);
	inband_stop(leg->keys);
	if (leg->is_attached)
		audio_say(end->world->audio, leg->peer, HS_FRAME_DETACH, end->id, NULL);
	trace(leg, "closed");
	player_destroy(TAKE(end->player));
	inband_destroy(leg->keys);
	inband_destroy(leg->echo);
	kept_drop(end->world, end->id);
	free(leg);
}

static const struct end_kind kind = {
	.kind = HS_MEDIA_KIND_CHANNEL,
	.keys = HS_DIGIT_SOURCE_INBAND,
	.hear = hear,
	.use = use,
	.digits = send_keys,
	.takes_keys = takes_keys,
	.stir = stir,
	.tick = tick,
	.measure = measure,
	.destroy = destroy,
};

static struct leg_channel *make(struct world *world, const char *id, struct channel_record *record)
{
	struct leg_channel *leg = hs_zalloc(sizeof *leg);
	leg->end.kind = &kind;
	leg->end.world = world;
	leg->end.record = &record->end;
	hs_copy(leg->end.id, sizeof leg->end.id, id);
	leg->record = record;
	leg->end.player = player_create(&leg->end);
	leg->keys = inband_create(key_noticed, leg);
	leg->echo = inband_create(echo_noticed, leg);
	return leg;
}

int leg_channel_create(struct world *world, const char *id, const char *call, struct end **ret_end)
{
	struct channel_record *record = kept_make(world, id, HS_MEDIA_KIND_CHANNEL, sizeof *record);
	if (!record)
		return -EAGAIN;
	struct leg_channel *leg = make(world, id, record);
	hs_copy(leg->end.call, sizeof leg->end.call, call);
	jitter_init(&leg->jitter, HS_CODEC_PCMU);
	*ret_end = &leg->end;
	return 0;
}

static bool is_sane(const struct channel_record *record)
{
	return memchr(record->channel.name, 0, sizeof record->channel.name) && frames_is_sane(&record->frames) &&
	       digits_is_sane(&record->partner_keys, &record->digits_out) &&
	       (!record->channel.name[0] || record->end.codec);
}

/* dahdid attaches again; until then nothing is missed, for its blocks are the clock. */
int leg_channel_restore(struct world *world, const char *id, struct end_record *found, size_t bytes,
			struct end **ret_end)
{
	struct channel_record *record = (struct channel_record *)found;
	if (bytes != sizeof *record || !is_sane(record))
		return -EPROTO;
	struct leg_channel *leg = make(world, id, record);
	kept_read(&leg->end, found);
	jitter_init(&leg->jitter, leg->end.codec ? leg->end.codec : HS_CODEC_PCMU);
	leg->is_restart = true;
	trace(leg, "taken up again");
	*ret_end = &leg->end;
	return 0;
}

bool leg_channel_is(const struct end *end)
{
	return end->kind == &kind;
}

void leg_channel_describe(struct end *end, const struct hs_channel *channel)
{
	struct leg_channel *leg = channel_of(end);
	leg->record->channel = *channel;
	set_law(leg, channel->codec);
	hs_log(INFO, "media.described", LOG_CALL(end_call(end)), LOG_LEG(end->id), LOG_TEXT("remote", channel->name),
	       LOG_TEXT("codec", hs_enum_codec.names[channel->codec]), LOG_INT("ptime_ms", channel->ptime_ms));
	trace(leg, channel->codec == HS_CODEC_PCMA ? "described: channel pcma" : "described: channel pcmu");
	tell_started(leg);
}

int leg_channel_attach(struct end *end, uint64_t peer)
{
	struct leg_channel *leg = channel_of(end);
	struct hs_frame frame = {.kind = HS_FRAME_ATTACHED, .codec = end->codec};
	hs_copy(frame.grant, sizeof frame.grant, end->id);
	leg->peer = peer;
	leg->record->attachments++;
	leg->is_restart = true;
	leg->is_attached = audio_send(end->world->audio, peer, &frame) != -EHOSTUNREACH;
	return leg->is_attached ? 0 : -EHOSTUNREACH;
}

bool leg_channel_is_held_by(const struct end *end, uint64_t peer)
{
	return channel_of(end)->is_attached && channel_of(end)->peer == peer;
}

void leg_channel_detach(struct end *end)
{
	channel_of(end)->is_attached = false;
}
