/* Tones of a country: how its ringing is cut, and the sounds that the driver can make by itself.
 * Called by chan (tones, dialling), phone and exchange (keys); reads Debian's tables through libtonezone.
 * Owns the parsed tables; a zone lives as long as the program.
 */
#ifndef SIM_ZONE_H
#define SIM_ZONE_H

#include <stdbool.h>
#include <stdint.h>

#define ZONE_SOUNDS 16
#define ZONE_PARTS 16
#define ZONE_CADENCE 16

/* One sounding or silent part of a sound. */
struct zone_part {
	int low_hz, high_hz; /* 0: not there */
	int samples;
	int next; /* the part after this one, or -1: the sound ends */
};

struct zone_sound {
	struct zone_part parts[ZONE_PARTS];
	int count; /* 0: the zone has no such sound */
};

struct zone {
	int number;
	int cadence_ms[ZONE_CADENCE];
	struct zone_sound sounds[ZONE_SOUNDS]; /* by DAHDI_TONE_ number */
};

/* The zone of a two-letter country. 0, or -ENOENT: libtonezone has none of that name. */
int zone_load(struct zone *ret_zone, const char *country);

/* Reads "350+440" or "480+620/500,0/500" (leading ! for parts that are not repeated). 0 or -EINVAL. */
int zone_parse(struct zone_sound *ret_sound, const char *text);

/* The sound of a key 0-9 * # A-D: tone_ms, or for ever when tone_ms is 0, then pause_ms of silence. False: no such key.
 */
bool zone_key(struct zone_sound *ret_sound, char key, int tone_ms, int pause_ms);

/* Somebody playing a sound. */
struct zone_player {
	const struct zone_sound *sound; /* NULL: silent. Borrowed until it ended */
	int part, at;
	double phase_low, phase_high;
};

void zone_play(struct zone_player *player, const struct zone_sound *sound);

/* The next sample, linear. At the end of the sound the player falls silent and sound becomes NULL. */
int16_t zone_sample(struct zone_player *player);

#endif
