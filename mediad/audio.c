#include "audio.h"
#include "cleanup.h"
#include <errno.h>
#include <string.h>

enum { FRAME_BYTES = 576 }; /* header and a block of 60 ms, or a sentence */

int audio_send(struct hs_audio *audio, uint64_t peer, const struct hs_frame *frame)
{
	uint8_t data[FRAME_BYTES];
	int bytes = hs_frame_pack(frame, data, sizeof data);
	if (bytes < 0)
		return bytes;
	return audio ? hs_audio_send(audio, peer, data, (size_t)bytes) : -EHOSTUNREACH;
}

void audio_say(struct hs_audio *audio, uint64_t peer, enum hs_frame_kind kind, const char *grant, const char *text)
{
	struct hs_frame frame = {.kind = kind, .payload = (const uint8_t *)text};
	hs_copy(frame.grant, sizeof frame.grant, grant);
	if (text)
		frame.payload_bytes = strlen(text);
	audio_send(audio, peer, &frame);
}
