#include "leg_stream.h"
#include "audio.h"
#include "cleanup.h"
#include "clock.h"
#include "kept.h"
#include "metrics.h"
#include "playout.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TELL_LOST_US 1000000      /* between two words about dropped audio */
#define ATTACH_WITHIN_US 60000000 /* of a new grant, to be taken by a front */

/* All that a successor goes on with, written where it finds it: no pointers. */
struct stream_record {
	struct end_record end;
	int64_t attach_until_us; /* 0: it was attached once */
	uint32_t sequence;
	unsigned int wanted;    /* tracks: bits by enum end_track */
	int64_t begun_at_us;    /* first frame of any track; 0: none yet */
	struct track {          /* the stream's own time line: each leg's timestamps are moved onto it */
		bool is_placed; /* offset is that of the leg it is joined to */
		uint32_t offset, timestamp;
		int64_t timestamp_at_us; /* 0: nothing was sent yet */
	} tracks[END_TRACKS];
	uint64_t frames_sent, frames_said, dropped, underruns_told;
	bool told_full;
	int64_t told_lost_at_us;
};

const size_t leg_stream_kept = sizeof(struct stream_record);

#define AWAITED_MAX 100 /* frames: 2 s */

/* What the leg said while nobody had the stream. */
struct awaited {
	int count;
	struct {
		enum end_track track;
		enum hs_codec codec;
		uint32_t timestamp;
		uint8_t bytes[CODEC_FRAME];
	} frames[AWAITED_MAX];
};

struct leg_stream {
	struct end end;
	struct stream_record *record;
	struct playout *playout; /* a successor finds it too */
	bool is_attached;
	uint64_t peer;
	struct awaited *awaited; /* a front had it when the predecessor died, and has not attached again; else NULL */
};

static struct leg_stream *stream_of(const struct end *end)
{
	return (struct leg_stream *)end;
}

/* ---- From the leg to the front ---- */

/* How far a timestamp may lie from the last one before it counts as another time base: 10 s. */
enum { JUMP = 10 * CODEC_RATE };

static uint32_t place(struct leg_stream *stream, const struct spoken *spoken)
{
	struct stream_record *record = stream->record;
	struct track *track = &record->tracks[spoken->track];
	int32_t ahead = (int32_t)(spoken->timestamp + track->offset - track->timestamp);
	if (!record->begun_at_us)
		record->begun_at_us = spoken->now_us;
	if (!track->is_placed || ahead > JUMP || ahead < -JUMP) {
		int64_t since_us = track->timestamp_at_us ? track->timestamp_at_us : record->begun_at_us;
		int64_t passed = (spoken->now_us - since_us) * CODEC_SAMPLES_PER_MS / 1000;
		uint32_t next = track->timestamp + (uint32_t)(passed > CODEC_FRAME ? passed : CODEC_FRAME);
		track->is_placed = true;
		track->offset = next - spoken->timestamp;
	}
	uint32_t placed = spoken->timestamp + track->offset;
	if ((int32_t)(placed - track->timestamp) > 0) {
		track->timestamp = placed;
		track->timestamp_at_us = spoken->now_us;
	}
	return placed;
}

static int send_out(struct leg_stream *stream, struct hs_frame *frame)
{
	hs_copy(frame->grant, sizeof frame->grant, stream->end.id);
	return audio_send(stream->end.world->audio, stream->peer, frame);
}

static void send_frame(struct leg_stream *stream, const struct spoken *spoken)
{
	struct end *end = &stream->end;
	struct hs_frame out = {
		.kind = HS_FRAME_AUDIO,
		.codec = spoken->codec,
		.is_outbound = spoken->track == TRACK_HEARD,
		.sequence = stream->record->sequence++,
		.timestamp = spoken->timestamp,
		.payload = spoken->frame,
		.payload_bytes = CODEC_FRAME,
	};
	int error = send_out(stream, &out);
	if (error == -EHOSTUNREACH) {
		end->is_gone = true; /* the tick closes it: here its leg is in the middle of a packet */
		stream->is_attached = false;
	} else if (error < 0) {
		stream->record->dropped++;
		hs_metric_add(end->world->meters.dropped_out, 1);
	} else {
		stream->record->frames_sent++;
	}
}

/* The front attaches again in a moment: what waited in the sockets meanwhile comes first. */
static void keep_frame(struct leg_stream *stream, const struct spoken *spoken)
{
	struct awaited *awaited = stream->awaited;
	if (awaited->count == AWAITED_MAX) {
		stream->record->dropped++;
		hs_metric_add(stream->end.world->meters.dropped_out, 1);
		return;
	}
	awaited->frames[awaited->count].track = spoken->track;
	awaited->frames[awaited->count].codec = spoken->codec;
	awaited->frames[awaited->count].timestamp = spoken->timestamp;
	memcpy(awaited->frames[awaited->count++].bytes, spoken->frame, CODEC_FRAME);
}

static void send_awaited(struct leg_stream *stream)
{
	AUTO(free) struct awaited *awaited = TAKE(stream->awaited);
	for (int i = 0; awaited && i < awaited->count && stream->is_attached; i++)
		send_frame(stream, &(struct spoken){awaited->frames[i].track, awaited->frames[i].codec,
						    awaited->frames[i].timestamp, 0, awaited->frames[i].bytes});
}

static void listen_to(struct end *end, const struct spoken *spoken)
{
	struct leg_stream *stream = stream_of(end);
	struct spoken placed = *spoken;
	if (!(stream->record->wanted & 1u << spoken->track) || (!stream->is_attached && !stream->awaited))
		return;
	placed.timestamp = place(stream, spoken);
	if (stream->is_attached)
		send_frame(stream, &placed);
	else
		keep_frame(stream, &placed);
}

/* ---- What the front is told of the queue ---- */

static void send_queue(struct leg_stream *stream, enum hs_frame_kind kind, uint32_t number, bool was_cleared)
{
	struct hs_frame_queue queue;
	uint8_t payload[HS_FRAME_QUEUE_BYTES];
	struct hs_frame frame = {
		.kind = kind, .timestamp = number, .payload = payload, .payload_bytes = sizeof payload};
	if (!stream->is_attached)
		return;
	playout_measure(stream->playout, &queue);
	queue.was_cleared = was_cleared;
	hs_frame_pack_queue(&queue, payload);
	send_out(stream, &frame);
}

/* Marks wait for a front that is to attach again. */
static void tell_marks(struct leg_stream *stream, bool was_cleared)
{
	uint32_t number;
	while (stream->is_attached && playout_passed(stream->playout, &number))
		send_queue(stream, HS_FRAME_MARKED, number, was_cleared);
}

/* Full, or no longer. */
static void tell_flow(struct leg_stream *stream)
{
	struct hs_frame_queue queue;
	playout_measure(stream->playout, &queue);
	if (queue.is_full == stream->record->told_full)
		return;
	stream->record->told_full = queue.is_full;
	send_queue(stream, HS_FRAME_QUEUE, 0, false);
}

/* Who goes on sending into a full queue hears of it, but not for each frame. */
static void tell_lost(struct leg_stream *stream)
{
	int64_t now_us = hs_clock_us();
	if (now_us - stream->record->told_lost_at_us < TELL_LOST_US)
		return;
	stream->record->told_lost_at_us = now_us;
	send_queue(stream, HS_FRAME_QUEUE, 0, false);
}

void leg_stream_tell_queue(struct end *end)
{
	send_queue(stream_of(end), HS_FRAME_QUEUE, 0, false);
}

/* ---- From the front to the leg ---- */

void leg_stream_say(struct end *end, enum hs_codec codec, const uint8_t *bytes, size_t count)
{
	struct leg_stream *stream = stream_of(end);
	stream->record->frames_said++;
	if (!end->partner)
		return;
	size_t lost = playout_put(stream->playout, codec, bytes, count);
	if (lost > 0) {
		uint64_t frames = (lost + CODEC_FRAME - 1) / CODEC_FRAME;
		stream->record->dropped += frames;
		hs_metric_add(end->world->meters.dropped_in, (int64_t)frames);
		tell_lost(stream);
	}
	tell_flow(stream);
	end->partner->kind->stir(end->partner);
}

/* More marks than can wait are answered at once. */
void leg_stream_mark(struct end *end, uint32_t number)
{
	struct leg_stream *stream = stream_of(end);
	if (playout_mark(stream->playout, number) < 0)
		send_queue(stream, HS_FRAME_MARKED, number, true);
	tell_marks(stream, false);
}

void leg_stream_pause(struct end *end, bool is_paused)
{
	struct leg_stream *stream = stream_of(end);
	playout_pause(stream->playout, is_paused);
	leg_stream_tell_queue(end);
	if (end->partner)
		end->partner->kind->stir(end->partner);
}

static bool take(struct end *end, enum hs_codec *ret_codec, uint8_t ret_frame[CODEC_FRAME])
{
	struct leg_stream *stream = stream_of(end);
	bool taken = playout_take(stream->playout, ret_codec, ret_frame);
	uint64_t underruns = playout_underruns(stream->playout);
	if (underruns != stream->record->underruns_told)
		hs_metric_add(end->world->meters.underruns, (int64_t)(underruns - stream->record->underruns_told));
	stream->record->underruns_told = underruns;
	if (taken) {
		tell_marks(stream, false);
		tell_flow(stream);
	}
	return taken;
}

static bool waits(const struct end *end)
{
	return playout_waits(stream_of(end)->playout);
}

static void drop_waiting(struct leg_stream *stream)
{
	playout_clear(stream->playout);
	tell_marks(stream, true);
	tell_flow(stream);
}

void leg_stream_clear(struct end *end)
{
	drop_waiting(stream_of(end));
	leg_stream_tell_queue(end);
}

/* ---- Life ---- */

/* What was said to one leg is not for the next one, nor is a pause. */
static void stir(struct end *end)
{
	struct leg_stream *stream = stream_of(end);
	if (end->partner)
		return;
	drop_waiting(stream);
	playout_pause(stream->playout, false);
	for (int i = 0; i < END_TRACKS; i++)
		stream->record->tracks[i].is_placed = false;
}

/* A grant that nobody came for: who asked for it may have died before it could be handed out. */
static void tick(struct end *end, int64_t now_us)
{
	const struct leg_stream *stream = stream_of(end);
	if (stream->record->attach_until_us && now_us > stream->record->attach_until_us)
		end->is_gone = true;
	hs_metric_add(end->world->meters.queued, (int64_t)(playout_depth(stream->playout) / CODEC_SAMPLES_PER_MS));
}

static void measure(const struct end *end, struct hs_media_figures *ret_figures, char ret_remote[ADDRESS_TEXT])
{
	const struct leg_stream *stream = stream_of(end);
	*ret_figures = (struct hs_media_figures){
		.packets_received = (int64_t)stream->record->frames_said,
		.packets_sent = (int64_t)stream->record->frames_sent,
		.underruns = (int64_t)playout_underruns(stream->playout),
		.dropped_frames = (int64_t)stream->record->dropped,
	};
	ret_remote[0] = 0;
}

static void playout_name(const char *grant, char ret_name[HS_KEEP_NAME])
{
	snprintf(ret_name, HS_KEEP_NAME, "playout.%.*s", HS_FRAME_GRANT_BYTES, grant);
}

static void destroy(struct end *end)
{
	struct leg_stream *stream = stream_of(end);
	char name[HS_KEEP_NAME];
	playout_name(end->id, name);
	if (stream->is_attached)
		audio_say(end->world->audio, stream->peer, HS_FRAME_DETACH, end->id, NULL);
	kept_unmap(end->world, name, stream->playout, playout_bytes());
	kept_drop(end->world, end->id);
	free(stream->awaited);
	free(stream);
}

static const struct end_kind kind = {
	.kind = HS_MEDIA_KIND_STREAM,
	.listen = listen_to,
	.take = take,
	.waits = waits,
	.stir = stir,
	.tick = tick,
	.measure = measure,
	.destroy = destroy,
};

static struct leg_stream *make(struct world *world, const char *grant, struct stream_record *record)
{
	struct leg_stream *stream = hs_zalloc(sizeof *stream);
	char name[HS_KEEP_NAME];
	bool is_found;
	stream->end.kind = &kind;
	stream->end.world = world;
	stream->end.record = &record->end;
	hs_copy(stream->end.id, sizeof stream->end.id, grant);
	stream->record = record;
	playout_name(grant, name);
	stream->playout = kept_map(world, name, playout_bytes(), &is_found);
	if (is_found)
		playout_check(stream->playout);
	return stream;
}

int leg_stream_create(struct world *world, const char *grant, const char *call, struct end **ret_end)
{
	struct stream_record *record = kept_make(world, grant, HS_MEDIA_KIND_STREAM, sizeof *record);
	if (!record)
		return -EAGAIN;
	struct leg_stream *stream = make(world, grant, record);
	hs_copy(stream->end.call, sizeof stream->end.call, call);
	record->attach_until_us = hs_clock_us() + ATTACH_WITHIN_US;
	*ret_end = &stream->end;
	return 0;
}

/* Its front attaches again, or has died with the predecessor. */
int leg_stream_restore(struct world *world, const char *grant, struct end_record *found, size_t bytes,
		       struct end **ret_end)
{
	struct stream_record *record = (struct stream_record *)found;
	if (bytes != sizeof *record)
		return -EPROTO;
	struct leg_stream *stream = make(world, grant, record);
	kept_read(&stream->end, found);
	record->underruns_told = playout_underruns(stream->playout);
	if (!record->attach_until_us)
		stream->awaited = hs_zalloc(sizeof *stream->awaited);
	record->attach_until_us = hs_clock_us() + ATTACH_WITHIN_US;
	*ret_end = &stream->end;
	return 0;
}

int leg_stream_attach(struct end *end, uint64_t peer, unsigned int tracks)
{
	struct leg_stream *stream = stream_of(end);
	struct hs_frame frame = {.kind = HS_FRAME_ATTACHED};
	enum hs_codec codec = end->partner ? end->partner->codec : 0;
	hs_copy(frame.grant, sizeof frame.grant, end->id);
	frame.codec = codec ? codec : HS_CODEC_PCMU;
	if (stream->is_attached && stream->peer != peer)
		audio_say(end->world->audio, stream->peer, HS_FRAME_DETACH, end->id, NULL);
	stream->peer = peer;
	stream->record->attach_until_us = 0;
	stream->record->wanted = tracks;
	stream->is_attached = audio_send(end->world->audio, peer, &frame) != -EHOSTUNREACH;
	send_awaited(stream);
	tell_marks(stream, false);
	return stream->is_attached ? 0 : -EHOSTUNREACH;
}

bool leg_stream_is_held_by(const struct end *end, uint64_t peer)
{
	return stream_of(end)->is_attached && stream_of(end)->peer == peer;
}

void leg_stream_detach(struct end *end)
{
	struct leg_stream *stream = stream_of(end);
	uint32_t number;
	stream->is_attached = false;
	drop_waiting(stream);
	while (playout_passed(stream->playout, &number)) /* nobody waits for them any more */
		;
}
