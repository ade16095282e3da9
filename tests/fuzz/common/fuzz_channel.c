/* Any text as a description of a channel: what is read can be written, and is read again as the same. */
#include "channel.h"
#include "cleanup.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(free) char *text = hs_zalloc(size + 1);
	struct hs_channel channel, same;
	char once[HS_CHANNEL_BYTES], again[HS_CHANNEL_BYTES];
	const char *why;
	if (size)
		memcpy(text, data, size);
	if (hs_channel_read(text, &channel, &why) < 0)
		return 0;
	hs_channel_write(&channel, once);
	if (hs_channel_read(once, &same, &why) < 0)
		abort();
	hs_channel_write(&same, again);
	if (strcmp(once, again) != 0)
		abort();
	return 0;
}
