#include "clock.h"
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

/* First and last millisecond that four digits of a year can say. */
#define FIRST_MS INT64_C(-62167219200000)
#define LAST_MS INT64_C(253402300799999)

static int64_t ask_us(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t hs_clock_wall_ms(void)
{
	return ask_us(CLOCK_REALTIME) / 1000;
}

int64_t hs_clock_wall_us(void)
{
	return ask_us(CLOCK_REALTIME);
}

int64_t hs_clock_ms(void)
{
	return ask_us(CLOCK_MONOTONIC) / 1000;
}

int64_t hs_clock_us(void)
{
	return ask_us(CLOCK_MONOTONIC);
}

void hs_clock_format(int64_t wall_ms, char *ret_text)
{
	struct tm parts;
	time_t seconds;
	int ms;

	if (wall_ms < FIRST_MS)
		wall_ms = FIRST_MS;
	if (wall_ms > LAST_MS)
		wall_ms = LAST_MS;
	seconds = wall_ms / 1000;
	ms = (int)(wall_ms % 1000);
	if (ms < 0) {
		ms += 1000;
		seconds--;
	}
	gmtime_r(&seconds, &parts);
	snprintf(ret_text, HS_CLOCK_TEXT, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
		 (unsigned)(parts.tm_year + 1900) % 10000, (unsigned)(parts.tm_mon + 1) % 100,
		 (unsigned)parts.tm_mday % 100, (unsigned)parts.tm_hour % 100, (unsigned)parts.tm_min % 100,
		 (unsigned)parts.tm_sec % 100, (unsigned)ms % 1000);
}

/* Takes exactly count digits. */
static bool take_number(const char **at, int count, int *ret_number)
{
	int number = 0;

	for (; count > 0; count--, (*at)++) {
		if (**at < '0' || **at > '9')
			return false;
		number = number * 10 + (**at - '0');
	}
	*ret_number = number;
	return true;
}

static bool take_one_of(const char **at, char first, char second)
{
	if (**at != first && **at != second)
		return false;
	(*at)++;
	return true;
}

/* A fraction of any length; digits beyond the millisecond are cut off. */
static bool take_fraction(const char **at, int *ret_ms)
{
	int ms = 0, scale = 100;

	if (**at != '.')
		return true;
	(*at)++;
	if (**at < '0' || **at > '9')
		return false;
	for (; **at >= '0' && **at <= '9'; (*at)++, scale /= 10)
		ms += (**at - '0') * scale;
	*ret_ms = ms;
	return true;
}

static bool take_offset(const char **at, int *ret_minutes)
{
	int sign, hours, minutes;

	if (take_one_of(at, 'Z', 'z'))
		return true;
	sign = **at == '-' ? -1 : 1;
	if (!take_one_of(at, '+', '-') || !take_number(at, 2, &hours) || !take_one_of(at, ':', ':') ||
	    !take_number(at, 2, &minutes) || hours > 23 || minutes > 59)
		return false;
	*ret_minutes = sign * (hours * 60 + minutes);
	return true;
}

static bool take_date(const char **at, struct tm *ret_parts)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int year, month, day;
	bool leap;

	if (!take_number(at, 4, &year) || !take_one_of(at, '-', '-') || !take_number(at, 2, &month) ||
	    !take_one_of(at, '-', '-') || !take_number(at, 2, &day) || month < 1 || month > 12)
		return false;
	leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	if (day < 1 || day > days[month - 1] + (leap && month == 2))
		return false;
	ret_parts->tm_year = year - 1900;
	ret_parts->tm_mon = month - 1;
	ret_parts->tm_mday = day;
	return true;
}

/* RFC 3339 allows second 60; it counts as the first of the next minute. */
static bool take_time(const char **at, struct tm *ret_parts)
{
	return take_number(at, 2, &ret_parts->tm_hour) && take_one_of(at, ':', ':') &&
	       take_number(at, 2, &ret_parts->tm_min) && take_one_of(at, ':', ':') &&
	       take_number(at, 2, &ret_parts->tm_sec) && ret_parts->tm_hour <= 23 && ret_parts->tm_min <= 59 &&
	       ret_parts->tm_sec <= 60;
}

int hs_clock_parse(const char *text, int64_t *ret_wall_ms)
{
	struct tm parts = {0};
	int ms = 0, minutes = 0;

	if (!text || !take_date(&text, &parts) || (!take_one_of(&text, 'T', 't') && !take_one_of(&text, ' ', ' ')) ||
	    !take_time(&text, &parts) || !take_fraction(&text, &ms) || !take_offset(&text, &minutes) || *text)
		return -EINVAL;
	*ret_wall_ms = ((int64_t)timegm(&parts) - (int64_t)minutes * 60) * 1000 + ms;
	return 0;
}
