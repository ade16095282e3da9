#include "cleanup.h"
#include "leg_rtp_inner.h"
#include "metrics.h"
#include "voices.h"
#include <errno.h>
#include <string.h>

void leg_rtp_refuse(struct leg_rtp *leg, int refusal)
{
	leg->record->refused++;
	hs_metric_add(leg->end.world->meters.refused[refusal], 1);
}

void leg_rtp_digit(void *context, enum digits_edge edge, char digit, uint32_t duration_ms)
{
	struct leg_rtp *leg = context;
	struct world *world = leg->end.world;
	if (edge != DIGITS_BEGIN)
		hs_metric_add(world->meters.digits[HS_DIGIT_SOURCE_RFC4733], 1);
	world->report->digit(world->report_context, &leg->end, edge, digit, duration_ms);
}

/* The rule for sources while the socket is not connected: only an open window lets somebody in, and only from the
 * signalling's host. */
static bool admit(struct leg_rtp *leg, const struct address *from)
{
	struct rtp_record *record = leg->record;
	if (!record->is_latching || !address_same_host(from, &record->source) || leg_rtp_is_loop(leg, from))
		return false;
	leg_rtp_latch(leg, from);
	return true;
}

static void tell_started(struct leg_rtp *leg, enum hs_codec codec)
{
	struct world *world = leg->end.world;
	char remote[ADDRESS_TEXT];
	leg->record->has_heard = true;
	address_format(&leg->rtp.peer, remote);
	world->report->started(world->report_context, &leg->end, codec, remote, leg->record->is_latched);
}

static void emit_frame(void *context, enum hs_codec codec, uint32_t timestamp, const uint8_t frame[CODEC_FRAME])
{
	struct leg_rtp *leg = context;
	voices_tell(&leg->end, &(struct spoken){TRACK_SAID, codec, timestamp, leg->record->heard_at_us, frame});
}

/* Streams first: the partner may change the payload. */
static void pass_audio(struct leg_rtp *leg, struct heard *heard)
{
	if (!leg->record->has_heard)
		tell_started(leg, heard->codec);
	if (leg->record->end.is_muted)
		memset(heard->payload, hs_law_silence(heard->codec), heard->payload_bytes);
	if (leg->end.streams_count > 0)
		frames_add(&leg->record->frames, heard->codec, heard->timestamp, heard->payload, heard->payload_bytes,
			   emit_frame, leg);
	if (leg->end.partner)
		leg->end.partner->kind->hear(leg->end.partner, heard);
}

static void pass_event(struct leg_rtp *leg, struct heard *heard)
{
	struct packet_event event;
	if (!packet_read_event(heard->payload, heard->payload_bytes, &event) ||
	    !digits_hear(&leg->record->digits_in, heard->ssrc, heard->timestamp, &event, heard->now_us, leg_rtp_digit,
			 leg)) {
		leg_rtp_refuse(leg, REFUSED_EVENT);
		return;
	}
	leg_rtp_stir(&leg->end); /* an event that is begun needs the clock, for its end may be lost */
	if (leg->end.partner)
		leg->end.partner->kind->hear(leg->end.partner, heard);
}

static void pass(struct leg_rtp *leg, enum rtp_meaning meaning, struct heard *heard)
{
	switch (meaning) {
	case RTP_PCMU:
		heard->codec = HS_CODEC_PCMU;
		pass_audio(leg, heard);
		break;
	case RTP_PCMA:
		heard->codec = HS_CODEC_PCMA;
		pass_audio(leg, heard);
		break;
	case RTP_EVENT:
		pass_event(leg, heard);
		break;
	case RTP_COMFORT:
		heard->is_comfort = true;
		if (leg->end.partner)
			leg->end.partner->kind->hear(leg->end.partner, heard);
		break;
	case RTP_NOTHING:
		break;
	}
}

/* The packet is valid and from whom it should be. */
static void take(struct leg_rtp *leg, const struct packet *packet, int64_t now_us)
{
	enum rtp_meaning meaning = (enum rtp_meaning)leg->record->meanings[packet->type];
	bool is_audio = meaning == RTP_PCMU || meaning == RTP_PCMA;
	struct heard heard = {
		.marker = packet->marker,
		.sequence = packet->sequence,
		.timestamp = packet->timestamp,
		.ssrc = packet->ssrc,
		.payload = packet->payload,
		.payload_bytes = packet->payload_bytes,
		.now_us = now_us,
	};
	leg->record->packets_in++;
	leg->record->heard_at_us = now_us;
	leg->record->silence_told = false;
	hs_metric_add(leg->end.world->meters.packets_in, 1);
	enum figures_arrival arrival =
		figures_add(&leg->record->figures, packet->ssrc, packet->sequence, packet->timestamp, now_us, is_audio);
	if (arrival == FIGURES_DUPLICATE) {
		leg->record->duplicates++;
		hs_metric_add(leg->end.world->meters.duplicates, 1);
		return;
	}
	heard.is_restart = arrival == FIGURES_RESTART;
	if (!offer_may_receive(leg->record->met)) { /* no fault of theirs: many phones go on while they are held */
		hs_metric_add(leg->end.world->meters.refused[REFUSED_HELD], 1);
		return;
	}
	pass(leg, meaning, &heard);
}

static void read_rtp(struct leg_rtp *leg, uint8_t *data, size_t bytes, const struct address *from, int64_t now_us)
{
	struct packet packet;
	enum packet_fault fault = packet_read(data, bytes, &packet);
	if (fault) {
		leg_rtp_refuse(leg, (int)fault);
		return;
	}
	if (leg->record->meanings[packet.type] == RTP_NOTHING) {
		leg_rtp_refuse(leg, REFUSED_TYPE);
		return;
	}
	if (from->family && !admit(leg, from)) {
		leg_rtp_refuse(leg, REFUSED_SOURCE);
		return;
	}
	take(leg, &packet, now_us);
}

/* RTCP follows RTP: from the host that audio comes from, once that is known. */
static bool admit_report(struct leg_rtp *leg, const struct address *from)
{
	if (leg->record->is_latching || !leg->record->is_latched || !address_same_host(from, &leg->rtp.peer) ||
	    leg_rtp_is_loop(leg, from))
		return false;
	return rtp_socket_connect(&leg->rtcp, from) == 0;
}

/* Calls take turns, and what was touched 20 ms ago is far from the processor again: it comes nearer while the kernel
 * reads the packet, and what that leads to while the packet is judged. */
static void fetch(const struct leg_rtp *leg)
{
	__builtin_prefetch(&leg->record->meanings);
	__builtin_prefetch(&leg->record->figures);
	__builtin_prefetch(&leg->record->packets_in);
	__builtin_prefetch(leg->end.partner);
	if (leg->end.partner)
		__builtin_prefetch(&leg_rtp_of(leg->end.partner)->record);
}

static void fetch_partner(const struct leg_rtp *leg)
{
	const struct rtp_record *record;
	if (!leg->end.partner || leg->end.partner->kind != leg->end.kind)
		return;
	record = leg_rtp_of(leg->end.partner)->record;
	__builtin_prefetch(&record->met);
	__builtin_prefetch(&record->ssrc);
	__builtin_prefetch(&record->voice);
	__builtin_prefetch(&record->digits_out.count);
	__builtin_prefetch(&record->packets_out);
}

void leg_rtp_rtp_readable(struct reader_source *source, int64_t now_us)
{
	struct leg_rtp *leg = (struct leg_rtp *)((char *)source - offsetof(struct leg_rtp, rtp.source));
	uint8_t *data = leg->end.world->datagram;
	struct address from = {0};
	fetch(leg);
	int bytes = rtp_socket_receive(&leg->rtp, data, PACKET_MAX + 4, &from);
	fetch_partner(leg);
	if (bytes < 0)
		return; /* nothing there after all, or an ICMP answer, now cleared */
	if (bytes > PACKET_MAX)
		leg_rtp_refuse(leg, REFUSED_SIZE);
	else if (packet_is_rtcp(data, (size_t)bytes) && leg->record->rtcp_mux && !from.family)
		leg_rtp_hear_report(leg, data, (size_t)bytes, now_us);
	else
		read_rtp(leg, data, (size_t)bytes, &from, now_us);
}

void leg_rtp_rtcp_readable(struct reader_source *source, int64_t now_us)
{
	struct leg_rtp *leg = (struct leg_rtp *)((char *)source - offsetof(struct leg_rtp, rtcp.source));
	uint8_t *data = leg->end.world->datagram;
	struct address from = {0};
	int bytes = rtp_socket_receive(&leg->rtcp, data, PACKET_MAX + 4, &from);
	if (bytes < 0)
		return;
	if (bytes > PACKET_MAX)
		leg_rtp_refuse(leg, REFUSED_SIZE);
	else if (!packet_is_rtcp(data, (size_t)bytes))
		leg_rtp_refuse(leg, REFUSED_RTCP);
	else if (from.family && !admit_report(leg, &from))
		leg_rtp_refuse(leg, REFUSED_SOURCE);
	else
		leg_rtp_hear_report(leg, data, (size_t)bytes, now_us);
}
