#include "backoff.h"

int64_t backoff_ms(int failures, uint32_t random)
{
	int64_t delay = BACKOFF_FIRST_MS;

	for (int i = 1; i < failures && delay < BACKOFF_MAX_MS; i++)
		delay *= 2;
	if (delay > BACKOFF_MAX_MS)
		delay = BACKOFF_MAX_MS;
	return delay + (int64_t)((double)delay * 0.2 * ((double)random / (double)UINT32_MAX));
}
