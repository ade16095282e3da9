/* What the files of leg_rtp share: one leg, its parts, and what one file does for another.
 * Included by leg_rtp.c (life and descriptions), leg_rtp_in.c, leg_rtp_out.c and leg_rtp_report.c only.
 */
#ifndef MEDIAD_LEG_RTP_INNER_H
#define MEDIAD_LEG_RTP_INNER_H

#include "figures.h"
#include "frames.h"
#include "leg_rtp.h"
#include "rtp_socket.h"

/* What a payload type means, by the descriptions. */
enum rtp_meaning { RTP_NOTHING, RTP_PCMU, RTP_PCMA, RTP_EVENT, RTP_COMFORT };

/* Who had the output last. */
enum rtp_voice { VOICE_NONE, VOICE_CLOCK, VOICE_PARTNER, VOICES };

/* All that a successor goes on with, written where it finds it: no pointers. */
struct rtp_record {
	struct end_record end;
	struct address local;   /* as described; its port is the RTP port */
	struct address source;  /* host the signalling came from */
	struct address latched; /* whom the last window let in */
	struct address signalled, signalled_rtcp;
	bool is_described, nat, rtcp_mux;
	bool is_latching; /* the window is open until latch_until_us */
	bool is_latched;
	bool is_used;
	int64_t latch_until_us;
	enum hs_direction ours, proposed, theirs, met; /* all seen from us; proposed is in force once answered */
	enum hs_codec prefer;
	uint32_t session_id, session_version;
	uint8_t types[HS_CODEC_COUNT]; /* payload types we send */
	int event_type;                /* -1: no telephone events */
	uint8_t meanings[128];         /* enum rtp_meaning of what we receive */
	uint32_t ssrc;
	uint16_t sequence;  /* last one sent */
	uint32_t timestamp; /* newest one sent */
	char cname[PACKET_CNAME_MAX];

	/* in */
	struct figures figures;
	struct frames frames;
	struct digits_in digits_in;
	bool has_heard, silence_told;
	int64_t heard_at_us; /* last packet, or first use */
	int64_t packets_in, refused, duplicates;

	/* out */
	enum rtp_voice voice;
	uint32_t span;           /* units the newest packet covers */
	int64_t timestamp_at_us; /* when timestamp was sent */
	int64_t sent_at_us;
	uint16_t relay_sequence; /* ours minus the partner's */
	uint32_t relay_timestamp, relay_ssrc;
	bool is_filling; /* nobody speaks for long: silence in their place */
	struct digits_out digits_out;
	int64_t packets_out, octets_out;
	int64_t packets_out_reported;

	/* reports */
	int64_t report_at_us;
	uint32_t last_sr; /* middle of the NTP time of the last SR received; 0: none */
	int64_t last_sr_at_us;
	uint64_t lost_told;
};

struct leg_rtp {
	struct end end;
	struct rtp_record *record;
	struct rtp_socket rtp, rtcp;
	struct beat beat;
	struct frames heard; /* what it hears, for streams */
};

/* leg_rtp.c */
struct leg_rtp *leg_rtp_of(const struct end *end);
void leg_rtp_latch(struct leg_rtp *leg, const struct address *from);
bool leg_rtp_is_loop(const struct leg_rtp *leg, const struct address *address); /* one of our own ports */
void leg_rtp_tick(struct end *end, int64_t now_us);

/* leg_rtp_in.c: a socket is readable. */
void leg_rtp_rtp_readable(struct reader_source *source, int64_t now_us);
void leg_rtp_rtcp_readable(struct reader_source *source, int64_t now_us);
void leg_rtp_refuse(struct leg_rtp *leg, int refusal);
void leg_rtp_digit(void *context, enum digits_edge edge, char digit, uint32_t duration_ms);

/* leg_rtp_out.c */
void leg_rtp_hear(struct end *end, const struct heard *heard);
void leg_rtp_slot(struct beat *beat, int64_t now_us);
void leg_rtp_stir(struct end *end);
bool leg_rtp_may_send(const struct leg_rtp *leg);
uint32_t leg_rtp_timestamp_now(const struct leg_rtp *leg, int64_t now_us);

/* leg_rtp_report.c */
void leg_rtp_report(struct leg_rtp *leg, int64_t now_us);
void leg_rtp_hear_report(struct leg_rtp *leg, const uint8_t *data, size_t bytes, int64_t now_us);

#endif
