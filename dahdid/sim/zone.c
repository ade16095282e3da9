#include "zone.h"
#include <dahdi/tonezone.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES_PER_MS 8
#define AMPLITUDE 7218 /* -10 dBm0, what libtonezone asks of the driver */

static const int key_low[] = {697, 770, 852, 941};
static const int key_high[] = {1209, 1336, 1477, 1633};

/* A number at *text, which moves on. False: there is none, or it is beyond limit. */
static bool number_at(const char **text, long limit, int *ret_number)
{
	char *end;
	long number = strtol(*text, &end, 10);

	if (end == *text || number < 0 || number > limit)
		return false;
	*text = end;
	*ret_number = (int)number;
	return true;
}

/* One part up to the comma. */
static bool part_at(const char **text, struct zone_part *ret_part)
{
	int ms = 1000;

	if (!number_at(text, 4000, &ret_part->low_hz))
		return false;
	if (**text == '+' || **text == '*') {
		++*text;
		if (!number_at(text, 4000, &ret_part->high_hz))
			return false;
	}
	if (**text == '/') {
		++*text;
		if (!number_at(text, 600000, &ms))
			return false;
	}
	ret_part->samples = (ms ? ms : 1) * SAMPLES_PER_MS;
	return true;
}

int zone_parse(struct zone_sound *ret_sound, const char *text)
{
	struct zone_sound sound = {.count = 0};
	int again = -1; /* the first part that is repeated */

	while (*text) {
		if (sound.count == ZONE_PARTS)
			return -EINVAL;
		if (*text == '!')
			text++;
		else if (again < 0)
			again = sound.count;
		struct zone_part *part = &sound.parts[sound.count];

		if (!part_at(&text, part) || (*text && *text != ','))
			return -EINVAL;
		part->next = ++sound.count;
		if (*text == ',')
			text++;
	}
	if (!sound.count)
		return -EINVAL;
	sound.parts[sound.count - 1].next = again;
	*ret_sound = sound;
	return 0;
}

int zone_load(struct zone *ret_zone, const char *country)
{
	char name[sizeof(((struct tone_zone *)0)->country)];
	struct zone zone = {.number = 0};

	if (strlen(country) >= sizeof(name))
		return -ENOENT;
	memcpy(name, country, strlen(country) + 1);
	const struct tone_zone *found = tone_zone_find(name);

	if (!found)
		return -ENOENT;
	zone.number = found->zone;
	memcpy(zone.cadence_ms, found->ringcadence, sizeof(zone.cadence_ms));
	for (int i = 0; i < ZONE_SOUNDS; i++) {
		int tone = found->tones[i].toneid;

		if (found->tones[i].data[0] && tone >= 0 && tone < ZONE_SOUNDS)
			zone_parse(&zone.sounds[tone], found->tones[i].data);
	}
	*ret_zone = zone;
	return 0;
}

bool zone_key(struct zone_sound *ret_sound, char key, int tone_ms, int pause_ms)
{
	static const char keys[] = "123A456B789C*0#D";
	const char *found = key ? strchr(keys, key) : NULL;

	if (!found)
		return false;
	int place = (int)(found - keys);
	int tone = tone_ms ? tone_ms * SAMPLES_PER_MS : 8000;

	*ret_sound = (struct zone_sound){.count = 1};
	ret_sound->parts[0] = (struct zone_part){key_low[place / 4], key_high[place % 4], tone, tone_ms ? -1 : 0};
	if (tone_ms && pause_ms) {
		ret_sound->parts[0].next = 1;
		ret_sound->parts[1] = (struct zone_part){0, 0, pause_ms * SAMPLES_PER_MS, -1};
		ret_sound->count = 2;
	}
	return true;
}

void zone_play(struct zone_player *player, const struct zone_sound *sound)
{
	*player = (struct zone_player){.sound = sound && sound->count ? sound : NULL};
}

static double wave(double *phase, int hz)
{
	if (!hz)
		return 0;
	*phase = fmod(*phase + 2 * M_PI * hz / 8000, 2 * M_PI);
	return AMPLITUDE * sin(*phase);
}

int16_t zone_sample(struct zone_player *player)
{
	if (!player->sound)
		return 0;
	const struct zone_part *part = &player->sound->parts[player->part];
	double value = wave(&player->phase_low, part->low_hz) + wave(&player->phase_high, part->high_hz);

	if (++player->at >= part->samples) {
		player->at = 0;
		player->part = part->next;
		if (part->next < 0)
			player->sound = NULL;
	}
	return (int16_t)value;
}
