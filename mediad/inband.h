/* Keys as tones in the audio (ITU-T Q.23): noticed.
 * Called by leg_channel, once for what comes from the phone and once for what goes to it; calls codec. The only room
 * that knows spandsp. Owns one detector, made with the leg: nothing is allocated while audio flows.
 * A key is told when two blocks of 12.75 ms agree on it, so 26 to 45 ms after it went down.
 */
#ifndef MEDIAD_INBAND_H
#define MEDIAD_INBAND_H

#include "law.h"

struct inband;

/* The detector noticed a key: down at begin (duration_ms 0), up with its length. Told during inband_hear and
 * inband_stop. */
typedef void inband_tell(void *context, bool is_down, char key, uint32_t duration_ms);

struct inband *inband_create(inband_tell *tell, void *context);

/* Listens to audio of any length. */
void inband_hear(struct inband *inband, enum hs_codec codec, const uint8_t *bytes, size_t count);

/* Listens to nothing for that long, at once: what was begun ends. */
void inband_stop(struct inband *inband);

/* The key that is down; 0: none. */
char inband_key(const struct inband *inband);

void inband_destroy(struct inband *inband); /* NULL is fine */

#endif
