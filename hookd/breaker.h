/* Breaker: how many requests an endpoint may have under way, by how its last ones went.
 * Called by dispatch; calls nobody. Pure: time is an argument. Owns nothing.
 * After BREAKER_FAILURES failures in a row it opens: one request at a time, at most one a second, until one succeeds.
 * So a dead endpoint costs one socket, and its queue waits instead of being burnt through.
 */
#ifndef HOOKD_BREAKER_H
#define HOOKD_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#define BREAKER_FAILURES 10
#define BREAKER_PROBE_MS 1000

struct breaker {
	int failures;          /* in a row */
	int64_t not_before_ms; /* next request; 0: now */
};

bool breaker_is_open(const struct breaker *breaker);

/* How many may be under way at this time: concurrency, 1 or 0. */
int breaker_allows(const struct breaker *breaker, int concurrency, int64_t now_ms);

/* An attempt failed. */
void breaker_failed(struct breaker *breaker, int64_t now_ms);

/* The endpoint asked for a pause (429 with Retry-After). */
void breaker_pause(struct breaker *breaker, int64_t until_ms);

/* An attempt succeeded. True when the breaker was open until now. */
bool breaker_succeeded(struct breaker *breaker);

#endif
