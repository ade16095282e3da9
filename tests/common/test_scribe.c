#include "check.h"
#include "cleanup.h"
#include "clock.h"
#include "keeper.h"
#include "log.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define FLOOD 30000 /* lines: more than all pipes take */
#define OFTEN 2000

/* What children of several lives and the test share. */
struct shared {
	_Atomic int lives, sleeps;
	_Atomic bool flooded, go_on;
	_Atomic uint64_t dropped, dropped_later;
	_Atomic pid_t child;
};

static struct shared *shared;
static int reader; /* of the keeper's standard error */

static int setup(void **state)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return 0;
}

static int teardown(void **state)
{
	munmap(shared, sizeof(*shared));
	return 0;
}

static pid_t start_keeper(int (*child)(struct hs_keep *keep, void *argument))
{
	int pair[2];
	pid_t pid;

	assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		dup2(pair[1], STDERR_FILENO);
		close(pair[0]);
		close(pair[1]);
		hs_log_setup("test", HS_LOG_FORMAT_LOGFMT, HS_LOG_LEVEL_INFO);
		exit(hs_keeper_run("test", child, NULL));
	}
	close(pair[1]);
	reader = pair[0];
	return pid;
}

static int end_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* All that was written, to the end. The caller frees it. */
static char *read_all(void)
{
	size_t used = 0, room = 1 << 16;
	char *text = malloc(room);
	ssize_t bytes;

	while ((bytes = read(reader, text + used, room - used - 1)) > 0) {
		used += (size_t)bytes;
		if (room - used < 4096)
			text = realloc(text, room *= 2);
	}
	close(reader);
	text[used] = 0;
	return text;
}

static void say(const char *text)
{
	if (write(STDERR_FILENO, text, strlen(text)) < 0)
		_exit(99);
}

static void await(const _Atomic bool *condition)
{
	while (!*condition)
		poll(NULL, 0, 1);
}

/* ---- what a dying child said ---- */

static int say_much_and_die(struct hs_keep *keep, void *argument)
{
	if (shared->lives++)
		return 0;
	for (int i = 0; i < OFTEN; i++)
		hs_log(INFO, "last.words", LOG_INT("i", i));
	say("\n\nunfin");
	say("ished");
	kill(getpid(), SIGKILL);
	return 1;
}

static void last_words_are_kept_in_order(void **state)
{
	pid_t pid = start_keeper(say_much_and_die);
	AUTO(free) char *text = read_all();
	const char *at = text;

	assert_int_equal(end_of(pid), 0);
	for (int i = 0; i < OFTEN; i++) {
		char tail[64];

		snprintf(tail, sizeof(tail), " event=last.words i=%d\n", i);
		assert_memory_equal(at, "time=", 5);
		at = strchr(at, '\n') + 1;
		assert_memory_equal(at - strlen(tail), tail, strlen(tail));
	}
	assert_memory_equal(at, "unfinished\ntime=", 16); /* and no empty lines before it */
	assert_non_null(strstr(at, " event=keeper.died code=0 signal=9 "));
}

static int say_a_long_line(struct hs_keep *keep, void *argument)
{
	for (int i = 0; i < 20000; i++)
		say(i % 2 ? "b" : "a");
	say("\nend");
	return 0;
}

static void long_and_unfinished_lines_end(void **state)
{
	pid_t pid = start_keeper(say_a_long_line);
	AUTO(free) char *text = read_all();

	assert_int_equal(end_of(pid), 0);
	assert_int_equal(strspn(text, "ab"), 20000);
	assert_string_equal(text + 20000, "\nend\n");
}

/* ---- nobody reads ---- */

/* How often this process has waited for something. */
static long sleeps(void)
{
	struct rusage usage;

	assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
	return usage.ru_nvcsw;
}

static void flood(void)
{
	long before = sleeps();

	for (int i = 0; i < FLOOD; i++)
		hs_log(INFO, "flood", LOG_INT("i", i), LOG_WHY("a line of the length that many lines have"));
	shared->sleeps = (int)(sleeps() - before);
	shared->dropped = hs_log_lines(0);
	shared->flooded = true;
}

/* Its first life fills all there is and is killed; the second one ends when the log goes on again. */
static int flood_then_live(struct hs_keep *keep, void *argument)
{
	shared->child = getpid();
	if (shared->lives++ == 0) {
		flood();
		for (;;)
			pause();
	}
	while (hs_log_lines(HS_LOG_LEVEL_WARN) == 0) { /* until log.dropped was said */
		hs_log(INFO, "resumed");
		poll(NULL, 0, 1);
	}
	shared->dropped_later = hs_log_lines(0); /* with the keeper's, of which it is a fork */
	return 0;
}

static int count_lines(const char *text, const char *event, int *ret_broken)
{
	int count = 0;

	*ret_broken = 0;
	for (const char *end; *text; text = end + 1) {
		end = strchr(text, '\n');
		assert_non_null(end);
		count += memmem(text, (size_t)(end - text), event, strlen(event)) != NULL;
		*ret_broken += strncmp(text, "time=", 5) != 0;
	}
	return count;
}

static void *read_in_background(void *argument)
{
	return read_all();
}

/* The disk is stuck: the child goes on, its successor starts at once, and the log says what it lacks. */
static void a_stuck_disk_delays_nobody(void **state)
{
	pid_t pid = start_keeper(flood_then_live), first;
	int64_t begin;
	int kept, broken;
	uint64_t told = 0;
	pthread_t thread;
	void *text;

	await(&shared->flooded);
	assert_true(shared->dropped > 1000);
	assert_in_range(shared->sleeps, 0, FLOOD / 1000);
	begin = hs_clock_ms();
	first = shared->child;
	kill(first, SIGKILL);
	while (shared->child == first && hs_clock_ms() < begin + 5000)
		poll(NULL, 0, 1);
	assert_int_not_equal(shared->child, first);
	pthread_create(&thread, NULL, read_in_background, NULL);
	assert_int_equal(end_of(pid), 0);
	pthread_join(thread, &text);
	kept = count_lines(text, " event=flood ", &broken);
	for (const char *at = text; (at = strstr(at, " event=log.dropped lines=")); at++)
		told += strtoull(at + 25, NULL, 10);
	assert_int_equal(broken, 0);
	assert_int_equal(kept + (int)shared->dropped, FLOOD);
	assert_int_equal(told, shared->dropped + shared->dropped_later);
	free(text);
}

static int flood_for_ever(struct hs_keep *keep, void *argument)
{
	flood();
	await(&shared->go_on); /* killed before */
	return 1;
}

static void a_stuck_disk_does_not_keep_the_keeper(void **state)
{
	pid_t pid = start_keeper(flood_for_ever);
	int64_t begin;

	await(&shared->flooded);
	begin = hs_clock_ms();
	kill(pid, SIGTERM);
	assert_int_equal(end_of(pid), 0);
	assert_in_range(hs_clock_ms() - begin, 0, 4000);
	close(reader);
}

static int log_until_killed(struct hs_keep *keep, void *argument)
{
	if (shared->lives++)
		return 0;
	for (int i = 0; i < 100; i++)
		hs_log(INFO, "unheard");
	shared->flooded = true;
	await(&shared->go_on);
	kill(getpid(), SIGKILL);
	return 1;
}

/* Nobody will ever read again: no signal, no end. */
static void a_reader_that_left_harms_nobody(void **state)
{
	pid_t pid = start_keeper(log_until_killed);

	close(reader);
	await(&shared->flooded);
	shared->go_on = true;
	assert_int_equal(end_of(pid), 0);
	assert_int_equal(shared->lives, 2);
}

/* ---- the scribe dies ---- */

static int speak_twice(struct hs_keep *keep, void *argument)
{
	hs_log(INFO, "first");
	await(&shared->go_on);
	hs_log(INFO, "second");
	return 0;
}

/* The scribe has no parent but whoever takes orphans: here this process, once the process between has gone. */
static pid_t look_for_scribe(void)
{
	AUTO(free) char *path = hs_printf("/proc/self/task/%d/children", (int)getpid());
	AUTO(file) FILE *children = fopen(path, "re");
	int pid;

	while (children && fscanf(children, "%d", &pid) == 1) {
		AUTO(free) char *name = hs_printf("/proc/%d/comm", pid);
		AUTO(file) FILE *comm = fopen(name, "re");
		char title[20] = "";

		if (comm && fgets(title, sizeof(title), comm) && strcmp(title, "test-scribe\n") == 0)
			return pid;
	}
	return 0;
}

static pid_t find_scribe(void)
{
	pid_t pid;

	while ((pid = look_for_scribe()) == 0)
		poll(NULL, 0, 1);
	return pid;
}

static void a_dead_scribe_has_a_successor(void **state)
{
	pid_t pid, scribe;
	AUTO(free) char *text = NULL;
	char first[200];
	ssize_t bytes;

	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
	pid = start_keeper(speak_twice);
	bytes = read(reader, first, sizeof(first) - 1);
	assert_true(bytes > 0);
	first[bytes] = 0;
	assert_non_null(strstr(first, "event=first\n"));
	scribe = find_scribe();
	kill(scribe, SIGKILL);
	assert_int_equal(end_of(scribe), 1000 + SIGKILL);
	shared->go_on = true;
	text = read_all();
	assert_non_null(strstr(text, "event=second\n"));
	assert_int_equal(end_of(pid), 0);
	prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
}

#define SCRIBE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCRIBE_TEST(last_words_are_kept_in_order),    SCRIBE_TEST(long_and_unfinished_lines_end),
		SCRIBE_TEST(a_stuck_disk_delays_nobody),      SCRIBE_TEST(a_stuck_disk_does_not_keep_the_keeper),
		SCRIBE_TEST(a_reader_that_left_harms_nobody), SCRIBE_TEST(a_dead_scribe_has_a_successor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
