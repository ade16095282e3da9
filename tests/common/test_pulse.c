#include "check.h"
#include "clock.h"
#include "pulse.h"
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

/* The keeper looks once a second and counts its looks, not the time: so a test may look as often as it likes. */
#define LOOKS 200

static int setup(void **state)
{
	return hs_pulse_create();
}

/* A child whose loop turned once. */
static pid_t begin(void (*then)(void))
{
	int ready[2];
	char byte;
	pid_t pid;

	hs_pulse_begin();
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		hs_pulse_beat();
		if (write(ready[1], "x", 1) == 1)
			then();
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	assert_null(hs_pulse_look(pid)); /* it has beaten since the last look */
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Looks until it hangs; how often, 0: never. */
static int looks_until_hung(pid_t pid, const char **ret_why)
{
	for (int looks = 1; looks <= LOOKS; looks++)
		if ((*ret_why = hs_pulse_look(pid)))
			return looks;
	return 0;
}

static void wait_state(pid_t pid, char wanted)
{
	char path[32], state = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	while (state != wanted) {
		FILE *file = fopen(path, "r");

		assert_non_null(file);
		assert_int_equal(fscanf(file, "%*d %*s %c", &state), 1);
		fclose(file);
		poll(NULL, 0, 1);
	}
}

static void sleep_elsewhere(void)
{
	for (;;)
		poll(NULL, 0, -1);
}

static void one_that_sleeps_elsewhere_hangs(void **state)
{
	const char *why;
	pid_t pid = begin(sleep_elsewhere);

	wait_state(pid, 'S');
	assert_in_range(looks_until_hung(pid, &why), 10, 11);
	assert_non_null(strstr(why, "waits for something"));
	end(pid);
}

static void one_that_was_stopped_hangs(void **state)
{
	const char *why;
	pid_t pid = begin(sleep_elsewhere);

	kill(pid, SIGSTOP);
	wait_state(pid, 'T');
	assert_in_range(looks_until_hung(pid, &why), 3, 4);
	assert_string_equal(why, "it was stopped");
	end(pid);
}

static void *spin(void *argument)
{
	for (volatile unsigned long long turns = 0;; turns++)
		;
	return NULL;
}

static void spin_twice(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, spin, NULL);
	spin(NULL);
}

/* What counts is the processor time that it took, not how long it waited for some. */
static void one_that_spins_hangs(void **state)
{
	const char *why = NULL;
	pid_t pid = begin(spin_twice);
	int64_t begun_ms = hs_clock_ms();

	wait_state(pid, 'R');
	for (int looks = 0; looks < 50; looks++)
		assert_null(hs_pulse_look(pid));
	while (!why && hs_clock_ms() - begun_ms < 120000) {
		poll(NULL, 0, 50);
		why = hs_pulse_look(pid);
	}
	assert_non_null(why);
	assert_string_equal(why, "its loop does not turn");
	assert_true(hs_clock_ms() - begun_ms >= 4000); /* ten seconds of two processors */
	end(pid);
}

static void one_that_does_not_begin_has_two_minutes(void **state)
{
	const char *why;
	pid_t pid;

	hs_pulse_begin();
	pid = fork();
	if (pid == 0)
		sleep_elsewhere();
	assert_int_equal(looks_until_hung(pid, &why), 120);
	assert_string_equal(why, "it does not begin to serve");
	end(pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_sleeps_elsewhere_hangs),
		cmocka_unit_test(one_that_was_stopped_hangs),
		cmocka_unit_test(one_that_spins_hangs),
		cmocka_unit_test(one_that_does_not_begin_has_two_minutes),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
