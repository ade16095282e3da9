/* Any text as a cadence: what is read is pairs within their bounds. */
#include "cleanup.h"
#include "settings.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(free) char *text = hs_zalloc(size + 1);
	int ms[CHAN_CADENCE], count = 0;

	memcpy(text, data, size);
	if (settings_cadence(text, ms) < 0)
		return 0;
	while (count < CHAN_CADENCE && ms[count])
		if (ms[count] < 0 || ms[count++] > 60000)
			abort();
	if (count == 0 || count % 2)
		abort();
	return 0;
}
