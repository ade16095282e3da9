#include "voice.h"
#include <math.h>
#include <string.h>

#define LOOK 1600 /* samples looked at: 200 ms, so that 5 Hz apart can be told */
#define STEP_HZ 5
#define FULL 23170.0 /* root mean square of 3.14 dBm0, nearly enough */

static struct voice_step *step(struct voice *voice, uint64_t number)
{
	return &voice->steps[number % VOICE_STEPS];
}

static void forget(struct voice_step *one)
{
	sound_destroy(one->sound);
	one->sound = NULL;
}

void voice_stop(struct voice *voice)
{
	for (; voice->done < voice->added; voice->done++)
		forget(step(voice, voice->done));
	voice->begun = false;
	voice->left_ms = 0;
	zone_play(&voice->player, NULL);
}

void voice_finish(struct voice *voice)
{
	voice_stop(voice);
	sound_end(voice->recorder);
	voice->recorder = NULL;
}

uint64_t voice_add(struct voice *voice, const struct voice_step *steps, int count)
{
	if (count < 0 || voice->added - voice->done + (uint64_t)count > VOICE_STEPS)
		return 0;
	for (int i = 0; i < count; i++)
		*step(voice, voice->added++) = steps[i];
	return voice->added;
}

bool voice_is_idle(const struct voice *voice)
{
	return voice->done == voice->added;
}

static void begin(struct voice *voice, const struct voice_step *one)
{
	voice->begun = true;
	voice->left_ms = one->ms;
	if (one->kind == VOICE_HOOK)
		voice->hook(voice->owner, one->off);
	if (one->kind == VOICE_KEY) {
		zone_key(&voice->key, one->key, one->ms, one->gap_ms);
		zone_play(&voice->player, &voice->key);
		voice->left_ms = one->ms + one->gap_ms;
	}
}

/* Begins what is due; steps that take no time are done on the way. */
static struct voice_step *current(struct voice *voice)
{
	while (!voice_is_idle(voice)) {
		struct voice_step *one = step(voice, voice->done);

		if (!voice->begun)
			begin(voice, one);
		if (voice_is_idle(voice)) /* whoever saw the hook move has stopped us */
			break;
		if (one->kind == VOICE_SOUND || voice->left_ms > 0)
			return one;
		forget(one);
		voice->begun = false;
		voice->done++;
	}
	return NULL;
}

static void finish_step(struct voice *voice, struct voice_step *one)
{
	forget(one);
	voice->begun = false;
	voice->done++;
}

static bool speak(struct voice_step *one, enum law law, uint8_t *ret_spoken)
{
	for (int i = 0; i < VOICE_CHUNK; i++) {
		if (!sound_next(one->sound, law, &ret_spoken[i]))
			return false;
	}
	return true;
}

static void do_step(struct voice *voice, struct voice_step *one, enum law law, uint8_t *ret_spoken)
{
	if (one->kind == VOICE_SOUND) {
		if (!speak(one, law, ret_spoken))
			finish_step(voice, one);
		return;
	}
	if (voice->player.sound) {
		for (int i = 0; i < VOICE_CHUNK; i++)
			ret_spoken[i] = law_byte(law, zone_sample(&voice->player));
	}
	if (--voice->left_ms <= 0)
		finish_step(voice, one);
}

static void take_in(struct voice *voice, enum law law, const uint8_t *heard)
{
	for (int i = 0; i < VOICE_CHUNK; i++)
		voice->ear[voice->ear_at++ % VOICE_EAR] = heard ? law_linear(law, heard[i]) : 0;
	if (!voice->recorder)
		return;
	uint8_t silence[VOICE_CHUNK];

	memset(silence, law_silence(law), sizeof(silence));
	if (!sound_take(voice->recorder, heard ? heard : silence, VOICE_CHUNK)) {
		sound_end(voice->recorder);
		voice->recorder = NULL;
	}
}

void voice_tick(struct voice *voice, enum law law, const uint8_t *heard, uint8_t *ret_spoken)
{
	memset(ret_spoken, law_silence(law), VOICE_CHUNK);
	struct voice_step *one = current(voice);

	if (one)
		do_step(voice, one, law, ret_spoken);
	take_in(voice, law, heard);
}

static int16_t ear(const struct voice *voice, int back)
{
	return voice->ear[(voice->ear_at - (unsigned int)back - 1) % VOICE_EAR];
}

double voice_level(const struct voice *voice)
{
	double sum = 0;

	for (int i = 0; i < LOOK; i++)
		sum += (double)ear(voice, i) * ear(voice, i);
	double level = 20 * log10(sqrt(sum / LOOK) / FULL + 1e-9) + 3.14;

	return level < -90 ? -90 : level;
}

/* Amplitude of one frequency, by Goertzel. */
static double amplitude(const struct voice *voice, int hz)
{
	double turn = 2 * cos(2 * M_PI * hz / 8000), one = 0, two = 0;

	for (int i = 0; i < LOOK; i++) {
		double now = ear(voice, i) + turn * one - two;

		two = one;
		one = now;
	}
	return 2 * sqrt(fabs(one * one + two * two - turn * one * two)) / LOOK;
}

void voice_tones(const struct voice *voice, int ret_hz[2])
{
	double best[2] = {300, 300}; /* -38 dBm0: quieter is none */

	ret_hz[0] = ret_hz[1] = 0;
	if (voice_level(voice) < -50)
		return;
	for (int hz = 200; hz <= 3400; hz += STEP_HZ) {
		double here = amplitude(voice, hz);
		int near = hz - ret_hz[0] < 30 ? 0 : hz - ret_hz[1] < 30 ? 1 : best[0] < best[1] ? 0 : 1;

		if (here > best[near]) {
			best[near] = here;
			ret_hz[near] = hz;
		}
	}
	if (ret_hz[1] && (!ret_hz[0] || ret_hz[1] < ret_hz[0])) {
		int low = ret_hz[1];

		ret_hz[1] = ret_hz[0];
		ret_hz[0] = low;
	}
	/* ten times weaker than the other one is its shadow, not a tone */
	double strong = best[0] > best[1] ? best[0] : best[1];

	for (int i = 0; i < 2; i++) {
		if (ret_hz[i] && amplitude(voice, ret_hz[i]) < strong / 10)
			ret_hz[i] = 0;
	}
	if (!ret_hz[0]) {
		ret_hz[0] = ret_hz[1];
		ret_hz[1] = 0;
	}
}
