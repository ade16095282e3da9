#include "check.h"
#include "cleanup.h"
#include "clock.h"
#include "keep.h"
#include "log.h"
#include "pulse.h"
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* What children of several lives and the test share. */
struct shared {
	_Atomic int lives, seen, bad;
	_Atomic pid_t keeper, child;
	int64_t begun_at_ms[32];
};

static struct shared *shared;

static int setup(void **state)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	hs_log_set_level(HS_LOG_LEVEL_ERROR);
	return 0;
}

static int teardown(void **state)
{
	munmap(shared, sizeof(*shared));
	return 0;
}

static void fail_child(void)
{
	shared->bad++;
	_exit(0);
}

static void must(bool right)
{
	if (!right)
		fail_child();
}

/* Runs a keeper in a process of its own; its exit code. */
static pid_t start_keeper(int (*child)(struct hs_keep *keep, void *argument))
{
	pid_t pid = fork();

	if (pid == 0) {
		shared->keeper = getpid();
		exit(hs_keeper_run("test", child, NULL));
	}
	return pid;
}

static int end_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* ---- descriptors live on ---- */

static int count_in_memfd(struct hs_keep *keep, void *argument)
{
	int life = shared->lives++, fd = hs_keep_take(keep, "counter"), value = 0;

	must(hs_keep_deaths(keep) == life);
	must(hs_keep_take(keep, "counter") == -ENOENT); /* once */
	if (life == 0) {
		must(fd == -ENOENT);
		fd = memfd_create("counter", 0);
	}
	must(fd >= 0);
	if (life > 0)
		must(pread(fd, &value, sizeof(value), 0) == (ssize_t)sizeof(value) && value == life);
	value++;
	must(pwrite(fd, &value, sizeof(value), 0) == (ssize_t)sizeof(value));
	if (life == 0)
		must(hs_keep_hold(keep, "counter", fd) == 0);
	if (life == 4)
		return 0;
	kill(getpid(), SIGKILL); /* right after the datagram */
	return 1;
}

static void holds_over_deaths(void **state)
{
	assert_int_equal(end_of(start_keeper(count_in_memfd)), 0);
	assert_int_equal(shared->bad, 0);
	assert_int_equal(shared->lives, 5);
}

static void count_name(void *context, const char *name)
{
	int *count = context;

	(*count)++;
}

static int hold_many(struct hs_keep *keep, void *argument)
{
	enum { MANY = 2000 };
	int life = shared->lives++, count = 0;
	char name[32];

	if (life == 0) {
		for (int i = 0; i < MANY; i++) {
			snprintf(name, sizeof(name), "rtp/%d", i);
			while (hs_keep_hold(keep, name, STDERR_FILENO) == -EAGAIN)
				;
		}
		for (int i = 0; i < MANY / 2; i++) {
			snprintf(name, sizeof(name), "rtp/%d", i);
			hs_keep_drop(keep, name);
		}
		hs_keep_drop(keep, "unknown");
		must(hs_keep_hold(keep, "sip/1", STDERR_FILENO) == 0);
		kill(getpid(), SIGKILL);
	}
	hs_keep_each(keep, "rtp/", count_name, &count);
	shared->seen = count;
	must(count == MANY / 2);
	must(hs_keep_take(keep, "rtp/0") == -ENOENT && hs_keep_take(keep, "rtp/1999") >= 0);
	count = 0;
	hs_keep_each(keep, "", count_name, &count);
	must(count == MANY / 2); /* one was taken, sip/1 is there */
	return 0;
}

static void holds_many(void **state)
{
	assert_int_equal(end_of(start_keeper(hold_many)), 0);
	assert_int_equal(shared->bad, 0);
	assert_int_equal(shared->lives, 2);
}

static int use_opened(struct hs_keep *keep, void *argument)
{
	must(hs_keep_take(keep, "opened") >= 0);
	must(hs_keep_take(keep, "replaced") >= 0);
	return 0;
}

static void holds_what_the_keeper_opened(void **state)
{
	pid_t pid = fork();

	if (pid == 0) {
		must(hs_keeper_hold("opened", dup(STDERR_FILENO)) == 0);
		must(hs_keeper_hold("replaced", dup(STDERR_FILENO)) == 0);
		must(hs_keeper_hold("replaced", dup(STDERR_FILENO)) == 0);
		must(hs_keeper_hold("bad name", STDERR_FILENO) == -EINVAL);
		must(hs_keeper_hold("good", -1) == -EINVAL);
		exit(hs_keeper_run("test", use_opened, NULL));
	}
	assert_int_equal(end_of(pid), 0);
	assert_int_equal(shared->bad, 0);
}

static void checks_names(void **state)
{
	char longest[HS_KEEP_NAME + 1];

	memset(longest, 'x', sizeof(longest));
	longest[HS_KEEP_NAME] = 0;
	assert_int_equal(hs_keep_hold(NULL, longest, 2), -EINVAL);
	longest[HS_KEEP_NAME - 1] = 0;
	assert_int_equal(hs_keep_hold(NULL, longest, 2), 0);
	assert_int_equal(hs_keep_hold(NULL, "", 2), -EINVAL);
	assert_int_equal(hs_keep_hold(NULL, "a\n", 2), -EINVAL);
	assert_int_equal(hs_keep_hold(NULL, NULL, 2), -EINVAL);
	assert_int_equal(hs_keep_hold(NULL, "a", -1), -EINVAL);
	assert_int_equal(hs_keep_take(NULL, "a"), -ENOENT);
	assert_int_equal(hs_keep_deaths(NULL), 0);
}

/* ---- a child that was taken over ---- */

static void send_raw(int socket, const void *data, size_t bytes, const int *fds, size_t count)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(4 * sizeof(int))];
	} control = {0};
	struct iovec part = {(void *)(uintptr_t)data, bytes};
	struct msghdr packet = {.msg_iov = &part, .msg_iovlen = 1};

	if (count) {
		packet.msg_control = &control;
		packet.msg_controllen = CMSG_SPACE(count * sizeof(int));
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(&control.head), fds, count * sizeof(int));
	}
	sendmsg(socket, &packet, MSG_NOSIGNAL);
}

/* The keeper's socket is the one SEQPACKET socket of this process. */
static int find_socket(void)
{
	for (int fd = 3; fd < 256; fd++) {
		int type = 0;
		socklen_t size = sizeof(type);

		if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET)
			return fd;
	}
	return -1;
}

static int attack(struct hs_keep *keep, void *argument)
{
	struct hs_keep_message good = {.op = HS_KEEP_HOLD, .name = "good"}, bad = {.op = HS_KEEP_HOLD, .name = "b\nd"};
	struct hs_keep_message unknown = {.op = 99, .name = "op"}, endless = {.op = HS_KEEP_HOLD};
	int fds[4] = {2, 2, 2, 2}, count = 0, socket = find_socket();
	char large[10000] = {HS_KEEP_HOLD, 'x'};

	if (shared->lives++ == 0) {
		memset(endless.name, 'e', sizeof(endless.name));
		send_raw(socket, large, sizeof(large), fds, 1);
		send_raw(socket, &bad, sizeof(bad), fds, 1);
		send_raw(socket, &unknown, sizeof(unknown), fds, 1);
		send_raw(socket, &endless, 1, fds, 1);
		send_raw(socket, &endless, sizeof(endless), fds, 4);
		send_raw(socket, &good, sizeof(good), NULL, 0);
		send_raw(socket, &good, sizeof(good), fds, 1);
		kill(getpid(), SIGKILL);
	}
	hs_keep_each(keep, "", count_name, &count);
	shared->seen = count;
	must(hs_keep_take(keep, "good") >= 0);
	if (shared->lives == 2) {
		send_raw(socket, &good, 0, NULL, 0); /* reads like an end: only the child loses by it */
		kill(getpid(), SIGKILL);
	}
	return 0;
}

static void bears_a_hostile_child(void **state)
{
	assert_int_equal(end_of(start_keeper(attack)), 0);
	assert_int_equal(shared->bad, 0);
	assert_int_equal(shared->lives, 3);
	assert_int_equal(shared->seen, 1);
}

/* ---- life and death ---- */

static int die_at_once(struct hs_keep *keep, void *argument)
{
	int life = shared->lives++;

	shared->begun_at_ms[life] = hs_clock_ms();
	return life == 8 ? 0 : 1;
}

static void waits_when_it_keeps_dying(void **state)
{
	const int64_t *at = shared->begun_at_ms;

	assert_int_equal(end_of(start_keeper(die_at_once)), 0);
	assert_int_equal(shared->lives, 9);
	assert_in_range(at[5] - at[0], 0, 1000); /* upper bounds are wide: the machine may be busy */
	assert_in_range(at[6] - at[5], 100, 1000);
	assert_in_range(at[7] - at[6], 200, 1000);
	assert_in_range(at[8] - at[7], 400, 1500);
}

/* ---- the pulse ---- */

static int stop_once(struct hs_keep *keep, void *argument)
{
	if (shared->lives++ > 0) {
		must(hs_pulse_hangs() == 1);
		return 0;
	}
	hs_pulse_beat();
	for (;;)
		raise(SIGSTOP);
}

static void ends_a_child_that_was_stopped(void **state)
{
	assert_int_equal(end_of(start_keeper(stop_once)), 0);
	assert_int_equal(shared->lives, 2);
	assert_int_equal(shared->bad, 0);
}

/* What was done before is no reason, nor is the same name with another number. */
static int die_of_it(struct hs_keep *keep, void *argument)
{
	shared->lives++;
	must(hs_pulse_work("good", 1));
	hs_pulse_done();
	must(hs_pulse_work("evil", 2));
	if (hs_pulse_work("evil", 1))
		kill(getpid(), SIGKILL);
	must(hs_pulse_poisons() == 1);
	hs_pulse_done();
	if (shared->lives < 6)
		kill(getpid(), SIGKILL);
	must(hs_pulse_poisons() == 1);
	return 0;
}

static void knows_what_kills(void **state)
{
	assert_int_equal(end_of(start_keeper(die_of_it)), 0);
	assert_int_equal(shared->lives, 6);
	assert_int_equal(shared->bad, 0);
}

static int give_up(struct hs_keep *keep, void *argument)
{
	shared->lives++;
	return HS_KEEPER_GIVE_UP;
}

static void ends_with_a_child_that_gives_up(void **state)
{
	assert_int_equal(end_of(start_keeper(give_up)), HS_KEEPER_GIVE_UP);
	assert_int_equal(shared->lives, 1);
}

static int pipe_of_child[2];

static int wait_for_ever(struct hs_keep *keep, void *argument)
{
	close(pipe_of_child[0]);
	shared->child = getpid();
	if (write(pipe_of_child[1], "x", 1) != 1)
		return 1;
	for (;;)
		pause();
}

static int wait_deaf(struct hs_keep *keep, void *argument)
{
	signal(SIGTERM, SIG_IGN);
	return wait_for_ever(keep, argument);
}

/* Starts a keeper whose child waits; returns when it does. The pipe reads an end when the child is gone. */
static pid_t start_waiting(int (*child)(struct hs_keep *keep, void *argument))
{
	char byte;
	pid_t pid;

	assert_int_equal(pipe(pipe_of_child), 0);
	pid = start_keeper(child);
	close(pipe_of_child[1]);
	assert_int_equal(read(pipe_of_child[0], &byte, 1), 1);
	return pid;
}

static void wait_for_childs_end(void)
{
	char byte;

	assert_int_equal(read(pipe_of_child[0], &byte, 1), 0);
	close(pipe_of_child[0]);
}

static void child_dies_with_its_keeper(void **state)
{
	pid_t pid = start_waiting(wait_for_ever);

	kill(pid, SIGKILL);
	assert_int_equal(end_of(pid), 1000 + SIGKILL);
	wait_for_childs_end();
}

static void passes_sigterm_on(void **state)
{
	pid_t pid = start_waiting(wait_for_ever);

	kill(pid, SIGHUP); /* means nothing */
	kill(pid, SIGTERM);
	assert_int_equal(end_of(pid), 0);
	wait_for_childs_end();
}

static void kills_a_deaf_child_after_its_grace(void **state)
{
	int64_t begin;
	pid_t pid;

	hs_keeper_grace(1500);
	pid = start_waiting(wait_deaf);
	begin = hs_clock_ms();
	kill(pid, SIGTERM);
	assert_int_equal(end_of(pid), 1);
	assert_in_range(hs_clock_ms() - begin, 1400, 20000); /* the machine may be busy */
	wait_for_childs_end();
}

static int wait_after_restart(struct hs_keep *keep, void *argument)
{
	shared->lives++;
	return wait_for_ever(keep, argument);
}

static void restarts_at_once(void **state)
{
	pid_t pid = start_waiting(wait_after_restart), before = shared->child;
	int64_t begin = hs_clock_ms();

	kill(before, SIGKILL);
	while (shared->child == before && hs_clock_ms() < begin + 2000)
		;
	assert_true(shared->child != before);
	assert_in_range(hs_clock_ms() - begin, 0, 1000);
	kill(pid, SIGTERM);
	assert_int_equal(end_of(pid), 0);
	close(pipe_of_child[0]);
}

#define KEEPER_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

/* ---- the end ---- */

#define SHORT_MS 100

/* What the kernel says of a process that waits for a disk it says of a parent that waits as in vfork, too. */
static int wait_uninterruptibly(struct hs_keep *keep, void *argument)
{
	const struct pollfd end = {.fd = *(int *)argument, .events = POLLIN};

	signal(SIGTERM, SIG_IGN);
	shared->lives++;
	if (syscall(SYS_clone, CLONE_VFORK | SIGCHLD, NULL, NULL, NULL, NULL) == 0) {
		poll((struct pollfd[]){end}, 1, -1);
		_exit(0);
	}
	return 0;
}

static void wait_ms(int64_t wanted_ms)
{
	int64_t until = hs_clock_ms() + wanted_ms;

	while (hs_clock_ms() < until)
		poll(NULL, 0, (int)(until - hs_clock_ms()));
}

/* A keeper that was asked to stop, with little time for its child. */
static pid_t stop_keeper(int (*child)(struct hs_keep *keep, void *argument), void *argument)
{
	pid_t pid = fork();

	if (pid == 0) {
		hs_keeper_grace(SHORT_MS);
		exit(hs_keeper_run("test", child, argument));
	}
	while (shared->lives == 0)
		poll(NULL, 0, 1);
	kill(pid, SIGTERM);
	return pid;
}

static void is_patient_with_a_disk(void **state)
{
	int pair[2];
	pid_t pid;

	assert_int_equal(pipe(pair), 0);
	pid = stop_keeper(wait_uninterruptibly, &pair[0]);
	wait_ms(5 * SHORT_MS); /* not before it would have been killed */
	assert_int_equal(write(pair[1], "", 1), 1);
	assert_int_equal(end_of(pid), 0);
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KEEPER_TEST(holds_over_deaths),
		KEEPER_TEST(holds_many),
		KEEPER_TEST(holds_what_the_keeper_opened),
		KEEPER_TEST(checks_names),
		KEEPER_TEST(bears_a_hostile_child),
		KEEPER_TEST(waits_when_it_keeps_dying),
		KEEPER_TEST(ends_a_child_that_was_stopped),
		KEEPER_TEST(knows_what_kills),
		KEEPER_TEST(ends_with_a_child_that_gives_up),
		KEEPER_TEST(child_dies_with_its_keeper),
		KEEPER_TEST(passes_sigterm_on),
		KEEPER_TEST(kills_a_deaf_child_after_its_grace),
		KEEPER_TEST(is_patient_with_a_disk),
		KEEPER_TEST(restarts_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
