/* The parent's half. It knows names and descriptors, and nothing of what they are for. As root it stays root, because
 * each new child must be able to become its user; it opens nothing, listens to nobody but its child, and understands
 * two messages of fixed size. */
#include "cleanup.h"
#include "clock.h"
#include "handover.h"
#include "keep.h"
#include "log.h"
#include "notify.h"
#include "pass.h"
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

#define BUSY_MS 2000      /* after it was seen waiting for a disk, as it may be again */
#define SAMPLE_MS 100     /* while its time runs out, or the keeper before us waits for it to serve */
#define GRACE_MS 5000     /* from SIGTERM to SIGKILL, unless said otherwise */
#define WINDOW_MS 10000   /* more than QUICK_DEATHS in it: wait before the next start */
#define HEALTHY_MS 1000   /* the successor of a child that lived this long never waits */
#define FIRST_WAIT_MS 100 /* doubled each time */
#define LAST_WAIT_MS 5000
#define QUICK_DEATHS 5
#define BATCH 64

struct held {
	int fd;
	bool is_opened; /* before the keeper ran */
};

struct keeper {
	const char *name;
	int signals;         /* signalfd */
	int socket;          /* to the child; -1: it closed its end */
	pid_t child, buried; /* the one that died last */
	int deaths;
	int policy;                       /* the scheduler's, as the starter had it */
	int64_t died_at_ms[QUICK_DEATHS]; /* ring */
	int64_t started_at_ms, stopped_at_ms, kill_at_ms, look_at_ms, wait_ms;
	bool stopping, hung;
	bool handing; /* the child ends because a new keeper takes over */
	sigset_t old_mask;
	struct hs_scribe scribe;
};

/* Exists before the keeper runs: what was opened with the starter's rights. */
static struct hs_table *store;
static bool is_running;

static void close_held(struct held *held)
{
	if (!held)
		return;
	close(held->fd);
	free(held);
}

static int hold(const char *name, int fd)
{
	const struct held *old;
	struct held *held;

	if (!store)
		store = hs_table_create();
	old = hs_table_get(store, name);
	if (!old && hs_table_count(store) >= HS_KEEP_MAX)
		return -ENOSPC;
	held = hs_zalloc(sizeof(*held));
	held->fd = fd;
	held->is_opened = old ? old->is_opened : !is_running;
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
	const struct held *old = store ? hs_table_get(store, name) : NULL;

	if (!hs_keep_name_valid(name) || fd < 0)
		return -EINVAL;
	if (is_running && old && old->is_opened) { /* what our own starter's rights opened stays */
		close(fd);
		return 0;
	}
	return hold(name, fd);
}

bool hs_keeper_is_bound(const char *name, const struct sockaddr *address, socklen_t length)
{
	const struct held *held = store ? hs_table_get(store, name) : NULL;
	struct sockaddr_storage bound = {0};
	socklen_t bytes = sizeof(bound);

	return held && getsockname(held->fd, (struct sockaddr *)&bound, &bytes) == 0 && bytes == length &&
	       memcmp(&bound, address, length) == 0;
}

struct walk {
	bool opened;
	bool (*visit)(void *context, const char *name, int fd);
	void *context;
};

static _Bool visit_held(void *context, const char *key, void *object)
{
	const struct walk *walk = context;
	const struct held *held = object;

	return (walk->opened && !held->is_opened) || walk->visit(walk->context, key, held->fd);
}

void hs_keeper_each(bool opened, bool (*visit)(void *context, const char *name, int fd), void *context)
{
	struct walk walk = {opened, visit, context};

	if (store)
		hs_table_each(store, visit_held, &walk);
}

/* ---- what the child says ---- */

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
	int fd = -1, result;

	if (keeper->socket < 0)
		return false;
	result = hs_pass_receive(keeper->socket, &message, sizeof(message), &fd);
	if (result == -EAGAIN)
		return false;
	if (result == -EBADMSG)
		return true;
	if (result <= 0) {
		close(keeper->socket);
		keeper->socket = -1;
		return false;
	}
	message.name[sizeof(message.name) - 1] = 0;
	if (hs_keep_name_valid(message.name))
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
	if (hs_handover_socket() >= 0) /* the keeper before ours sees its end when ours and we are gone */
		hs_keep_witness(keep, hs_handover_socket());
	return keep;
}

static void schedule(int policy)
{
	const struct sched_param none = {0};

	if (sched_setscheduler(0, policy, &none) < 0 && errno != EPERM) /* a unit may forbid it */
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
	keeper->stopped_at_ms = hs_clock_ms();
	keeper->kill_at_ms = keeper->stopped_at_ms + grace_ms;
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

	while (read(keeper->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP && !keeper->stopping)
			hs_handover_meet((pid_t)info.ssi_pid);
		else if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
			stop(keeper);
	}
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

	if (keeper->stopping && left > BUSY_MS)
		return (int)(left - BUSY_MS);
	return left <= 0 ? 0 : (keeper->stopping || hs_handover_is_heir()) && left > SAMPLE_MS ? SAMPLE_MS : (int)left;
}

/* Its time is running out. What waits for a disk does not hang: to kill it would lose what it writes, and it could not
 * end before the disk has answered anyhow. */
static void press(struct keeper *keeper)
{
	int64_t now = hs_clock_ms(), last = keeper->stopped_at_ms + grace_ms + HS_KEEPER_PATIENCE_S * 1000;

	if (!keeper->stopping || now + BUSY_MS < keeper->kill_at_ms)
		return;
	if (now < last && hs_pulse_is_at_disk(keeper->child)) {
		keeper->kill_at_ms = now + BUSY_MS;
	} else if (now >= keeper->kill_at_ms) {
		hs_log(WARN, "keeper.out_of_patience", LOG_INT("after_ms", now - keeper->stopped_at_ms));
		kill(keeper->child, SIGKILL);
		keeper->kill_at_ms = now + grace_ms;
	}
}

/* A child that hangs is no better than a dead one. */
static void look(struct keeper *keeper)
{
	const char *why;

	if (hs_pulse_has_begun())
		hs_handover_done();
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

/* What a keeper before or after us says while our child lives. */
static void hear_other(struct keeper *keeper)
{
	switch (hs_handover_hear()) {
	case HS_HANDOVER_TAKE: /* its death is one like any other, and its successor goes on like any other */
		keeper->handing = !hs_handover_is_heir() && !keeper->stopping;
		if (keeper->handing)
			kill(keeper->child, SIGKILL);
		break;
	case HS_HANDOVER_STOP:
		stop(keeper);
		break;
	case HS_HANDOVER_RECALL:
		kill(keeper->child, SIGKILL);
		break;
	case HS_HANDOVER_LOST:
		if (hs_handover_is_heir()) {
			hs_handover_done(); /* the old one died: all that it had is here */
		} else {
			hs_log(WARN, "keeper.not_replaced", LOG_WHY("the new keeper went away again; see its log"));
			hs_handover_leave();
		}
		break;
	default:
		break;
	}
}

static int serve(struct keeper *keeper)
{
	int status = 0;

	for (;;) {
		struct pollfd ready[] = {{keeper->signals, POLLIN, 0},
					 {keeper->socket, POLLIN, 0},
					 {keeper->scribe.life, 0, 0},
					 {hs_handover_socket(), POLLIN, 0}};

		poll(ready, HS_COUNT(ready), patience(keeper));
		for (int i = 0; ready[1].revents && i < BATCH && receive(keeper); i++)
			;
		if (ready[2].revents || keeper->scribe.life < 0)
			hs_scribe_renew(&keeper->scribe);
		if (ready[0].revents && take_signals(keeper, &status))
			break;
		if (ready[3].revents)
			hear_other(keeper);
		look(keeper);
		press(keeper);
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
	sigaddset(&ours, SIGHUP);
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

/* ---- one keeper after another ---- */

/* The child is gone. True when the new keeper has everything and serves; false: we go on. */
static bool hand_over(struct keeper *keeper)
{
	int64_t until = hs_clock_ms() + HS_HANDOVER_MS;
	enum hs_handover_said said = hs_handover_give(++keeper->deaths) < 0 ? HS_HANDOVER_LOST : HS_HANDOVER_NOTHING;
	bool was_stopping = false, was_recalled = false;
	int status;

	while (said != HS_HANDOVER_LOST && said != HS_HANDOVER_DONE) {
		struct pollfd ready[] = {{keeper->signals, POLLIN, 0}, {hs_handover_socket(), POLLIN, 0}};

		poll(ready, HS_COUNT(ready), HS_PULSE_LOOK_MS);
		take_signals(keeper, &status);
		if (keeper->stopping && !was_stopping)
			hs_handover_say(HS_HANDOVER_STOP);
		was_stopping = keeper->stopping;
		if (hs_clock_ms() >= until && !was_recalled)
			hs_handover_say(HS_HANDOVER_RECALL);
		was_recalled = hs_clock_ms() >= until;
		said = hs_handover_hear();
	}
	if (said == HS_HANDOVER_DONE) {
		hs_handover_end();
		return true;
	}
	hs_handover_leave();
	hs_log(ERROR, "keeper.taken_back",
	       LOG_WHY("the new program did not come to serve; the one before goes on. See the new one's log"));
	return false;
}

/* We are the new keeper: what the old one holds is ours, too. */
static int take_over(struct keeper *keeper)
{
	int deaths = hs_handover_take();

	if (deaths < 0)
		hs_log(ERROR, "keeper.not_taken_over", LOG_TEXT("error", strerror(-deaths)),
		       LOG_WHY("the keeper that runs did not hand over all it has; it goes on"));
	keeper->deaths = deaths;
	return deaths < 0 ? deaths : 0;
}

/* A child is gone. Exit code when it was the last; -1: it needs a successor, now. */
static int bury(struct keeper *keeper, int status)
{
	int last;

	if (keeper->handing) {
		keeper->handing = false;
		return hand_over(keeper) || keeper->stopping ? 0 : -1;
	}
	last = last_word(keeper, status);
	if (last > 0 && keeper->stopping)
		tell_death(keeper, status);
	if (last >= 0)
		return last;
	if (hs_handover_is_heir()) { /* the keeper before us does better */
		tell_death(keeper, status);
		return HS_KEEPER_GIVE_UP;
	}
	rest(keeper, mourn(keeper, status));
	return keeper->stopping ? 0 : -1;
}

int hs_keeper_run(const char *name, int (*child)(struct hs_keep *keep, void *argument), void *argument)
{
	struct keeper keeper = {.name = name, .signals = -1, .socket = -1, .scribe = {.in = -1, .life = -1}};
	int result = prepare(&keeper), code = 1;

	is_running = true;
	hs_clock_begin();
	if (result == 0)
		begin_log(&keeper);
	hurry();
	if (result == 0 && hs_pulse_create() < 0)
		hs_log(WARN, "keeper.no_pulse", LOG_WHY("a child that hangs will not be noticed"));
	if (result == 0 && hs_handover_is_heir())
		result = take_over(&keeper);
	for (int last = -1; result == 0 && last < 0;) {
		result = start(&keeper, child, argument);
		if (result == 0)
			code = last = bury(&keeper, serve(&keeper));
	}
	if (result < 0)
		hs_log(ERROR, "keeper.failed", LOG_WHY(strerror(-result)));
	finish(&keeper);
	return code;
}
