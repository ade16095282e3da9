/* An end of audio, whatever it is made of: what session, legs and streams know of each other.
 * Included by session, leg_rtp, leg_channel, leg_stream, leg_player and the doors; calls nobody.
 * Owns nothing: session owns the ends and is the only one that changes their joins.
 */
#ifndef MEDIAD_END_H
#define MEDIAD_END_H

#include "address.h"
#include "digits.h"
#include "id.h"
#include "journal.h"
#include "law.h"
#include "pace.h"
#include "ports.h"
#include "reader.h"
#include "table.h"
#include "tones.h"

struct end;
struct hs_audio;
struct hs_metric;
struct player;

#define END_STREAMS 8 /* streams that one leg may have */

/* What rooms report upwards; filled by tell.c. */
struct report {
	void (*started)(void *context, const struct end *end, enum hs_codec codec, const char *remote, bool latched);
	void (*silent)(void *context, const struct end *end, int64_t silent_ms);
	void (*digit)(void *context, const struct end *end, enum digits_edge edge, char digit, uint32_t duration_ms);
	void (*played)(void *context, const struct end *end, const char *play, int64_t played_ms, bool completed);
	void (*detached)(void *context, const struct end *end);
	void (*closed)(void *context, const struct end *end, const struct hs_media_figures *figures);
	void (*lost)(void *context, const char *id, enum hs_media_kind kind);
};

/* Why a packet was refused: the metric's label. The first ones are packet_fault's. */
enum refusal {
	REFUSED_TYPE = PACKET_FAULTS,
	REFUSED_SOURCE,
	REFUSED_SIZE,
	REFUSED_HELD,
	REFUSED_EVENT,
	REFUSED_RTCP,
	REFUSALS
};

struct meters {
	struct hs_metric *packets_in, *packets_out, *reports_in, *reports_out, *lost, *duplicates;
	struct hs_metric *refused[REFUSALS];
	struct hs_metric *jitter, *round_trip;
	struct hs_metric *ends[HS_MEDIA_KIND_COUNT], *queued, *dropped_out, *dropped_in, *underruns;
	struct hs_metric *blocks_in, *blocks_out, *blocks_lost, *channel_underruns, *channel_dropped;
	struct hs_metric *digits[HS_DIGIT_SOURCE_COUNT], *uploads_read, *uploads_refused, *frames_refused;
};

/* The address we have towards a peer, as the kernel said a moment ago. */
struct route {
	struct address peer, local;
	int64_t asked_us; /* 0: never */
};

#define END_ROUTES 64

/* What all ends live in. */
struct world {
	uv_loop_t *loop;
	struct hs_journal *journal;
	struct hs_keep *keep;
	struct pace *pace;
	struct ports *ports;
	struct reader *reader;
	struct tones *tones;
	struct hs_table *plays; /* uploads by grant, of all legs */
	struct hs_audio *audio; /* set once the edge is bound */
	const struct report *report;
	void *report_context;
	struct address host;             /* bind here; unset or unspecified: everywhere */
	struct address advertised;       /* what descriptions name; unset: the route's */
	struct route routes[END_ROUTES]; /* by hash of the peer */
	int64_t silence_us;
	int readings; /* uploads in worker threads */
	struct meters meters;
	uint8_t datagram[PACKET_MAX + 4]; /* the one that is being read */
};

/* What an end received, for those who are joined to it. */
struct heard {
	enum hs_codec codec; /* 0: no audio: a telephone event */
	bool is_comfort;     /* comfort noise: nothing to pass on, but its number was used */
	bool is_restart;     /* sequence and timestamp have no relation to what came before */
	bool marker;
	uint16_t sequence;
	uint32_t timestamp, ssrc;
	uint8_t *payload; /* may be changed by the last one who hears it; PACKET_HEADER bytes before it are free */
	size_t payload_bytes;
	int64_t now_us;
};

/* Which of a leg's two audios. */
enum end_track { TRACK_SAID, TRACK_HEARD, END_TRACKS }; /* by its party: inbound, outbound */

/* 20 ms that a leg's party said or heard, for the streams that listen to it. */
struct spoken {
	enum end_track track;
	enum hs_codec codec;
	uint32_t timestamp; /* of the leg's own time line for this track */
	int64_t now_us;
	const uint8_t *frame; /* CODEC_FRAME bytes */
};

/* What kinds of ends can do. */
struct end_kind {
	enum hs_media_kind kind;
	enum hs_digit_source keys; /* legs: how their party's keys are noticed */

	/* legs: the partner received this; sends it on. NULL: has no partner. */
	void (*hear)(struct end *end, const struct heard *heard);

	/* legs: in use from now on (joined, or something is played). NULL: is no leg. */
	void (*use)(struct end *end);

	/* legs: sends keys. -ENOTSUP: it cannot; -EBUSY: too many wait. */
	int (*digits)(struct end *end, const char *digits, int64_t duration_ms);

	/* legs: keys go out beside the audio, so that tones of the same keys would say them twice. */
	bool (*takes_keys)(const struct end *end);

	/* streams: the leg's party said or heard this. NULL: is no stream. */
	void (*listen)(struct end *end, const struct spoken *spoken);

	/* streams: 20 ms of what it says; false: nothing. waits: whether it has something to say. */
	bool (*take)(struct end *end, enum hs_codec *ret_codec, uint8_t ret_frame[CODEC_FRAME]);
	bool (*waits)(const struct end *end);

	/* Joins, players or queues changed: look again whether the clock is needed. */
	void (*stir)(struct end *end);

	/* Five times a second: time-outs, reports. */
	void (*tick)(struct end *end, int64_t now_us);

	/* Figures so far; remote points into ret_remote. */
	void (*measure)(const struct end *end, struct hs_media_figures *ret_figures, char ret_remote[ADDRESS_TEXT]);

	/* Frees it; joins are undone already. */
	void (*destroy)(struct end *end);
};

/* Of every kind of end, in the journal, written in place: the first member of what its kind keeps there. */
struct end_record {
	uint32_t layout, bytes; /* layout 0: it is being made */
	int kind, owner, codec;
	char call[HS_ID_BYTES], partner[HS_ID_BYTES];
	bool is_muted; /* legs: nobody hears what its party says */
	int tone;      /* legs: that is played; 0: none */
	uint64_t tone_position;
};

struct end {
	const struct end_kind *kind;
	struct world *world;
	struct end_record *record;
	char id[HS_ID_BYTES], call[HS_ID_BYTES];
	enum hs_role owner;  /* driver whose leg it is; HS_ROLE_NONE until one described it */
	enum hs_codec codec; /* agreed one; 0: none yet */
	struct end *partner; /* leg: the other leg; stream: its leg */
	struct end *streams[END_STREAMS];
	int streams_count;
	struct player *player; /* legs only */
	int floor;             /* legs: slots for which streams keep the partner silent */
	bool is_gone;          /* to be closed at the next tick: its peer vanished */
};

static inline bool end_is_leg(const struct end *end)
{
	return end->kind->use;
}

/* Call of an end; NULL: none. */
static inline const char *end_call(const struct end *end)
{
	return end->call[0] ? end->call : NULL;
}

#endif
