/* Frames that come in on the audio edge: a row for each kind. Only fronts speak here; a grant is all they need to know.
 */
#include "audio.h"
#include "cleanup.h"
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

/* The stream of a frame whose sender holds it; else NULL, and the sender is told that it does not. */
static struct end *held_stream(struct mediad *mediad, uint64_t peer, const struct hs_frame *frame)
{
	struct end *stream = find_stream(mediad, frame);
	if (stream && leg_stream_is_held_by(stream, peer))
		return stream;
	hs_metric_add(mediad->world.meters.frames_refused, 1);
	audio_say(mediad->world.audio, peer, HS_FRAME_DETACH, frame->grant, NULL);
	return NULL;
}

static void hear_attach(struct mediad *mediad, uint64_t peer, const struct hs_frame *frame)
{
	struct end *stream = find_stream(mediad, frame);
	if (!stream) {
		hs_metric_add(mediad->world.meters.frames_refused, 1);
		audio_say(mediad->world.audio, peer, HS_FRAME_REFUSED, frame->grant, "there is no such grant");
		return;
	}
	if (leg_stream_attach(stream, peer) == 0)
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
	if (player_upload(&mediad->world, peer, frame, &why) == 0)
		return;
	hs_metric_add(mediad->world.meters.frames_refused, 1);
	audio_say(mediad->world.audio, peer, HS_FRAME_REFUSED, frame->grant, why);
}

typedef void hear_kind(struct mediad *mediad, uint64_t peer, const struct hs_frame *frame);

static hear_kind *const rows[] = {
	[HS_FRAME_ATTACH] = hear_attach, [HS_FRAME_AUDIO] = hear_audio, [HS_FRAME_UPLOAD] = hear_upload,
	[HS_FRAME_DETACH] = hear_detach, [HS_FRAME_CLEAR] = hear_clear,
};

void hear_frame(void *context, uint64_t peer, enum hs_role role, const uint8_t *data, size_t bytes)
{
	struct mediad *mediad = context;
	struct hs_frame frame;
	bool is_front = role == HS_ROLE_API_FRONT || role == HS_ROLE_HOOK_STREAM;
	if (!is_front || hs_frame_read(data, bytes, &frame) < 0 || (size_t)frame.kind >= HS_COUNT(rows) ||
	    !rows[frame.kind]) {
		hs_metric_add(mediad->world.meters.frames_refused, 1);
		return;
	}
	rows[frame.kind](mediad, peer, &frame);
}
