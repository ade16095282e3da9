/* The Retry-After header of an answer: whatever it says, the wait is bounded. */
#include "retry.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	char *text = calloc(1, bytes + 1);
	int64_t after_ms;

	memcpy(text, data, bytes);
	after_ms = retry_read_after(text, 1700000000000);
	if (after_ms < -1 || after_ms > RETRY_AFTER_MAX_MS)
		abort();
	free(text);
	return 0;
}
