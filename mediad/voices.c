#include "voices.h"
#include "leg_player.h"
#include "mix.h"

enum { FLOOR_SLOTS = 5 }; /* streams keep the partner silent this long after their last frame: 100 ms */

static bool take_streams(struct end *leg, struct mix *mix)
{
	for (int i = 0; i < leg->streams_count; i++) {
		struct end *stream = leg->streams[i];
		uint8_t frame[CODEC_FRAME];
		enum hs_codec codec;
		if (stream->kind->take(stream, &codec, frame))
			mix_add(mix, codec, frame);
	}
	return mix->count > 0;
}

bool voices_take(struct end *leg, uint8_t ret_frame[CODEC_FRAME])
{
	struct mix mix;
	mix.count = 0;
	if (take_streams(leg, &mix))
		leg->floor = FLOOR_SLOTS;
	else if (leg->floor > 0)
		leg->floor--;
	return player_take(leg->player, leg->codec, ret_frame) || mix_result(&mix, leg->codec, ret_frame);
}

bool voices_outrank(const struct end *leg)
{
	return leg->floor > 0 || player_busy(leg->player);
}

bool voices_wait(const struct end *leg)
{
	for (int i = 0; i < leg->streams_count; i++)
		if (leg->streams[i]->kind->waits(leg->streams[i]))
			return true;
	return false;
}

void voices_tell(const struct end *leg, const struct spoken *spoken)
{
	for (int i = 0; i < leg->streams_count; i++) {
		struct end *stream = leg->streams[i];
		stream->kind->listen(stream, spoken);
	}
}
