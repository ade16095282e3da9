#include "clock.h"
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

/* First and last millisecond that four digits of a year can say. */
#define FIRST_MS INT64_C(-62167219200000)
#define LAST_MS INT64_C(253402300799999)

#define SECOND_TEXT 20 /* of the text up to the second, with its point */

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

/* What the wall clock is ahead of the machine's own, as the keeper found it; 0: not yet. */
static int64_t ahead_us;

void hs_clock_begin(void)
{
	ahead_us = ask_us(CLOCK_REALTIME) - ask_us(CLOCK_BOOTTIME);
}

int64_t hs_clock_lasting_us(void)
{
	if (!ahead_us)
		hs_clock_begin();
	return ahead_us + ask_us(CLOCK_BOOTTIME);
}

int64_t hs_clock_lasting_ms(void)
{
	return hs_clock_lasting_us() / 1000;
}

/* Days since 1970 of a date, by the calendar of ever: a year begins in March, so that its odd day is its last. */
static int64_t days_of(int64_t year, int month, int day)
{
	int64_t era, of_era, of_year;

	year -= month <= 2;
	era = (year >= 0 ? year : year - 399) / 400;
	of_era = year - era * 400;
	of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void write_number(char *ret_digits, int count, int number)
{
	for (; count > 0; number /= 10)
		ret_digits[--count] = (char)('0' + number % 10);
}

/* "2025-02-08T14:30:00." */
static void write_second(time_t second, char *ret_text)
{
	struct tm parts;

	gmtime_r(&second, &parts);
	memcpy(ret_text, "0000-00-00T00:00:00.", SECOND_TEXT);
	write_number(ret_text, 4, parts.tm_year + 1900);
	write_number(ret_text + 5, 2, parts.tm_mon + 1);
	write_number(ret_text + 8, 2, parts.tm_mday);
	write_number(ret_text + 11, 2, parts.tm_hour);
	write_number(ret_text + 14, 2, parts.tm_min);
	write_number(ret_text + 17, 2, parts.tm_sec);
}

/* Hundreds of texts are of the same second: it is written once. */
void hs_clock_format(int64_t wall_ms, char *ret_text)
{
	static _Thread_local struct {
		time_t second;
		char text[SECOND_TEXT + 1];
	} last;
	time_t second;

	if (wall_ms < FIRST_MS)
		wall_ms = FIRST_MS;
	if (wall_ms > LAST_MS)
		wall_ms = LAST_MS;
	second = wall_ms / 1000 - (wall_ms % 1000 < 0);
	if (!last.text[0] || last.second != second)
		write_second(second, last.text);
	last.second = second;
	memcpy(ret_text, last.text, SECOND_TEXT);
	write_number(ret_text + SECOND_TEXT, 3, (int)(wall_ms - (int64_t)second * 1000));
	memcpy(ret_text + SECOND_TEXT + 3, "Z", 2);
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
	int64_t seconds;

	if (!text || !take_date(&text, &parts) || (!take_one_of(&text, 'T', 't') && !take_one_of(&text, ' ', ' ')) ||
	    !take_time(&text, &parts) || !take_fraction(&text, &ms) || !take_offset(&text, &minutes) || *text)
		return -EINVAL;
	seconds = (days_of(parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday) * 24 + parts.tm_hour) * 3600 +
		  parts.tm_min * 60 + parts.tm_sec;
	*ret_wall_ms = (seconds - (int64_t)minutes * 60) * 1000 + ms;
	return 0;
}
