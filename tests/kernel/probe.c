#include "probe.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

struct probe probe = {.line = -1};

/* ---- Telling ---- */

void tell(const char *what, const char *format, ...)
{
	va_list list;

	printf("  %s: ", what);
	va_start(list, format);
	vprintf(format, list);
	va_end(list);
	putchar('\n');
	fflush(stdout);
}

const char *error_name(int error)
{
	static char text[8][24];
	static int at;

	if (!error)
		return "ok";
	if (error == ELAST)
		return "ELAST";
	if (error == ENOSYS || error == ENOTTY)
		return "unknown here"; /* FUSE has one of the two for both */
	if (strerrorname_np(error))
		return strerrorname_np(error);
	at = (at + 1) % 8;
	snprintf(text[at], sizeof(text[at]), "%d", error);
	return text[at];
}

const char *event_name(int event)
{
	static const char *const names[] = {
		"none",           "ONHOOK",      "RINGOFFHOOK", "WINKFLASH",     "ALARM",      "NOALARM",
		"ABORT",          "OVERRUN",     "BADFCS",      "DIALCOMPLETE",  "RINGERON",   "RINGEROFF",
		"HOOKCOMPLETE",   "BITSCHANGED", "PULSE_START", "TIMER_EXPIRED", "TIMER_PING", "POLARITY",
		"RINGBEGIN",      "EC_DISABLED", "REMOVED",     "NEON_ON",       "NEON_OFF",   "TX_CED",
		"RX_CED",         "TX_CNG",      "RX_CNG",      "NLP_OFF",       "NLP_ON",     "READ_OVERRUN",
		"WRITE_UNDERRUN",
	};
	static char text[8][24];
	static int at;

	if (event >= 0 && event < (int)(sizeof(names) / sizeof(names[0])))
		return names[event];
	at = (at + 1) % 8;
	snprintf(text[at], sizeof(text[at]), "%s %c", event & DAHDI_EVENT_PULSEDIGIT ? "PULSEDIGIT" : "?",
		 event & 0xff);
	return text[at];
}

long clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void pause_ms(int ms)
{
	const struct timespec time = {ms / 1000, ms % 1000 * 1000000L};

	nanosleep(&time, NULL);
}

const char *about(long ms)
{
	static const struct {
		int below;
		const char *name;
	} spans[] = {
		{180, "at once"},      {400, "after 0.25 s"},  {700, "after 0.5 s"},  {930, "after 0.8 s"},
		{1130, "after 1 s"},   {1430, "after 1.25 s"}, {1800, "after 1.6 s"}, {2250, "after 2 s"},
		{2750, "after 2.5 s"}, {3500, "after 3 s"},    {5000, "after 4 s"},   {7000, "after 6 s"},
	};

	if (ms < 0)
		return "never";
	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
		if (ms < spans[i].below)
			return spans[i].name;
	}
	return "late";
}

/* ---- The device ---- */

int open_name(const char *name, int flags)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", probe.folder, name);
	return open(path, O_RDWR | O_CLOEXEC | flags);
}

int number_ioctl(int fd, unsigned long command, int number)
{
	return ioctl(fd, command, &number) ? errno : 0;
}

int any_ioctl(int fd, unsigned long command, void *argument)
{
	return ioctl(fd, command, argument) ? errno : 0;
}

int hook(int value)
{
	return number_ioctl(probe.line, DAHDI_HOOK, value);
}

int take_event(int fd)
{
	int event = -1;

	return ioctl(fd, DAHDI_GETEVENT, &event) ? -errno : event;
}

int next_event(int ms)
{
	struct pollfd wait = {probe.line, POLLPRI, 0};

	return poll(&wait, 1, ms) > 0 ? take_event(probe.line) : DAHDI_EVENT_NONE;
}

void forget_events(void)
{
	while (take_event(probe.line) > 0)
		;
}

long await(int event, int ms, long since)
{
	long end = clock_ms() + ms;

	for (;;) {
		long left = end - clock_ms();
		int got = left > 0 ? next_event((int)left) : DAHDI_EVENT_NONE;

		if (got == event)
			return clock_ms() - since;
		if (got > 0)
			tell("  before it", "%s", event_name(got));
		if (left <= 0 || got < 0)
			return -1;
	}
}

void tell_event(const char *what, int event, int ms, long since)
{
	long took = await(event, ms, since);

	tell(what, "%s %s", event_name(event), about(took));
}

struct dahdi_params params(void)
{
	struct dahdi_params got = {0};

	any_ioctl(probe.line, DAHDI_GET_PARAMS, &got);
	return got;
}

void open_line(int flags)
{
	struct dahdi_bufferinfo info = {.numbufs = 4, .bufsize = BLOCK};

	probe.line = open_name("1", flags);
	if (probe.line < 0) {
		printf("conform: port 1: %s\n", strerror(errno));
		exit(2);
	}
	any_ioctl(probe.line, DAHDI_SET_BUFINFO, &info);
}

void close_line(void)
{
	close(probe.line);
	probe.line = -1;
}

void rest(void)
{
	handset_do(probe.hand, "hangup");
	pause_ms(1400);
	hook(DAHDI_RINGOFF);
	forget_events();
	handset_forget(probe.hand);
}

void flush_all(void)
{
	number_ioctl(probe.line, DAHDI_FLUSH, DAHDI_FLUSH_ALL);
}

/* ---- Audio ---- */

void pattern(unsigned char *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		bytes[i] = (unsigned char)(1 + (i * 7 + i / 97) % 120);
}

size_t read_for(unsigned char *bytes, size_t size, int ms)
{
	long end = clock_ms() + ms;
	size_t have = 0;

	while (clock_ms() < end && have + BLOCK <= size) {
		struct pollfd wait = {probe.line, POLLIN, 0};

		if (poll(&wait, 1, 50) <= 0)
			continue;
		ssize_t got = read(probe.line, bytes + have, BLOCK);

		if (got > 0)
			have += (size_t)got;
		else if (errno == ELAST)
			forget_events();
	}
	return have;
}

size_t find(const unsigned char *heard, size_t count, const unsigned char *said, size_t length)
{
	const unsigned char *at = memmem(heard, count, said, length);

	return at ? (size_t)(at - heard) : count;
}
