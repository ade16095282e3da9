#include "check.h"
#include "cleanup.h"
#include "clock.h"
#include "handover.h"
#include "keeper.h"
#include "log.h"
#include "pulse.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>

/* What children of several keepers and the test share. */
struct shared {
	_Atomic int lives, bad, deaths;
	_Atomic pid_t child;
	_Atomic bool is_failing; /* the next child does not come to serve */
};

static struct shared *shared;
static char *folder, *meeting, *lock_path;

static int setup(void **state)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	folder = make_folder();
	meeting = hs_printf("%s/meeting", folder);
	lock_path = hs_printf("%s/lock", folder);
	hs_log_set_level(HS_LOG_LEVEL_ERROR);
	return 0;
}

static int teardown(void **state)
{
	unlink(lock_path);
	assert_int_equal(rmdir(folder), 0);
	free(folder);
	free(meeting);
	free(lock_path);
	munmap(shared, sizeof(*shared));
	return 0;
}

/* Counts in memory that the first one made, and serves until it is ended. */
static int count_and_serve(struct hs_keep *keep, void *argument)
{
	int life = ++shared->lives, fd = hs_keep_take(keep, "counter"), value = 0;

	if (life == 1)
		shared->bad +=
			fd >= 0 || (fd = memfd_create("counter", 0)) < 0 || hs_keep_hold(keep, "counter", fd) < 0;
	else
		shared->bad += pread(fd, &value, sizeof(value), 0) != (ssize_t)sizeof(value) || value != life - 1;
	value = life;
	shared->bad += pwrite(fd, &value, sizeof(value), 0) != (ssize_t)sizeof(value);
	shared->bad += hs_keep_take(keep, "opened") < 0;
	shared->deaths = hs_keep_deaths(keep);
	if (shared->is_failing) {
		shared->is_failing = false;
		return 1;
	}
	hs_keep_serves(keep);
	hs_pulse_beat();
	for (shared->child = getpid();; poll(NULL, 0, 50))
		hs_pulse_beat();
}

static int open_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		_exit(99);
	return fd;
}

/* As a daemon's main does. */
static void be_keeper(const char *layout)
{
	int lock = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), result = 0;
	bool is_first = flock(lock, LOCK_EX | LOCK_NB) == 0;
	struct sockaddr_in other = {.sin_family = AF_INET, .sin_port = 1};

	hs_handover_setup(meeting, layout, is_first ? lock : -1);
	if (!is_first)
		result = hs_handover_ask(lock);
	if (result < 0)
		exit(50);
	if (is_first)
		hs_keeper_hold("opened", open_port());
	shared->bad += hs_keeper_is_bound("opened", (struct sockaddr *)&other, sizeof(other));
	exit(hs_keeper_run("test", count_and_serve, NULL));
}

static pid_t start_keeper(const char *layout)
{
	pid_t pid = fork();

	if (pid == 0)
		be_keeper(layout);
	return pid;
}

static int end_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* Until this many children have come to serve; the newest one. */
static pid_t wait_for_life(int life, pid_t before)
{
	int64_t until = hs_clock_ms() + 30000;

	while ((shared->lives < life || shared->child == before) && hs_clock_ms() < until)
		poll(NULL, 0, 2);
	assert_int_equal(shared->lives, life);
	assert_int_not_equal(shared->child, before);
	return shared->child;
}

static void end_keeper(pid_t pid)
{
	kill(pid, SIGTERM);
	assert_int_equal(end_of(pid), 0);
	assert_int_equal(shared->bad, 0);
}

static void takes_over_again_and_again(void **state)
{
	pid_t keeper = start_keeper("a 1"), child = wait_for_life(1, 0);

	for (int life = 2; life <= 4; life++) {
		pid_t fresh = start_keeper("a 1");

		assert_int_equal(end_of(keeper), 0); /* as soon as the new child serves */
		child = wait_for_life(life, child);
		assert_int_equal(shared->deaths, life - 1);
		assert_int_equal(kill(fresh, 0), 0);
		keeper = fresh;
	}
	end_keeper(keeper);
}

static void refuses_what_it_cannot_read(void **state)
{
	pid_t keeper = start_keeper("a 1"), child = wait_for_life(1, 0);

	assert_int_equal(end_of(start_keeper("a 2")), 50);
	assert_int_equal(end_of(start_keeper("")), 50);
	assert_int_equal(kill(child, 0), 0);
	assert_int_equal(shared->lives, 1);
	end_keeper(keeper);
}

static void goes_on_when_the_new_one_does_not_serve(void **state)
{
	pid_t keeper = start_keeper("a 1"), child = wait_for_life(1, 0);

	shared->is_failing = true;
	assert_int_equal(end_of(start_keeper("a 1")), HS_KEEPER_GIVE_UP);
	wait_for_life(3, child); /* 2 was the new one's */
	assert_int_equal(shared->deaths, 1);
	assert_int_equal(waitpid(keeper, NULL, WNOHANG), 0);

	child = shared->child;
	kill(keeper, SIGHUP); /* from nobody who could take over */
	kill(child, SIGKILL);
	wait_for_life(4, child);
	end_keeper(keeper);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(takes_over_again_and_again, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_what_it_cannot_read, setup, teardown),
		cmocka_unit_test_setup_teardown(goes_on_when_the_new_one_does_not_serve, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
