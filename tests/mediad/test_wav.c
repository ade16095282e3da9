/* Uploads: every encoding that is taken, and every kind that is not. */
#include "cases.h"
#include "wav.h"
#include <math.h>
#include <stdlib.h>

static uint8_t file[WAV_MAX_BYTES + 64];

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)value;
	at[1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value);
	put16(at + 2, value >> 16);
}

/* A header for bytes of audio; encoding 1 PCM, 3 float, 6 A-law, 7 mu-law. Returns the audio's place. */
static uint8_t *head(uint32_t encoding, uint32_t channels, uint32_t rate, uint32_t bits, uint32_t bytes)
{
	memcpy(file, "RIFF....WAVEfmt ", 16);
	put32(file + 4, 36 + bytes);
	put32(file + 16, 16);
	put16(file + 20, encoding);
	put16(file + 22, channels);
	put32(file + 24, rate);
	put32(file + 28, rate * channels * bits / 8);
	put16(file + 32, channels * bits / 8);
	put16(file + 34, bits);
	memcpy(file + 36, "data", 4);
	put32(file + 40, bytes);
	return file + 44;
}

static int read_wav(size_t bytes, struct sound *ret_sound)
{
	const char *why = NULL;
	int error = wav_read(file, bytes, HS_UPLOAD_FORMAT_WAV, HS_CODEC_PCMU, ret_sound, &why);
	assert_int_equal(error < 0, why != NULL);
	return error;
}

static double sine(int i, uint32_t rate)
{
	return 0.25 * sin(2 * M_PI * 1000 * i / rate);
}

/* A second of 1 kHz at a quarter of full scale came out of it. */
static void check_tone(const struct sound *sound)
{
	double real = 0, imaginary = 0;
	assert_true(abs((int)sound->count - 8000) <= 40);
	for (int i = 2000; i < 6000; i++) {
		double sample = hs_law_to_linear(sound->codec, sound->bytes[i]);
		real += sample * cos(2 * M_PI * i / 8);
		imaginary += sample * sin(2 * M_PI * i / 8);
	}
	double peak = 2 * sqrt(real * real + imaginary * imaginary) / 4000;
	assert_true(fabs(20 * log10(peak / 8192)) < 0.3);
}

static void put_sample(uint8_t *at, uint32_t encoding, uint32_t bits, double value)
{
	float single = (float)value;
	if (encoding == 3 && bits == 32)
		memcpy(at, &single, 4);
	else if (encoding == 3)
		memcpy(at, &value, 8);
	else if (encoding == 6 || encoding == 7)
		at[0] = hs_law_from_linear(encoding == 6 ? HS_CODEC_PCMA : HS_CODEC_PCMU, (int16_t)(value * 32767));
	else if (bits == 8)
		at[0] = (uint8_t)(128 + lrint(value * 127));
	else
		for (uint32_t n = 0; n < bits / 8; n++)
			at[n] = (uint8_t)((int64_t)(value * 2147483647.0) >> (32 - bits + 8 * n));
}

static void test_encodings(void **state)
{
	static const struct {
		uint32_t encoding, bits;
	} encodings[] = {{1, 8}, {1, 16}, {1, 24}, {1, 32}, {3, 32}, {3, 64}, {6, 8}, {7, 8}};
	static const uint32_t rates[] = {8000, 11025, 16000, 22050, 32000, 44100, 48000};
	for (size_t e = 0; e < sizeof encodings / sizeof encodings[0]; e++)
		for (size_t r = 0; r < sizeof rates / sizeof rates[0]; r++)
			for (uint32_t channels = 1; channels <= 2; channels++) {
				uint32_t step = encodings[e].bits / 8, bytes = rates[r] * channels * step;
				struct sound sound = {0};
				if (bytes + 44 > WAV_MAX_BYTES)
					continue;
				uint8_t *at = head(encodings[e].encoding, channels, rates[r], encodings[e].bits, bytes);
				for (uint32_t i = 0; i < rates[r] * channels; i++)
					put_sample(at + i * step, encodings[e].encoding, encodings[e].bits,
						   sine((int)(i / channels), rates[r]));
				assert_int_equal(read_wav(44 + bytes, &sound), 0);
				check_tone(&sound);
				free(sound.bytes);
			}
}

static void test_refused(void **state)
{
	struct sound sound = {0};
	static const struct {
		uint32_t encoding, channels, rate, bits, bytes;
	} rows[] = {
		{1, 1, 7999, 16, 100}, {1, 1, 96000, 16, 100},     {1, 1, 0, 16, 100},    {1, 3, 8000, 16, 96},
		{1, 0, 8000, 16, 100}, {2, 1, 8000, 4, 256},       {17, 1, 8000, 4, 256}, {85, 2, 44100, 0, 100},
		{1, 1, 8000, 16, 0},   {1, 1, 8000, 8, 8000 * 61},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		memset(head(rows[i].encoding, rows[i].channels, rows[i].rate, rows[i].bits, rows[i].bytes), 0,
		       rows[i].bytes);
		assert_true(read_wav(44 + rows[i].bytes, &sound) < 0);
	}
	head(1, 1, 8000, 16, 100);
	for (size_t length = 0; length < 44; length++)
		assert_true(read_wav(length, &sound) < 0);
	memcpy(file, "fLaC", 4);
	assert_true(read_wav(144, &sound) < 0);
	head(1, 1, 8000, 16, WAV_MAX_BYTES);
	assert_true(read_wav(WAV_MAX_BYTES + 1, &sound) < 0);
	assert_null(sound.bytes);
}

/* A size that is not true: what is there is read, as streaming encoders write no true one. */
static void test_size_of_a_stream(void **state)
{
	struct sound sound = {0};
	memset(head(1, 1, 8000, 16, 0xffffffff), 0x10, 3200);
	assert_int_equal(read_wav(44 + 3200, &sound), 0);
	assert_int_equal(sound.count, 1600);
	free(sound.bytes);
}

/* As recorders write them: extensible format, odd and unknown chunks before the samples, others after them. */
static void test_other_chunks(void **state)
{
	static const uint8_t pcm[16] = {1, 0, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71};
	struct sound sound = {0};
	memset(head(1, 1, 8000, 16, 0), 0, 400);
	put32(file + 16, 40);
	put16(file + 20, 0xFFFE);
	memcpy(file + 44, pcm, sizeof pcm);
	memcpy(file + 60, "LIST\x03\0\0\0abc\0data\x40\0\0\0", 20);
	memset(file + 80, 0x10, 64);
	memcpy(file + 144, "id3 \xff\xff\xff\xff", 8);
	assert_int_equal(read_wav(152, &sound), 0);
	assert_int_equal(sound.count, 32);
	free(sound.bytes);
	put16(file + 44, 2); /* ADPCM */
	assert_true(read_wav(152, &sound) < 0);
}

/* Chunks that claim to be longer than the file, or none at all: the walk ends. */
static void test_chunks_without_end(void **state)
{
	struct sound sound = {0};
	for (uint32_t length = 0; length < 10; length++) {
		memset(file, 0, 4096);
		memcpy(file, "RIFF....WAVE", 12);
		for (size_t at = 12; at + 8 <= 4096; at += 8 + length + length % 2)
			put32(file + at + 4, length);
		assert_true(read_wav(4096, &sound) < 0);
		put32(file + 16, UINT32_MAX - length);
		assert_true(read_wav(4096, &sound) < 0);
	}
}

static void test_impossible_floats(void **state)
{
	struct sound sound = {0};
	static const float values[] = {NAN, INFINITY, -INFINITY, 1e38F, -1e38F, 3, -3, 0};
	for (uint32_t rate = 8000; rate <= 16000; rate += 8000) {
		uint8_t *at = head(3, 1, rate, 32, 6400);
		for (int i = 0; i < 1600; i++)
			memcpy(at + 4 * i, &values[i % 8], 4);
		assert_int_equal(read_wav(44 + 6400, &sound), 0);
		free(sound.bytes);
	}
}

static void test_raw(void **state)
{
	struct sound sound = {0};
	const char *why = NULL;
	for (int i = 0; i < 256; i++)
		file[i] = (uint8_t)i;
	assert_int_equal(wav_read(file, 256, HS_UPLOAD_FORMAT_PCMA, HS_CODEC_PCMU, &sound, &why), 0);
	assert_int_equal(sound.codec, HS_CODEC_PCMA);
	assert_memory_equal(sound.bytes, file, 256);
	free(sound.bytes);
	assert_int_equal(wav_read(file, 0, HS_UPLOAD_FORMAT_PCMU, HS_CODEC_PCMU, &sound, &why), -22);
	assert_int_equal(wav_read(file, 480001, HS_UPLOAD_FORMAT_PCMU, HS_CODEC_PCMU, &sound, &why), -22);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_encodings),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_other_chunks),
		cmocka_unit_test(test_chunks_without_end),
		cmocka_unit_test(test_size_of_a_stream),
		cmocka_unit_test(test_impossible_floats),
		cmocka_unit_test(test_raw),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
