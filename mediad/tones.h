/* Call-progress tones by country plan: frequencies, levels and cadences as tables (ITU-T E.180); keys. Pure.
 * Called by leg_player and leg_channel; calls codec. Owns one sine table.
 * All frequencies are whole hertz, so a table of one second is exact: no drift, no clicks between frames.
 */
#ifndef MEDIAD_TONES_H
#define MEDIAD_TONES_H

#include "law.h"

struct tones;

struct tones *tones_create(enum hs_tone_plan plan);

/* Writes one frame of a tone, position samples after its begin. HS_TONE_NONE gives silence. */
void tones_fill(const struct tones *tones, enum hs_tone tone, uint64_t position, enum hs_codec codec,
		uint8_t ret_frame[CODEC_FRAME]);

/* Writes one frame of a key (ITU-T Q.23): 0-9 * # A-D. Other characters give silence. */
void tones_fill_key(const struct tones *tones, char key, uint64_t position, enum hs_codec codec,
		    uint8_t ret_frame[CODEC_FRAME]);

void tones_destroy(struct tones *tones); /* NULL is fine */

#endif
