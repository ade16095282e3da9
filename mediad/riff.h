/* The header of a WAV file: walks the RIFF chunks in memory and finds format and samples, nothing else.
 * Called by wav, which gives only the samples to libsndfile: its own header parser can be led into loops without end.
 * Owns nothing; the samples found point into the caller's memory. RIFF and WAVE: Multimedia Programming Interface 1.0;
 * WAVE_FORMAT_EXTENSIBLE: Microsoft's mmreg.h.
 */
#ifndef MEDIAD_RIFF_H
#define MEDIAD_RIFF_H

#include <stddef.h>
#include <stdint.h>

enum riff_encoding { RIFF_PCM, RIFF_FLOAT, RIFF_ALAW, RIFF_ULAW };

struct riff {
	enum riff_encoding encoding;
	unsigned channels;     /* as the file says, any value */
	uint32_t rate;         /* Hz, as the file says, any value */
	unsigned bits;         /* a sample of one channel: 8, 16, 24, 32 or 64, fitting the encoding */
	const uint8_t *frames; /* whole frames only */
	size_t bytes;          /* of frames; 0: the file holds no audio */
};

/* Reads at most bytes of data. A last chunk that claims more than there is ends with the file, as streamed files do.
 * -EINVAL: ret_why is a static sentence, what is wrong and how to mend it. */
int riff_read(const uint8_t *data, size_t bytes, struct riff *ret_riff, const char **ret_why);

#endif
