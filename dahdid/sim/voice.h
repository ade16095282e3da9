/* What somebody at the end of a line does and hears: a queue of things to do, a recording, and the last moments heard.
 * Called by phone and exchange; calls sound and zone.
 * Owns the queue (bounded, refused when full) and the open recording.
 */
#ifndef SIM_VOICE_H
#define SIM_VOICE_H

#include "law.h"
#include "sound.h"
#include "zone.h"
#include <stdbool.h>
#include <stdint.h>

#define VOICE_STEPS 1024
#define VOICE_CHUNK 8
#define VOICE_EAR 2048 /* samples remembered, a quarter of a second */

enum voice_kind { VOICE_WAIT, VOICE_HOOK, VOICE_KEY, VOICE_SOUND };

struct voice_step {
	enum voice_kind kind;
	int ms;              /* WAIT, and HOOK: how long until the next step; KEY: how long it sounds */
	int gap_ms;          /* KEY: silence after it */
	bool off;            /* HOOK */
	char key;            /* KEY */
	struct sound *sound; /* SOUND: handed over */
};

struct voice {
	struct voice_step steps[VOICE_STEPS];
	uint64_t added, done; /* steps since the start; those between wait or are being done */
	bool begun;           /* the oldest step is being done */
	int left_ms;
	struct zone_sound key;
	struct zone_player player;
	struct sound_recorder *recorder;
	int16_t ear[VOICE_EAR];
	unsigned int ear_at;
	void (*hook)(void *owner, bool off);
	void *owner;
};

void voice_finish(struct voice *voice);

/* Adds steps as a whole. The number voice->done reaches when they are done; 0: no room, nothing was taken. */
uint64_t voice_add(struct voice *voice, const struct voice_step *steps, int count);

/* Forgets what is being done and what waits. */
void voice_stop(struct voice *voice);

bool voice_is_idle(const struct voice *voice);

/* One millisecond: hook steps are carried out, heard is taken in (NULL: nothing is heard), ret_spoken made. */
void voice_tick(struct voice *voice, enum law law, const uint8_t *heard, uint8_t *ret_spoken);

/* Loudness of the last 200 ms in dBm0; -90 is silence. */
double voice_level(const struct voice *voice);

/* The strongest frequencies of the last 200 ms, at most two, 0 where there is none. */
void voice_tones(const struct voice *voice, int ret_hz[2]);

#endif
