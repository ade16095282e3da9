#include "meters.h"
#include "cleanup.h"
#include "metrics.h"

struct row {
	size_t offset;
	struct hs_metric *(*make)(const char *name, const char *labels, const char *help);
	const char *name, *labels, *help;
};

#define AT(member) offsetof(struct meters, member)
#define EACH(member, n) (AT(member) + (n) * sizeof(struct hs_metric *))
#define REFUSED(n) EACH(refused, n)
#define ENDS_HELP "Open ends of audio."
#define BLOCKS_HELP "Blocks of audio from and to analog ports."
#define DIGITS_HELP "Digits and flashes received."
#define REFUSED_HELP "RTP and RTCP packets refused."
#define PACKETS_HELP "RTP packets."
#define REPORTS_HELP "RTCP packets."

static const struct row rows[] = {
	{AT(packets_in), hs_metric_counter, "hookswitch_rtp_packets_total", "direction=\"in\"", PACKETS_HELP},
	{AT(packets_out), hs_metric_counter, "hookswitch_rtp_packets_total", "direction=\"out\"", PACKETS_HELP},
	{AT(reports_in), hs_metric_counter, "hookswitch_rtcp_packets_total", "direction=\"in\"", REPORTS_HELP},
	{AT(reports_out), hs_metric_counter, "hookswitch_rtcp_packets_total", "direction=\"out\"", REPORTS_HELP},
	{AT(lost), hs_metric_counter, "hookswitch_rtp_lost_total", "", "RTP packets that never came."},
	{AT(duplicates), hs_metric_counter, "hookswitch_rtp_duplicates_total", "", "RTP packets that came again."},
	{REFUSED(PACKET_SHORT), hs_metric_counter, "hookswitch_rtp_refused_total", "why=\"short\"", REFUSED_HELP},
	{REFUSED(PACKET_VERSION), hs_metric_counter, "hookswitch_rtp_refused_total", "why=\"version\"", REFUSED_HELP},
	{REFUSED(PACKET_LENGTH), hs_metric_counter, "hookswitch_rtp_refused_total", "why=\"length\"", REFUSED_HELP},
	{REFUSED(PACKET_EMPTY), hs_metric_counter, "hookswitch_rtp_refused_total", "why=\"empty\"", REFUSED_HELP},
	{REFUSED(REFUSED_TYPE), hs_metric_counter, "hookswitch_rtp_refused_total", "why=\"payload_type\"",
	 REFUSED_HELP},
	{REFUSED(REFUSED_SOURCE), hs_metric_counter, "hookswitch_rtp_refused_total", "why=\"source\"", REFUSED_HELP},
	{REFUSED(REFUSED_SIZE), hs_metric_counter, "hookswitch_rtp_refused_total", "why=\"size\"", REFUSED_HELP},
	{REFUSED(REFUSED_HELD), hs_metric_counter, "hookswitch_rtp_refused_total", "why=\"held\"", REFUSED_HELP},
	{REFUSED(REFUSED_EVENT), hs_metric_counter, "hookswitch_rtp_refused_total", "why=\"event\"", REFUSED_HELP},
	{REFUSED(REFUSED_RTCP), hs_metric_counter, "hookswitch_rtp_refused_total", "why=\"rtcp\"", REFUSED_HELP},
	{AT(jitter), hs_metric_histogram, "hookswitch_rtp_jitter_seconds", "",
	 "Interarrival jitter, seen at each report."},
	{AT(round_trip), hs_metric_histogram, "hookswitch_rtp_round_trip_seconds", "",
	 "Round trip to far ends, from their reports."},
	{EACH(ends, HS_MEDIA_KIND_RTP), hs_metric_gauge, "hookswitch_media_ends", "kind=\"rtp\"", ENDS_HELP},
	{EACH(ends, HS_MEDIA_KIND_STREAM), hs_metric_gauge, "hookswitch_media_ends", "kind=\"stream\"", ENDS_HELP},
	{EACH(ends, HS_MEDIA_KIND_CHANNEL), hs_metric_gauge, "hookswitch_media_ends", "kind=\"channel\"", ENDS_HELP},
	{AT(blocks_in), hs_metric_counter, "hookswitch_channel_blocks_total", "direction=\"in\"", BLOCKS_HELP},
	{AT(blocks_out), hs_metric_counter, "hookswitch_channel_blocks_total", "direction=\"out\"", BLOCKS_HELP},
	{AT(blocks_lost), hs_metric_counter, "hookswitch_channel_blocks_lost_total", "",
	 "Blocks of analog ports that never came from dahdid."},
	{AT(channel_underruns), hs_metric_counter, "hookswitch_channel_underruns_total", "",
	 "Times that an analog port's partner had nothing ready in the middle of its audio."},
	{AT(channel_dropped), hs_metric_counter, "hookswitch_channel_dropped_frames_total", "",
	 "Frames towards analog ports that were let go: the partner's clock is faster, or its packets came in a heap."},
	{AT(queued), hs_metric_gauge, "hookswitch_stream_queued_milliseconds", "",
	 "Audio that waits in playout queues, all streams together."},
	{AT(dropped_out), hs_metric_counter, "hookswitch_stream_dropped_frames_total", "direction=\"out\"",
	 "Frames lost: out to a slow listener, in to a full queue."},
	{AT(dropped_in), hs_metric_counter, "hookswitch_stream_dropped_frames_total", "direction=\"in\"",
	 "Frames lost: out to a slow listener, in to a full queue."},
	{AT(underruns), hs_metric_counter, "hookswitch_stream_underruns_total", "",
	 "20 ms slots without audio, in pauses of a stream shorter than 1 s."},
	{EACH(digits, HS_DIGIT_SOURCE_RFC4733), hs_metric_counter, "hookswitch_digits_total", "source=\"rfc4733\"",
	 DIGITS_HELP},
	{EACH(digits, HS_DIGIT_SOURCE_INBAND), hs_metric_counter, "hookswitch_digits_total", "source=\"inband\"",
	 DIGITS_HELP},
	{AT(uploads_read), hs_metric_counter, "hookswitch_uploads_total", "result=\"ok\"", "Uploads to be played."},
	{AT(uploads_refused), hs_metric_counter, "hookswitch_uploads_total", "result=\"refused\"",
	 "Uploads to be played."},
	{AT(frames_refused), hs_metric_counter, "hookswitch_audio_frames_refused_total", "",
	 "Frames on the audio edge that were malformed or not granted."},
};

void meters_create(struct meters *ret_meters)
{
	for (size_t i = 0; i < HS_COUNT(rows); i++) {
		const struct row *row = &rows[i];
		*(struct hs_metric **)((char *)ret_meters + row->offset) = row->make(row->name, row->labels, row->help);
	}
}
