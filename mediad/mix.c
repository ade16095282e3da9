#include "mix.h"
#include <string.h>

static void add_linear(struct mix *mix, enum hs_codec codec, const uint8_t *frame)
{
	for (int i = 0; i < CODEC_FRAME; i++)
		mix->sum[i] += hs_law_to_linear(codec, frame[i]);
}

void mix_add(struct mix *mix, enum hs_codec codec, const uint8_t frame[CODEC_FRAME])
{
	if (mix->count++ == 0) {
		mix->codec = codec;
		memcpy(mix->first, frame, CODEC_FRAME);
		return;
	}
	if (mix->count == 2) {
		memset(mix->sum, 0, sizeof mix->sum);
		add_linear(mix, mix->codec, mix->first);
	}
	add_linear(mix, codec, frame);
}

static int16_t saturate(int32_t value)
{
	if (value > INT16_MAX)
		return INT16_MAX;
	return value < INT16_MIN ? INT16_MIN : (int16_t)value;
}

bool mix_result(struct mix *mix, enum hs_codec codec, uint8_t ret_frame[CODEC_FRAME])
{
	if (mix->count == 0)
		return false;
	if (mix->count == 1) {
		memcpy(ret_frame, mix->first, CODEC_FRAME);
		hs_law_convert(mix->codec, codec, ret_frame, CODEC_FRAME);
		return true;
	}
	for (int i = 0; i < CODEC_FRAME; i++)
		ret_frame[i] = hs_law_from_linear(codec, saturate(mix->sum[i]));
	return true;
}
