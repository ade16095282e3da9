/* Blocks of audio, tones, and callers who sleep for them. */
#include "conform.h"
#include "probe.h"
#include <dahdi/user.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static void talk(void)
{
	rest();
	handset_do(probe.hand, "lift");
	await(DAHDI_EVENT_RINGOFFHOOK, 1000, 0);
	hook(DAHDI_OFFHOOK);
	pause_ms(700);
	forget_events();
	flush_all();
}

void section_read(void)
{
	static unsigned char said[640], heard[16000];
	struct pollfd wait;
	size_t count;
	long since;

	open_line(O_NONBLOCK);
	talk();
	pattern(said, sizeof(said));
	handset_say(probe.hand, said, sizeof(said));
	count = read_for(heard, sizeof(heard), 500);
	tell("640 bytes said are read", "%s", memmem(heard, count, said, sizeof(said)) ? "as they are" : "not");
	flush_all();
	tell("read of nothing", "%s", error_name(read(probe.line, heard, BLOCK) < 0 ? errno : 0));
	wait = (struct pollfd){probe.line, POLLIN, 0};
	poll(&wait, 1, 1000);
	tell("read of 1000", "%zd", read(probe.line, heard, 1000));
	poll(&wait, 1, 1000);
	tell("read of 100", "%zd", read(probe.line, heard, 100));
	tell("read of the rest", "%s", error_name(read(probe.line, heard, BLOCK) < 0 ? errno : 0));
	flush_all();
	since = clock_ms();
	for (int i = 0; i < 50; i++) {
		poll(&wait, 1, 1000);
		if (read(probe.line, heard, BLOCK) != BLOCK)
			break;
	}
	tell("50 blocks of 20 ms", "%s",
	     labs(clock_ms() - since - 1000) < 150 ? "take a second" : "do not take a second");
	flush_all();
	pause_ms(300);
	handset_say(probe.hand, said, sizeof(said));
	pause_ms(200);
	count = 0;
	while (read(probe.line, heard, BLOCK) == BLOCK)
		count++;
	tell("blocks kept when nobody reads", "%zu", count);
	number_ioctl(probe.line, DAHDI_SETLINEAR, 1);
	flush_all();
	poll(&wait, 1, 1000);
	tell("SETLINEAR: read of 1000", "%zd", read(probe.line, heard, 1000));
	number_ioctl(probe.line, DAHDI_SETLINEAR, 0);
	rest();
	close_line();
}

void section_write(void)
{
	static unsigned char said[960], heard[16000];
	struct dahdi_bufferinfo info = {.numbufs = 4, .bufsize = BLOCK, .txbufpolicy = DAHDI_POLICY_WHEN_FULL};
	int taken = 0, mask;
	size_t count;

	open_line(O_NONBLOCK);
	talk();
	pattern(said, sizeof(said));
	handset_listen(probe.hand);
	for (size_t at = 0; at < 640; at += BLOCK)
		taken += (int)write(probe.line, said + at, BLOCK);
	tell("four blocks taken", "%d", taken);
	pause_ms(300);
	count = handset_heard(probe.hand, heard, sizeof(heard));
	tell("and heard", "%s", find(heard, count, said, 640) < count ? "as they are" : "not");
	tell("write of 1000", "%zd", write(probe.line, said, sizeof(said)));
	taken = 1;
	while (write(probe.line, said, BLOCK) == BLOCK && taken < 99)
		taken++;
	tell("writes until refused", "%d %s", taken, error_name(errno));
	tell("POLLOUT then", "%d", poll(&(struct pollfd){probe.line, POLLOUT, 0}, 1, 0));
	mask = DAHDI_IOMUX_WRITEEMPTY;
	tell("IOMUX WRITEEMPTY", "%s", error_name(any_ioctl(probe.line, DAHDI_IOMUX, &mask)));
	tell("gives", "%d", mask);
	number_ioctl(probe.line, DAHDI_SETLINEAR, 1);
	tell("SETLINEAR: write of 1000", "%zd", write(probe.line, heard, 1000));
	number_ioctl(probe.line, DAHDI_SETLINEAR, 0);
	any_ioctl(probe.line, DAHDI_SET_BUFINFO, &info);
	handset_listen(probe.hand);
	for (size_t at = 0; at < 480; at += BLOCK)
		taken = (int)write(probe.line, said + at, BLOCK);
	pause_ms(200);
	count = handset_heard(probe.hand, heard, sizeof(heard));
	tell("policy when full: three of four are heard", "%s", find(heard, count, said, 480) < count ? "yes" : "no");
	handset_listen(probe.hand);
	taken = (int)write(probe.line, said + 480, BLOCK);
	pause_ms(300);
	count = handset_heard(probe.hand, heard, sizeof(heard));
	tell("with the fourth", "%s", find(heard, count, said, 640) < count ? "yes" : "no");
	rest();
	close_line();
}

void section_buffers(void)
{
	unsigned char bytes[BLOCK];
	struct dahdi_gains gains = {0};
	long since;

	memset(bytes, 0x7f, sizeof(bytes));
	open_line(O_NONBLOCK);
	rest();
	tell("BUFFER_EVENTS 1", "%s", error_name(number_ioctl(probe.line, DAHDI_BUFFER_EVENTS, 1)));
	flush_all();
	pause_ms(300);
	forget_events();
	tell("while dry and full", "%s", event_name(next_event(300)));
	since = clock_ms();
	tell("a lone block", "%zd", write(probe.line, bytes, BLOCK));
	tell_event("runs dry", DAHDI_EVENT_WRITE_UNDERRUN, 500, since);
	number_ioctl(probe.line, DAHDI_FLUSH, DAHDI_FLUSH_READ);
	tell_event("runs over", DAHDI_EVENT_READ_OVERRUN, 500, clock_ms());
	number_ioctl(probe.line, DAHDI_BUFFER_EVENTS, 0);
	forget_events();
	tell("GETGAINS", "%s", error_name(any_ioctl(probe.line, DAHDI_GETGAINS, &gains)));
	tell("of channel, for byte 100", "%d: %d %d", gains.chan, gains.rxgain[100], gains.txgain[100]);
	memset(gains.rxgain, 0x55, sizeof(gains.rxgain));
	gains.chan = 0;
	tell("SETGAINS", "%s", error_name(any_ioctl(probe.line, DAHDI_SETGAINS, &gains)));
	flush_all();
	read_for(bytes, sizeof(bytes), 300);
	tell("what is read", "0x%x", bytes[0]);
	close_line();
	open_line(O_NONBLOCK);
	any_ioctl(probe.line, DAHDI_GETGAINS, &gains);
	tell("after another open", "%d", gains.rxgain[100]);
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

void section_tones(void)
{
	static unsigned char heard[16000], block[BLOCK];
	struct dahdi_dialoperation dial = {.op = DAHDI_DIAL_OP_REPLACE, .dialstr = "T15#"};
	int number = -1;
	size_t count;
	long since;

	memset(block, 0xff, sizeof(block));
	open_line(O_NONBLOCK);
	talk();
	tell("SENDTONE dial tone", "%s", error_name(number_ioctl(probe.line, DAHDI_SENDTONE, DAHDI_TONE_DIALTONE)));
	pause_ms(50);
	handset_listen(probe.hand);
	pause_ms(150);
	count = handset_heard(probe.hand, heard, 1200);
	tell("350, 440, 600 Hz", "%d %d %d", has_tone(heard, count, 350), has_tone(heard, count, 440),
	     has_tone(heard, count, 600));
	tell("a write", "%zd", write(probe.line, block, BLOCK));
	pause_ms(100);
	handset_listen(probe.hand);
	pause_ms(150);
	count = handset_heard(probe.hand, heard, 1200);
	tell("ends it: 350 Hz", "%d", has_tone(heard, count, 350));
	tell("SENDTONE key 5", "%s", error_name(number_ioctl(probe.line, DAHDI_SENDTONE, DAHDI_TONE_DTMF_5)));
	pause_ms(50);
	handset_listen(probe.hand);
	pause_ms(150);
	count = handset_heard(probe.hand, heard, 1200);
	tell("770, 1336 Hz", "%d %d", has_tone(heard, count, 770), has_tone(heard, count, 1336));
	any_ioctl(probe.line, DAHDI_DIALING, &number);
	tell("DIALING", "%d", number);
	hook(DAHDI_OFFHOOK);
	pause_ms(50);
	any_ioctl(probe.line, DAHDI_DIALING, &number);
	tell("after HOOK", "%d", number);
	since = clock_ms();
	tell("DIAL T15#", "%s", error_name(any_ioctl(probe.line, DAHDI_DIAL, &dial)));
	tell_event("ends", DAHDI_EVENT_DIALCOMPLETE, 3000, since);
	memset(dial.dialstr, '1', sizeof(dial.dialstr));
	dial.op = DAHDI_DIAL_OP_APPEND;
	tell("DIAL of too much", "%s", error_name(any_ioctl(probe.line, DAHDI_DIAL, &dial)));
	dial.op = DAHDI_DIAL_OP_CANCEL;
	tell("DIAL cancel", "%s", error_name(any_ioctl(probe.line, DAHDI_DIAL, &dial)));
	rest();
	close_line();
}

static void on_alarm(int number)
{
	(void)number;
}

void section_blocking(void)
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
	handset_do(probe.hand, "lift");
	await(DAHDI_EVENT_RINGOFFHOOK, 1000, 0);
	hook(DAHDI_OFFHOOK);
	pause_ms(700);
	since = clock_ms();
	tell("FLASH", "%s", error_name(hook(DAHDI_FLASH)));
	tell("took", "%s", about(clock_ms() - since));
	forget_events();
	number_ioctl(probe.line, DAHDI_SET_BLOCKSIZE, 8000);
	handset_do(probe.hand, "flash 300");
	since = clock_ms();
	got = read(probe.line, bytes, sizeof(bytes));
	tell("read of a second, with an event in it", "%s %s", error_name(got < 0 ? errno : 0),
	     about(clock_ms() - since));
	forget_events();
	number_ioctl(probe.line, DAHDI_FLUSH, DAHDI_FLUSH_READ);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	since = clock_ms();
	got = read(probe.line, bytes, sizeof(bytes));
	tell("read and a signal", "%s %s", error_name(got < 0 ? errno : 0), about(clock_ms() - since));
	number_ioctl(probe.line, DAHDI_SET_BLOCKSIZE, BLOCK);
	since = clock_ms();
	for (int i = 0; i < 30; i++) {
		if (write(probe.line, bytes, BLOCK) != BLOCK)
			break;
	}
	tell("30 writes of 20 ms", "%s", about(clock_ms() - since));
	rest();
	close_line();
}
