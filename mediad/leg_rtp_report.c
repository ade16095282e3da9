#include "clock.h"
#include "leg_rtp_inner.h"
#include "metrics.h"

static const int64_t ntp_epoch_s = 2208988800; /* 1900 to 1970 */

static uint64_t ntp_now(void)
{
	int64_t wall_us = hs_clock_lasting_us(); /* who is asked how long ago we said it was not set meanwhile */
	uint64_t seconds = (uint64_t)(wall_us / 1000000 + ntp_epoch_s);
	uint64_t fraction = ((uint64_t)(wall_us % 1000000) << 32) / 1000000;
	return seconds << 32 | fraction;
}

/* Microseconds to 1/65536 s, as LSR and DLSR count. */
static uint32_t to_short_ntp(int64_t us)
{
	return (uint32_t)((us << 16) / 1000000);
}

static struct packet_block describe_reception(struct leg_rtp *leg, int64_t now_us)
{
	uint64_t lost = figures_lost(&leg->record->figures);
	struct packet_block block = {
		.ssrc = leg->record->figures.ssrc,
		.fraction = figures_fraction(&leg->record->figures),
		.lost = lost > 0x7fffff ? 0x7fffff : (int32_t)lost,
		.highest = leg->record->figures.highest,
		.jitter = leg->record->figures.jitter >> 4,
		.last_sr = leg->record->last_sr,
	};
	if (leg->record->last_sr)
		block.delay_since_sr = to_short_ntp(now_us - leg->record->last_sr_at_us);
	return block;
}

static void measure(struct leg_rtp *leg)
{
	struct meters *meters = &leg->end.world->meters;
	uint64_t lost = figures_lost(&leg->record->figures);
	hs_metric_observe_us(meters->jitter, (int64_t)figures_jitter_us(&leg->record->figures));
	if (lost > leg->record->lost_told) {
		hs_metric_add(meters->lost, (int64_t)(lost - leg->record->lost_told));
		leg->record->lost_told = lost;
	}
}

void leg_rtp_report(struct leg_rtp *leg, int64_t now_us)
{
	uint8_t data[PACKET_RTCP_MAX];
	struct packet_report report = {
		.ssrc = leg->record->ssrc,
		.is_sender = leg->record->packets_out > leg->record->packets_out_reported,
		.ntp = ntp_now(),
		.timestamp = leg_rtp_timestamp_now(leg, now_us) - leg->record->span,
		.packets = (uint32_t)leg->record->packets_out,
		.octets = (uint32_t)leg->record->octets_out,
		.has_block = leg->record->figures.begun,
	};
	if (report.has_block) {
		report.block = describe_reception(leg, now_us);
		measure(leg);
	}
	leg->record->packets_out_reported = leg->record->packets_out;
	size_t bytes = packet_write_rtcp(&report, leg->record->cname, data);
	struct rtp_socket *socket = leg->record->rtcp_mux ? &leg->rtp : &leg->rtcp;
	if (rtp_socket_send(socket, data, bytes))
		hs_metric_add(leg->end.world->meters.reports_out, 1);
}

static void note_round_trip(struct leg_rtp *leg, const struct packet_block *block)
{
	if (!block->last_sr)
		return;
	uint32_t round_trip = (uint32_t)(ntp_now() >> 16) - block->last_sr - block->delay_since_sr;
	if (round_trip < 10U << 16) /* ten seconds: beyond it the far end's clock is wrong */
		hs_metric_observe_us(leg->end.world->meters.round_trip, (int64_t)round_trip * 1000000 >> 16);
}

void leg_rtp_hear_report(struct leg_rtp *leg, const uint8_t *data, size_t bytes, int64_t now_us)
{
	struct packet_report report;
	if (packet_read_rtcp(data, bytes, leg->record->ssrc, &report) != PACKET_OK) {
		leg_rtp_refuse(leg, REFUSED_RTCP);
		return;
	}
	hs_metric_add(leg->end.world->meters.reports_in, 1);
	if (report.is_sender) {
		leg->record->last_sr = (uint32_t)(report.ntp >> 16);
		leg->record->last_sr_at_us = now_us;
	}
	if (report.has_block)
		note_round_trip(leg, &report.block);
}
