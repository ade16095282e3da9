/* Back-off: how long to wait before the operator is dialled again.
 * Called by operator. Pure. Owns nothing.
 */
#ifndef STREAM_BACKOFF_H
#define STREAM_BACKOFF_H

#include <stdint.h>

#define BACKOFF_FIRST_MS 500
#define BACKOFF_MAX_MS 30000

/* After so many failures in a row (1, 2, ...): 0.5 s doubled up to 30 s, and up to 20 % more by 32 random bits, so that
 * many lines do not come back at once. */
int64_t backoff_ms(int failures, uint32_t random);

#endif
