#include "cleanup.h"
#include "talk_inner.h"
#include <samplerate.h>
#include <stdlib.h>
#include <string.h>

#define PIECE 1024             /* samples of the operator at once */
#define WIDE (CODEC_FRAME * 2) /* samples of 20 ms at 16 kHz */

struct talk_format {
	enum hs_stream_format format;
	bool is_wide;            /* 16 kHz */
	SRC_STATE *up, *down;    /* NULL unless wide */
	int16_t ready[2 * WIDE]; /* for the operator; less than a frame of it is kept */
	size_t ready_count;
	bool has_half; /* an operator's message ended between the bytes of a sample */
	uint8_t half;
};

static SRC_STATE *make_state(void)
{
	int error;
	SRC_STATE *state = src_new(SRC_SINC_FASTEST, 1, &error);

	if (!state)
		abort(); /* no memory */
	return state;
}

struct talk_format *talk_format_create(enum hs_stream_format format, int64_t rate)
{
	struct talk_format *made = hs_zalloc(sizeof(*made));

	made->format = format;
	made->is_wide = rate == 2 * CODEC_RATE;
	if (made->is_wide) {
		made->up = make_state();
		made->down = make_state();
	}
	return made;
}

void talk_format_destroy(struct talk_format *format)
{
	if (!format)
		return;
	if (format->is_wide) {
		src_delete(format->up);
		src_delete(format->down);
	}
	free(format);
}

/* Samples that came out, at most room. */
static size_t convert(SRC_STATE *state, double ratio, const int16_t *in, size_t count, int16_t *ret_out, size_t room)
{
	float from[PIECE], to[2 * PIECE];
	SRC_DATA data = {.data_in = from,
			 .data_out = to,
			 .input_frames = (long)count,
			 .output_frames = (long)room,
			 .src_ratio = ratio};

	src_short_to_float_array(in, from, (int)count);
	if (src_process(state, &data))
		return 0;
	src_float_to_short_array(to, ret_out, (int)data.output_frames_gen);
	return (size_t)data.output_frames_gen;
}

/* ---- To the operator ---- */

static size_t put_samples(const int16_t *samples, size_t count, uint8_t *bytes)
{
	for (size_t i = 0; i < count; i++) {
		bytes[2 * i] = (uint8_t)samples[i];
		bytes[2 * i + 1] = (uint8_t)((uint16_t)samples[i] >> 8);
	}
	return 2 * count;
}

static size_t put_wide(struct talk_format *format, const int16_t *samples, size_t count, uint8_t *bytes)
{
	format->ready_count += convert(format->up, 2.0, samples, count, format->ready + format->ready_count,
				       2 * WIDE - format->ready_count);
	if (format->ready_count < WIDE)
		return 0;
	put_samples(format->ready, WIDE, bytes);
	format->ready_count -= WIDE;
	memmove(format->ready, format->ready + WIDE, format->ready_count * sizeof(*format->ready));
	return (size_t)2 * WIDE;
}

size_t talk_format_out(struct talk_format *format, enum hs_codec codec, uint8_t *bytes, size_t count)
{
	int16_t samples[CODEC_FRAME];

	if (format->format != HS_STREAM_FORMAT_L16) {
		if (format->format != HS_STREAM_FORMAT_LINE)
			hs_law_convert(codec, format->format == HS_STREAM_FORMAT_PCMA ? HS_CODEC_PCMA : HS_CODEC_PCMU,
				       bytes, count);
		return count;
	}
	for (size_t i = 0; i < count; i++)
		samples[i] = hs_law_to_linear(codec, bytes[i]);
	return format->is_wide ? put_wide(format, samples, count, bytes) : put_samples(samples, count, bytes);
}

/* ---- From the operator ---- */

static size_t take_samples(struct talk_format *format, const uint8_t **data, size_t *bytes, int16_t ret_samples[PIECE])
{
	size_t count = 0;

	while (*bytes && count < PIECE) {
		uint8_t byte = *(*data)++;

		(*bytes)--;
		if (format->has_half)
			ret_samples[count++] = (int16_t)(uint16_t)(format->half | byte << 8);
		format->half = byte;
		format->has_half = !format->has_half;
	}
	return count;
}

void talk_format_in(struct talk_format *format, enum hs_codec codec, const uint8_t *data, size_t bytes,
		    void (*emit)(void *context, enum hs_codec codec, const uint8_t *data, size_t bytes), void *context)
{
	if (format->format == HS_STREAM_FORMAT_PCMU || format->format == HS_STREAM_FORMAT_PCMA)
		codec = format->format == HS_STREAM_FORMAT_PCMA ? HS_CODEC_PCMA : HS_CODEC_PCMU;
	if (format->format != HS_STREAM_FORMAT_L16) {
		emit(context, codec, data, bytes);
		return;
	}
	while (bytes) {
		int16_t samples[PIECE];
		uint8_t coded[PIECE];
		size_t count = take_samples(format, &data, &bytes, samples);

		if (format->is_wide)
			count = convert(format->down, 0.5, samples, count, samples, PIECE);
		for (size_t i = 0; i < count; i++)
			coded[i] = hs_law_from_linear(codec, samples[i]);
		emit(context, codec, coded, count);
	}
}
