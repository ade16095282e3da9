#include "audio.h"
#include "cleanup.h"
#include "metrics.h"
#include "operator.h"
#include "table.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct audio {
	struct stream *stream;
	struct hs_audio *edge;
	struct hs_table *holders; /* operators by grant */
	bool up;
	struct hs_metric *refused;
};

static void heard(void *context, uint64_t peer, enum hs_role role, const uint8_t *data, size_t bytes)
{
	struct audio *audio = context;
	struct operator_link *link = NULL;
	struct hs_frame frame;

	if (!hs_frame_read(data, bytes, &frame))
		link = hs_table_get(audio->holders, frame.grant);
	if (link)
		operator_heard(link, &frame);
	else
		hs_metric_add(audio->refused, 1);
}

static void changed(void *context, bool up)
{
	struct audio *audio = context;

	audio->up = up;
	for (size_t i = 0; i < audio->stream->count; i++)
		operator_audio_changed(audio->stream->operators[i], up);
}

struct audio *audio_create(struct stream *stream)
{
	struct audio *audio = hs_zalloc(sizeof(*audio));

	audio->stream = stream;
	audio->holders = hs_table_create();
	audio->refused = hs_metric_counter("hookswitch_operator_frames_refused_total", "",
					   "Audio frames from mediad that were malformed or of an unknown grant.");
	audio->edge = hs_audio_connect(stream->house->bus, heard, changed, audio);
	return audio;
}

bool audio_is_up(const struct audio *audio)
{
	return audio->up;
}

int audio_hold(struct audio *audio, const char *grant, struct operator_link *link)
{
	if (strlen(grant) > HS_FRAME_GRANT_BYTES)
		return -EINVAL;
	hs_table_put(audio->holders, grant, link);
	return 0;
}

void audio_drop(struct audio *audio, const char *grant)
{
	if (*grant)
		hs_table_remove(audio->holders, grant);
}

int audio_send(struct audio *audio, const struct hs_frame *frame)
{
	uint8_t data[HS_FRAME_HEADER_BYTES + HS_FRAME_MAX_PAYLOAD];
	int bytes;

	if (!audio->up)
		return -EHOSTUNREACH;
	bytes = hs_frame_pack(frame, data, sizeof(data));
	return bytes < 0 ? bytes : hs_audio_send(audio->edge, 0, data, (size_t)bytes);
}

void audio_destroy(struct audio *audio)
{
	if (!audio)
		return;
	hs_table_destroy(audio->holders);
	free(audio);
}
