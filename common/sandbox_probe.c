/* The self-test: a fork of the child under the filter that it will run with tries what must fail. */
#include "cleanup.h"
#include "log.h"
#include "privs.h"
#include "sandbox_inner.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define BROKEN 100 /* exit codes: 0 all failed as it must; the number of an attempt that worked; this: no verdict */

static volatile sig_atomic_t refused;

static void on_refused(int number)
{
	refused = 1;
}

/* ---- attempts: true when it worked ---- */

static bool executes(const struct hs_sandbox_plan *plan)
{
	static char *const none[] = {NULL};

	return syscall(SYS_execve, "/proc/self/exe", none, none) == 0;
}

static bool forks(const struct hs_sandbox_plan *plan)
{
	long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	return pid > 0;
}

static bool traces(const struct hs_sandbox_plan *plan)
{
	return syscall(SYS_ptrace, PTRACE_SEIZE, getppid(), 0, 0) == 0;
}

static bool signals(const struct hs_sandbox_plan *plan)
{
	return syscall(SYS_kill, 1, 0) == 0;
}

static bool sees_packets(const struct hs_sandbox_plan *plan)
{
	return syscall(SYS_socket, AF_PACKET, SOCK_RAW, 0) >= 0;
}

static bool makes_code(const struct hs_sandbox_plan *plan)
{
	return syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
	       -1;
}

static bool changes_its_user(const struct hs_sandbox_plan *plan)
{
	return syscall(SYS_setuid, 0) == 0;
}

static bool enters_a_namespace(const struct hs_sandbox_plan *plan)
{
	return syscall(SYS_unshare, CLONE_NEWUSER) == 0;
}

static bool opens(const char *path, int flags)
{
	return open(path, flags | O_CLOEXEC, 0600) >= 0;
}

/* Readable by everybody, but in nobody's table. */
static bool reads_foreign_file(const struct hs_sandbox_plan *plan)
{
	return opens("/proc/version", O_RDONLY) || opens("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY);
}

static bool makes_a_file(const struct hs_sandbox_plan *plan)
{
	return opens("/tmp/hookswitch-probe", O_WRONLY | O_CREAT | O_EXCL);
}

static bool reads_keys_of_others(const struct hs_sandbox_plan *plan)
{
	for (int role = 1; role < HS_ROLES; role++) {
		AUTO(free) char *path = hs_printf("%s/keys/%s.key", plan->home, hs_role_names[role]);

		if (role != (int)plan->role && opens(path, O_RDONLY))
			return true;
	}
	return false;
}

static bool has_capabilities(const struct hs_sandbox_plan *plan)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct now[_LINUX_CAPABILITY_U32S_3] = {{0}};

	if (syscall(SYS_capget, &head, now) < 0 || now[0].permitted || now[1].permitted || now[0].inheritable ||
	    now[1].inheritable)
		return true;
	for (int i = 0; hs_privs_separate() && prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++)
		if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) > 0)
			return true;
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 || prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0;
}

enum wall { USERS, FILES, CALLS };

static const struct {
	const char *what;
	bool (*works)(const struct hs_sandbox_plan *plan);
	enum wall wall;
	bool not_sanitized; /* a sanitizer needs it */
} attempts[] = {
	{"has capabilities, may gain privileges or be dumped", has_capabilities, USERS, true},
	{"reads a file that is not its own", reads_foreign_file, FILES, true},
	{"makes a file where it should not", makes_a_file, FILES, false},
	{"reads the key of another daemon", reads_keys_of_others, FILES, false},
	{"runs a program", executes, CALLS, false},
	{"makes a process", forks, CALLS, true},
	{"traces another process", traces, CALLS, true},
	{"sends signals to others", signals, CALLS, true},
	{"reads packets of others", sees_packets, CALLS, false},
	{"makes memory that can be executed", makes_code, CALLS, false},
	{"changes its user", changes_its_user, CALLS, false},
	{"enters a namespace", enters_a_namespace, CALLS, false},
};

/* ---- the fork ---- */

static bool applies(size_t i, enum wall wall)
{
	return attempts[i].wall == wall && !(SANDBOX_SANITIZED && attempts[i].not_sanitized);
}

/* Number of the first attempt that worked; 0: none. What the filter must refuse, it must have refused, and not
 * something else that happens to be in the way. */
static int try_all(const struct hs_sandbox_plan *plan, enum wall wall)
{
	for (size_t i = 0; i < HS_COUNT(attempts); i++) {
		refused = 0;
		if (applies(i, wall) && ((attempts[i].works(plan) && !refused) || (wall == CALLS && !refused)))
			return (int)i + 1;
	}
	return 0;
}

static int try_walls(const struct hs_sandbox_plan *plan, bool has_calls, bool has_files)
{
	struct sigaction action = {.sa_handler = on_refused};
	int worked = try_all(plan, USERS);

	if (!worked && has_files)
		worked = try_all(plan, FILES);
	if (worked || !has_calls)
		return worked;
	sigaction(SIGSYS, &action, NULL);
	if (sandbox_calls_restrict(plan->sandbox, HS_RUN, SANDBOX_TEST) < 0)
		return BROKEN;
	return try_all(plan, CALLS);
}

int sandbox_probe(const struct hs_sandbox_plan *plan, bool has_calls, bool has_files)
{
	pid_t pid = fork();
	int status = 0, code;

	if (pid == 0)
		_exit(try_walls(plan, has_calls, has_files));
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	code = pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : BROKEN;
	if (code == 0)
		return 0;
	hs_log(ERROR, "sandbox.open",
	       LOG_TEXT("worked",
			code <= (int)HS_COUNT(attempts) ? attempts[code - 1].what : "the self-test itself failed"),
	       LOG_INT("status", status),
	       LOG_WHY("the sandbox does not keep what it promises; it does not run with a hole in it"));
	return -EPERM;
}
