/* The hook machine: events, lifting and hanging up, flashes, ringing, the battery drop. */
#include "conform.h"
#include "probe.h"
#include <dahdi/user.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void dial_nothing(void)
{
	struct dahdi_dialoperation dial = {.op = DAHDI_DIAL_OP_REPLACE};

	any_ioctl(probe.line, DAHDI_DIAL, &dial);
}

void section_events(void)
{
	struct pollfd wait;
	unsigned char bytes[BLOCK] = {0};
	int count = 0, mask;

	open_line(O_NONBLOCK);
	tell("GETEVENT of an empty queue", "%s", event_name(take_event(probe.line)));
	wait = (struct pollfd){probe.line, POLLIN | POLLOUT | POLLPRI, 0};
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
	tell("read", "%s", error_name(read(probe.line, bytes, BLOCK) < 0 ? errno : 0));
	tell("write", "%s", error_name(write(probe.line, bytes, BLOCK) < 0 ? errno : 0));
	mask = DAHDI_IOMUX_SIGEVENT | DAHDI_IOMUX_NOWAIT;
	tell("IOMUX", "%s", error_name(any_ioctl(probe.line, DAHDI_IOMUX, &mask)));
	tell("gives", "%d", mask);
	mask = 0;
	tell("IOMUX 0", "%s", error_name(any_ioctl(probe.line, DAHDI_IOMUX, &mask)));
	while (take_event(probe.line) > 0)
		count++;
	tell("events kept of 80", "%d", count);
	dial_nothing();
	number_ioctl(probe.line, DAHDI_FLUSH, DAHDI_FLUSH_EVENT);
	tell("after FLUSH", "%s", event_name(take_event(probe.line)));
	dial_nothing();
	close_line();
	open_line(O_NONBLOCK);
	tell("after another open", "%s", event_name(take_event(probe.line)));
	close_line();
}

void section_hook(void)
{
	struct dahdi_params times;
	long since;

	open_line(O_NONBLOCK);
	rest();
	since = clock_ms();
	handset_do(probe.hand, "lift");
	tell_event("lift", DAHDI_EVENT_RINGOFFHOOK, 1000, since);
	tell("rxisoffhook", "%d", params().rxisoffhook);
	tell("HOOK OFFHOOK", "%s", error_name(hook(DAHDI_OFFHOOK)));
	pause_ms(700);
	since = clock_ms();
	handset_do(probe.hand, "hangup");
	tell_event("put down", DAHDI_EVENT_ONHOOK, 3000, since);
	tell("rxisoffhook", "%d", params().rxisoffhook);
	tell("RING before our ONHOOK", "%s", error_name(hook(DAHDI_RING)));
	handset_forget(probe.hand);
	tell("HOOK ONHOOK", "%s", error_name(hook(DAHDI_ONHOOK)));
	tell("battery drop", "%s", about(handset_expect(probe.hand, "battery_drop", "", 200) < 0 ? -1 : 0));

	times = params();
	times.rxflashtime = 250;
	any_ioctl(probe.line, DAHDI_SET_PARAMS, &times);
	handset_do(probe.hand, "lift");
	await(DAHDI_EVENT_RINGOFFHOOK, 1000, 0);
	hook(DAHDI_OFFHOOK);
	since = clock_ms();
	handset_do(probe.hand, "hangup");
	tell_event("put down at once, rxflash 250", DAHDI_EVENT_ONHOOK, 3000, since);
	hook(DAHDI_ONHOOK);
	handset_do(probe.hand, "lift");
	await(DAHDI_EVENT_RINGOFFHOOK, 1000, 0);
	pause_ms(100);
	since = clock_ms();
	handset_do(probe.hand, "hangup");
	tell_event("put down without our OFFHOOK", DAHDI_EVENT_ONHOOK, 3000, since);
	close_line();
	handset_do(probe.hand, "lift");
	pause_ms(100);
	open_line(O_NONBLOCK);
	tell("open with the handset off", "%d %s", params().rxisoffhook, event_name(take_event(probe.line)));
	pause_ms(1000);
	handset_do(probe.hand, "hangup");
	tell_event("put down then", DAHDI_EVENT_ONHOOK, 3000, clock_ms());
	number_ioctl(probe.line, DAHDI_SETSIGFREEZE, 1);
	handset_do(probe.hand, "lift");
	tell_event("lift while frozen", DAHDI_EVENT_RINGOFFHOOK, 300, clock_ms());
	tell("rxisoffhook", "%d", params().rxisoffhook);
	number_ioctl(probe.line, DAHDI_SETSIGFREEZE, 0);
	rest();
	close_line();
}

void section_flash(void)
{
	long since;

	open_line(O_NONBLOCK);
	rest();
	handset_do(probe.hand, "lift");
	await(DAHDI_EVENT_RINGOFFHOOK, 1000, 0);
	hook(DAHDI_OFFHOOK);
	pause_ms(700);
	since = clock_ms();
	handset_do(probe.hand, "flash 500");
	tell_event("flash of 500 ms", DAHDI_EVENT_WINKFLASH, 2000, since);
	pause_ms(100);
	handset_do(probe.hand, "flash 100");
	tell("flash of 100 ms", "%s", event_name(next_event(1000)));
	tell("and then", "%s", event_name(next_event(1000)));
	handset_do(probe.hand, "flash 8");
	tell("flash of 8 ms", "%s", event_name(next_event(600)));
	handset_do(probe.hand, "pulse 420");
	for (int i = 0; i < 6; i++)
		tell("pulses of 420", "%s", event_name(next_event(4000)));
	rest();
	close_line();
}

void section_ring(void)
{
	struct dahdi_ring_cadence cadence = {{500, 1500}};
	struct dahdi_params got;
	long first, then, since;

	open_line(O_NONBLOCK);
	rest();
	tell("SETCADENCE 500 1500", "%s", error_name(any_ioctl(probe.line, DAHDI_SETCADENCE, &cadence)));
	since = clock_ms();
	tell("HOOK RING", "%s", error_name(hook(DAHDI_RING)));
	first = handset_expect(probe.hand, "ring_on", "", 500);
	tell("it rings", "%s", about(first < 0 ? -1 : 0));
	tell("RING again", "%s", error_name(hook(DAHDI_RING)));
	tell("txhooksig", "%d", params().txhooksig);
	then = handset_expect(probe.hand, "ring_off", "", 1500);
	tell("silent", "%s", about(then - first));
	tell_event("event", DAHDI_EVENT_RINGEROFF, 500, since);
	tell("feed", "%s", about(handset_expect(probe.hand, "feed", "ringing", 2500) - first));
	tell_event("event", DAHDI_EVENT_RINGERON, 500, since);
	tell("SETPOLARITY while ringing", "%s", error_name(number_ioctl(probe.line, DAHDI_SETPOLARITY, 1)));
	handset_do(probe.hand, "lift");
	tell("lift while it rings", "%s", event_name(next_event(500)));
	got = params();
	tell("our state, its state", "%d %d", got.txhooksig == 2, got.rxisoffhook);
	tell("the answered line is rung again", "%s",
	     about(handset_expect(probe.hand, "feed", "ringing", 3000) < 0 ? -1 : 2000));
	tell("HOOK OFFHOOK", "%s", error_name(hook(DAHDI_OFFHOOK)));
	tell("and again", "%s", about(handset_expect(probe.hand, "feed", "ringing", 2500)));
	rest();

	cadence = (struct dahdi_ring_cadence){{300, 300, -300, 1200}};
	any_ioctl(probe.line, DAHDI_SETCADENCE, &cadence);
	hook(DAHDI_RING);
	first = handset_expect(probe.hand, "ring_on", "", 500);
	for (int i = 0; i < 3; i++) {
		then = handset_expect(probe.hand, "ring_on", "", 3000);
		tell("a looped cadence's next ring", "%s", about(then < 0 ? -1 : then - first));
		first = then;
	}
	handset_forget(probe.hand);
	tell("HOOK RINGOFF", "%s", error_name(hook(DAHDI_RINGOFF)));
	tell("battery drop", "%s", about(handset_expect(probe.hand, "battery_drop", "", 300)));
	tell("RING at once", "%s", error_name(hook(DAHDI_RING)));
	hook(DAHDI_ONHOOK);
	tell("ONHOOK stops it, with a drop", "%s", about(handset_expect(probe.hand, "battery_drop", "", 300)));
	rest();

	cadence = (struct dahdi_ring_cadence){{400}};
	any_ioctl(probe.line, DAHDI_SETCADENCE, &cadence);
	hook(DAHDI_RING);
	first = handset_expect(probe.hand, "ring_on", "", 500);
	then = handset_expect(probe.hand, "ring_on", "", 8000);
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

void section_drop(void)
{
	long first, then, since;

	open_line(O_NONBLOCK);
	rest();
	handset_do(probe.hand, "lift");
	await(DAHDI_EVENT_RINGOFFHOOK, 1000, 0);
	hook(DAHDI_OFFHOOK);
	pause_ms(700);
	handset_forget(probe.hand);
	since = clock_ms();
	tell("we hang up first", "%s", error_name(hook(DAHDI_ONHOOK)));
	tell("RING meanwhile", "%s", error_name(hook(DAHDI_RING)));
	tell("OFFHOOK meanwhile", "%s", error_name(hook(DAHDI_OFFHOOK)));
	first = handset_expect(probe.hand, "battery_drop", "", 300);
	then = handset_expect(probe.hand, "battery_back", "", 1500);
	tell("battery is back", "%s", about(first < 0 || then < 0 ? -1 : then - first));
	tell_event("event", DAHDI_EVENT_HOOKCOMPLETE, 500, since);
	pause_ms(500);
	tell("RING with the handset still off", "%s", error_name(hook(DAHDI_RING)));
	hook(DAHDI_RINGOFF);
	since = clock_ms();
	handset_do(probe.hand, "hangup");
	tell_event("put down", DAHDI_EVENT_ONHOOK, 3000, since);

	handset_do(probe.hand, "lift");
	await(DAHDI_EVENT_RINGOFFHOOK, 1000, 0);
	hook(DAHDI_OFFHOOK);
	pause_ms(700);
	since = clock_ms();
	hook(DAHDI_ONHOOK);
	pause_ms(200);
	handset_do(probe.hand, "hangup");
	tell_event("put down during the drop", DAHDI_EVENT_ONHOOK, 3000, since);

	handset_do(probe.hand, "lift");
	await(DAHDI_EVENT_RINGOFFHOOK, 1000, 0);
	hook(DAHDI_OFFHOOK);
	pause_ms(700);
	hook(DAHDI_ONHOOK);
	pause_ms(640);
	handset_do(probe.hand, "hangup");
	tell_event("put down just after the drop", DAHDI_EVENT_ONHOOK, 2500, clock_ms());
	tell("rxisoffhook", "%d", params().rxisoffhook);
	handset_do(probe.hand, "lift");
	tell_event("lift again", DAHDI_EVENT_RINGOFFHOOK, 1000, clock_ms());
	hook(DAHDI_OFFHOOK);
	pause_ms(700);
	handset_forget(probe.hand);
	hold_and_close(1000);
	tell("closed, held by another process: battery drop", "%s",
	     about(handset_expect(probe.hand, "battery_drop", "", 300)));
	tell("open meanwhile", "%s", error_name(open_name("1", O_NONBLOCK) < 0 ? errno : 0));
	first = handset_expect(probe.hand, "battery_drop", "", 3000);
	tell("when that one is killed: battery drop", "%s", first < 0 ? "no" : "yes");
	wait(NULL);
	open_line(O_NONBLOCK);
	rest();
	close_line();
}
