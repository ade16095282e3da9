/* What the driver's calls answer: opening, parameters, refusals, timers. */
#include "conform.h"
#include "probe.h"
#include <dahdi/user.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

void section_open(void)
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
	tell("open after the last close", "%s", error_name(probe.line < 0 ? errno : 0));
	close_line();
	close(ctl);
}

void section_params(void)
{
	struct dahdi_bufferinfo info = {0};
	struct dahdi_params got;
	int size = 0;

	probe.line = open_name("1", O_NONBLOCK);
	got = params();
	tell("signalling, law", "0x%x %d", got.sigtype, got.curlaw);
	tell("off hook, bits", "%d %d %d", got.rxisoffhook, got.rxbits, got.txbits);
	tell("times", "%d %d %d %d %d %d %d %d %d %d %d", got.prewinktime, got.preflashtime, got.winktime,
	     got.flashtime, got.starttime, got.rxwinktime, got.rxflashtime, got.debouncetime, got.pulsebreaktime,
	     got.pulsemaketime, got.pulseaftertime);
	tell("GET_BLOCKSIZE", "%s", error_name(any_ioctl(probe.line, DAHDI_GET_BLOCKSIZE, &size)));
	tell("it is", "%d", size);
	any_ioctl(probe.line, DAHDI_GET_BUFINFO, &info);
	tell("GET_BUFINFO", "%d x %d policies %d %d fill %d %d", info.numbufs, info.bufsize, info.txbufpolicy,
	     info.rxbufpolicy, info.readbufs, info.writebufs);
	tell("SET_BLOCKSIZE 15, 8193", "%s %s", error_name(number_ioctl(probe.line, DAHDI_SET_BLOCKSIZE, 15)),
	     error_name(number_ioctl(probe.line, DAHDI_SET_BLOCKSIZE, 8193)));
	info = (struct dahdi_bufferinfo){.numbufs = 64, .bufsize = 160, .txbufpolicy = DAHDI_POLICY_WHEN_FULL};
	tell("SET_BUFINFO 64 x 160", "%s", error_name(any_ioctl(probe.line, DAHDI_SET_BUFINFO, &info)));
	any_ioctl(probe.line, DAHDI_GET_BUFINFO, &info);
	tell("gives", "%d x %d policy %d", info.numbufs, info.bufsize, info.txbufpolicy);
	info.numbufs = 32;
	info.bufsize = 8192;
	tell("SET_BUFINFO 32 x 8192", "%s", error_name(any_ioctl(probe.line, DAHDI_SET_BUFINFO, &info)));
	got.rxflashtime = 333;
	tell("SET_PARAMS", "%s", error_name(any_ioctl(probe.line, DAHDI_SET_PARAMS, &got)));
	tell("gives rxflashtime", "%d", params().rxflashtime);
	close_line();
	open_line(O_NONBLOCK);
	tell("after another open", "%d", params().rxflashtime);
	close_line();
}

void section_refusals(void)
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

		tell(rows[i].name, "%s", error_name(any_ioctl(probe.line, rows[i].command, &room)));
	}
	tell("law now", "%d", params().curlaw);
	tell("SET_HWGAIN", "%s", error_name(any_ioctl(probe.line, DAHDI_SET_HWGAIN, &gain)));
	close_line();
	open_line(O_NONBLOCK);
	tell("law after another open", "%d", params().curlaw);
	close_line();
}

void section_timer(void)
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
