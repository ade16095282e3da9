/* Uploads from anyone: the first byte chooses format and law, the rest is the file. */
#include "wav.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sound sound = {0};
	const char *why = NULL;
	if (size == 0)
		return 0;
	enum hs_upload_format format = data[0] % 4 ? HS_UPLOAD_FORMAT_WAV : HS_UPLOAD_FORMAT_PCMA;
	enum hs_codec want = data[0] & 4 ? HS_CODEC_PCMA : HS_CODEC_PCMU;
	int error = wav_read(data + 1, size - 1, format, want, &sound, &why);
	if ((error < 0) != (why != NULL) || (error < 0) != (sound.bytes == NULL))
		abort();
	if (sound.count > 60 * CODEC_RATE + 64)
		abort();
	free(sound.bytes);
	return 0;
}
