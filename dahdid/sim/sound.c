#include "sound.h"
#include "cleanup.h"
#include <errno.h>
#include <samplerate.h>
#include <sndfile.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define RATE 8000
#define SAMPLES_MAX ((size_t)SOUND_SECONDS_MAX * RATE)

struct sound {
	uint8_t *bytes;   /* G.711 as it is */
	int16_t *samples; /* or linear */
	size_t count, at;
};

struct sound_recorder {
	FILE *raw;
	SNDFILE *file;
	enum law law;
	size_t count;
};

static bool is_raw(const char *path)
{
	static const char *const endings[] = {".ulaw", ".alaw", ".raw"};
	size_t length = strlen(path);

	for (size_t i = 0; i < HS_COUNT(endings); i++) {
		size_t ending = strlen(endings[i]);

		if (length > ending && !strcmp(path + length - ending, endings[i]))
			return true;
	}
	return false;
}

/* Only plain files: a pipe or a terminal would stop the simulator's clock. */
static int plain_file(const char *path)
{
	struct stat status;

	if (stat(path, &status))
		return -errno;
	return S_ISREG(status.st_mode) ? 0 : -EINVAL;
}

static int load_raw(struct sound *sound, const char *path)
{
	AUTO(file) FILE *file = fopen(path, "rb");

	if (!file)
		return -errno;
	sound->bytes = hs_zalloc(SAMPLES_MAX + 1);
	sound->count = fread(sound->bytes, 1, SAMPLES_MAX + 1, file);
	return sound->count > SAMPLES_MAX ? -EFBIG : 0;
}

/* All channels into one, as the mean. */
static void mix_down(float *samples, size_t frames, int channels)
{
	for (size_t i = 0; i < frames; i++) {
		float sum = 0;

		for (int c = 0; c < channels; c++)
			sum += samples[i * (size_t)channels + (size_t)c];
		samples[i] = sum / (float)channels;
	}
}

static int convert(struct sound *sound, float *samples, size_t frames, int rate)
{
	size_t room = frames * RATE / (size_t)rate + 16;
	AUTO(free) float *made = hs_zalloc(room * sizeof(float));
	SRC_DATA job = {
		.data_in = samples,
		.data_out = made,
		.input_frames = (long)frames,
		.output_frames = (long)room,
		.src_ratio = (double)RATE / rate,
	};

	if (rate != RATE && src_simple(&job, SRC_SINC_FASTEST, 1))
		return -EINVAL;
	sound->count = rate == RATE ? frames : (size_t)job.output_frames_gen;
	sound->samples = hs_zalloc((sound->count + 1) * sizeof(int16_t));
	src_float_to_short_array(rate == RATE ? samples : made, sound->samples, (int)sound->count);
	return 0;
}

static int load_file(struct sound *sound, const char *path)
{
	SF_INFO info = {.format = 0};
	SNDFILE *file = sf_open(path, SFM_READ, &info);

	if (!file)
		return -EINVAL;
	bool fits = info.channels > 0 && info.channels <= 8 && info.samplerate >= 4000 && info.samplerate <= 192000 &&
		    info.frames >= 0 && info.frames <= (sf_count_t)SOUND_SECONDS_MAX * info.samplerate;

	if (!fits) {
		sf_close(file);
		return -EFBIG;
	}
	AUTO(free) float *samples = hs_zalloc(((size_t)info.frames + 1) * (size_t)info.channels * sizeof(float));
	sf_count_t frames = sf_readf_float(file, samples, info.frames);

	sf_close(file);
	mix_down(samples, (size_t)frames, info.channels);
	return convert(sound, samples, (size_t)frames, info.samplerate);
}

int sound_load(const char *path, struct sound **ret_sound)
{
	int result = plain_file(path);

	if (result)
		return result;
	struct sound *sound = hs_zalloc(sizeof(*sound));

	result = is_raw(path) ? load_raw(sound, path) : load_file(sound, path);
	if (result) {
		sound_destroy(sound);
		return result;
	}
	*ret_sound = sound;
	return 0;
}

void sound_destroy(struct sound *sound)
{
	if (!sound)
		return;
	free(sound->bytes);
	free(sound->samples);
	free(sound);
}

bool sound_next(struct sound *sound, enum law law, uint8_t *ret_byte)
{
	if (sound->at >= sound->count)
		return false;
	*ret_byte = sound->bytes ? sound->bytes[sound->at] : law_byte(law, sound->samples[sound->at]);
	sound->at++;
	return true;
}

int sound_record(const char *path, enum law law, struct sound_recorder **ret_recorder)
{
	SF_INFO info = {.samplerate = RATE, .channels = 1, .format = SF_FORMAT_WAV | SF_FORMAT_PCM_16};
	struct stat status;

	if (!stat(path, &status) && !S_ISREG(status.st_mode))
		return -EINVAL;
	struct sound_recorder *recorder = hs_zalloc(sizeof(*recorder));

	recorder->law = law;
	if (is_raw(path))
		recorder->raw = fopen(path, "wb");
	else
		recorder->file = sf_open(path, SFM_WRITE, &info);
	if (!recorder->raw && !recorder->file) {
		free(recorder);
		return errno ? -errno : -EINVAL;
	}
	*ret_recorder = recorder;
	return 0;
}

bool sound_take(struct sound_recorder *recorder, const uint8_t *bytes, size_t count)
{
	if (recorder->count + count > SAMPLES_MAX)
		return false;
	recorder->count += count;
	if (recorder->raw)
		return fwrite(bytes, 1, count, recorder->raw) == count;
	for (size_t i = 0; i < count; i++) {
		short sample = law_linear(recorder->law, bytes[i]);

		sf_write_short(recorder->file, &sample, 1);
	}
	return true;
}

size_t sound_end(struct sound_recorder *recorder)
{
	if (!recorder)
		return 0;
	size_t count = recorder->count;

	if (recorder->raw)
		fclose(recorder->raw);
	if (recorder->file)
		sf_close(recorder->file);
	free(recorder);
	return count;
}
