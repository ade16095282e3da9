#include "hour.h"
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define MINUTE_MS 60000

/* Its newest minute is this one. A clock that went back changes nothing: what was taken stays taken. */
static void move(struct hs_hour *hour, int64_t minute)
{
	if (hour->minute < 0 || minute - hour->minute >= HS_HOUR_MINUTES)
		*hour = (struct hs_hour){.minute = minute};
	else
		while (hour->minute < minute)
			hour->taken[++hour->minute % HS_HOUR_MINUTES] = 0;
}

static void add(struct hs_hour *hour, int64_t minute, uint32_t count)
{
	uint32_t *taken = &hour->taken[minute % HS_HOUR_MINUTES];

	*taken = count > UINT32_MAX - *taken ? UINT32_MAX : *taken + count;
}

void hs_hour_take(struct hs_hour *hour, int64_t now_ms)
{
	move(hour, now_ms / MINUTE_MS);
	add(hour, hour->minute, 1);
}

int64_t hs_hour_taken(struct hs_hour *hour, int64_t now_ms)
{
	int64_t taken = 0;

	move(hour, now_ms / MINUTE_MS);
	for (size_t i = 0; i < HS_HOUR_MINUTES; i++)
		taken += hour->taken[i];
	return taken;
}

/* Its minute by the wall's clock, then how often in that minute and in each one before it. */
void hs_hour_write(struct hs_hour *hour, int64_t now_ms, int64_t wall_ms, char ret_text[HS_HOUR_TEXT])
{
	int length = snprintf(ret_text, HS_HOUR_TEXT, "%lld", (long long)(wall_ms / MINUTE_MS));

	move(hour, now_ms / MINUTE_MS);
	for (int64_t age = 0; age < HS_HOUR_MINUTES && length < HS_HOUR_TEXT; age++)
		length += snprintf(ret_text + length, HS_HOUR_TEXT - (size_t)length, " %u",
				   hour->taken[(hour->minute + HS_HOUR_MINUTES - age) % HS_HOUR_MINUTES]);
}

void hs_hour_read(struct hs_hour *hour, const char *text, int64_t now_ms, int64_t wall_ms)
{
	char *end;
	int64_t minute = strtoll(text, &end, 10), since = wall_ms / MINUTE_MS - (minute > 0 ? minute : 0);
	const char *at = end;

	*hour = (struct hs_hour){.minute = now_ms / MINUTE_MS};
	if (since < 0)
		since = 0;
	for (int64_t age = since; age < HS_HOUR_MINUTES && *at == ' '; age++, at = end)
		add(hour, hour->minute + HS_HOUR_MINUTES - age, (uint32_t)strtoul(at, &end, 10));
}
