#include "cleanup.h"
#include "leg_rtp_inner.h"
#include "metrics.h"
#include "voices.h"
#include <string.h>

enum {
	STEADY = 10,          /* slots up to which the clock's own packets count as continuous */
	SEQUENCE_JUMP = 3000, /* as RFC 3550 A.1: beyond it a source has begun anew */
};

bool leg_rtp_may_send(const struct leg_rtp *leg)
{
	return leg->rtp.peer.family && offer_may_send(leg->record->met);
}

/* Timestamp of something that begins now: after what was sent, and after the time that passed. */
uint32_t leg_rtp_timestamp_now(const struct leg_rtp *leg, int64_t now_us)
{
	int64_t passed = leg->record->timestamp_at_us ? (now_us - leg->record->timestamp_at_us) * 8 / 1000 : 0;
	if (passed < leg->record->span)
		passed = leg->record->span;
	return leg->record->timestamp + (uint32_t)passed;
}

/* Moves the time line on; old packets that were relayed late leave it where it is. */
static void advance(struct leg_rtp *leg, uint32_t timestamp, uint32_t span, int64_t now_us)
{
	if ((int32_t)(timestamp - leg->record->timestamp) <= 0 && leg->record->timestamp_at_us)
		return;
	leg->record->timestamp = timestamp;
	leg->record->span = span;
	leg->record->timestamp_at_us = now_us;
}

static void transmit(struct leg_rtp *leg, const struct packet *packet, int64_t now_us)
{
	const uint8_t *data = packet_write(packet);
	leg->record->sent_at_us = now_us;
	if (!rtp_socket_send(&leg->rtp, data, PACKET_HEADER + packet->payload_bytes))
		return;
	leg->record->packets_out++;
	leg->record->octets_out += (int64_t)packet->payload_bytes;
	hs_metric_add(leg->end.world->meters.packets_out, 1);
}

static void emit_heard(void *context, enum hs_codec codec, uint32_t timestamp, const uint8_t frame[CODEC_FRAME])
{
	struct leg_rtp *leg = context;
	voices_tell(&leg->end, &(struct spoken){TRACK_HEARD, codec, timestamp, leg->record->sent_at_us, frame});
}

static void transmit_audio(struct leg_rtp *leg, const struct packet *packet, int64_t now_us)
{
	transmit(leg, packet, now_us);
	if (leg->end.streams_count > 0)
		frames_add(&leg->heard, leg->end.codec, packet->timestamp, packet->payload, packet->payload_bytes,
			   emit_heard, leg);
}

/* ---- The partner's packets, sent on as they come ---- */

/* The partner has the floor unless something of higher rank speaks. */
static bool is_outranked(const struct leg_rtp *leg)
{
	return digits_busy(&leg->record->digits_out) || voices_outrank(&leg->end);
}

static void begin_relay(struct leg_rtp *leg, const struct heard *heard)
{
	leg->record->voice = VOICE_PARTNER;
	leg->record->relay_ssrc = heard->ssrc;
	leg->record->relay_sequence = (uint16_t)(leg->record->sequence + 1 - heard->sequence);
	leg->record->relay_timestamp = leg_rtp_timestamp_now(leg, heard->now_us) - heard->timestamp;
}

static bool is_continuous(const struct leg_rtp *leg, const struct heard *heard)
{
	if (leg->record->voice != VOICE_PARTNER || leg->record->relay_ssrc != heard->ssrc || heard->is_restart)
		return false;
	int16_t ahead = (int16_t)(heard->sequence + leg->record->relay_sequence - leg->record->sequence);
	return ahead < SEQUENCE_JUMP && ahead > -SEQUENCE_JUMP;
}

/* Payload type it goes out with; -1: this leg cannot say it. */
static int relay_type(const struct leg_rtp *leg, const struct heard *heard)
{
	if (heard->is_comfort)
		return -1;
	return heard->codec ? leg->record->types[leg->end.codec] : leg->record->event_type;
}

static void relay(struct leg_rtp *leg, const struct heard *heard, int type)
{
	bool is_new = !is_continuous(leg, heard);
	if (is_new)
		begin_relay(leg, heard);
	struct packet packet = {
		.marker = heard->marker || is_new,
		.type = (uint8_t)type,
		.sequence = (uint16_t)(heard->sequence + leg->record->relay_sequence),
		.timestamp = heard->timestamp + leg->record->relay_timestamp,
		.ssrc = leg->record->ssrc,
		.payload = heard->payload,
		.payload_bytes = heard->payload_bytes,
	};
	if ((int16_t)(packet.sequence - leg->record->sequence) > 0)
		leg->record->sequence = packet.sequence;
	if (heard->codec)
		hs_law_convert(heard->codec, leg->end.codec, packet.payload, packet.payload_bytes);
	advance(leg, packet.timestamp, heard->codec ? (uint32_t)heard->payload_bytes : 0, heard->now_us);
	if (heard->codec)
		transmit_audio(leg, &packet, heard->now_us);
	else
		transmit(leg, &packet, heard->now_us);
}

void leg_rtp_hear(struct end *end, const struct heard *heard)
{
	struct leg_rtp *leg = leg_rtp_of(end);
	if (!leg_rtp_may_send(leg) || is_outranked(leg))
		return;
	int type = relay_type(leg, heard);
	if (type < 0) {
		leg->record->relay_sequence--; /* its number is not missing on our side */
		return;
	}
	if (leg->record->is_filling) {
		leg->record->is_filling = false;
		leg_rtp_stir(end);
	}
	relay(leg, heard, type);
}

/* ---- The clock's packets ---- */

static uint32_t slot_timestamp(struct leg_rtp *leg, int64_t now_us)
{
	uint32_t timestamp = leg_rtp_timestamp_now(leg, now_us);
	/* Between the clock's own packets the step is exact, however late the loop came to a slot. */
	if (leg->record->voice == VOICE_CLOCK && timestamp - leg->record->timestamp < STEADY * CODEC_FRAME)
		timestamp = leg->record->timestamp + CODEC_FRAME;
	return timestamp;
}

static void send_digit(struct leg_rtp *leg, uint32_t slot, int64_t now_us)
{
	uint8_t data[PACKET_HEADER + PACKET_EVENT];
	struct packet_event event;
	struct packet packet = {
		.type = (uint8_t)leg->record->event_type,
		.ssrc = leg->record->ssrc,
		.payload = data + PACKET_HEADER,
		.payload_bytes = PACKET_EVENT,
	};
	if (!digits_slot(&leg->record->digits_out, slot, &event, &packet.timestamp, &packet.marker))
		return;
	packet.sequence = ++leg->record->sequence;
	packet_write_event(&event, packet.payload);
	transmit(leg, &packet, now_us);
}

/* The partner's packets are the clock, or nobody has spoken yet: a call that rings gets no packets of silence. */
static bool is_unclocked(const struct leg_rtp *leg)
{
	return !leg->record->is_filling && leg->end.floor == 0;
}

/* What the leg hears in this slot. False: the partner's packets are the clock. */
static bool produce(struct leg_rtp *leg, uint8_t *ret_frame)
{
	if (voices_take(&leg->end, ret_frame))
		return true;
	if (is_unclocked(leg))
		return false;
	memset(ret_frame, hs_law_silence(leg->end.codec), CODEC_FRAME);
	return true;
}

static void send_frame(struct leg_rtp *leg, uint8_t *payload, uint32_t slot, int64_t now_us)
{
	struct packet packet = {
		.marker = leg->record->voice != VOICE_CLOCK,
		.type = leg->record->types[leg->end.codec],
		.sequence = ++leg->record->sequence,
		.timestamp = slot,
		.ssrc = leg->record->ssrc,
		.payload = payload,
		.payload_bytes = CODEC_FRAME,
	};
	transmit_audio(leg, &packet, now_us);
}

static void speak(struct leg_rtp *leg, int64_t now_us)
{
	uint8_t data[PACKET_HEADER + CODEC_FRAME];
	bool sends_digit = digits_busy(&leg->record->digits_out);
	bool has_frame = produce(leg, data + PACKET_HEADER);
	if (!sends_digit && !has_frame)
		return;
	if (!leg->end.partner) /* what has begun goes on: between two sounds there is silence, not nothing */
		leg->record->is_filling = true;
	uint32_t slot = slot_timestamp(leg, now_us);
	if (sends_digit)
		send_digit(leg, slot, now_us);
	else if (leg_rtp_may_send(leg))
		send_frame(leg, data + PACKET_HEADER, slot, now_us);
	advance(leg, slot, CODEC_FRAME, now_us);
	leg->record->voice = VOICE_CLOCK;
}

void leg_rtp_slot(struct beat *beat, int64_t now_us)
{
	struct leg_rtp *leg = (struct leg_rtp *)((char *)beat - offsetof(struct leg_rtp, beat));
	digits_expire(&leg->record->digits_in, now_us, leg_rtp_digit, leg);
	if (leg->rtp.peer.family)
		speak(leg, now_us);
	leg_rtp_stir(&leg->end);
}

static bool needs_clock(const struct leg_rtp *leg)
{
	if (leg->record->digits_in.active)
		return true;
	if (!leg->rtp.peer.family || !leg->record->is_described)
		return false;
	return !is_unclocked(leg) || is_outranked(leg) || voices_wait(&leg->end);
}

void leg_rtp_stir(struct end *end)
{
	struct leg_rtp *leg = leg_rtp_of(end);
	if (needs_clock(leg))
		pace_add(end->world->pace, &leg->beat);
	else
		pace_remove(end->world->pace, &leg->beat);
}
