/* The parent's half. It knows names and descriptors, and nothing of what they are for. As root it stays root, because
 * each new child must be able to become its user; it opens nothing, listens to nobody but its child, and understands
 * two messages of fixed size. */
#include "cleanup.h"
#include "clock.h"
#include "keep.h"
#include "log.h"
#include "notify.h"
#include "pulse.h"
#include "sandbox.h"
#include "scribe.h"
#include "table.h"
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define GRACE_MS 5000     /* from SIGTERM to SIGKILL, unless said otherwise */
#define WINDOW_MS 10000   /* more than QUICK_DEATHS in it: wait before the next start */
#define HEALTHY_MS 1000   /* the successor of a child that lived this long never waits */
#define FIRST_WAIT_MS 100 /* doubled each time */
#define LAST_WAIT_MS 5000
#define QUICK_DEATHS 5
#define BATCH 64

struct held {
	int fd;
};

struct keeper {
	const char *name;
	int signals;         /* signalfd */
	int socket;          /* to the child; -1: it closed its end */
	pid_t child, buried; /* the one that died last */
	int deaths;
	int policy;                       /* the scheduler's, as the starter had it */
	int64_t died_at_ms[QUICK_DEATHS]; /* ring */
	int64_t started_at_ms, kill_at_ms, look_at_ms, wait_ms;
	bool stopping, hung;
	sigset_t old_mask;
	struct hs_scribe scribe;
};

/* Exists before the keeper runs: what was opened with the starter's rights. */
static struct hs_table *store;

static void close_held(struct held *held)
{
	if (!held)
		return;
	close(held->fd);
	free(held);
}

static int hold(const char *name, int fd)
{
	struct held *held;

	if (!store)
		store = hs_table_create();
	if (!hs_table_get(store, name) && hs_table_count(store) >= HS_KEEP_MAX)
		return -ENOSPC;
	held = hs_zalloc(sizeof(*held));
	held->fd = fd;
	close_held(hs_table_put(store, name, held));
	return 0;
}

static int64_t grace_ms = GRACE_MS;

void hs_keeper_grace(int64_t wanted_ms)
{
	grace_ms = wanted_ms;
}

static int urgency = -1; /* priority in real time; 0: none; below: it gives way */

void hs_keeper_urgent(int priority)
{
	urgency = priority;
}

int hs_keeper_hold(const char *name, int fd)
{
	if (!hs_keep_name_valid(name) || fd < 0)
		return -EINVAL;
	return hold(name, fd);
}

/* ---- what the child says ---- */

/* Exactly one descriptor, or -1; more than one are closed. */
static int take_descriptor(struct msghdr *packet)
{
	int fd = -1;

	for (struct cmsghdr *head = CMSG_FIRSTHDR(packet); head; head = CMSG_NXTHDR(packet, head)) {
		size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			if (fd >= 0)
				close(fd);
			memcpy(&fd, CMSG_DATA(head) + i * sizeof(int), sizeof(fd));
		}
	}
	return fd;
}

static void obey(const struct hs_keep_message *message, int fd)
{
	if (message->op == HS_KEEP_DROP && store)
		close_held(hs_table_remove(store, message->name));
	else if (message->op == HS_KEEP_HOLD && fd >= 0 && hold(message->name, fd) == 0)
		return; /* it is the store's now */
	if (fd >= 0)
		close(fd);
}

/* One datagram of the child. False when there is none. */
static bool receive(struct keeper *keeper)
{
	struct hs_keep_message message;
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = {.iov_base = &message, .iov_len = sizeof(message)};
	struct msghdr packet = {.msg_iov = &part,
				.msg_iovlen = 1,
				.msg_control = control.bytes,
				.msg_controllen = sizeof(control.bytes)};
	ssize_t bytes;
	int fd;

	if (keeper->socket < 0)
		return false;
	bytes = recvmsg(keeper->socket, &packet, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (bytes < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (bytes <= 0) {
		close(keeper->socket);
		keeper->socket = -1;
		return false;
	}
	fd = take_descriptor(&packet);
	message.name[sizeof(message.name) - 1] = 0;
	if (bytes == (ssize_t)sizeof(message) && !(packet.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) &&
	    hs_keep_name_valid(message.name))
		obey(&message, fd);
	else if (fd >= 0)
		close(fd);
	return true;
}

/* ---- the child's life ---- */

static _Bool leave(void *context, const char *key, void *object)
{
	hs_keep_leave(context, key, ((const struct held *)object)->fd);
	free(object);
	return true;
}

/* In the child: all that the keeper holds is open here as well, under the same numbers. */
static struct hs_keep *inherit(const struct keeper *keeper, int socket)
{
	struct hs_keep *keep = hs_keep_create(socket, keeper->deaths);

	if (store)
		hs_table_each(store, leave, keep);
	hs_table_destroy(store);
	store = NULL;
	return keep;
}

static void schedule(int policy)
{
	const struct sched_param none = {0};

	if (sched_setscheduler(0, policy, &none) < 0)
		hs_log(WARN, "keeper.not_scheduled", LOG_TEXT("error", strerror(errno)));
}

/* To hold is not urgent: what the child sends is safe once it is sent. So it is not interrupted for each descriptor,
 * and we take many at a time. */
static void give_way(struct keeper *keeper)
{
	keeper->policy = sched_getscheduler(0);
	if (keeper->policy == SCHED_OTHER && urgency < 0)
		schedule(SCHED_BATCH);
}

/* Neither noticing a death nor a successor's start waits for other programs. The scribe is none of it. */
static void hurry(void)
{
	const struct sched_param priority = {.sched_priority = urgency};

	if (urgency > 0 && sched_setscheduler(0, SCHED_FIFO, &priority) == 0)
		hs_log(DEBUG, "keeper.real_time", LOG_INT("priority", urgency));
}

static void be_child(const struct keeper *keeper, int socket, pid_t parent,
		     int (*child)(struct hs_keep *keep, void *argument), void *argument)
{
	struct hs_keep *keep;
	int code;

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent)
		_exit(1); /* the keeper died before the line above */
	if (keeper->policy == SCHED_OTHER && urgency < 0)
		schedule(SCHED_OTHER);
	prctl(PR_SET_NAME, keeper->name, 0, 0, 0);
	close(keeper->signals);
	hs_scribe_leave(&keeper->scribe);
	sigprocmask(SIG_SETMASK, &keeper->old_mask, NULL);
	keep = inherit(keeper, socket);
	code = child(keep, argument);
	hs_keep_destroy(keep);
	exit(code);
}

static int start(struct keeper *keeper, int (*child)(struct hs_keep *keep, void *argument), void *argument)
{
	pid_t parent = getpid();
	int pair[2], bytes = 1 << 20;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	if (setsockopt(pair[1], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0)
		setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	hs_pulse_begin();
	keeper->hung = false;
	fflush(NULL); /* or both would write what waits */
	keeper->child = fork();
	if (keeper->child == 0) {
		close(pair[0]);
		be_child(keeper, pair[1], parent, child, argument);
	}
	close(pair[1]);
	if (keeper->child < 0) {
		int result = -errno;

		close(pair[0]);
		return result;
	}
	keeper->socket = pair[0];
	keeper->started_at_ms = hs_clock_ms();
	keeper->look_at_ms = keeper->started_at_ms + HS_PULSE_LOOK_MS;
	return 0;
}

static void stop(struct keeper *keeper)
{
	if (keeper->stopping)
		return;
	keeper->stopping = true;
	keeper->kill_at_ms = hs_clock_ms() + grace_ms;
	hs_notify_tell("STOPPING=1");
	if (keeper->child > 0)
		kill(keeper->child, SIGTERM);
}

/* Takes all signals that came. True when the child is gone; then its status. */
static bool take_signals(struct keeper *keeper, int *ret_status)
{
	struct signalfd_siginfo info;
	bool gone = false;
	int status;
	pid_t pid;

	while (read(keeper->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
		if (info.ssi_signo != SIGCHLD)
			stop(keeper);
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) { /* also who stood between us and the scribe */
		if (pid != keeper->child)
			continue;
		*ret_status = status;
		gone = true;
	}
	return gone;
}

/* Milliseconds to wait for the next event. */
static int patience(const struct keeper *keeper)
{
	int64_t left = (keeper->stopping ? keeper->kill_at_ms : keeper->look_at_ms) - hs_clock_ms();

	return left > 0 ? (int)left : 0;
}

/* A child that hangs is no better than a dead one. */
static void look(struct keeper *keeper)
{
	const char *why;

	if (keeper->stopping || keeper->hung || hs_clock_ms() < keeper->look_at_ms)
		return;
	keeper->look_at_ms = hs_clock_ms() + HS_PULSE_LOOK_MS;
	why = hs_pulse_look(keeper->child);
	if (hs_pulse_is_steady())
		hs_notify_beat();
	if (!why)
		return;
	keeper->hung = true;
	hs_log(ERROR, "keeper.hung", LOG_INT("pid", keeper->child), LOG_WHY(why));
	kill(keeper->child, SIGKILL);
}

static int serve(struct keeper *keeper)
{
	int status = 0;

	for (;;) {
		struct pollfd ready[] = {
			{keeper->signals, POLLIN, 0}, {keeper->socket, POLLIN, 0}, {keeper->scribe.life, 0, 0}};

		poll(ready, HS_COUNT(ready), patience(keeper));
		for (int i = 0; ready[1].revents && i < BATCH && receive(keeper); i++)
			;
		if (ready[2].revents || keeper->scribe.life < 0)
			hs_scribe_renew(&keeper->scribe);
		if (ready[0].revents && take_signals(keeper, &status))
			break;
		look(keeper);
		if (keeper->stopping && hs_clock_ms() >= keeper->kill_at_ms) {
			kill(keeper->child, SIGKILL);
			keeper->kill_at_ms = hs_clock_ms() + grace_ms;
		}
	}
	while (receive(keeper)) /* what it said last still counts */
		;
	if (keeper->socket >= 0)
		close(keeper->socket);
	keeper->socket = -1;
	keeper->buried = keeper->child;
	keeper->child = 0;
	hs_scribe_end_line(&keeper->scribe);
	return status;
}

/* What it died of, and where it was refused something. */
static void tell_death(const struct keeper *keeper, int status)
{
	hs_log(ERROR, "keeper.died", LOG_INT("code", WIFEXITED(status) ? WEXITSTATUS(status) : 0),
	       LOG_INT("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0), LOG_INT("deaths", keeper->deaths),
	       LOG_INT("lived_ms", hs_clock_ms() - keeper->started_at_ms),
	       LOG_INT("held", store ? (int64_t)hs_table_count(store) : 0), LOG_INT("wait_ms", keeper->wait_ms));
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		hs_sandbox_mourn(keeper->buried);
}

/* Counts a death; milliseconds to wait before the next start. */
static int64_t mourn(struct keeper *keeper, int status)
{
	int64_t now = hs_clock_ms(), *slot = &keeper->died_at_ms[keeper->deaths % QUICK_DEATHS];
	bool often = keeper->deaths >= QUICK_DEATHS && now - *slot < WINDOW_MS;
	const char *poison = hs_pulse_mourn(keeper->hung);

	*slot = now;
	keeper->deaths++;
	if (now - keeper->started_at_ms >= HEALTHY_MS)
		keeper->wait_ms = 0;
	else if (keeper->wait_ms)
		keeper->wait_ms = keeper->wait_ms * 2 < LAST_WAIT_MS ? keeper->wait_ms * 2 : LAST_WAIT_MS;
	else if (often)
		keeper->wait_ms = FIRST_WAIT_MS;
	tell_death(keeper, status);
	if (poison)
		hs_log(ERROR, "keeper.poison", LOG_TEXT("work", poison),
		       LOG_WHY("three children died of it; it is left alone from now on"));
	return keeper->wait_ms;
}

static void rest(struct keeper *keeper, int64_t wait_ms)
{
	int64_t until = hs_clock_ms() + wait_ms, left;
	int status;

	while (!keeper->stopping && (left = until - hs_clock_ms()) > 0) {
		struct pollfd ready = {keeper->signals, POLLIN, 0};

		poll(&ready, 1, (int)left);
		take_signals(keeper, &status);
	}
}

static int prepare(struct keeper *keeper)
{
	struct rlimit files;
	sigset_t ours;
	char title[16];

	snprintf(title, sizeof(title), "%.8s-keeper", keeper->name);
	prctl(PR_SET_NAME, title, 0, 0, 0);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	give_way(keeper);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&ours);
	sigaddset(&ours, SIGCHLD);
	sigaddset(&ours, SIGTERM);
	sigaddset(&ours, SIGINT);
	sigprocmask(SIG_BLOCK, &ours, &keeper->old_mask);
	keeper->signals = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
	return keeper->signals < 0 ? -errno : 0;
}

/* Neither keeper nor child may wait for a disk: not to relay, not to start a successor. */
static void begin_log(struct keeper *keeper)
{
	int result = hs_scribe_begin(&keeper->scribe, keeper->name);

	hs_log_share();
	if (result < 0)
		hs_log(WARN, "keeper.no_scribe", LOG_TEXT("error", strerror(-result)),
		       LOG_WHY("log lines are written directly: a slow disk delays the daemon"));
}

static _Bool free_held(void *context, const char *key, void *object)
{
	close_held(object);
	return true;
}

static void finish(struct keeper *keeper)
{
	if (store)
		hs_table_each(store, free_held, NULL);
	hs_table_destroy(store);
	store = NULL;
	if (keeper->signals >= 0)
		close(keeper->signals);
	hs_scribe_end(&keeper->scribe); /* after the store: it may hold a descriptor of the pipe */
	sigprocmask(SIG_SETMASK, &keeper->old_mask, NULL);
}

/* Exit code when this was the last child; -1 when it needs a successor. */
static int last_word(const struct keeper *keeper, int status)
{
	bool obeyed = WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM; /* came before its handler was there */
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : !obeyed;

	if (keeper->stopping || (WIFEXITED(status) && code == 0) || (WIFEXITED(status) && code == HS_KEEPER_GIVE_UP))
		return code;
	return -1;
}

int hs_keeper_run(const char *name, int (*child)(struct hs_keep *keep, void *argument), void *argument)
{
	struct keeper keeper = {.name = name, .signals = -1, .socket = -1, .scribe = {.in = -1, .life = -1}};
	int result = prepare(&keeper), code = 1;

	if (result == 0)
		begin_log(&keeper);
	hurry();
	if (result == 0 && hs_pulse_create() < 0)
		hs_log(WARN, "keeper.no_pulse", LOG_WHY("a child that hangs will not be noticed"));
	while (result == 0) {
		int status, last;

		result = start(&keeper, child, argument);
		if (result < 0)
			break;
		status = serve(&keeper);
		last = last_word(&keeper, status);
		if (last > 0 && keeper.stopping)
			tell_death(&keeper, status);
		if (last >= 0) {
			code = last;
			break;
		}
		rest(&keeper, mourn(&keeper, status));
		if (keeper.stopping) {
			code = 0;
			break;
		}
	}
	if (result < 0)
		hs_log(ERROR, "keeper.failed", LOG_WHY(strerror(-result)));
	finish(&keeper);
	return code;
}
