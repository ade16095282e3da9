/* Any bytes as frames of a client: the guard says the same however they are cut. */
#include "wsguard.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hs_wsguard whole = {0}, cut = {0};
	size_t at = 0, step = size ? 1 + data[0] % 7u : 1;
	bool good = hs_wsguard_feed(&whole, data, size);
	while (at < size && !cut.why) {
		size_t part = size - at < step ? size - at : step;
		hs_wsguard_feed(&cut, data + at, part);
		at += part;
	}
	if (good == (cut.why != NULL) || (good && (whole.step != cut.step || whole.payload != cut.payload)))
		abort();
	return 0;
}
