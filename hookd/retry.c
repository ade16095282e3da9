#include "retry.h"
#include "cleanup.h"
#include <ctype.h>
#include <string.h>
#include <time.h>

static const int64_t long_delays_ms[] = {
	5 * 1000ll,        30 * 1000ll,       2 * 60 * 1000ll,    10 * 60 * 1000ll,
	1 * 3600 * 1000ll, 4 * 3600 * 1000ll, 12 * 3600 * 1000ll, 24 * 3600 * 1000ll,
};

enum retry_verdict retry_judge(int status)
{
	if (status >= 200 && status < 300)
		return RETRY_DELIVERED;
	return status == 410 ? RETRY_GONE : RETRY_AGAIN;
}

static int64_t quick_delay_ms(const struct retry_rules *rules, int tries)
{
	int64_t delay = rules->delay_ms;

	for (int i = 1; i < tries && delay < rules->max_delay_ms; i++)
		delay *= 2;
	return delay < rules->max_delay_ms ? delay : rules->max_delay_ms;
}

/* 80 % to 120 %. */
static int64_t jitter_ms(int64_t delay_ms, uint32_t random)
{
	return delay_ms * 8 / 10 + (int64_t)((double)delay_ms * 0.4 * ((double)random / (double)UINT32_MAX));
}

int64_t retry_delay_ms(const struct retry_rules *rules, int tries, uint32_t random, int64_t after_ms)
{
	int beyond = tries - 1 - rules->count;
	int64_t delay;

	if (tries < 1)
		return 0;
	if (beyond >= (int)HS_COUNT(long_delays_ms))
		return RETRY_NEVER;
	delay = beyond < 0 ? quick_delay_ms(rules, tries) : jitter_ms(long_delays_ms[beyond], random);
	if (after_ms > RETRY_AFTER_MAX_MS)
		after_ms = RETRY_AFTER_MAX_MS;
	return after_ms > delay ? after_ms : delay;
}

static int64_t bounded(int64_t after_ms)
{
	if (after_ms < 0)
		return 0;
	return after_ms < RETRY_AFTER_MAX_MS ? after_ms : RETRY_AFTER_MAX_MS;
}

/* The three forms of RFC 9110 5.6.7: what is sent today, RFC 850, asctime. */
static bool read_date(const char *text, time_t *ret_time)
{
	static const char *const forms[] = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
					    "%a %b %e %H:%M:%S %Y"};

	for (size_t i = 0; i < HS_COUNT(forms); i++) {
		struct tm date = {0};
		const char *end = strptime(text, forms[i], &date);

		if (end && !end[strspn(end, " \t")]) {
			*ret_time = timegm(&date);
			return true;
		}
	}
	return false;
}

int64_t retry_read_after(const char *header, int64_t now_wall_ms)
{
	size_t digits;
	int64_t seconds = 0;
	time_t date;

	header += strspn(header, " \t");
	digits = strspn(header, "0123456789");
	if (digits && !header[digits + strspn(header + digits, " \t")]) {
		for (size_t i = 0; i < digits && seconds < RETRY_AFTER_MAX_MS; i++)
			seconds = seconds * 10 + (header[i] - '0');
		return bounded(seconds < RETRY_AFTER_MAX_MS ? seconds * 1000 : RETRY_AFTER_MAX_MS);
	}
	if (strnlen(header, 64) < 64 && read_date(header, &date))
		return bounded((int64_t)date * 1000 - now_wall_ms);
	return -1;
}
