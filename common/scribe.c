/* A process, since a write to a disk that is stuck cannot be made to return: whoever calls it waits. A thread would
 * wait as well, but the keeper forks, and what a fork of several threads may do is little; a killed keeper would hang
 * in the kernel until the disk returns, with all sockets it holds; and the last lines would be lost with it. The scribe
 * has three descriptors and no right. It ends when nobody is left who could write, so that what a killed keeper's child
 * said is written, too. It is no child of the keeper, whose one child is the daemon. */
#include "scribe.h"
#include "cleanup.h"
#include "privs.h"
#include "sandbox.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define WAITING_BYTES (1 << 20) /* what an ordinary user may have */
#define READ_BYTES 65536
#define RETRY_MS 100 /* the disk is full, or nobody reads any more */
#define END_MS 1000

/* ---- the process ---- */

/* Leaves out empty lines; last is the byte before. Returns how many bytes stay. */
static size_t squeeze(char *text, size_t bytes, char *last)
{
	size_t used = 0;

	for (size_t i = 0; i < bytes; i++) {
		if (text[i] != '\n' || *last != '\n')
			text[used++] = text[i];
		*last = text[i];
	}
	return used;
}

/* Tries until it is written; a disk that is full may have room again. But when nobody is left who could say more,
 * there is nobody either to whom it matters. */
static void put(const char *text, size_t bytes)
{
	struct pollfd writers = {.fd = STDIN_FILENO}, way = {.fd = STDOUT_FILENO, .events = POLLOUT};

	while (bytes) {
		ssize_t written = write(STDOUT_FILENO, text, bytes);

		if (written > 0) {
			text += written;
			bytes -= (size_t)written;
		} else if (written < 0 && errno == EAGAIN) {
			poll(&way, 1, RETRY_MS);
		} else if (poll(&writers, 1, RETRY_MS) > 0) {
			_exit(1);
		}
	}
}

/* How much can be written at once: whole lines, and no more than what a pipe takes untorn when others write to it as
 * well. 0: the rest of the line is still to come. */
static size_t portion(const char *text, size_t bytes)
{
	size_t most = bytes < PIPE_BUF ? bytes : PIPE_BUF;
	const char *end = memrchr(text, '\n', most);

	if (end)
		return (size_t)(end + 1 - text);
	return bytes < PIPE_BUF ? 0 : PIPE_BUF;
}

static void copy_lines(void)
{
	char text[READ_BYTES + 1], last = '\n';
	size_t used = 0;
	ssize_t bytes;

	while ((bytes = read(STDIN_FILENO, text + used, READ_BYTES - used)) > 0 || (bytes < 0 && errno == EINTR)) {
		size_t done = 0, some;

		if (bytes > 0)
			used += squeeze(text + used, (size_t)bytes, &last);
		while ((some = portion(text + done, used - done)) > 0) {
			put(text + done, some);
			done += some;
		}
		used -= done;
		memmove(text, text + done, used);
	}
	if (used) {
		text[used++] = '\n';
		put(text, used);
	}
}

static void write_on(void)
{
	hs_sandbox_scribe();
	copy_lines();
}

/* The pipe becomes 0, the way out 1, and 2 says that the scribe lives. No signal ends it: what is in the pipe is still
 * to be written. One that cannot begin takes its time, so that its successors do not come in a rush. */
static void be_scribe(const struct hs_scribe *scribe, int life)
{
	const struct sched_param none = {0};
	char title[16];
	sigset_t all;

	if (sched_getscheduler(0) == SCHED_FIFO) /* its keeper's, if that is urgent */
		sched_setscheduler(0, SCHED_OTHER, &none);
	snprintf(title, sizeof(title), "%.8s-scribe", scribe->name);
	prctl(PR_SET_NAME, title, 0, 0, 0);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	if (dup2(scribe->in, STDIN_FILENO) < 0 || dup2(scribe->out, STDOUT_FILENO) < 0 ||
	    dup2(life, STDERR_FILENO) < 0 || close_range(STDERR_FILENO + 1, ~0U, 0) < 0 ||
	    (hs_privs_separate() && hs_privs_drop(HS_ROLE_NONE) < 0))
		poll(NULL, 0, END_MS);
	else
		write_on();
	_exit(0);
}

/* ---- the keeper ---- */

static int start(struct hs_scribe *scribe)
{
	int pair[2];
	pid_t between;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return -errno;
	between = fork();
	if (between == 0) {
		if (fork() > 0)
			_exit(0);
		be_scribe(scribe, pair[1]);
	}
	close(pair[1]);
	if (between < 0) {
		close(pair[0]);
		return -EAGAIN;
	}
	scribe->life = pair[0];
	return 0;
}

/* Whoever was started without one of the three standard descriptors gets it: what is opened next must not become it. */
static void fill_standard(void)
{
	int fd;

	while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd <= STDERR_FILENO)
		;
	if (fd >= 0)
		close(fd);
}

int hs_scribe_begin(struct hs_scribe *scribe, const char *name)
{
	int pair[2], result;

	*scribe = (struct hs_scribe){.name = name, .in = -1, .out = -1, .life = -1};
	fill_standard();
	if (pipe2(pair, O_CLOEXEC) < 0)
		return -errno;
	scribe->in = pair[0];
	scribe->out = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	fcntl(pair[1], F_SETPIPE_SZ, WAITING_BYTES); /* refused: 64 KiB wait */
	result = scribe->out < 0 || fcntl(pair[1], F_SETFL, O_NONBLOCK) < 0 ? -errno : start(scribe);
	if (result == 0)
		dup2(pair[1], STDERR_FILENO);
	close(pair[1]);
	if (result < 0) {
		hs_auto_close(&scribe->out);
		close(scribe->in);
		scribe->in = -1;
	}
	return result;
}

void hs_scribe_renew(struct hs_scribe *scribe)
{
	if (scribe->in < 0)
		return;
	hs_auto_close(&scribe->life);
	scribe->life = -1;
	start(scribe);
}

void hs_scribe_leave(const struct hs_scribe *scribe)
{
	if (scribe->in < 0)
		return;
	close(scribe->in);
	close(scribe->out);
	hs_auto_close(&scribe->life);
	dup2(STDERR_FILENO, STDOUT_FILENO);
}

void hs_scribe_end_line(const struct hs_scribe *scribe)
{
	/* Nothing unfinished makes it an empty line, which the scribe leaves out. A full pipe: the next line that fits
	 * follows on what is unfinished. */
	if (scribe->in >= 0 && write(STDERR_FILENO, "\n", 1) < 0)
		return;
}

void hs_scribe_end(struct hs_scribe *scribe)
{
	struct pollfd life = {.fd = scribe->life};

	if (scribe->in < 0)
		return;
	dup2(scribe->out, STDERR_FILENO); /* the last writer's end: the scribe reads an end */
	close(scribe->in);
	close(scribe->out);
	if (scribe->life >= 0)
		poll(&life, 1, END_MS);
	hs_auto_close(&scribe->life);
	*scribe = (struct hs_scribe){.in = -1, .out = -1, .life = -1};
}
