#include "progress.h"
#include <math.h>
#include <spandsp.h>

enum { SILENCE, TONE, OTHER };

#define WINDOW_MS 40
#define QUIET 60.0 /* mean amplitude below which nothing is heard: about -48 dBm0 */
#define PURE 0.75  /* share of a window's power at the frequencies of tones */
#define LONG_MS 760
#define PAUSE_MS 1500   /* of ringback */
#define SHORTEST_MS 150 /* half a cycle of busy or congestion */
#define LONGEST_MS 720
#define FAST_MS 300 /* half a cycle of congestion in most countries: 250; of busy 350 and more */
#define UNEQUAL_MS 120
#define CYCLES 3
#define VOICE_MS 320

/* Call-progress tones of the world are made of these (ITU-T E.180 supplement 2). */
static const double frequencies[] = {350, 400, 425, 440, 450, 480, 600, 620};

static double power_at(const int16_t *samples, double hz)
{
	double factor = 2 * cos(2 * M_PI * hz / 8000), before = 0, last = 0;

	for (int i = 0; i < PROGRESS_WINDOW; i++) {
		double now = samples[i] + factor * last - before;

		before = last;
		last = now;
	}
	return 2 * (last * last + before * before - factor * last * before) / PROGRESS_WINDOW;
}

/* Neighbours see each other's power: of each group only the strongest counts. */
static double tone_power(const int16_t *samples)
{
	static const struct {
		size_t from, to;
	} groups[] = {{0, 1}, {1, 5}, {5, 6}, {6, 8}};
	double sum = 0;

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		double most = 0;

		for (size_t k = groups[i].from; k < groups[i].to; k++)
			most = fmax(most, power_at(samples, frequencies[k]));
		sum += most;
	}
	return sum;
}

static int classify(const int16_t *samples)
{
	double power = 0;

	for (int i = 0; i < PROGRESS_WINDOW; i++)
		power += (double)samples[i] * samples[i];
	if (power < QUIET * QUIET * PROGRESS_WINDOW)
		return SILENCE;
	return tone_power(samples) > PURE * power ? TONE : OTHER;
}

static bool is_half_cycle(int length)
{
	return length * WINDOW_MS >= SHORTEST_MS && length * WINDOW_MS <= LONGEST_MS;
}

static void begin_run(struct progress *progress, int kind)
{
	progress->kind = kind;
	progress->length = 1;
	progress->is_long_told = false;
}

/* A run ended and another kind begins. */
static enum progress_sound turn(struct progress *progress, int kind)
{
	int length = progress->length, old = progress->kind, tone = progress->tone;

	begin_run(progress, kind);
	if (old == TONE)
		progress->tone = length;
	if (old != SILENCE || kind != TONE) {
		if (kind == OTHER)
			progress->cycles = 0;
		return PROGRESS_NOTHING;
	}
	if (is_half_cycle(tone) && is_half_cycle(length) && abs(tone - length) * WINDOW_MS <= UNEQUAL_MS)
		progress->cycles++;
	else
		progress->cycles = 0;
	if (progress->cycles != CYCLES)
		return PROGRESS_NOTHING;
	progress->cycles = 0;
	return (tone + length) * WINDOW_MS / 2 <= FAST_MS ? PROGRESS_FAST : PROGRESS_BUSY;
}

static enum progress_sound go_on(struct progress *progress)
{
	progress->length++;
	if (progress->kind == TONE && progress->length * WINDOW_MS >= LONG_MS && !progress->is_long_told) {
		progress->is_long_told = true;
		return PROGRESS_TONE;
	}
	if (progress->kind == SILENCE && progress->length * WINDOW_MS >= PAUSE_MS && !progress->is_long_told) {
		progress->is_long_told = true;
		return progress->tone * WINDOW_MS >= LONG_MS ? PROGRESS_RINGBACK : PROGRESS_NOTHING;
	}
	return PROGRESS_NOTHING;
}

/* A window in which a tone begins or ends is neither: one alone belongs to the run before it. */
static bool is_edge(struct progress *progress, int kind)
{
	bool was_edge = progress->is_edge;

	progress->is_edge = kind == OTHER && progress->kind != OTHER && !was_edge;
	return progress->is_edge;
}

static enum progress_sound take(struct progress *progress)
{
	int kind = classify(progress->window);
	bool goes_on = is_edge(progress, kind) || kind == progress->kind;
	enum progress_sound sound = goes_on ? go_on(progress) : turn(progress, kind);

	progress->voice += kind == OTHER ? 2 : progress->voice > 0 ? -1 : 0;
	if (sound == PROGRESS_NOTHING && progress->voice * WINDOW_MS / 2 >= VOICE_MS) {
		progress->voice = 0;
		return PROGRESS_VOICE;
	}
	return sound;
}

enum progress_sound progress_hear(struct progress *progress, enum hs_codec law, const uint8_t *bytes, size_t count)
{
	enum progress_sound sound = PROGRESS_NOTHING;

	for (size_t i = 0; i < count; i++) {
		progress->window[progress->fill++] =
			law == HS_CODEC_PCMA ? alaw_to_linear(bytes[i]) : ulaw_to_linear(bytes[i]);
		if (progress->fill < PROGRESS_WINDOW)
			continue;
		progress->fill = 0;
		enum progress_sound heard = take(progress);
		sound = heard ? heard : sound;
	}
	return sound;
}
