/* Frames that come in on the audio edge: a row for each kind, a table for each sort of sender. A grant is all a sender
 * needs to know; streams and uploads are for fronts, channels for dahdid.
 */
#include "audio.h"
#include "cleanup.h"
#include "leg_channel.h"
#include "leg_player.h"
#include "leg_stream.h"
#include "log.h"
#include "mediad.h"
#include "metrics.h"
#include <errno.h>

static struct end *find_stream(struct mediad *mediad, const struct hs_frame *frame)
{
	struct end *end = session_find(mediad->session, frame->grant);
	return end && end->kind->kind == HS_MEDIA_KIND_STREAM ? end : NULL;
}

static void refuse(struct mediad *mediad, uint64_t peer, const struct hs_frame *frame, const char *why)
{
	hs_metric_add(mediad->world.meters.frames_refused, 1);
	audio_say(mediad->world.audio, peer, why ? HS_FRAME_REFUSED : HS_FRAME_DETACH, frame->grant, why);
}

static void refuse_attach(struct mediad *mediad, uint64_t peer, const struct hs_frame *frame)
{
	refuse(mediad, peer, frame, "there is no such grant");
}

/* The stream of a frame whose sender holds it; else NULL, and the sender is told that it does not. */
static struct end *held_stream(struct mediad *mediad, uint64_t peer, const struct hs_frame *frame)
{
	struct end *stream = find_stream(mediad, frame);
	if (stream && leg_stream_is_held_by(stream, peer))
		return stream;
	refuse(mediad, peer, frame, NULL);
	return NULL;
}

static void hear_attach(struct mediad *mediad, uint64_t peer, const struct hs_frame *frame)
{
	struct end *stream = find_stream(mediad, frame);
	if (!stream) {
		refuse_attach(mediad, peer, frame);
		return;
	}
	if (leg_stream_attach(stream, peer, frame->payload_bytes == 1 ? frame->payload[0] : 1u << TRACK_SAID) == 0)
		hs_log(INFO, "stream.attached", LOG_CALL(end_call(stream)), LOG_TEXT("stream", stream->id));
}

static void hear_audio(struct mediad *mediad, uint64_t peer, const struct hs_frame *frame)
{
	struct end *stream = held_stream(mediad, peer, frame);
	if (stream && frame->codec)
		leg_stream_say(stream, frame->codec, frame->payload, frame->payload_bytes);
}

static void hear_clear(struct mediad *mediad, uint64_t peer, const struct hs_frame *frame)
{
	struct end *stream = held_stream(mediad, peer, frame);
	if (stream)
		leg_stream_clear(stream);
}

static void hear_mark(struct mediad *mediad, uint64_t peer, const struct hs_frame *frame)
{
	struct end *stream = held_stream(mediad, peer, frame);
	if (stream)
		leg_stream_mark(stream, frame->timestamp);
}

static void hear_pause(struct mediad *mediad, uint64_t peer, const struct hs_frame *frame)
{
	struct end *stream = held_stream(mediad, peer, frame);
	if (stream)
		leg_stream_pause(stream, frame->kind == HS_FRAME_PAUSE);
}

static void hear_queue(struct mediad *mediad, uint64_t peer, const struct hs_frame *frame)
{
	struct end *stream = held_stream(mediad, peer, frame);
	if (stream)
		leg_stream_tell_queue(stream);
}

static void hear_detach(struct mediad *mediad, uint64_t peer, const struct hs_frame *frame)
{
	struct end *stream = find_stream(mediad, frame);
	if (stream && leg_stream_is_held_by(stream, peer)) {
		leg_stream_detach(stream);
		hs_log(INFO, "stream.detached", LOG_CALL(end_call(stream)), LOG_TEXT("stream", stream->id));
	}
	player_abandon(&mediad->world, peer, frame->grant);
}

static void hear_upload(struct mediad *mediad, uint64_t peer, const struct hs_frame *frame)
{
	const char *why = NULL;
	if (player_upload(&mediad->world, peer, frame, &why) < 0)
		refuse(mediad, peer, frame, why);
}

/* ---- dahdid ---- */

static struct end *find_channel(struct mediad *mediad, const struct hs_frame *frame)
{
	struct end *end = session_find(mediad->session, frame->grant);
	return end && leg_channel_is(end) ? end : NULL;
}

static void attach_channel(struct mediad *mediad, uint64_t peer, const struct hs_frame *frame)
{
	struct end *leg = find_channel(mediad, frame);
	if (!leg)
		refuse_attach(mediad, peer, frame);
	else if (leg_channel_attach(leg, peer) == 0)
		hs_log(INFO, "channel.attached", LOG_CALL(end_call(leg)), LOG_LEG(leg->id));
}

static void hear_block(struct mediad *mediad, uint64_t peer, const struct hs_frame *frame)
{
	struct end *leg = find_channel(mediad, frame);
	if (!leg || !leg_channel_is_held_by(leg, peer))
		refuse(mediad, peer, frame, NULL);
	else if (!leg_channel_hear_block(leg, frame))
		hs_metric_add(mediad->world.meters.frames_refused, 1);
}

static void detach_channel(struct mediad *mediad, uint64_t peer, const struct hs_frame *frame)
{
	struct end *leg = find_channel(mediad, frame);
	if (!leg || !leg_channel_is_held_by(leg, peer))
		return;
	leg_channel_detach(leg);
	hs_log(INFO, "channel.detached", LOG_CALL(end_call(leg)), LOG_LEG(leg->id));
}

/* ---- The tables ---- */

typedef void hear_kind(struct mediad *mediad, uint64_t peer, const struct hs_frame *frame);

enum { KINDS = HS_FRAME_QUEUE + 1 };

static hear_kind *const front_rows[KINDS] = {
	[HS_FRAME_ATTACH] = hear_attach, [HS_FRAME_AUDIO] = hear_audio,  [HS_FRAME_UPLOAD] = hear_upload,
	[HS_FRAME_DETACH] = hear_detach, [HS_FRAME_CLEAR] = hear_clear,  [HS_FRAME_MARK] = hear_mark,
	[HS_FRAME_PAUSE] = hear_pause,   [HS_FRAME_RESUME] = hear_pause, [HS_FRAME_QUEUE] = hear_queue,
};

static hear_kind *const driver_rows[KINDS] = {
	[HS_FRAME_ATTACH] = attach_channel,
	[HS_FRAME_AUDIO] = hear_block,
	[HS_FRAME_DETACH] = detach_channel,
};

static hear_kind *const *const speakers[HS_ROLES] = {
	[HS_ROLE_API_FRONT] = front_rows,
	[HS_ROLE_HOOK_STREAM] = front_rows,
	[HS_ROLE_DAHDID] = driver_rows,
};

void hear_frame(void *context, uint64_t peer, enum hs_role role, const uint8_t *data, size_t bytes)
{
	struct mediad *mediad = context;
	struct hs_frame frame;
	hear_kind *const *rows = (size_t)role < HS_ROLES ? speakers[role] : NULL;
	if (!rows || hs_frame_read(data, bytes, &frame) < 0 || (size_t)frame.kind >= KINDS || !rows[frame.kind]) {
		hs_metric_add(mediad->world.meters.frames_refused, 1);
		return;
	}
	rows[frame.kind](mediad, peer, &frame);
}
