#include "audio.h"
#include "cleanup.h"
#include "metrics.h"
#include "table.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct audio {
	struct hs_audio *edge;
	struct hs_table *holders; /* by grant */
	bool is_up;
	struct hs_metric *bad, *unknown;
	uint8_t packed[HS_FRAME_HEADER_BYTES +
		       HS_FRAME_MAX_PAYLOAD]; /* not on the stack: it would be cleared for each */
};

static void on_heard(void *context, uint64_t peer, enum hs_role role, const uint8_t *data, size_t bytes)
{
	struct audio *audio = context;
	struct hs_frame frame;
	if (hs_frame_read(data, bytes, &frame)) {
		hs_metric_add(audio->bad, 1);
		return;
	}
	struct audio_holder *holder = hs_table_get(audio->holders, frame.grant);
	if (holder)
		holder->heard(holder, &frame);
	else
		hs_metric_add(audio->unknown, 1);
}

static _Bool tell_changed(void *context, const char *grant, void *object)
{
	const struct audio *audio = context;
	struct audio_holder *holder = object;
	holder->changed(holder, audio->is_up);
	return true;
}

static void on_changed(void *context, bool up)
{
	struct audio *audio = context;
	audio->is_up = up;
	hs_table_each(audio->holders, tell_changed, audio);
}

struct audio *audio_create(struct hs_bus *bus)
{
	struct audio *audio = hs_zalloc(sizeof(*audio));
	audio->holders = hs_table_create();
	audio->bad = hs_metric_counter("hookswitch_front_audio_frames_refused_total", "why=\"malformed\"",
				       "Audio frames from mediad that were not used.");
	audio->unknown = hs_metric_counter("hookswitch_front_audio_frames_refused_total", "why=\"unknown_grant\"",
					   "Audio frames from mediad that were not used.");
	audio->edge = hs_audio_connect(bus, on_heard, on_changed, audio);
	return audio;
}

bool audio_is_up(const struct audio *audio)
{
	return audio->is_up;
}

int audio_hold(struct audio *audio, struct audio_holder *holder, const char *grant)
{
	audio_drop(audio, holder);
	if (!hs_copy(holder->grant, sizeof(holder->grant), grant)) {
		holder->grant[0] = '\0';
		return -EINVAL;
	}
	hs_table_put(audio->holders, grant, holder);
	return 0;
}

void audio_drop(struct audio *audio, struct audio_holder *holder)
{
	if (holder->grant[0] && hs_table_get(audio->holders, holder->grant) == holder)
		hs_table_remove(audio->holders, holder->grant);
	holder->grant[0] = '\0';
}

int audio_send(struct audio *audio, const struct audio_holder *holder, const struct hs_frame *frame)
{
	struct hs_frame granted = *frame;
	hs_copy(granted.grant, sizeof(granted.grant), holder->grant);
	if (!audio->is_up)
		return -EHOSTUNREACH;
	int bytes = hs_frame_pack(&granted, audio->packed, sizeof(audio->packed));
	return bytes < 0 ? bytes : hs_audio_send(audio->edge, 0, audio->packed, (size_t)bytes);
}

void audio_destroy(struct audio *audio)
{
	if (!audio)
		return;
	hs_table_destroy(audio->holders);
	free(audio);
}
