/* What an exchange lets hear: its tones by their pureness and rhythm, and what is none of them.
 * Called by exchange with every block. Pure.
 * Owns nothing; the struct is its caller's, zeroed.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include "hs_proto.h"
#include <stddef.h>

enum progress_sound {
	PROGRESS_NOTHING,
	PROGRESS_TONE,     /* one that lasts: dial tone where one is awaited, a burst of ringback elsewhere */
	PROGRESS_RINGBACK, /* such a burst, and a longer pause */
	PROGRESS_BUSY,     /* a tone as long on as off, three times: the called party is busy */
	PROGRESS_FAST,     /* the same, but twice as fast: congestion, or no such number */
	PROGRESS_VOICE,    /* a person, music, announcements */
};

#define PROGRESS_WINDOW 320 /* samples: 40 ms */

struct progress {
	int16_t window[PROGRESS_WINDOW];
	int fill;
	int kind, length; /* of the present run: silence, tone, other; in windows */
	int tone, cycles; /* length of the last tone; busy cycles in a row */
	int voice;        /* windows of other sound, forgotten slowly */
	bool is_long_told, is_edge;
};

/* Takes samples; what they made known, at most once for each time that it begins. */
enum progress_sound progress_hear(struct progress *progress, enum hs_codec law, const uint8_t *bytes, size_t count);

#endif
