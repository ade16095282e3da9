#include "frames.h"
#include <string.h>

bool frames_is_sane(const struct frames *frames)
{
	return frames->fill < CODEC_FRAME && (int)frames->codec >= 0 && frames->codec < HS_CODEC_COUNT;
}

static void flush(struct frames *frames, frames_emit *emit, void *context)
{
	memset(frames->bytes + frames->fill, hs_law_silence(frames->codec), CODEC_FRAME - frames->fill);
	frames->fill = 0;
	emit(context, frames->codec, frames->timestamp, frames->bytes);
}

void frames_add(struct frames *frames, enum hs_codec codec, uint32_t timestamp, const uint8_t *bytes, size_t count,
		frames_emit *emit, void *context)
{
	if (frames->fill && (codec != frames->codec || timestamp != frames->timestamp + frames->fill))
		flush(frames, emit, context);
	while (count > 0) {
		if (frames->fill == 0) {
			if (count >= CODEC_FRAME) {
				emit(context, codec, timestamp, bytes);
				bytes += CODEC_FRAME;
				count -= CODEC_FRAME;
				timestamp += CODEC_FRAME;
				continue;
			}
			frames->codec = codec;
			frames->timestamp = timestamp;
		}
		size_t room = CODEC_FRAME - frames->fill, part = count < room ? count : room;
		memcpy(frames->bytes + frames->fill, bytes, part);
		frames->fill += part;
		bytes += part;
		count -= part;
		timestamp += (uint32_t)part;
		if (frames->fill == CODEC_FRAME)
			flush(frames, emit, context);
	}
}
