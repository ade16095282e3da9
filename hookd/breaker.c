#include "breaker.h"

bool breaker_is_open(const struct breaker *breaker)
{
	return breaker->failures >= BREAKER_FAILURES;
}

int breaker_allows(const struct breaker *breaker, int concurrency, int64_t now_ms)
{
	if (now_ms < breaker->not_before_ms)
		return 0;
	return breaker_is_open(breaker) ? 1 : concurrency;
}

void breaker_failed(struct breaker *breaker, int64_t now_ms)
{
	if (breaker->failures < BREAKER_FAILURES)
		breaker->failures++;
	if (breaker_is_open(breaker))
		breaker_pause(breaker, now_ms + BREAKER_PROBE_MS);
}

void breaker_pause(struct breaker *breaker, int64_t until_ms)
{
	if (until_ms > breaker->not_before_ms)
		breaker->not_before_ms = until_ms;
}

bool breaker_succeeded(struct breaker *breaker)
{
	bool was_open = breaker_is_open(breaker);

	breaker->failures = 0;
	breaker->not_before_ms = 0;
	return was_open;
}
