/* The tables themselves: names that exist, and none that must never be there. */
#include "../../apid/front/wall.h"
#include "../../apid/wall.h"
#include "../../dahdid/wall.h"
#include "../../hookd/stream/wall.h"
#include "../../hookd/wall.h"
#include "../../mediad/wall.h"
#include "../../sipd/wall.h"
#include "cleanup.h"
#include "sandbox_inner.h"
#include <errno.h>
#include <seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct wall {
	const char *name;
	const struct hs_sandbox *sandbox;
};

static const struct wall walls[] = {
	{"apid", &apid_wall},     {"api-front", &front_wall}, {"sipd", &sipd_wall},          {"dahdid", &dahdid_wall},
	{"mediad", &mediad_wall}, {"hookd", &hookd_wall},     {"hook-stream", &stream_wall},
};

/* A name that no architecture has would be skipped everywhere. */
static void must_exist(const struct hs_permit *calls, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86_64, calls[i].name) < 0 &&
		    seccomp_syscall_resolve_name_arch(SCMP_ARCH_AARCH64, calls[i].name) < 0)
			fail_msg("%s is no system call", calls[i].name);
		assert_true(calls[i].when != 0 && calls[i].why && calls[i].why[0]);
	}
}

static void names_exist(void **state)
{
	must_exist(sandbox_calls, sandbox_calls_count);
	for (size_t i = 0; i < HS_COUNT(walls); i++)
		must_exist(walls[i].sandbox->calls, walls[i].sandbox->calls_count);
}

static void must_not_have(const struct hs_permit *calls, size_t count, unsigned phases, const char *const *never)
{
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; never[k]; k++)
			if ((calls[i].when & phases) && strcmp(calls[i].name, never[k]) == 0)
				fail_msg("%s is in a table", never[k]);
}

static void some_are_in_no_table(void **state)
{
	static const char *const never[] = {
		"execve",
		"execveat",
		"fork",
		"vfork",
		"clone3",
		"ptrace",
		"process_vm_readv",
		"process_vm_writev",
		"mount",
		"umount2",
		"move_mount",
		"fsopen",
		"pivot_root",
		"chroot",
		"open_by_handle_at",
		"bpf",
		"perf_event_open",
		"userfaultfd",
		"io_uring_setup",
		"io_uring_enter",
		"io_uring_register",
		"keyctl",
		"add_key",
		"request_key",
		"kexec_load",
		"init_module",
		"finit_module",
		"delete_module",
		"setns",
		"unshare",
		"pidfd_getfd",
		"personality",
		"setuid",
		"setgid",
		"mknodat",
		"symlinkat",
		"linkat",
		"reboot",
		"iopl",
		"modify_ldt",
		"shmget",
		"msgget",
		"mq_open",
		"tkill",
		NULL,
	};

	must_not_have(sandbox_calls, sandbox_calls_count, ~(unsigned)HS_SANITIZED, never);
	for (size_t i = 0; i < HS_COUNT(walls); i++)
		must_not_have(walls[i].sandbox->calls, walls[i].sandbox->calls_count, ~0U, never);
}

/* What only a keeper may, no daemon's own table gives back; and what serves neither binds a TCP port nor makes a
 * thread. */
static void serving_is_narrower(void **state)
{
	static const char *const keepers[] = {"setresuid", "setresgid", "setgroups",
					      "capset",    "seccomp",   "kill",
					      "wait4",     "signalfd4", "landlock_create_ruleset",
					      NULL};
	static const char *const started[] = {"clone",     "listen", "seccomp",  "prlimit64",
					      "setrlimit", "umask",  "fchownat", NULL};

	for (size_t i = 0; i < HS_COUNT(walls); i++) {
		must_not_have(walls[i].sandbox->calls, walls[i].sandbox->calls_count, ~0U, keepers);
		must_not_have(walls[i].sandbox->calls, walls[i].sandbox->calls_count, HS_RUN, started);
	}
	must_not_have(sandbox_calls, sandbox_calls_count, HS_RUN | HS_SCRIBE, started);
}

/* Fewer are better, more must be meant: deploy/SECURITY.md says how many there are. */
static void serving_is_short(void **state)
{
	static const struct {
		const char *name;
		int most;
	} rows[] = {{"apid", 60},   {"api-front", 52}, {"sipd", 65},       {"dahdid", 53},
		    {"mediad", 61}, {"hookd", 59},     {"hook-stream", 53}};

	for (size_t i = 0; i < HS_COUNT(walls); i++) {
		int count = sandbox_calls_count_of(walls[i].sandbox, HS_RUN);

		assert_string_equal(walls[i].name, rows[i].name);
		if (count > rows[i].most)
			fail_msg("%s has %d calls", rows[i].name, count);
	}
}

static bool may(const struct wall *wall, const char *name)
{
	for (size_t i = 0; i < wall->sandbox->calls_count; i++)
		if (strcmp(wall->sandbox->calls[i].name, name) == 0)
			return true;
	return false;
}

/* Only who meets the network has sockets of it, and only dahdid speaks to devices. */
static void sockets_and_devices_have_owners(void **state)
{
	for (size_t i = 0; i < HS_COUNT(walls); i++) {
		const char *name = walls[i].name;
		bool has_network = strcmp(name, "sipd") == 0 || strcmp(name, "mediad") == 0 ||
				   strcmp(name, "hookd") == 0 || strcmp(name, "hook-stream") == 0;

		assert_int_equal(may(&walls[i], "socket"), has_network);
		assert_int_equal(may(&walls[i], "ioctl"), strcmp(name, "dahdid") == 0);
	}
}

/* Who has workers makes them while starting, and they are threads; nobody else makes anything. */
static void only_workers_are_made(void **state)
{
	const uint64_t thread = CLONE_THREAD | CLONE_VM | CLONE_SIGHAND;

	for (size_t i = 0; i < HS_COUNT(walls); i++) {
		const struct hs_sandbox *sandbox = walls[i].sandbox;

		assert_int_equal(may(&walls[i], "clone"), sandbox->has_workers);
		for (size_t k = 0; k < sandbox->calls_count; k++) {
			const struct hs_permit *call = &sandbox->calls[k];

			if (strcmp(call->name, "clone") != 0)
				continue;
			assert_int_equal(call->when, HS_START);
			assert_int_equal(call->only[0].compare, HS_MASKED);
			assert_int_equal(call->only[0].mask, thread);
			assert_int_equal(call->only[0].value, thread);
		}
	}
	for (size_t i = 0; i < sandbox_calls_count; i++)
		if (strcmp(sandbox_calls[i].name, "clone") == 0)
			assert_false(sandbox_calls[i].when & (HS_START | HS_RUN | HS_SCRIBE));
}

static void must_not_compare(const struct hs_permit *calls, size_t count, uint64_t value)
{
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < HS_COUNT(calls[i].only); k++)
			assert_true(calls[i].only[k].value != value);
}

/* Ends with 0 when all is as it should be. */
static void load_and_signal(void)
{
	signal(SIGSYS, SIG_DFL);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || sandbox_calls_restrict(NULL, HS_SCRIBE, SANDBOX_REFUSE) < 0)
		_exit(1);
	if (syscall(SYS_tgkill, getpid(), getpid(), 0) < 0)
		_exit(2);
	if (!SANDBOX_SANITIZED)
		syscall(SYS_tgkill, 1, 1, 0);
	else
		syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
	_exit(3);
}

/* The keeper makes it, and in each fork it means that fork. */
static void a_filter_knows_who_loads_it(void **state)
{
	int result = sandbox_calls_prepare(NULL, HS_SCRIBE, SANDBOX_REFUSE);

	must_not_compare(sandbox_calls, sandbox_calls_count, SANDBOX_OURSELVES);
	for (size_t i = 0; i < HS_COUNT(walls); i++)
		must_not_compare(walls[i].sandbox->calls, walls[i].sandbox->calls_count, SANDBOX_OURSELVES);
	if (result == -ENOSYS)
		skip();
	assert_int_equal(result, 0);
	for (int i = 0; i < 2; i++) {
		pid_t pid = fork();
		int status = 0;

		if (pid == 0)
			load_and_signal();
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGSYS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_exist),
		cmocka_unit_test(some_are_in_no_table),
		cmocka_unit_test(serving_is_narrower),
		cmocka_unit_test(serving_is_short),
		cmocka_unit_test(only_workers_are_made),
		cmocka_unit_test(sockets_and_devices_have_owners),
		cmocka_unit_test(a_filter_knows_who_loads_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
