/*
 * conform: what DAHDI does, seen from user space, as a trace that the simulator and the real driver must both give.
 *
 *   conform FOLDER HOW [SECTION...]     FOLDER: /dev/dahdi or where dahdisim is mounted
 *                                       HOW: card, or the path of dahdisim's socket
 *
 * Port 1 is an FXS port; the last section wants an FXO port 2. Times are told by the nearest of a few values, so that
 * the trace is the same each time; whatever may differ for good reasons is not told.
 */
#include "handset.h"
#include <dahdi/user.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 160
#define GET_STATS _IOR(DAHDI_CODE, 60, int[3])

static const char *folder;
static const char *how;
static struct handset *hand;
static int line = -1; /* the port, when a section has it open */

/* ---- Telling ---- */

static void tell(const char *what, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void tell(const char *what, const char *format, ...)
{
	va_list list;

	printf("  %s: ", what);
	va_start(list, format);
	vprintf(format, list);
	va_end(list);
	putchar('\n');
	fflush(stdout);
}

static const char *error_name(int error)
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

static const char *event_name(int event)
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

static long clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void pause_ms(int ms)
{
	const struct timespec time = {ms / 1000, ms % 1000 * 1000000L};

	nanosleep(&time, NULL);
}

/* A time as one of a few spans, which lie around what is expected somewhere: a busy machine does not change the trace.
 */
static const char *about(long ms)
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

static int open_name(const char *name, int flags)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return open(path, O_RDWR | O_CLOEXEC | flags);
}

/* An ioctl on a number: 0 or errno. */
static int number_ioctl(int fd, unsigned long command, int number)
{
	return ioctl(fd, command, &number) ? errno : 0;
}

/* An ioctl with any argument: 0 or errno. */
static int any_ioctl(int fd, unsigned long command, void *argument)
{
	return ioctl(fd, command, argument) ? errno : 0;
}

static int hook(int value)
{
	return number_ioctl(line, DAHDI_HOOK, value);
}

static int take_event(int fd)
{
	int event = -1;

	return ioctl(fd, DAHDI_GETEVENT, &event) ? -errno : event;
}

/* The next event within ms, or none. */
static int next_event(int ms)
{
	struct pollfd wait = {line, POLLPRI, 0};

	return poll(&wait, 1, ms) > 0 ? take_event(line) : DAHDI_EVENT_NONE;
}

static void forget_events(void)
{
	while (take_event(line) > 0)
		;
}

/* Waits for one event and tells the others that come before it. Milliseconds since, or -1. */
static long await(int event, int ms, long since)
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

static void tell_event(const char *what, int event, int ms, long since)
{
	long took = await(event, ms, since);

	tell(what, "%s %s", event_name(event), about(took));
}

static struct dahdi_params params(void)
{
	struct dahdi_params got = {0};

	any_ioctl(line, DAHDI_GET_PARAMS, &got);
	return got;
}

/* What is left of earlier sections is over: on hook, no drop going on, no on-hook transfer. */
static void open_line(int flags)
{
	struct dahdi_bufferinfo info = {.numbufs = 4, .bufsize = BLOCK};

	line = open_name("1", flags);
	if (line < 0) {
		printf("conform: port 1: %s\n", strerror(errno));
		exit(2);
	}
	any_ioctl(line, DAHDI_SET_BUFINFO, &info);
}

static void close_line(void)
{
	close(line);
	line = -1;
}

/* On hook for long enough that neither end remembers anything; a telephone that moved once is no longer unknown. */
static void rest(void)
{
	handset_do(hand, "hangup");
	pause_ms(1400);
	hook(DAHDI_RINGOFF);
	forget_events();
	handset_forget(hand);
}

static void flush_all(void)
{
	number_ioctl(line, DAHDI_FLUSH, DAHDI_FLUSH_ALL);
}

/* ---- Sections ---- */

static void section_open(void)
{
	struct dahdi_versioninfo version = {.version = ""};
	struct dahdi_spaninfo span = {.spanno = 1};
	struct dahdi_params got = {.channo = 1};
	unsigned char byte;
	int number = 0;
	int ctl = open_name("ctl", 0);

	tell("ctl", "%s", error_name(ctl < 0 ? errno : 0));
	tell("GETVERSION", "%s", error_name(any_ioctl(ctl, DAHDI_GETVERSION, &version)));
	tell("its beginning", "%.4s", version.version);
	tell("SPANSTAT 1", "%s", error_name(any_ioctl(ctl, DAHDI_SPANSTAT, &span)));
	tell("type, number, alarms, spans", "%s %d %d %d", span.spantype, span.spanno, span.alarms, span.totalspans);
	tell("channels", "%d of %d", span.numchans, span.totalchans);
	span.spanno = 99;
	tell("SPANSTAT 99", "%s", error_name(any_ioctl(ctl, DAHDI_SPANSTAT, &span)));
	span.spanno = 0;
	tell("SPANSTAT 0 on ctl", "%s", error_name(any_ioctl(ctl, DAHDI_SPANSTAT, &span)));
	got.channo = 999;
	tell("GET_PARAMS 999 on ctl", "%s", error_name(any_ioctl(ctl, DAHDI_GET_PARAMS, &got)));
	tell("HOOK on ctl", "%s", error_name(number_ioctl(ctl, DAHDI_HOOK, 1)));
	tell("STARTUP of span 99", "%s", error_name(number_ioctl(ctl, DAHDI_STARTUP, 99)));
	tell("DEFAULTZONE not loaded", "%s", error_name(number_ioctl(ctl, DAHDI_DEFAULTZONE, 77)));

	int generic = open_name("channel", O_NONBLOCK);

	tell("unbound GET_PARAMS", "%s", error_name(any_ioctl(generic, DAHDI_GET_PARAMS, &got)));
	tell("unbound read", "%s", error_name(read(generic, &byte, 1) < 0 ? errno : 0));
	tell("SPECIFY 999", "%s", error_name(number_ioctl(generic, DAHDI_SPECIFY, 999)));
	tell("SPECIFY 1", "%s", error_name(number_ioctl(generic, DAHDI_SPECIFY, 1)));
	tell("SPECIFY again", "%s", error_name(number_ioctl(generic, DAHDI_SPECIFY, 1)));
	tell("CHANNO", "%s", error_name(any_ioctl(generic, DAHDI_CHANNO, &number)));
	tell("it is", "%d", number);
	tell("open of it by number", "%s", error_name(open_name("1", O_NONBLOCK) < 0 ? errno : 0));
	got.channo = 1;
	tell("GET_PARAMS on ctl meanwhile", "%s", error_name(any_ioctl(ctl, DAHDI_GET_PARAMS, &got)));
	tell("signalling", "0x%x", got.sigtype);

	int other = open_name("channel", O_NONBLOCK);

	tell("SPECIFY by another", "%s", error_name(number_ioctl(other, DAHDI_SPECIFY, 1)));
	tell("then SPECIFY 2", "%s", error_name(number_ioctl(other, DAHDI_SPECIFY, 2)));
	close(other);

	int held = dup(generic);

	close(generic);
	tell("open while a duplicate is held", "%s", error_name(open_name("1", O_NONBLOCK) < 0 ? errno : 0));
	close(held);
	open_line(O_NONBLOCK);
	tell("open after the last close", "%s", error_name(line < 0 ? errno : 0));
	close_line();
	close(ctl);
}

static void section_params(void)
{
	struct dahdi_bufferinfo info = {0};
	struct dahdi_params got;
	int size = 0;

	line = open_name("1", O_NONBLOCK);
	got = params();
	tell("signalling, law", "0x%x %d", got.sigtype, got.curlaw);
	tell("off hook, bits", "%d %d %d", got.rxisoffhook, got.rxbits, got.txbits);
	tell("times", "%d %d %d %d %d %d %d %d %d %d %d", got.prewinktime, got.preflashtime, got.winktime,
	     got.flashtime, got.starttime, got.rxwinktime, got.rxflashtime, got.debouncetime, got.pulsebreaktime,
	     got.pulsemaketime, got.pulseaftertime);
	tell("GET_BLOCKSIZE", "%s", error_name(any_ioctl(line, DAHDI_GET_BLOCKSIZE, &size)));
	tell("it is", "%d", size);
	any_ioctl(line, DAHDI_GET_BUFINFO, &info);
	tell("GET_BUFINFO", "%d x %d policies %d %d fill %d %d", info.numbufs, info.bufsize, info.txbufpolicy,
	     info.rxbufpolicy, info.readbufs, info.writebufs);
	tell("SET_BLOCKSIZE 15, 8193", "%s %s", error_name(number_ioctl(line, DAHDI_SET_BLOCKSIZE, 15)),
	     error_name(number_ioctl(line, DAHDI_SET_BLOCKSIZE, 8193)));
	info = (struct dahdi_bufferinfo){.numbufs = 64, .bufsize = 160, .txbufpolicy = DAHDI_POLICY_WHEN_FULL};
	tell("SET_BUFINFO 64 x 160", "%s", error_name(any_ioctl(line, DAHDI_SET_BUFINFO, &info)));
	any_ioctl(line, DAHDI_GET_BUFINFO, &info);
	tell("gives", "%d x %d policy %d", info.numbufs, info.bufsize, info.txbufpolicy);
	info.numbufs = 32;
	info.bufsize = 8192;
	tell("SET_BUFINFO 32 x 8192", "%s", error_name(any_ioctl(line, DAHDI_SET_BUFINFO, &info)));
	got.rxflashtime = 333;
	tell("SET_PARAMS", "%s", error_name(any_ioctl(line, DAHDI_SET_PARAMS, &got)));
	tell("gives rxflashtime", "%d", params().rxflashtime);
	close_line();
	open_line(O_NONBLOCK);
	tell("after another open", "%d", params().rxflashtime);
	close_line();
}

static void section_refusals(void)
{
	static const struct {
		const char *name;
		unsigned long command;
		int number;
	} rows[] = {
		{"SENDTONE 15", DAHDI_SENDTONE, 15},
		{"SENDTONE 40", DAHDI_SENDTONE, 40},
		{"SENDTONE stop", DAHDI_SENDTONE, -1},
		{"SETTONEZONE 77", DAHDI_SETTONEZONE, 77},
		{"SETTONEZONE default", DAHDI_SETTONEZONE, -1},
		{"AUDIOMODE", DAHDI_AUDIOMODE, 1},
		{"HOOK 7", DAHDI_HOOK, 7},
		{"HOOK -1", DAHDI_HOOK, -1},
		{"HOOK FLASH on hook", DAHDI_HOOK, DAHDI_FLASH},
		{"SETTXBITS", DAHDI_SETTXBITS, 0},
		{"TONEDETECT", DAHDI_TONEDETECT, 1},
		{"ECHOCANCEL 128", DAHDI_ECHOCANCEL, 128},
		{"ECHOTRAIN 100", DAHDI_ECHOTRAIN, 100},
		{"ECHOTRAIN 1000", DAHDI_ECHOTRAIN, 1000},
		{"ECHOCANCEL 0", DAHDI_ECHOCANCEL, 0},
		{"ECHOTRAIN without", DAHDI_ECHOTRAIN, 100},
		{"SETLAW 3", DAHDI_SETLAW, 3},
		{"SETLAW A", DAHDI_SETLAW, DAHDI_LAW_ALAW},
		{"TIMERCONFIG on a channel", DAHDI_TIMERCONFIG, 160},
		{"GETVERSION's number on a channel", _IOW(DAHDI_CODE, 57, int), 0},
		{"an unknown number", _IOW(DAHDI_CODE, 200, int), 0},
		{"BUFFER_EVENTS 0", DAHDI_BUFFER_EVENTS, 0},
		{"SETLINEAR 1", DAHDI_SETLINEAR, 1},
		{"SETSIGFREEZE 0", DAHDI_SETSIGFREEZE, 0},
		{"CONFMUTE 0", DAHDI_CONFMUTE, 0},
		{"LOOPBACK 0", DAHDI_LOOPBACK, 0},
		{"FLUSH all", DAHDI_FLUSH, DAHDI_FLUSH_ALL},
		{"DIAL with a bad operation", DAHDI_DIAL, 9},
		{"VMWI -1", DAHDI_VMWI, -1},
	};
	struct dahdi_hwgain gain = {-30, 1};

	open_line(O_NONBLOCK);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct dahdi_dialoperation room = {.op = rows[i].number}; /* large enough for any of them */

		tell(rows[i].name, "%s", error_name(any_ioctl(line, rows[i].command, &room)));
	}
	tell("law now", "%d", params().curlaw);
	tell("SET_HWGAIN", "%s", error_name(any_ioctl(line, DAHDI_SET_HWGAIN, &gain)));
	close_line();
	open_line(O_NONBLOCK);
	tell("law after another open", "%d", params().curlaw);
	close_line();
}

static void dial_nothing(void)
{
	struct dahdi_dialoperation dial = {.op = DAHDI_DIAL_OP_REPLACE};

	any_ioctl(line, DAHDI_DIAL, &dial);
}

static void section_events(void)
{
	struct pollfd wait;
	unsigned char bytes[BLOCK] = {0};
	int count = 0, mask;

	open_line(O_NONBLOCK);
	tell("GETEVENT of an empty queue", "%s", event_name(take_event(line)));
	wait = (struct pollfd){line, POLLIN | POLLOUT | POLLPRI, 0};
	poll(&wait, 1, 0);
	tell("poll after open", "%s%s%s", wait.revents & POLLIN ? "in " : "", wait.revents & POLLOUT ? "out " : "",
	     wait.revents & POLLPRI ? "pri" : "");
	dial_nothing();
	tell("an empty DIAL", "%s", event_name(next_event(500)));
	for (int i = 0; i < 80; i++)
		dial_nothing();
	wait.revents = 0;
	poll(&wait, 1, 0);
	tell("poll with events", "%s", wait.revents & POLLPRI ? "pri" : "nothing");
	tell("read", "%s", error_name(read(line, bytes, BLOCK) < 0 ? errno : 0));
	tell("write", "%s", error_name(write(line, bytes, BLOCK) < 0 ? errno : 0));
	mask = DAHDI_IOMUX_SIGEVENT | DAHDI_IOMUX_NOWAIT;
	tell("IOMUX", "%s", error_name(any_ioctl(line, DAHDI_IOMUX, &mask)));
	tell("gives", "%d", mask);
	mask = 0;
	tell("IOMUX 0", "%s", error_name(any_ioctl(line, DAHDI_IOMUX, &mask)));
	while (take_event(line) > 0)
		count++;
	tell("events kept of 80", "%d", count);
	dial_nothing();
	number_ioctl(line, DAHDI_FLUSH, DAHDI_FLUSH_EVENT);
	tell("after FLUSH", "%s", event_name(take_event(line)));
	dial_nothing();
	close_line();
	open_line(O_NONBLOCK);
	tell("after another open", "%s", event_name(take_event(line)));
	close_line();
}

static void section_hook(void)
{
	struct dahdi_params times;
	long since;

	open_line(O_NONBLOCK);
	rest();
	since = clock_ms();
	handset_do(hand, "lift");
	tell_event("lift", DAHDI_EVENT_RINGOFFHOOK, 1000, since);
	tell("rxisoffhook", "%d", params().rxisoffhook);
	tell("HOOK OFFHOOK", "%s", error_name(hook(DAHDI_OFFHOOK)));
	pause_ms(700);
	since = clock_ms();
	handset_do(hand, "hangup");
	tell_event("put down", DAHDI_EVENT_ONHOOK, 3000, since);
	tell("rxisoffhook", "%d", params().rxisoffhook);
	tell("RING before our ONHOOK", "%s", error_name(hook(DAHDI_RING)));
	handset_forget(hand);
	tell("HOOK ONHOOK", "%s", error_name(hook(DAHDI_ONHOOK)));
	tell("battery drop", "%s", about(handset_expect(hand, "battery_drop", "", 200) < 0 ? -1 : 0));

	times = params();
	times.rxflashtime = 250;
	any_ioctl(line, DAHDI_SET_PARAMS, &times);
	handset_do(hand, "lift");
	await(DAHDI_EVENT_RINGOFFHOOK, 1000, 0);
	hook(DAHDI_OFFHOOK);
	since = clock_ms();
	handset_do(hand, "hangup");
	tell_event("put down at once, rxflash 250", DAHDI_EVENT_ONHOOK, 3000, since);
	hook(DAHDI_ONHOOK);
	handset_do(hand, "lift");
	await(DAHDI_EVENT_RINGOFFHOOK, 1000, 0);
	pause_ms(100);
	since = clock_ms();
	handset_do(hand, "hangup");
	tell_event("put down without our OFFHOOK", DAHDI_EVENT_ONHOOK, 3000, since);
	close_line();
	handset_do(hand, "lift");
	pause_ms(100);
	open_line(O_NONBLOCK);
	tell("open with the handset off", "%d %s", params().rxisoffhook, event_name(take_event(line)));
	pause_ms(1000);
	handset_do(hand, "hangup");
	tell_event("put down then", DAHDI_EVENT_ONHOOK, 3000, clock_ms());
	number_ioctl(line, DAHDI_SETSIGFREEZE, 1);
	handset_do(hand, "lift");
	tell_event("lift while frozen", DAHDI_EVENT_RINGOFFHOOK, 300, clock_ms());
	tell("rxisoffhook", "%d", params().rxisoffhook);
	number_ioctl(line, DAHDI_SETSIGFREEZE, 0);
	rest();
	close_line();
}

static void section_flash(void)
{
	long since;

	open_line(O_NONBLOCK);
	rest();
	handset_do(hand, "lift");
	await(DAHDI_EVENT_RINGOFFHOOK, 1000, 0);
	hook(DAHDI_OFFHOOK);
	pause_ms(700);
	since = clock_ms();
	handset_do(hand, "flash 500");
	tell_event("flash of 500 ms", DAHDI_EVENT_WINKFLASH, 2000, since);
	pause_ms(100);
	handset_do(hand, "flash 100");
	tell("flash of 100 ms", "%s", event_name(next_event(1000)));
	tell("and then", "%s", event_name(next_event(1000)));
	handset_do(hand, "flash 8");
	tell("flash of 8 ms", "%s", event_name(next_event(600)));
	handset_do(hand, "pulse 420");
	for (int i = 0; i < 6; i++)
		tell("pulses of 420", "%s", event_name(next_event(4000)));
	rest();
	close_line();
}

static void section_ring(void)
{
	struct dahdi_ring_cadence cadence = {{500, 1500}};
	struct dahdi_params got;
	long first, then, since;

	open_line(O_NONBLOCK);
	rest();
	tell("SETCADENCE 500 1500", "%s", error_name(any_ioctl(line, DAHDI_SETCADENCE, &cadence)));
	since = clock_ms();
	tell("HOOK RING", "%s", error_name(hook(DAHDI_RING)));
	first = handset_expect(hand, "ring_on", "", 500);
	tell("it rings", "%s", about(first < 0 ? -1 : 0));
	tell("RING again", "%s", error_name(hook(DAHDI_RING)));
	tell("txhooksig", "%d", params().txhooksig);
	then = handset_expect(hand, "ring_off", "", 1500);
	tell("silent", "%s", about(then - first));
	tell_event("event", DAHDI_EVENT_RINGEROFF, 500, since);
	tell("feed", "%s", about(handset_expect(hand, "feed", "ringing", 2500) - first));
	tell_event("event", DAHDI_EVENT_RINGERON, 500, since);
	tell("SETPOLARITY while ringing", "%s", error_name(number_ioctl(line, DAHDI_SETPOLARITY, 1)));
	handset_do(hand, "lift");
	tell("lift while it rings", "%s", event_name(next_event(500)));
	got = params();
	tell("our state, its state", "%d %d", got.txhooksig == 2, got.rxisoffhook);
	tell("the answered line is rung again", "%s",
	     about(handset_expect(hand, "feed", "ringing", 3000) < 0 ? -1 : 2000));
	tell("HOOK OFFHOOK", "%s", error_name(hook(DAHDI_OFFHOOK)));
	tell("and again", "%s", about(handset_expect(hand, "feed", "ringing", 2500)));
	rest();

	cadence = (struct dahdi_ring_cadence){{300, 300, -300, 1200}};
	any_ioctl(line, DAHDI_SETCADENCE, &cadence);
	hook(DAHDI_RING);
	first = handset_expect(hand, "ring_on", "", 500);
	for (int i = 0; i < 3; i++) {
		then = handset_expect(hand, "ring_on", "", 3000);
		tell("a looped cadence's next ring", "%s", about(then < 0 ? -1 : then - first));
		first = then;
	}
	handset_forget(hand);
	tell("HOOK RINGOFF", "%s", error_name(hook(DAHDI_RINGOFF)));
	tell("battery drop", "%s", about(handset_expect(hand, "battery_drop", "", 300)));
	tell("RING at once", "%s", error_name(hook(DAHDI_RING)));
	hook(DAHDI_ONHOOK);
	tell("ONHOOK stops it, with a drop", "%s", about(handset_expect(hand, "battery_drop", "", 300)));
	rest();

	cadence = (struct dahdi_ring_cadence){{400}};
	any_ioctl(line, DAHDI_SETCADENCE, &cadence);
	hook(DAHDI_RING);
	first = handset_expect(hand, "ring_on", "", 500);
	then = handset_expect(hand, "ring_on", "", 8000);
	tell("a cadence without a pause takes the zone's", "%s", about(then < 0 ? -1 : then - first));
	rest();
	close_line();
}

/* Closes the port while a process without any other duty holds it for ms. */
static void hold_and_close(int ms)
{
	if (fork() == 0) {
		pause_ms(ms);
		kill(getpid(), SIGKILL);
	}
	close_line();
}

static void section_drop(void)
{
	long first, then, since;

	open_line(O_NONBLOCK);
	rest();
	handset_do(hand, "lift");
	await(DAHDI_EVENT_RINGOFFHOOK, 1000, 0);
	hook(DAHDI_OFFHOOK);
	pause_ms(700);
	handset_forget(hand);
	since = clock_ms();
	tell("we hang up first", "%s", error_name(hook(DAHDI_ONHOOK)));
	tell("RING meanwhile", "%s", error_name(hook(DAHDI_RING)));
	tell("OFFHOOK meanwhile", "%s", error_name(hook(DAHDI_OFFHOOK)));
	first = handset_expect(hand, "battery_drop", "", 300);
	then = handset_expect(hand, "battery_back", "", 1500);
	tell("battery is back", "%s", about(first < 0 || then < 0 ? -1 : then - first));
	tell_event("event", DAHDI_EVENT_HOOKCOMPLETE, 500, since);
	pause_ms(500);
	tell("RING with the handset still off", "%s", error_name(hook(DAHDI_RING)));
	hook(DAHDI_RINGOFF);
	since = clock_ms();
	handset_do(hand, "hangup");
	tell_event("put down", DAHDI_EVENT_ONHOOK, 3000, since);

	handset_do(hand, "lift");
	await(DAHDI_EVENT_RINGOFFHOOK, 1000, 0);
	hook(DAHDI_OFFHOOK);
	pause_ms(700);
	since = clock_ms();
	hook(DAHDI_ONHOOK);
	pause_ms(200);
	handset_do(hand, "hangup");
	tell_event("put down during the drop", DAHDI_EVENT_ONHOOK, 3000, since);

	handset_do(hand, "lift");
	await(DAHDI_EVENT_RINGOFFHOOK, 1000, 0);
	hook(DAHDI_OFFHOOK);
	pause_ms(700);
	hook(DAHDI_ONHOOK);
	pause_ms(640);
	handset_do(hand, "hangup");
	tell_event("put down just after the drop", DAHDI_EVENT_ONHOOK, 2500, clock_ms());
	tell("rxisoffhook", "%d", params().rxisoffhook);
	handset_do(hand, "lift");
	tell_event("lift again", DAHDI_EVENT_RINGOFFHOOK, 1000, clock_ms());
	hook(DAHDI_OFFHOOK);
	pause_ms(700);
	handset_forget(hand);
	hold_and_close(1000);
	tell("closed, held by another process: battery drop", "%s",
	     about(handset_expect(hand, "battery_drop", "", 300)));
	tell("open meanwhile", "%s", error_name(open_name("1", O_NONBLOCK) < 0 ? errno : 0));
	first = handset_expect(hand, "battery_drop", "", 3000);
	tell("when that one is killed: battery drop", "%s", first < 0 ? "no" : "yes");
	wait(NULL);
	open_line(O_NONBLOCK);
	rest();
	close_line();
}

/* Bytes that no tone and no silence has. */
static void pattern(unsigned char *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		bytes[i] = (unsigned char)(1 + (i * 7 + i / 97) % 120);
}

/* Reads for ms, blocks as they come. */
static size_t read_for(unsigned char *bytes, size_t size, int ms)
{
	long end = clock_ms() + ms;
	size_t have = 0;

	while (clock_ms() < end && have + BLOCK <= size) {
		struct pollfd wait = {line, POLLIN, 0};

		if (poll(&wait, 1, 50) <= 0)
			continue;
		ssize_t got = read(line, bytes + have, BLOCK);

		if (got > 0)
			have += (size_t)got;
		else if (errno == ELAST)
			forget_events();
	}
	return have;
}

static void talk(void)
{
	rest();
	handset_do(hand, "lift");
	await(DAHDI_EVENT_RINGOFFHOOK, 1000, 0);
	hook(DAHDI_OFFHOOK);
	pause_ms(700);
	forget_events();
	flush_all();
}

static void section_read(void)
{
	static unsigned char said[640], heard[16000];
	struct pollfd wait;
	size_t count;
	long since;

	open_line(O_NONBLOCK);
	talk();
	pattern(said, sizeof(said));
	handset_say(hand, said, sizeof(said));
	count = read_for(heard, sizeof(heard), 500);
	tell("640 bytes said are read", "%s", memmem(heard, count, said, sizeof(said)) ? "as they are" : "not");
	flush_all();
	tell("read of nothing", "%s", error_name(read(line, heard, BLOCK) < 0 ? errno : 0));
	wait = (struct pollfd){line, POLLIN, 0};
	poll(&wait, 1, 1000);
	tell("read of 1000", "%zd", read(line, heard, 1000));
	poll(&wait, 1, 1000);
	tell("read of 100", "%zd", read(line, heard, 100));
	tell("read of the rest", "%s", error_name(read(line, heard, BLOCK) < 0 ? errno : 0));
	flush_all();
	since = clock_ms();
	for (int i = 0; i < 50; i++) {
		poll(&wait, 1, 1000);
		if (read(line, heard, BLOCK) != BLOCK)
			break;
	}
	tell("50 blocks of 20 ms", "%s",
	     labs(clock_ms() - since - 1000) < 150 ? "take a second" : "do not take a second");
	flush_all();
	pause_ms(300);
	handset_say(hand, said, sizeof(said));
	pause_ms(200);
	count = 0;
	while (read(line, heard, BLOCK) == BLOCK)
		count++;
	tell("blocks kept when nobody reads", "%zu", count);
	number_ioctl(line, DAHDI_SETLINEAR, 1);
	flush_all();
	poll(&wait, 1, 1000);
	tell("SETLINEAR: read of 1000", "%zd", read(line, heard, 1000));
	number_ioctl(line, DAHDI_SETLINEAR, 0);
	rest();
	close_line();
}

static size_t find(const unsigned char *heard, size_t count, const unsigned char *said, size_t length)
{
	const unsigned char *at = memmem(heard, count, said, length);

	return at ? (size_t)(at - heard) : count;
}

static void section_write(void)
{
	static unsigned char said[960], heard[16000];
	struct dahdi_bufferinfo info = {.numbufs = 4, .bufsize = BLOCK, .txbufpolicy = DAHDI_POLICY_WHEN_FULL};
	int taken = 0, mask;
	size_t count;

	open_line(O_NONBLOCK);
	talk();
	pattern(said, sizeof(said));
	handset_listen(hand);
	for (size_t at = 0; at < 640; at += BLOCK)
		taken += (int)write(line, said + at, BLOCK);
	tell("four blocks taken", "%d", taken);
	pause_ms(300);
	count = handset_heard(hand, heard, sizeof(heard));
	tell("and heard", "%s", find(heard, count, said, 640) < count ? "as they are" : "not");
	tell("write of 1000", "%zd", write(line, said, sizeof(said)));
	taken = 1;
	while (write(line, said, BLOCK) == BLOCK && taken < 99)
		taken++;
	tell("writes until refused", "%d %s", taken, error_name(errno));
	tell("POLLOUT then", "%d", poll(&(struct pollfd){line, POLLOUT, 0}, 1, 0));
	mask = DAHDI_IOMUX_WRITEEMPTY;
	tell("IOMUX WRITEEMPTY", "%s", error_name(any_ioctl(line, DAHDI_IOMUX, &mask)));
	tell("gives", "%d", mask);
	number_ioctl(line, DAHDI_SETLINEAR, 1);
	tell("SETLINEAR: write of 1000", "%zd", write(line, heard, 1000));
	number_ioctl(line, DAHDI_SETLINEAR, 0);
	any_ioctl(line, DAHDI_SET_BUFINFO, &info);
	handset_listen(hand);
	for (size_t at = 0; at < 480; at += BLOCK)
		taken = (int)write(line, said + at, BLOCK);
	pause_ms(200);
	count = handset_heard(hand, heard, sizeof(heard));
	tell("policy when full: three of four are heard", "%s", find(heard, count, said, 480) < count ? "yes" : "no");
	handset_listen(hand);
	taken = (int)write(line, said + 480, BLOCK);
	pause_ms(300);
	count = handset_heard(hand, heard, sizeof(heard));
	tell("with the fourth", "%s", find(heard, count, said, 640) < count ? "yes" : "no");
	rest();
	close_line();
}

static int linear(unsigned char byte)
{
	int value;

	byte = (unsigned char)~byte;
	value = (((byte & 15) << 3) + 0x84) << ((byte & 0x70) >> 4);
	return byte & 0x80 ? 0x84 - value : value - 0x84;
}

/* Is this frequency clearly there. */
static bool has_tone(const unsigned char *bytes, size_t count, int hz)
{
	double turn = 2 * cos(2 * M_PI * hz / 8000), one = 0, two = 0;

	for (size_t i = 0; i < count; i++) {
		double now = linear(bytes[i]) + turn * one - two;

		two = one;
		one = now;
	}
	return 2 * sqrt(fabs(one * one + two * two - turn * one * two)) / (double)count > 1500;
}

static void section_tones(void)
{
	static unsigned char heard[16000], block[BLOCK];
	struct dahdi_dialoperation dial = {.op = DAHDI_DIAL_OP_REPLACE, .dialstr = "T15#"};
	int number = -1;
	size_t count;
	long since;

	memset(block, 0xff, sizeof(block));
	open_line(O_NONBLOCK);
	talk();
	tell("SENDTONE dial tone", "%s", error_name(number_ioctl(line, DAHDI_SENDTONE, DAHDI_TONE_DIALTONE)));
	pause_ms(50);
	handset_listen(hand);
	pause_ms(150);
	count = handset_heard(hand, heard, 1200);
	tell("350, 440, 600 Hz", "%d %d %d", has_tone(heard, count, 350), has_tone(heard, count, 440),
	     has_tone(heard, count, 600));
	tell("a write", "%zd", write(line, block, BLOCK));
	pause_ms(100);
	handset_listen(hand);
	pause_ms(150);
	count = handset_heard(hand, heard, 1200);
	tell("ends it: 350 Hz", "%d", has_tone(heard, count, 350));
	tell("SENDTONE key 5", "%s", error_name(number_ioctl(line, DAHDI_SENDTONE, DAHDI_TONE_DTMF_5)));
	pause_ms(50);
	handset_listen(hand);
	pause_ms(150);
	count = handset_heard(hand, heard, 1200);
	tell("770, 1336 Hz", "%d %d", has_tone(heard, count, 770), has_tone(heard, count, 1336));
	any_ioctl(line, DAHDI_DIALING, &number);
	tell("DIALING", "%d", number);
	hook(DAHDI_OFFHOOK);
	pause_ms(50);
	any_ioctl(line, DAHDI_DIALING, &number);
	tell("after HOOK", "%d", number);
	since = clock_ms();
	tell("DIAL T15#", "%s", error_name(any_ioctl(line, DAHDI_DIAL, &dial)));
	tell_event("ends", DAHDI_EVENT_DIALCOMPLETE, 3000, since);
	memset(dial.dialstr, '1', sizeof(dial.dialstr));
	dial.op = DAHDI_DIAL_OP_APPEND;
	tell("DIAL of too much", "%s", error_name(any_ioctl(line, DAHDI_DIAL, &dial)));
	dial.op = DAHDI_DIAL_OP_CANCEL;
	tell("DIAL cancel", "%s", error_name(any_ioctl(line, DAHDI_DIAL, &dial)));
	rest();
	close_line();
}

static void section_card(void)
{
	static unsigned char said[640], heard[16000];
	struct dahdi_vmwi_info lamp = {DAHDI_VMWI_LREV};
	int volts[3] = {0};
	size_t count;
	long first, then;

	open_line(O_NONBLOCK);
	rest();
	pause_ms(6500); /* what on-hook transfer an earlier ring left is over */
	handset_forget(hand);
	pattern(said, sizeof(said));
	handset_listen(hand);
	for (size_t at = 0; at < 640; at += BLOCK)
		count = (size_t)write(line, said + at, BLOCK);
	pause_ms(200);
	count = handset_heard(hand, heard, sizeof(heard));
	tell("heard on hook", "%s", find(heard, count, said, 640) < count ? "yes" : "no");
	tell("ONHOOKTRANSFER 500", "%s", error_name(number_ioctl(line, DAHDI_ONHOOKTRANSFER, 500)));
	first = handset_expect(hand, "feed", "onhook_transfer", 500);
	handset_listen(hand);
	for (size_t at = 0; at < 640; at += BLOCK)
		count = (size_t)write(line, said + at, BLOCK);
	pause_ms(200);
	count = handset_heard(hand, heard, sizeof(heard));
	tell("heard on hook then", "%s", find(heard, count, said, 640) < count ? "yes" : "no");
	then = handset_expect(hand, "feed", "forward", 2000);
	tell("it ends", "%s", about(first < 0 || then < 0 ? -1 : then - first));
	tell("GET_STATS on hook", "%s", error_name(any_ioctl(line, GET_STATS, volts)));
	tell("tip, ring, battery", "%d %d %d", volts[0], volts[1], volts[2]);
	tell("SETPOLARITY 1", "%s", error_name(number_ioctl(line, DAHDI_SETPOLARITY, 1)));
	tell("reversed", "%s", handset_expect(hand, "feed", "reversed", 300) < 0 ? "no" : "yes");
	any_ioctl(line, GET_STATS, volts);
	tell("tip, ring, battery", "%d %d %d", volts[0], volts[1], volts[2]);
	close_line();
	open_line(O_NONBLOCK);
	any_ioctl(line, GET_STATS, volts);
	tell("after another open tip, ring", "%d %d", volts[0], volts[1]);
	number_ioctl(line, DAHDI_SETPOLARITY, 0);
	tell("forward again", "%s", handset_expect(hand, "feed", "forward", 300) < 0 ? "no" : "yes");
	tell("VMWI_CONFIG", "%s", error_name(any_ioctl(line, DAHDI_VMWI_CONFIG, &lamp)));
	tell("VMWI 3", "%s", error_name(number_ioctl(line, DAHDI_VMWI, 3)));
	tell("reversed", "%s", handset_expect(hand, "feed", "reversed", 300) < 0 ? "no" : "yes");
	tell("VMWI 0", "%s", error_name(number_ioctl(line, DAHDI_VMWI, 0)));
	tell("forward again", "%s", handset_expect(hand, "feed", "forward", 300) < 0 ? "no" : "yes");
	handset_do(hand, "lift");
	await(DAHDI_EVENT_RINGOFFHOOK, 1000, 0);
	any_ioctl(line, GET_STATS, volts);
	tell("off hook tip, ring", "%d %d", volts[0], volts[1]);
	rest();
	close_line();
}

static void section_buffers(void)
{
	unsigned char bytes[BLOCK];
	struct dahdi_gains gains = {0};
	long since;

	memset(bytes, 0x7f, sizeof(bytes));
	open_line(O_NONBLOCK);
	rest();
	tell("BUFFER_EVENTS 1", "%s", error_name(number_ioctl(line, DAHDI_BUFFER_EVENTS, 1)));
	flush_all();
	pause_ms(300);
	forget_events();
	tell("while dry and full", "%s", event_name(next_event(300)));
	since = clock_ms();
	tell("a lone block", "%zd", write(line, bytes, BLOCK));
	tell_event("runs dry", DAHDI_EVENT_WRITE_UNDERRUN, 500, since);
	number_ioctl(line, DAHDI_FLUSH, DAHDI_FLUSH_READ);
	tell_event("runs over", DAHDI_EVENT_READ_OVERRUN, 500, clock_ms());
	number_ioctl(line, DAHDI_BUFFER_EVENTS, 0);
	forget_events();
	tell("GETGAINS", "%s", error_name(any_ioctl(line, DAHDI_GETGAINS, &gains)));
	tell("of channel, for byte 100", "%d: %d %d", gains.chan, gains.rxgain[100], gains.txgain[100]);
	memset(gains.rxgain, 0x55, sizeof(gains.rxgain));
	gains.chan = 0;
	tell("SETGAINS", "%s", error_name(any_ioctl(line, DAHDI_SETGAINS, &gains)));
	flush_all();
	read_for(bytes, sizeof(bytes), 300);
	tell("what is read", "0x%x", bytes[0]);
	close_line();
	open_line(O_NONBLOCK);
	any_ioctl(line, DAHDI_GETGAINS, &gains);
	tell("after another open", "%d", gains.rxgain[100]);
	close_line();
}

static void section_timer(void)
{
	int timer = open_name("timer", 0), events = 0, event = 0;
	unsigned char bytes[8];
	long since;

	tell("open", "%s", error_name(timer < 0 ? errno : 0));
	tell("TIMERCONFIG 160", "%s", error_name(number_ioctl(timer, DAHDI_TIMERCONFIG, 160)));
	since = clock_ms();
	while (events < 50 && clock_ms() - since < 5000) {
		if (poll(&(struct pollfd){timer, POLLPRI, 0}, 1, 1000) <= 0)
			break;
		event = take_event(timer);
		number_ioctl(timer, DAHDI_TIMERACK, 1);
		events++;
	}
	tell("50 of 20 ms", "%s %s", event_name(event),
	     labs(clock_ms() - since - 1000) < 150 ? "take a second" : "do not");
	pause_ms(100);
	number_ioctl(timer, DAHDI_TIMERACK, -1);
	number_ioctl(timer, DAHDI_TIMERCONFIG, 0);
	pause_ms(60);
	number_ioctl(timer, DAHDI_TIMERACK, -1);
	tell("stopped", "%s", event_name(take_event(timer)));
	tell("TIMERPING", "%s", error_name(ioctl(timer, DAHDI_TIMERPING) ? errno : 0));
	tell("gives", "%s", event_name(take_event(timer)));
	tell("TIMERPONG", "%s", error_name(ioctl(timer, DAHDI_TIMERPONG) ? errno : 0));
	tell("gives", "%s", event_name(take_event(timer)));
	tell("read", "%s", error_name(read(timer, bytes, sizeof(bytes)) < 0 ? errno : 0));
	tell("HOOK", "%s", error_name(number_ioctl(timer, DAHDI_HOOK, 0)));
	close(timer);
}

static void on_alarm(int number)
{
	(void)number;
}

static void section_blocking(void)
{
	static unsigned char bytes[8000];
	const struct itimerval soon = {.it_value.tv_usec = 300000};
	struct sigaction action = {.sa_handler = on_alarm};
	ssize_t got;
	long since;

	open_line(0);
	rest();
	hook(DAHDI_RINGOFF);
	tell("RING", "%s", error_name(hook(DAHDI_RING)));
	hook(DAHDI_RINGOFF);
	since = clock_ms();
	tell("WINK", "%s", error_name(hook(DAHDI_WINK)));
	tell("took", "%s", about(clock_ms() - since));
	forget_events();
	handset_do(hand, "lift");
	await(DAHDI_EVENT_RINGOFFHOOK, 1000, 0);
	hook(DAHDI_OFFHOOK);
	pause_ms(700);
	since = clock_ms();
	tell("FLASH", "%s", error_name(hook(DAHDI_FLASH)));
	tell("took", "%s", about(clock_ms() - since));
	forget_events();
	number_ioctl(line, DAHDI_SET_BLOCKSIZE, 8000);
	handset_do(hand, "flash 300");
	since = clock_ms();
	got = read(line, bytes, sizeof(bytes));
	tell("read of a second, with an event in it", "%s %s", error_name(got < 0 ? errno : 0),
	     about(clock_ms() - since));
	forget_events();
	number_ioctl(line, DAHDI_FLUSH, DAHDI_FLUSH_READ);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	since = clock_ms();
	got = read(line, bytes, sizeof(bytes));
	tell("read and a signal", "%s %s", error_name(got < 0 ? errno : 0), about(clock_ms() - since));
	number_ioctl(line, DAHDI_SET_BLOCKSIZE, BLOCK);
	since = clock_ms();
	for (int i = 0; i < 30; i++) {
		if (write(line, bytes, BLOCK) != BLOCK)
			break;
	}
	tell("30 writes of 20 ms", "%s", about(clock_ms() - since));
	rest();
	close_line();
}

static void section_alarm(void)
{
	open_line(O_NONBLOCK);
	rest();
	handset_card(hand, "alarm 8");
	tell_event("alarm 8", DAHDI_EVENT_ALARM, 1000, clock_ms());
	tell("chan_alarms", "%u", params().chan_alarms);
	handset_card(hand, "alarm 8");
	tell("the same again", "%s", event_name(next_event(300)));
	tell("HOOK RING in alarm", "%s", error_name(hook(DAHDI_RING)));
	hook(DAHDI_RINGOFF);
	handset_card(hand, "alarm 0");
	tell_event("alarm 0", DAHDI_EVENT_NOALARM, 1000, clock_ms());
	tell("chan_alarms", "%u", params().chan_alarms);
	close_line();
}

static void tell_poll(const char *what, short events)
{
	struct pollfd wait = {line, events, 0};

	poll(&wait, 1, 0);
	tell(what, "%s%s%s%s", wait.revents & POLLIN ? "in " : "", wait.revents & POLLOUT ? "out " : "",
	     wait.revents & POLLPRI ? "pri " : "", wait.revents & POLLERR ? "err" : "");
}

static void section_removal(void)
{
	unsigned char bytes[BLOCK] = {0};
	int again, event;
	long since, end;

	open_line(O_NONBLOCK);
	rest();
	since = clock_ms();
	handset_card(hand, "unplug");
	tell_event("unplug", DAHDI_EVENT_REMOVED, 1000, since);
	tell_event("and", DAHDI_EVENT_ALARM, 1000, since);
	for (end = since + 5000; clock_ms() < end && take_event(line) >= 0;)
		pause_ms(10);
	tell("GETEVENT fails", "%s", error_name(-take_event(line)));
	tell("that was", "%s", labs(clock_ms() - since - 1200) < 300 ? "a second later" : about(clock_ms() - since));
	tell("read", "%s", error_name(read(line, bytes, BLOCK) < 0 ? errno : 0));
	tell("write", "%s", error_name(write(line, bytes, BLOCK) < 0 ? errno : 0));
	tell("HOOK", "%s", error_name(hook(DAHDI_ONHOOK)));
	tell_poll("poll for everything", POLLIN | POLLOUT | POLLPRI);
	tell_poll("poll for events", POLLPRI);
	again = open_name("channel", O_NONBLOCK);
	event = number_ioctl(again, DAHDI_SPECIFY, 1);
	tell("SPECIFY", "%s", error_name(event));
	close(again);
	close_line();
	pause_ms(300);
	handset_card(hand, "plug");
	open_line(O_NONBLOCK);
	tell("plug, open", "%s", error_name(line < 0 ? errno : 0));
	tell("waiting event", "%s", event_name(take_event(line)));
	tell("chan_alarms, hook", "%u %d", params().chan_alarms, params().rxisoffhook);
	tell("HOOK RING", "%s", error_name(hook(DAHDI_RING)));
	handset_forget(hand);
	tell("HOOK ONHOOK to a telephone that never moved: drop", "%s",
	     (hook(DAHDI_ONHOOK), handset_expect(hand, "battery_drop", "", 300) < 0) ? "no" : "yes");
	close_line();
}

static void section_fxo(void)
{
	struct handset *exchange = handset_open(how, 2);
	long since;

	line = open_name("2", O_NONBLOCK);
	tell("open", "%s", error_name(line < 0 ? errno : 0));
	pause_ms(2300); /* ringing is not looked at for two seconds after a hang-up */
	forget_events();
	tell("signalling, off hook", "0x%x %d", params().sigtype, params().rxisoffhook);
	tell("start time", "%d", params().starttime);
	tell("SETPOLARITY", "%s", error_name(number_ioctl(line, DAHDI_SETPOLARITY, 1)));
	tell("ONHOOKTRANSFER", "%s", error_name(number_ioctl(line, DAHDI_ONHOOKTRANSFER, 100)));
	since = clock_ms();
	handset_do(exchange, "ring");
	tell_event("ring", DAHDI_EVENT_RINGBEGIN, 1000, since);
	pause_ms(300);
	since = clock_ms();
	handset_do(exchange, "unring");
	tell_event("ends", DAHDI_EVENT_RINGOFFHOOK, 1000, since);
	handset_forget(exchange);
	tell("HOOK OFFHOOK", "%s", error_name(hook(DAHDI_OFFHOOK)));
	pause_ms(700);
	tell("loop", "%d", params().txhooksig);
	handset_do(exchange, "polarity");
	tell("polarity", "%s", event_name(next_event(500)));
	handset_do(exchange, "polarity");
	tell("polarity", "%s", event_name(next_event(500)));
	tell("FLASH", "%s", error_name(hook(DAHDI_FLASH)));
	since = clock_ms();
	tell_event("flash ends", DAHDI_EVENT_HOOKCOMPLETE, 2000, since);
	since = clock_ms();
	handset_do(exchange, "battery off");
	tell_event("battery off", DAHDI_EVENT_ONHOOK, 2000, since);
	tell_event("and", DAHDI_EVENT_ALARM, 3000, since);
	tell("chan_alarms", "%u", params().chan_alarms);
	since = clock_ms();
	handset_do(exchange, "battery on");
	tell_event("battery on", DAHDI_EVENT_NOALARM, 3000, since);
	tell("HOOK ONHOOK", "%s", error_name(hook(DAHDI_ONHOOK)));
	pause_ms(1200); /* an exchange takes a while to see that it was not a flash */
	handset_do(exchange, "ring");
	tell("ring within two seconds", "%s", event_name(next_event(300)));
	handset_do(exchange, "unring");
	pause_ms(2300);
	forget_events();
	tell("START", "%s", error_name(hook(DAHDI_START)));
	since = clock_ms();
	tell_event("START ends", DAHDI_EVENT_HOOKCOMPLETE, 4000, since);
	close_line();
	handset_close(exchange);
}

static const struct section {
	const char *name;
	void (*run)(void);
} sections[] = {
	{"open", section_open},       {"params", section_params}, {"refusals", section_refusals},
	{"events", section_events},   {"hook", section_hook},     {"flash", section_flash},
	{"ring", section_ring},       {"drop", section_drop},     {"read", section_read},
	{"write", section_write},     {"tones", section_tones},   {"card", section_card},
	{"buffers", section_buffers}, {"timer", section_timer},   {"blocking", section_blocking},
	{"alarm", section_alarm},     {"fxo", section_fxo},       {"removal", section_removal},
};

static bool wanted(const char *name, int count, char **names)
{
	for (int i = 0; i < count; i++) {
		if (!strcmp(names[i], name))
			return true;
	}
	return !count;
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fputs("usage: conform FOLDER card|SOCKET [SECTION...]\n", stderr);
		return 2;
	}
	folder = argv[1];
	how = argv[2];
	signal(SIGCHLD, SIG_DFL);
	hand = handset_open(how, 1);
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		if (!wanted(sections[i].name, argc - 3, argv + 3))
			continue;
		printf("%s\n", sections[i].name);
		sections[i].run();
	}
	handset_close(hand);
	return 0;
}
