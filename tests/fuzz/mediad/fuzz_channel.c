/* Descriptions of analog channels: what is read can be written and read again. */
#include "channel.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct channel channel, again;
	char written[CHANNEL_BYTES];
	const char *why;
	char *text = malloc(size + 1);
	if (!text)
		abort();
	if (size)
		memcpy(text, data, size);
	text[size] = 0;
	if (channel_read(text, &channel, &why) == 0) {
		channel_write(&channel, "l1-0123456789abcdefghijklmnopq", written);
		if (channel_read(written, &again, &why) < 0 || strcmp(channel.name, again.name) != 0 ||
		    channel.codec != again.codec || channel.ptime_ms != again.ptime_ms)
			abort();
	}
	free(text);
	return 0;
}
