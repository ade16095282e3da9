#include "handset.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TEXT 16384

struct handset {
	bool simulated;
	int port;
	int commands;       /* the card's file of this port, or a connection for commands */
	int questions;      /* simulated: a connection of its own, so that nothing waits behind a long command */
	int voice;          /* the card's */
	int ear;            /* while listening */
	char recording[64]; /* simulated: its file */
	int unanswered;     /* simulated: commands whose answer was not read yet */
	char news[TEXT];    /* the card's, not looked at yet */
};

static void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static void die(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	fputs("handset: ", stderr);
	vfprintf(stderr, format, list);
	fputc('\n', stderr);
	va_end(list);
	exit(2);
}

static long clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- dahdisim ---- */

static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		die("%s: %s", path, strerror(errno));
	return fd;
}

static void send_line(int fd, int port, const char *command)
{
	char line[1024];
	int length = port ? snprintf(line, sizeof(line), "%d %s\n", port, command)
			  : snprintf(line, sizeof(line), "card %s\n", command);

	if (write(fd, line, (size_t)length) != length)
		die("%s: %s", command, strerror(errno));
}

static void read_answer(int fd, char *ret_answer, size_t size)
{
	size_t have = 0;

	while (have + 1 < size) {
		ssize_t got = read(fd, ret_answer + have, 1);

		if (got != 1)
			die("the simulator has gone");
		if (ret_answer[have++] == '\n')
			break;
	}
	ret_answer[have] = '\0';
}

static void ask(struct handset *handset, int port, const char *command, char *ret_answer, size_t size)
{
	send_line(handset->questions, port, command);
	read_answer(handset->questions, ret_answer, size);
}

static void must(struct handset *handset, int port, const char *command)
{
	char answer[TEXT];

	ask(handset, port, command, answer, sizeof(answer));
	if (!strstr(answer, "\"ok\":true"))
		die("%s: %s", command, answer);
}

/* Answers of long commands are looked at when the next one is told. */
static void settle(struct handset *handset)
{
	char answer[TEXT];

	for (; handset->unanswered; handset->unanswered--) {
		read_answer(handset->commands, answer, sizeof(answer));
		if (!strstr(answer, "\"ok\":true"))
			die("a command failed: %s", answer);
	}
}

static long simulated_expect(struct handset *handset, const char *event, const char *detail, int ms)
{
	char command[128], answer[TEXT], wanted[128];
	long end = clock_ms() + ms;

	snprintf(wanted, sizeof(wanted), "\"detail\":\"%s\"", detail);
	do {
		long left = end - clock_ms();

		snprintf(command, sizeof(command), "expect %s %ld", event, left > 0 ? left : 0);
		ask(handset, handset->port, command, answer, sizeof(answer));
		const char *at = strstr(answer, "\"at_ms\":");

		if (at && (!detail[0] || strstr(answer, wanted)))
			return strtol(at + 8, NULL, 10);
	} while (clock_ms() < end);
	return -1;
}

static void simulated_say(struct handset *handset, const unsigned char *bytes, size_t count)
{
	char path[] = "/tmp/conform-say-XXXXXX.ulaw", command[128];
	int fd = mkstemps(path, 5);

	if (fd < 0 || write(fd, bytes, count) != (ssize_t)count)
		die("%s: %s", path, strerror(errno));
	close(fd);
	snprintf(command, sizeof(command), "speak %s", path);
	settle(handset);
	send_line(handset->commands, handset->port, command);
	handset->unanswered++;
	must(handset, handset->port, "state"); /* it has been read by the time another command is answered */
	usleep(20000);
	unlink(path);
}

static void simulated_listen(struct handset *handset)
{
	char command[128];

	snprintf(handset->recording, sizeof(handset->recording), "/tmp/conform-hear-XXXXXX.ulaw");
	handset->ear = mkstemps(handset->recording, 5);
	if (handset->ear < 0)
		die("%s: %s", handset->recording, strerror(errno));
	snprintf(command, sizeof(command), "record %s", handset->recording);
	must(handset, handset->port, command);
}

/* ---- The card ---- */

static int open_file(int port, const char *ending, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/dev/hscard/%d%s", port, ending);
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		die("%s: %s", path, strerror(errno));
	return fd;
}

static void take_news(struct handset *handset, int ms)
{
	struct pollfd wait = {handset->commands, POLLIN, 0};
	size_t have = strlen(handset->news);

	if (poll(&wait, 1, ms > 0 ? ms : 0) <= 0)
		return;
	ssize_t got = read(handset->commands, handset->news + have, sizeof(handset->news) - have - 1);

	if (got > 0)
		handset->news[have + (size_t)got] = '\0';
}

/* Takes the first whole line off the news. */
static bool next_line(struct handset *handset, char *ret_line, size_t size)
{
	char *end = strchr(handset->news, '\n');

	if (!end)
		return false;
	*end = '\0';
	snprintf(ret_line, size, "%.*s", (int)size - 1, handset->news);
	memmove(handset->news, end + 1, strlen(end + 1) + 1);
	return true;
}

static long card_expect(struct handset *handset, const char *event, const char *detail, int ms)
{
	long end = clock_ms() + ms, at;
	char line[128], name[64], what[64];

	for (;;) {
		while (next_line(handset, line, sizeof(line))) {
			what[0] = '\0';
			if (sscanf(line, "%ld %63s %63s", &at, name, what) < 2 || strcmp(name, event))
				continue;
			if (!detail[0] || !strcmp(what, detail))
				return at;
		}
		if (clock_ms() >= end)
			return -1;
		take_news(handset, (int)(end - clock_ms()));
	}
}

static void card_say(struct handset *handset, const unsigned char *bytes, size_t count)
{
	while (count) {
		ssize_t took = write(handset->voice, bytes, count);

		if (took <= 0)
			die("voice: %s", strerror(errno));
		bytes += took;
		count -= (size_t)took;
	}
}

static void run(const char *program)
{
	pid_t child = fork();
	int status = 0;

	if (child == 0) {
		execlp(program, program, (char *)NULL);
		_exit(127);
	}
	waitpid(child, &status, 0);
	if (status)
		die("%s failed", program);
}

static void write_line(int fd, const char *command)
{
	size_t length = strlen(command);

	if (write(fd, command, length) != (ssize_t)length)
		die("%s: %s", command, strerror(errno));
}

static void card_do(const char *command)
{
	int fd = open("/dev/hscard/card", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		die("/dev/hscard/card: %s", strerror(errno));
	write_line(fd, command);
	close(fd);
	if (!strcmp(command, "plug"))
		run("configure-dahdi");
}

/* ---- Either ---- */

struct handset *handset_open(const char *how, int port)
{
	struct handset *handset = calloc(1, sizeof(*handset));

	if (!handset)
		die("no memory");
	handset->port = port;
	handset->simulated = strcmp(how, "card") != 0;
	if (handset->simulated) {
		handset->commands = connect_to(how);
		handset->questions = connect_to(how);
	} else {
		handset->commands = open_file(port, "", O_RDWR | O_NONBLOCK);
		/* not as a listener: what nobody hears is not kept */
		handset->voice = open_file(port, ".voice", O_WRONLY);
	}
	return handset;
}

void handset_close(struct handset *handset)
{
	if (handset->simulated)
		settle(handset);
	close(handset->commands);
	close(handset->simulated ? handset->questions : handset->voice);
	free(handset);
}

void handset_do(struct handset *handset, const char *command)
{
	if (!handset->simulated) {
		write_line(handset->commands, command);
		return;
	}
	settle(handset);
	send_line(handset->commands, handset->port, command);
	handset->unanswered++;
}

/* Unplugging takes the real card a second; whoever has a channel open must not wait for it. */
void handset_card(struct handset *handset, const char *command)
{
	if (handset->simulated) {
		must(handset, 0, command);
	} else if (strcmp(command, "unplug")) {
		card_do(command);
	} else if (fork() == 0) {
		card_do(command);
		_exit(0);
	}
}

void handset_forget(struct handset *handset)
{
	if (handset->simulated) {
		must(handset, handset->port, "forget");
		return;
	}
	do
		handset->news[0] = '\0', take_news(handset, 0);
	while (handset->news[0]);
}

long handset_expect(struct handset *handset, const char *event, const char *detail, int ms)
{
	return handset->simulated ? simulated_expect(handset, event, detail, ms)
				  : card_expect(handset, event, detail, ms);
}

void handset_say(struct handset *handset, const unsigned char *bytes, size_t count)
{
	if (handset->simulated)
		simulated_say(handset, bytes, count);
	else
		card_say(handset, bytes, count);
}

void handset_listen(struct handset *handset)
{
	if (handset->simulated)
		simulated_listen(handset);
	else
		handset->ear = open_file(handset->port, ".voice", O_RDWR | O_NONBLOCK);
}

size_t handset_heard(struct handset *handset, unsigned char *ret_bytes, size_t size)
{
	size_t have = 0;
	ssize_t got;

	if (handset->simulated) {
		must(handset, handset->port, "record off");
		unlink(handset->recording);
	}
	while (have < size && (got = read(handset->ear, ret_bytes + have, size - have)) > 0)
		have += (size_t)got;
	close(handset->ear);
	return have;
}
