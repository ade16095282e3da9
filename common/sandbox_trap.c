/* A refused call is a signal (SIGSYS) whose handler notes the number for the keeper, who has no other way to learn it.
 * Then it makes the same call again: while its signal is blocked, the kernel ends the process instead. No filter lets a
 * process change what SIGSYS does, so whoever took it over cannot keep it alive either; where the signal is blocked the
 * first such call is the end, without a number. */
#include "cleanup.h"
#include "log.h"
#include "metrics.h"
#include "sandbox_inner.h"
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define ARGUMENTS 6
#define NAMES_MAX 16
#define NAME_BYTES 32
#define UNKNOWN (-1)

/* Written by whoever is refused, read by the keeper when it is dead. */
struct note {
	_Atomic int number;
	_Atomic uint64_t arguments[ARGUMENTS];
};

static struct {
	struct note *note; /* shared by keeper and children */
	bool says_it_itself;
	struct {
		char call[NAME_BYTES];
		int64_t count;
	} refused[NAMES_MAX]; /* a successor is forked from the keeper, and has them as well */
	size_t refused_count;
} state;

static void read_arguments(const ucontext_t *context, uint64_t *ret_arguments)
{
#if defined(__x86_64__)
	static const int registers[ARGUMENTS] = {REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9};

	for (int i = 0; i < ARGUMENTS; i++)
		ret_arguments[i] = (uint64_t)context->uc_mcontext.gregs[registers[i]];
#elif defined(__aarch64__)
	for (int i = 0; i < ARGUMENTS; i++)
		ret_arguments[i] = context->uc_mcontext.regs[i];
#endif
}

/* Nobody has died here who could be told of: the keeper itself is refused. */
static void say(int number)
{
	char name[NAME_BYTES], text[160];
	int length;

	sandbox_calls_name(number, name, sizeof(name));
	length = snprintf(text, sizeof(text),
			  "level=error event=sandbox.refused process=%d call=%s why=\"a keeper or scribe made a system "
			  "call that its table does not have\"\n",
			  (int)getpid(), name);
	if (write(STDERR_FILENO, text, (size_t)length) < 0)
		return;
}

/* The same call once more is the end. Should another thread have changed what it looks like, no row has execve. */
static void on_refused(int signal_number, siginfo_t *info, void *context)
{
	uint64_t arguments[ARGUMENTS] = {0};
	int number = info->si_syscall;

	read_arguments(context, arguments);
	if (state.note) {
		atomic_store(&state.note->number, number);
		for (int i = 0; i < ARGUMENTS; i++)
			atomic_store(&state.note->arguments[i], arguments[i]);
	}
	if (state.says_it_itself)
		say(number);
	syscall(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
	syscall(SYS_execve, NULL, NULL, NULL);
	_exit(1);
}

static void make_note(void)
{
	void *page = mmap(NULL, sizeof(*state.note), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return;
	state.note = page;
	atomic_store(&state.note->number, UNKNOWN);
}

void sandbox_trap_set(bool says_it_itself)
{
	struct sigaction action = {.sa_sigaction = on_refused, .sa_flags = SA_SIGINFO};
	sigset_t ours;

	if (!state.note)
		make_note();
	state.says_it_itself = says_it_itself;
	sigemptyset(&action.sa_mask);
	sigaction(SIGSYS, &action, NULL);
	sigemptyset(&ours);
	sigaddset(&ours, SIGSYS);
	sigprocmask(SIG_UNBLOCK, &ours, NULL);
}

static void count(const char *call)
{
	for (size_t i = 0; i < state.refused_count; i++)
		if (strcmp(state.refused[i].call, call) == 0) {
			state.refused[i].count++;
			return;
		}
	if (state.refused_count == NAMES_MAX)
		return;
	hs_copy(state.refused[state.refused_count].call, NAME_BYTES, call);
	state.refused[state.refused_count++].count = 1;
}

void hs_sandbox_mourn(pid_t child)
{
	int number = state.note ? atomic_exchange(&state.note->number, UNKNOWN) : UNKNOWN;
	char call[NAME_BYTES] = "unknown", arguments[80] = "";

	if (number != UNKNOWN) {
		sandbox_calls_name(number, call, sizeof(call));
		snprintf(arguments, sizeof(arguments), "%#llx, %#llx, %#llx",
			 (unsigned long long)atomic_load(&state.note->arguments[0]),
			 (unsigned long long)atomic_load(&state.note->arguments[1]),
			 (unsigned long long)atomic_load(&state.note->arguments[2]));
	}
	count(call);
	hs_log(ERROR, "sandbox.refused", LOG_INT("pid", child), LOG_TEXT("call", call), LOG_INT("number", number),
	       LOG_TEXT("arguments", arguments),
	       LOG_WHY("the daemon made a system call that its table does not have: somebody has taken it over, or a "
		       "library needs a row in sandbox.c (security.sandbox: log helps to find it)"));
}

void hs_sandbox_each_refused(void (*visit)(void *context, const char *call, int64_t count), void *context)
{
	for (size_t i = 0; i < state.refused_count; i++)
		visit(context, state.refused[i].call, state.refused[i].count);
}
