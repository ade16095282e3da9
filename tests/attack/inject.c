/* Makes a running process do a system call that its own code does not do: what somebody who took it over would do
 * first.
 *
 *   inject PID NUMBER [ARGUMENT...]
 *
 * Needs the right to trace it (root). Prints what the call returned, or "signal N" when the process got a signal
 * instead. Nothing of the process is changed but for the call itself. */
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#define ARGUMENTS 6

static int fail(const char *what)
{
	perror(what);
	return 1;
}

#if defined(__x86_64__)
#define INSTRUCTION 0x050fUL /* syscall */
#define INSTRUCTION_MASK 0xffffUL

static void set_call(struct user_regs_struct *regs, uint64_t place, long number, const uint64_t *arguments)
{
	regs->rip = place;
	regs->rax = (uint64_t)number;
	regs->orig_rax = UINT64_MAX; /* the call that we came in is not made again */
	regs->rdi = arguments[0];
	regs->rsi = arguments[1];
	regs->rdx = arguments[2];
	regs->r10 = arguments[3];
	regs->r8 = arguments[4];
	regs->r9 = arguments[5];
}

static long result(const struct user_regs_struct *regs)
{
	return (long)regs->rax;
}
#elif defined(__aarch64__)
#define INSTRUCTION 0xd4000001UL /* svc #0 */
#define INSTRUCTION_MASK 0xffffffffUL

static void set_call(struct user_regs_struct *regs, uint64_t place, long number, const uint64_t *arguments)
{
	regs->pc = place;
	regs->regs[8] = (uint64_t)number;
	for (int i = 0; i < ARGUMENTS; i++)
		regs->regs[i] = arguments[i];
}

static long result(const struct user_regs_struct *regs)
{
	return (long)regs->regs[0];
}
#endif

/* Where the program began: code that no thread comes by any more. 0: it cannot be told. */
static uint64_t unused_place(pid_t pid)
{
	uint64_t pair[2] = {0};
	char path[32];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/auxv", (int)pid);
	file = fopen(path, "re");
	while (file && fread(pair, sizeof(pair), 1, file) == 1 && pair[0] != AT_ENTRY)
		;
	if (file)
		fclose(file);
	return pair[0] == AT_ENTRY ? pair[1] : 0;
}

static int registers(int request, pid_t pid, struct user_regs_struct *regs)
{
	struct iovec part = {regs, sizeof(*regs)};

	return ptrace(request, pid, NT_PRSTATUS, &part) < 0 ? -errno : 0;
}

static int stop(pid_t pid)
{
	int status;

	if (ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD) < 0 || ptrace(PTRACE_INTERRUPT, pid, 0, 0) < 0)
		return -errno;
	return waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status) ? 0 : -ESRCH;
}

/* Lets it go on to the next stop at a system call. False: it is dead. */
static bool go_on(pid_t pid, int *ret_status)
{
	return ptrace(PTRACE_SYSCALL, pid, 0, 0) == 0 && waitpid(pid, ret_status, __WALL) == pid &&
	       WIFSTOPPED(*ret_status);
}

/* A refused call returns like another one, and its signal waits. */
static bool is_refused(pid_t pid)
{
	struct __ptrace_peeksiginfo_args from = {.nr = 1};
	siginfo_t info;

	return ptrace(PTRACE_PEEKSIGINFO, pid, &from, &info) == 1 && info.si_signo == SIGSYS;
}

/* In and out of the call; what became of it is printed. True: it lives, and its registers are to be restored. */
static bool make_call(pid_t pid)
{
	struct user_regs_struct regs;
	int status = 0;

	if (!go_on(pid, &status) || !go_on(pid, &status)) {
		printf("signal %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
		return false;
	}
	if (is_refused(pid)) {
		printf("signal %d\n", SIGSYS);
		return false;
	}
	if (registers(PTRACE_GETREGSET, pid, &regs) == 0)
		printf("returned %ld\n", result(&regs));
	return true;
}

static int inject(pid_t pid, long number, const uint64_t *arguments)
{
	struct user_regs_struct before, during;
	uint64_t place = unused_place(pid);
	long word;

	if (registers(PTRACE_GETREGSET, pid, &before) < 0)
		return fail("registers");
	during = before;
	set_call(&during, place, number, arguments);
	errno = 0;
	word = ptrace(PTRACE_PEEKTEXT, pid, place, 0);
	if (errno || ptrace(PTRACE_POKETEXT, pid, place, ((unsigned long)word & ~INSTRUCTION_MASK) | INSTRUCTION) < 0 ||
	    registers(PTRACE_SETREGSET, pid, &during) < 0)
		return fail("write");
	if (make_call(pid)) {
		ptrace(PTRACE_POKETEXT, pid, place, word);
		registers(PTRACE_SETREGSET, pid, &before);
	}
	ptrace(PTRACE_DETACH, pid, 0, 0);
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t arguments[ARGUMENTS] = {0};
	pid_t pid = argc > 2 ? (pid_t)strtol(argv[1], NULL, 10) : 0;
	int error;

	if (pid <= 0 || argc > 3 + ARGUMENTS) {
		fprintf(stderr, "usage: inject PID NUMBER [ARGUMENT...]\n");
		return 2;
	}
	for (int i = 3; i < argc; i++)
		arguments[i - 3] = strtoull(argv[i], NULL, 0);
	error = stop(pid);
	if (error) {
		errno = -error;
		return fail("attach");
	}
	return inject(pid, strtol(argv[2], NULL, 0), arguments);
}
