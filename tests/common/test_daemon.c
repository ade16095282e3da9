/* The skeleton, with a daemon that does nothing else: it starts, says so, answers, is killed, comes back and stops. */
#include "check.h"
#include "cleanup.h"
#include "clock.h"
#include "daemon.h"
#include "log.h"
#include "privs.h"
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define PATIENCE_MS 5000

enum behaviour { BEHAVE, FAIL_TO_START, DRAIN, NEVER_STOP };

static struct {
	_Atomic enum behaviour behaviour;
	_Atomic int stops, finishes, died_before;
} * shared;

static char *home, *ready;

/* ---- the daemon ---- */

static uv_timer_t drained;

static int start(struct hs_house *house)
{
	if (shared->behaviour == FAIL_TO_START)
		return -EADDRINUSE;
	shared->died_before = house->predecessor_died;
	house->daemon = shared;
	hs_daemon_degraded(house, "test", "a test's reason");
	uv_timer_init(house->loop, &drained);
	return 0;
}

static void on_drained(uv_timer_t *timer)
{
	hs_daemon_stopped(timer->data);
}

static void stop(struct hs_house *house)
{
	shared->stops++;
	drained.data = house;
	if (shared->behaviour == NEVER_STOP)
		return;
	if (shared->behaviour == DRAIN)
		uv_timer_start(&drained, on_drained, 50, 0);
	else
		hs_daemon_stopped(house);
}

static void finish(struct hs_house *house)
{
	shared->finishes++;
	uv_close((uv_handle_t *)&drained, NULL);
}

static int open_early(const struct hs_config *config, const char *folder, int (*hold)(const char *name, int fd))
{
	return hold("early", memfd_create("early", 0));
}

static const struct hs_daemon daemon_table = {
	.name = "hookd",
	.role = HS_ROLE_HOOKD,
	.journal_bytes = 65536,
	.open = open_early,
	.start = start,
	.stop = stop,
	.finish = finish,
};

/* ---- around it ---- */

static pid_t run(const char *option, FILE *out)
{
	char name[] = "hookd";
	AUTO(free) char *argument = hs_strdup(option);
	char *argv[] = {name, argument, NULL};
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		if (out) {
			dup2(fileno(out), STDOUT_FILENO);
			dup2(fileno(out), STDERR_FILENO);
		}
		exit(hs_daemon_main(option ? 2 : 1, argv, &daemon_table));
	}
	return pid;
}

static int end_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* pid of the child that is ready, other than one; 0 when it does not come. */
static pid_t wait_ready(pid_t other)
{
	int64_t until = hs_clock_ms() + PATIENCE_MS;

	while (hs_clock_ms() < until) {
		AUTO(file) FILE *file = fopen(ready, "re");
		int pid;

		if (file && fscanf(file, "%d", &pid) == 1 && pid != other)
			return pid;
		sched_yield();
	}
	return 0;
}

static int make_home(void **state)
{
	home = make_folder();
	ready = hs_printf("%s/run/hookd/ready", home);
	setenv("HOOKSWITCH_HOME", home, 1);
	setenv("HOOKSWITCH_LOG_LEVEL", "error", 1);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return 0;
}

static int remove_home(void **state)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		execlp("rm", "rm", "-rf", home, (char *)NULL);
		_exit(1);
	}
	waitpid(pid, &status, 0);
	munmap(shared, sizeof(*shared));
	free(home);
	free(ready);
	return 0;
}

static void starts_comes_back_and_stops(void **state)
{
	pid_t keeper = run(NULL, NULL), first, second;
	struct stat status;

	first = wait_ready(0);
	assert_true(first > 0);
	assert_false(shared->died_before);
	assert_int_equal(stat(ready, &status), 0);
	if (geteuid() == 0)
		assert_true(status.st_uid >= 1000); /* the role's */
	kill(first, SIGKILL);
	second = wait_ready(first);
	assert_true(second > 0);
	assert_true(shared->died_before);
	kill(keeper, SIGTERM);
	assert_int_equal(end_of(keeper), 0);
	assert_int_equal(shared->stops, 1);
	assert_int_equal(shared->finishes, 1);
	assert_int_equal(access(ready, F_OK), -1);
	/* After a good end the next one has no dead predecessor; after the keeper's death it has. */
	keeper = run(NULL, NULL);
	assert_true(wait_ready(0) > 0);
	assert_false(shared->died_before);
	kill(keeper, SIGKILL);
	assert_int_equal(end_of(keeper), 1000 + SIGKILL);
	first = wait_ready(0);
	keeper = run(NULL, NULL); /* the old child may be there for a moment */
	assert_true(wait_ready(first) > 0);
	assert_true(shared->died_before);
	kill(keeper, SIGINT);
	assert_int_equal(end_of(keeper), 0);
}

static void ends_when_it_cannot_start(void **state)
{
	shared->behaviour = FAIL_TO_START;
	assert_int_equal(end_of(run(NULL, NULL)), 78);
	assert_int_equal(shared->finishes, 0);
	setenv("HOOKSWITCH_SERVER_REST_PORT", "none", 1);
	assert_int_equal(end_of(run(NULL, NULL)), 78);
	unsetenv("HOOKSWITCH_SERVER_REST_PORT");
	setenv("HOOKSWITCH_HOME", "/proc/nowhere", 1);
	assert_int_equal(end_of(run(NULL, NULL)), 78);
}

static void runs_once_in_a_home(void **state)
{
	pid_t keeper = run(NULL, NULL);

	assert_true(wait_ready(0) > 0);
	assert_int_equal(end_of(run(NULL, NULL)), 78);
	kill(keeper, SIGTERM);
	assert_int_equal(end_of(keeper), 0);
}

static void drains(void **state)
{
	pid_t keeper = run(NULL, NULL);

	shared->behaviour = DRAIN;
	assert_true(wait_ready(0) > 0);
	kill(keeper, SIGTERM);
	assert_int_equal(end_of(keeper), 0);
	assert_int_equal(shared->finishes, 1);
}

static void drains_for_3_s_at_most(void **state)
{
	pid_t keeper = run(NULL, NULL);
	int64_t begin;

	shared->behaviour = NEVER_STOP;
	assert_true(wait_ready(0) > 0);
	begin = hs_clock_ms();
	kill(keeper, SIGTERM);
	assert_int_equal(end_of(keeper), 0);
	assert_in_range(hs_clock_ms() - begin, 2900, 15000); /* a busy machine takes its time; a hang has no end */
	assert_int_equal(shared->finishes, 1);
}

/* ---- its answers ---- */

struct question {
	uv_loop_t loop;
	struct hs_bus *bus;
	bool answered, degraded;
	char text[200];
};

static void on_status(void *context, const struct hs_answer *answer)
{
	struct question *question = context;
	const struct hs_daemon_status_answer *body = answer->body;

	question->answered = true;
	assert_int_equal(answer->error, HS_OK);
	question->degraded = body->part->state == HS_HEALTH_STATE_DEGRADED;
	assert_string_equal(body->part->daemon, "hookd");
	assert_int_equal(body->part->restarts, 0);
	hs_copy(question->text, sizeof(question->text), body->part->why);
	uv_stop(&question->loop);
}

static long figure(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? strtol(at + strlen(name), NULL, 10) : -1;
}

static void on_metrics(void *context, const struct hs_answer *answer)
{
	struct question *question = context;
	const struct hs_daemon_metrics_answer *body = answer->body;

	question->answered = true;
	assert_int_equal(answer->error, HS_OK);
	assert_non_null(strstr(body->text, "hookswitch_degraded{daemon=\"hookd\",reason=\"test\"} 1\n"));
	assert_true(figure(body->text, "hookswitch_process_resident_bytes{daemon=\"hookd\"} ") > 100000);
	assert_true(figure(body->text, "hookswitch_process_open_fds{daemon=\"hookd\"} ") > 5);
	uv_stop(&question->loop);
}

static void on_plain(void *context, const struct hs_answer *answer)
{
	struct question *question = context;

	question->answered = true;
	assert_int_equal(answer->error, HS_OK);
	uv_stop(&question->loop);
}

static void ask(struct question *question, enum hs_message_id message, const void *body,
		void (*answered)(void *context, const struct hs_answer *answer))
{
	struct hs_ask ask = {.to = HS_ROLE_HOOKD,
			     .message = message,
			     .body = body,
			     .deadline_ms = PATIENCE_MS,
			     .patient = true,
			     .answered = answered,
			     .context = question};

	question->answered = false;
	hs_bus_ask(question->bus, &ask);
	uv_run(&question->loop, UV_RUN_DEFAULT);
	assert_true(question->answered);
}

static void answers_what_all_answer(void **state)
{
	struct question question = {0};
	pid_t keeper = run(NULL, NULL);

	assert_true(wait_ready(0) > 0);
	hs_privs_setup(64200);
	uv_loop_init(&question.loop);
	question.bus = hs_bus_create(&(struct hs_bus_setup){
		.loop = &question.loop, .role = HS_ROLE_OPS, .home = home, .incarnation = "i1-test"});
	assert_non_null(question.bus);
	ask(&question, HS_DAEMON_STATUS, &(struct hs_daemon_status){0}, on_status);
	assert_true(question.degraded);
	assert_non_null(strstr(question.text, "a test's reason"));
	ask(&question, HS_DAEMON_METRICS, &(struct hs_daemon_metrics){0}, on_metrics);
	ask(&question, HS_DAEMON_TRACE, &(struct hs_daemon_trace){0}, on_plain);
	ask(&question, HS_LOG_SET, &(struct hs_log_set){HS_LOG_LEVEL_ERROR}, on_plain);
	hs_bus_destroy(question.bus);
	while (uv_run(&question.loop, UV_RUN_NOWAIT))
		;
	assert_int_equal(uv_loop_close(&question.loop), 0);
	kill(keeper, SIGTERM);
	assert_int_equal(end_of(keeper), 0);
}

/* ---- options ---- */

static void says(const char *option, int code, const char *wanted)
{
	AUTO(file) FILE *out = tmpfile();
	char text[65536];
	size_t bytes;

	assert_int_equal(end_of(run(option, out)), code);
	rewind(out);
	bytes = fread(text, 1, sizeof(text) - 1, out);
	text[bytes] = 0;
	if (!strstr(text, wanted))
		fail_msg("%s says: %s", option, text);
}

static void understands_its_options(void **state)
{
	says("--version", 0, "hookd (hookswitch) ");
	says("--help", 0, "usage: hookd ");
	says("--check-config", 0, "defaults and environment: good");
	says("--dump-config", 0, "  rest_port: 8000\n");
	says("--config=/nonexistent", 78, "/nonexistent:1: cannot be opened");
	says("--unknown", 78, "unknown");
	says("argument", 78, "argument is not understood");
	assert_int_equal(access(ready, F_OK), -1);
}

#define HOME_TEST(test) cmocka_unit_test_setup_teardown(test, make_home, remove_home)

int main(void)
{
	const struct CMUnitTest tests[] = {
		HOME_TEST(starts_comes_back_and_stops), HOME_TEST(ends_when_it_cannot_start),
		HOME_TEST(runs_once_in_a_home),         HOME_TEST(drains),
		HOME_TEST(drains_for_3_s_at_most),      HOME_TEST(answers_what_all_answer),
		HOME_TEST(understands_its_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
