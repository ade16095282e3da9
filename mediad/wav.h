/* Uploads: WAV files and raw G.711 become G.711 at 8 kHz, mono. Runs in a worker thread, never on the packet loop.
 * Called by leg_player (through uv_queue_work) and the fuzzer; the only room that knows libsndfile and libsamplerate.
 * Owns nothing; what it returns is the caller's. Memory is bounded before anything is read: 1 MiB of file, 60 s of
 * audio.
 */
#ifndef MEDIAD_WAV_H
#define MEDIAD_WAV_H

#include "law.h"

#define WAV_MAX_BYTES (1 << 20)
#define WAV_MAX_MS 60000

struct sound {
	enum hs_codec codec;
	uint8_t *bytes; /* G.711, to be freed */
	size_t count;
};

/* Reads an upload. want is the law a WAV is turned into; raw uploads keep their own. -EINVAL: ret_why is a static
 * sentence, what is wrong and how to mend it. */
int wav_read(const uint8_t *data, size_t bytes, enum hs_upload_format format, enum hs_codec want,
	     struct sound *ret_sound, const char **ret_why);

#endif
