#include "meters.h"
#include "cleanup.h"
#include "metrics.h"

struct row {
	size_t offset;
	struct hs_metric *(*make)(const char *name, const char *labels, const char *help);
	const char *name, *labels, *help;
};

#define AT(member) offsetof(struct meters, member)
#define REFUSED(n) (AT(refused) + (n) * sizeof(struct hs_metric *))
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
	{AT(legs), hs_metric_gauge, "hookswitch_media_ends", "kind=\"rtp\"", "Open ends of audio."},
	{AT(streams), hs_metric_gauge, "hookswitch_media_ends", "kind=\"stream\"", "Open ends of audio."},
	{AT(queued), hs_metric_gauge, "hookswitch_stream_queued_milliseconds", "",
	 "Audio that waits in playout queues, all streams together."},
	{AT(dropped_out), hs_metric_counter, "hookswitch_stream_dropped_frames_total", "direction=\"out\"",
	 "Frames lost: out to a slow listener, in to a full queue."},
	{AT(dropped_in), hs_metric_counter, "hookswitch_stream_dropped_frames_total", "direction=\"in\"",
	 "Frames lost: out to a slow listener, in to a full queue."},
	{AT(underruns), hs_metric_counter, "hookswitch_stream_underruns_total", "",
	 "20 ms slots without audio, in pauses of a stream shorter than 1 s."},
	{AT(digits), hs_metric_counter, "hookswitch_digits_total", "source=\"rfc4733\"",
	 "Digits and flashes received."},
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
