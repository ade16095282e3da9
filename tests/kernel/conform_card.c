/* What the card does beyond the core, and what befalls it as a whole; and the exchange line, which is another kind of
 * port. */
#include "conform.h"
#include "probe.h"
#include <dahdi/user.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define GET_STATS _IOR(DAHDI_CODE, 60, int[3])

void section_card(void)
{
	static unsigned char said[640], heard[16000];
	struct dahdi_vmwi_info lamp = {DAHDI_VMWI_LREV};
	int volts[3] = {0};
	size_t count;
	long first, then;

	open_line(O_NONBLOCK);
	rest();
	pause_ms(6500); /* what on-hook transfer an earlier ring left is over */
	handset_forget(probe.hand);
	pattern(said, sizeof(said));
	handset_listen(probe.hand);
	for (size_t at = 0; at < 640; at += BLOCK)
		count = (size_t)write(probe.line, said + at, BLOCK);
	pause_ms(200);
	count = handset_heard(probe.hand, heard, sizeof(heard));
	tell("heard on hook", "%s", find(heard, count, said, 640) < count ? "yes" : "no");
	tell("ONHOOKTRANSFER 500", "%s", error_name(number_ioctl(probe.line, DAHDI_ONHOOKTRANSFER, 500)));
	first = handset_expect(probe.hand, "feed", "onhook_transfer", 500);
	handset_listen(probe.hand);
	for (size_t at = 0; at < 640; at += BLOCK)
		count = (size_t)write(probe.line, said + at, BLOCK);
	pause_ms(200);
	count = handset_heard(probe.hand, heard, sizeof(heard));
	tell("heard on hook then", "%s", find(heard, count, said, 640) < count ? "yes" : "no");
	then = handset_expect(probe.hand, "feed", "forward", 2000);
	tell("it ends", "%s", about(first < 0 || then < 0 ? -1 : then - first));
	tell("GET_STATS on hook", "%s", error_name(any_ioctl(probe.line, GET_STATS, volts)));
	tell("tip, ring, battery", "%d %d %d", volts[0], volts[1], volts[2]);
	tell("SETPOLARITY 1", "%s", error_name(number_ioctl(probe.line, DAHDI_SETPOLARITY, 1)));
	tell("reversed", "%s", handset_expect(probe.hand, "feed", "reversed", 300) < 0 ? "no" : "yes");
	any_ioctl(probe.line, GET_STATS, volts);
	tell("tip, ring, battery", "%d %d %d", volts[0], volts[1], volts[2]);
	close_line();
	open_line(O_NONBLOCK);
	any_ioctl(probe.line, GET_STATS, volts);
	tell("after another open tip, ring", "%d %d", volts[0], volts[1]);
	number_ioctl(probe.line, DAHDI_SETPOLARITY, 0);
	tell("forward again", "%s", handset_expect(probe.hand, "feed", "forward", 300) < 0 ? "no" : "yes");
	tell("VMWI_CONFIG", "%s", error_name(any_ioctl(probe.line, DAHDI_VMWI_CONFIG, &lamp)));
	tell("VMWI 3", "%s", error_name(number_ioctl(probe.line, DAHDI_VMWI, 3)));
	tell("reversed", "%s", handset_expect(probe.hand, "feed", "reversed", 300) < 0 ? "no" : "yes");
	tell("VMWI 0", "%s", error_name(number_ioctl(probe.line, DAHDI_VMWI, 0)));
	tell("forward again", "%s", handset_expect(probe.hand, "feed", "forward", 300) < 0 ? "no" : "yes");
	handset_do(probe.hand, "lift");
	await(DAHDI_EVENT_RINGOFFHOOK, 1000, 0);
	any_ioctl(probe.line, GET_STATS, volts);
	tell("off hook tip, ring", "%d %d", volts[0], volts[1]);
	rest();
	close_line();
}

void section_alarm(void)
{
	open_line(O_NONBLOCK);
	rest();
	handset_card(probe.hand, "alarm 8");
	tell_event("alarm 8", DAHDI_EVENT_ALARM, 1000, clock_ms());
	tell("chan_alarms", "%u", params().chan_alarms);
	handset_card(probe.hand, "alarm 8");
	tell("the same again", "%s", event_name(next_event(300)));
	tell("HOOK RING in alarm", "%s", error_name(hook(DAHDI_RING)));
	hook(DAHDI_RINGOFF);
	handset_card(probe.hand, "alarm 0");
	tell_event("alarm 0", DAHDI_EVENT_NOALARM, 1000, clock_ms());
	tell("chan_alarms", "%u", params().chan_alarms);
	close_line();
}

static void tell_poll(const char *what, short events)
{
	struct pollfd wait = {probe.line, events, 0};

	poll(&wait, 1, 0);
	tell(what, "%s%s%s%s", wait.revents & POLLIN ? "in " : "", wait.revents & POLLOUT ? "out " : "",
	     wait.revents & POLLPRI ? "pri " : "", wait.revents & POLLERR ? "err" : "");
}

void section_removal(void)
{
	unsigned char bytes[BLOCK] = {0};
	int again, event;
	long since, end;

	open_line(O_NONBLOCK);
	rest();
	since = clock_ms();
	handset_card(probe.hand, "unplug");
	tell_event("unplug", DAHDI_EVENT_REMOVED, 1000, since);
	tell_event("and", DAHDI_EVENT_ALARM, 1000, since);
	for (end = since + 5000; clock_ms() < end && take_event(probe.line) >= 0;)
		pause_ms(10);
	tell("GETEVENT fails", "%s", error_name(-take_event(probe.line)));
	tell("that was", "%s", labs(clock_ms() - since - 1200) < 300 ? "a second later" : about(clock_ms() - since));
	tell("read", "%s", error_name(read(probe.line, bytes, BLOCK) < 0 ? errno : 0));
	tell("write", "%s", error_name(write(probe.line, bytes, BLOCK) < 0 ? errno : 0));
	tell("HOOK", "%s", error_name(hook(DAHDI_ONHOOK)));
	tell_poll("poll for everything", POLLIN | POLLOUT | POLLPRI);
	tell_poll("poll for events", POLLPRI);
	again = open_name("channel", O_NONBLOCK);
	event = number_ioctl(again, DAHDI_SPECIFY, 1);
	tell("SPECIFY", "%s", error_name(event));
	close(again);
	close_line();
	pause_ms(300);
	handset_card(probe.hand, "plug");
	open_line(O_NONBLOCK);
	tell("plug, open", "%s", error_name(probe.line < 0 ? errno : 0));
	tell("waiting event", "%s", event_name(take_event(probe.line)));
	tell("chan_alarms, hook", "%u %d", params().chan_alarms, params().rxisoffhook);
	tell("HOOK RING", "%s", error_name(hook(DAHDI_RING)));
	handset_forget(probe.hand);
	tell("HOOK ONHOOK to a telephone that never moved: drop", "%s",
	     (hook(DAHDI_ONHOOK), handset_expect(probe.hand, "battery_drop", "", 300) < 0) ? "no" : "yes");
	close_line();
}

void section_fxo(void)
{
	struct handset *exchange = handset_open(probe.how, 2);
	long since;

	probe.line = open_name("2", O_NONBLOCK);
	tell("open", "%s", error_name(probe.line < 0 ? errno : 0));
	pause_ms(2300); /* ringing is not looked at for two seconds after a hang-up */
	forget_events();
	tell("signalling, off hook", "0x%x %d", params().sigtype, params().rxisoffhook);
	tell("start time", "%d", params().starttime);
	tell("SETPOLARITY", "%s", error_name(number_ioctl(probe.line, DAHDI_SETPOLARITY, 1)));
	tell("ONHOOKTRANSFER", "%s", error_name(number_ioctl(probe.line, DAHDI_ONHOOKTRANSFER, 100)));
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
