#include "wav.h"
#include "cleanup.h"
#include "riff.h"
#include <errno.h>
#include <math.h>
#include <samplerate.h>
#include <sndfile.h>
#include <stdlib.h>
#include <string.h>

/* ---- The file in memory, for libsndfile ---- */

struct memory {
	const uint8_t *data;
	sf_count_t bytes, at;
};

static sf_count_t memory_length(void *user)
{
	return ((struct memory *)user)->bytes;
}

static sf_count_t memory_seek(sf_count_t offset, int whence, void *user)
{
	struct memory *memory = user;
	sf_count_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? memory->at : memory->bytes;
	if (offset < -base || offset > memory->bytes - base)
		return -1;
	return memory->at = base + offset;
}

static sf_count_t memory_read(void *target, sf_count_t count, void *user)
{
	struct memory *memory = user;
	sf_count_t left = memory->bytes - memory->at;
	if (count > left)
		count = left;
	if (count <= 0)
		return 0;
	memcpy(target, memory->data + memory->at, (size_t)count);
	memory->at += count;
	return count;
}

static sf_count_t memory_write(const void *source, sf_count_t count, void *user)
{
	return 0; /* files are only read */
}

static sf_count_t memory_tell(void *user)
{
	return ((struct memory *)user)->at;
}

static void hs_auto_sndfile(SNDFILE **file)
{
	if (*file)
		sf_close(*file);
}

/* ---- Reading ---- */

static int refuse(const char **ret_why, const char *why)
{
	*ret_why = why;
	return -EINVAL;
}

/* libsndfile's name for samples without any header, little endian as in RIFF. */
static int raw_format(const struct riff *riff)
{
	static const int integers[] = {SF_FORMAT_PCM_U8, SF_FORMAT_PCM_16, SF_FORMAT_PCM_24, SF_FORMAT_PCM_32};
	int encoding = SF_FORMAT_ULAW;
	if (riff->encoding == RIFF_PCM)
		encoding = integers[riff->bits / 8 - 1];
	else if (riff->encoding == RIFF_FLOAT)
		encoding = riff->bits == 32 ? SF_FORMAT_FLOAT : SF_FORMAT_DOUBLE;
	else if (riff->encoding == RIFF_ALAW)
		encoding = SF_FORMAT_ALAW;
	return SF_FORMAT_RAW | SF_ENDIAN_LITTLE | encoding;
}

static int check(const struct riff *riff, const char **ret_why)
{
	if (riff->rate < 8000 || riff->rate > 48000)
		return refuse(ret_why, "the WAV file's rate is not within 8 to 48 kHz");
	if (riff->channels > 2)
		return refuse(ret_why, "the WAV file has more than two channels");
	if (riff->bytes == 0)
		return refuse(ret_why, "the WAV file holds no audio");
	if (riff->bytes / (riff->channels * riff->bits / 8) > (size_t)riff->rate * (WAV_MAX_MS / 1000))
		return refuse(ret_why, "the WAV file is longer than 60 s");
	return 0;
}

/* All frames as floats, both channels averaged. The caller frees it. */
static float *read_mono(SNDFILE *file, const SF_INFO *info, size_t *ret_count)
{
	AUTO(free) float *raw = hs_zalloc((size_t)info->frames * (size_t)info->channels * sizeof *raw);
	sf_count_t count = sf_readf_float(file, raw, info->frames);
	if (count <= 0)
		return NULL;
	if (info->channels == 2)
		for (sf_count_t i = 0; i < count; i++)
			raw[i] = (raw[2 * i] + raw[2 * i + 1]) / 2;
	*ret_count = (size_t)count;
	return TAKE(raw);
}

/* To 8 kHz; input is freed or handed through. NULL when the converter refuses. */
static float *resample(float *input, size_t count, int rate, size_t *ret_count)
{
	AUTO(free) float *owned = input;
	if (rate == CODEC_RATE) {
		*ret_count = count;
		return TAKE(owned);
	}
	size_t room = count * CODEC_RATE / (size_t)rate + 64;
	AUTO(free) float *output = hs_zalloc(room * sizeof *output);
	SRC_DATA data = {
		.data_in = owned,
		.data_out = output,
		.input_frames = (long)count,
		.output_frames = (long)room,
		.end_of_input = 1,
		.src_ratio = (double)CODEC_RATE / rate,
	};
	if (src_simple(&data, SRC_SINC_FASTEST, 1) != 0 || data.output_frames_gen <= 0)
		return NULL;
	*ret_count = (size_t)data.output_frames_gen;
	return TAKE(output);
}

/* Files of floats may hold anything: infinities and NaN become silence or full scale, never undefined conversions. */
static int16_t to_linear(float value)
{
	float scaled = value * 32768.0F;
	if (isnan(scaled))
		return 0;
	if (scaled >= INT16_MAX)
		return INT16_MAX;
	return scaled <= INT16_MIN ? INT16_MIN : (int16_t)lrintf(scaled);
}

/* Values outside any loudness would overflow in the resampler; full scale is 1. */
static void tame(float *samples, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!isfinite(samples[i]))
			samples[i] = 0;
		samples[i] = fminf(fmaxf(samples[i], -2.0F), 2.0F);
	}
}

static int read_wave(const uint8_t *data, size_t bytes, enum hs_codec want, struct sound *ret_sound,
		     const char **ret_why)
{
	SF_VIRTUAL_IO io = {memory_length, memory_seek, memory_read, memory_write, memory_tell};
	struct riff riff = {0};
	size_t count = 0;
	if (riff_read(data, bytes, &riff, ret_why) < 0 || check(&riff, ret_why) < 0)
		return -EINVAL;
	struct memory memory = {riff.frames, (sf_count_t)riff.bytes, 0};
	SF_INFO info = {
		.samplerate = (int)riff.rate,
		.channels = (int)riff.channels,
		.format = raw_format(&riff),
	};
	AUTO(sndfile) SNDFILE *file = sf_open_virtual(&io, SFM_READ, &info, &memory);
	if (!file)
		return refuse(ret_why, "the WAV file is damaged");
	float *mono = read_mono(file, &info, &count);
	if (!mono)
		return refuse(ret_why, "the WAV file holds no audio");
	tame(mono, count);
	AUTO(free) float *samples = resample(mono, count, info.samplerate, &count);
	if (!samples)
		return refuse(ret_why, "the WAV file's rate cannot be converted");
	ret_sound->codec = want;
	ret_sound->count = count;
	ret_sound->bytes = hs_zalloc(count);
	for (size_t i = 0; i < count; i++)
		ret_sound->bytes[i] = hs_law_from_linear(want, to_linear(samples[i]));
	return 0;
}

static int read_raw(const uint8_t *data, size_t bytes, enum hs_codec codec, struct sound *ret_sound,
		    const char **ret_why)
{
	if (bytes > (size_t)WAV_MAX_MS * CODEC_SAMPLES_PER_MS)
		return refuse(ret_why, "the audio is longer than 60 s");
	ret_sound->codec = codec;
	ret_sound->count = bytes;
	ret_sound->bytes = hs_zalloc(bytes);
	memcpy(ret_sound->bytes, data, bytes);
	return 0;
}

int wav_read(const uint8_t *data, size_t bytes, enum hs_upload_format format, enum hs_codec want,
	     struct sound *ret_sound, const char **ret_why)
{
	if (bytes == 0)
		return refuse(ret_why, "the upload is empty");
	if (bytes > WAV_MAX_BYTES)
		return refuse(ret_why, "the upload is larger than 1 MiB");
	if (format == HS_UPLOAD_FORMAT_WAV)
		return read_wave(data, bytes, want, ret_sound, ret_why);
	return read_raw(data, bytes, format == HS_UPLOAD_FORMAT_PCMA ? HS_CODEC_PCMA : HS_CODEC_PCMU, ret_sound,
			ret_why);
}
