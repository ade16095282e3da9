/* The only room that knows libseccomp, which takes milliseconds to make a filter. So the keeper makes those of its
 * forks beforehand, and each loads its copy: a successor has no time to lose. What differs from one process to the next
 * is its own pid, for which a number stands that is nothing else. */
#include "cleanup.h"
#include "sandbox_inner.h"
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CALLS_MAX 1024
#define TREE 2 /* of the filter: a binary tree by number, not a list */
#define PROGRAMS_MAX 4

static struct program {
	const struct hs_sandbox *sandbox;
	unsigned phases;
	bool only_logs;
	struct sock_filter *code;
	size_t length;
	int calls; /* how many it knows */
} programs[PROGRAMS_MAX];

static size_t programs_count;

/* ---- making ---- */

static struct scmp_arg_cmp compare(const struct hs_condition *condition)
{
	struct scmp_arg_cmp made = {.arg = condition->argument, .op = SCMP_CMP_EQ, .datum_a = SANDBOX_OURSELVES};

	if (condition->compare == HS_MASKED) {
		made.op = SCMP_CMP_MASKED_EQ;
		made.datum_a = condition->mask;
		made.datum_b = condition->value;
	} else if (condition->compare == HS_DIFFERS) {
		made.op = SCMP_CMP_NE;
		made.datum_a = condition->value;
	}
	return made;
}

/* Its number here; negative: this architecture has another name for it. */
static int number_of(const struct hs_permit *call)
{
	if (call->instead && seccomp_syscall_resolve_name(call->instead) >= 0)
		return -1;
	return seccomp_syscall_resolve_name(call->name);
}

static int add(scmp_filter_ctx filter, const struct hs_permit *call)
{
	int number = number_of(call);
	struct scmp_arg_cmp conditions[HS_COUNT(call->only)];
	unsigned count = 0;

	if (number < 0)
		return 0;
	while (count < HS_COUNT(call->only) && call->only[count].compare != HS_ANYTHING) {
		conditions[count] = compare(&call->only[count]);
		count++;
	}
	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, count, conditions);
}

/* A call that one row allows whatever its arguments are needs no other row: libseccomp would refuse it. */
static bool is_plain(const struct hs_permit *calls, size_t count, const char *name, unsigned phases)
{
	for (size_t i = 0; i < count; i++)
		if ((calls[i].when & phases) && calls[i].only[0].compare == HS_ANYTHING &&
		    strcmp(calls[i].name, name) == 0)
			return true;
	return false;
}

/* Adds the rows of a table. -errno. */
static int add_table(scmp_filter_ctx filter, const struct hs_sandbox *sandbox, const struct hs_permit *calls,
		     size_t count, unsigned phases)
{
	for (size_t i = 0; i < count; i++) {
		bool plain = is_plain(sandbox_calls, sandbox_calls_count, calls[i].name, phases) ||
			     (sandbox && is_plain(sandbox->calls, sandbox->calls_count, calls[i].name, phases));
		int result;

		if (!(calls[i].when & phases) || (plain && calls[i].only[0].compare != HS_ANYTHING))
			continue;
		result = add(filter, &calls[i]);
		if (result < 0 && result != -EEXIST)
			return result;
	}
	return 0;
}

/* Marks the numbers of a table's calls; returns how many were new. */
static int mark(const struct hs_permit *calls, size_t count, unsigned phases, bool known[CALLS_MAX])
{
	int added = 0;

	for (size_t i = 0; i < count; i++) {
		int number = (calls[i].when & phases) ? number_of(&calls[i]) : -1;

		if (number < 0 || number >= CALLS_MAX || known[number])
			continue;
		known[number] = true;
		added++;
	}
	return added;
}

int sandbox_calls_count_of(const struct hs_sandbox *sandbox, unsigned phases)
{
	bool known[CALLS_MAX] = {false};

	return mark(sandbox_calls, sandbox_calls_count, phases, known) +
	       (sandbox ? mark(sandbox->calls, sandbox->calls_count, phases, known) : 0);
}

/* glibc tries clone3 first, whose flags no filter can see, and falls back to clone. */
static int fill(scmp_filter_ctx filter, const struct hs_sandbox *sandbox, unsigned phases)
{
	int own = sandbox ? add_table(filter, sandbox, sandbox->calls, sandbox->calls_count, phases) : 0;
	int common = add_table(filter, sandbox, sandbox_calls, sandbox_calls_count, phases);
	int result = 0;

	if (phases & (HS_START | HS_KEEPER))
		result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return own < 0 ? own : common < 0 ? common : result;
}

/* Copies what libseccomp wrote to a file. */
static int read_code(int fd, struct program *program)
{
	off_t bytes = lseek(fd, 0, SEEK_END);

	if (bytes <= 0 || (size_t)bytes % sizeof(*program->code))
		return -EINVAL;
	program->code = hs_zalloc((size_t)bytes);
	program->length = (size_t)bytes / sizeof(*program->code);
	return pread(fd, program->code, (size_t)bytes, 0) == bytes ? 0 : -EIO;
}

static int export(scmp_filter_ctx filter, struct program *program)
{
	AUTO(close) int fd = memfd_create("filter", MFD_CLOEXEC);
	int result = fd < 0 ? -errno : seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

	if (result == 0)
		result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, TREE);
	if (result == 0)
		result = seccomp_export_bpf(filter, fd);
	return result < 0 ? result : read_code(fd, program);
}

static int make(struct program *program)
{
	scmp_filter_ctx filter = seccomp_init(program->only_logs ? SCMP_ACT_LOG : SCMP_ACT_TRAP);
	int result;

	if (!filter)
		return -ENOMEM;
	result = fill(filter, program->sandbox, program->phases | (SANDBOX_SANITIZED ? HS_SANITIZED : 0));
	if (result == 0)
		result = export(filter, program);
	seccomp_release(filter);
	program->calls = sandbox_calls_count_of(program->sandbox, program->phases);
	return result;
}

/* The one that was prepared, or a new one. */
static int find(const struct program *wanted, const struct program **ret_program)
{
	struct program made = *wanted;
	int result;

	for (size_t i = 0; i < programs_count; i++)
		if (programs[i].sandbox == wanted->sandbox && programs[i].phases == wanted->phases &&
		    programs[i].only_logs == wanted->only_logs) {
			*ret_program = &programs[i];
			return 0;
		}
	result = programs_count < PROGRAMS_MAX ? make(&made) : -ENOSPC;
	if (result < 0) {
		free(made.code);
		return result;
	}
	programs[programs_count] = made;
	*ret_program = &programs[programs_count++];
	return 0;
}

/* A kernel without filters, or one that cannot only log. */
static int translate(int result)
{
	return result == -EINVAL || result == -EOPNOTSUPP ? -ENOSYS : result;
}

int sandbox_calls_prepare(const struct hs_sandbox *sandbox, unsigned phases, enum sandbox_mode mode)
{
	struct program wanted = {.sandbox = sandbox, .phases = phases, .only_logs = mode == SANDBOX_LOG};
	const struct program *program;

	if (sizeof(long) < 8) /* the tables name the calls of 64-bit systems */
		return -ENOSYS;
	return translate(find(&wanted, &program));
}

/* ---- loading ---- */

/* In all threads. A positive result names one that could not have it. */
static int load(const struct program *program, unsigned flags)
{
	AUTO(free) struct sock_filter *code = hs_zalloc(program->length * sizeof(*code));
	struct sock_fprog whole = {.len = (unsigned short)program->length, .filter = code};
	long result;

	memcpy(code, program->code, program->length * sizeof(*code));
	for (size_t i = 0; i < program->length; i++)
		if (code[i].code == (BPF_JMP | BPF_JEQ | BPF_K) && code[i].k == SANDBOX_OURSELVES)
			code[i].k = (uint32_t)getpid();
	result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC | flags, &whole);
	return result < 0 ? -errno : result > 0 ? -EBUSY : 0;
}

int sandbox_calls_restrict(const struct hs_sandbox *sandbox, unsigned phases, enum sandbox_mode mode)
{
	struct program wanted = {.sandbox = sandbox, .phases = phases, .only_logs = mode == SANDBOX_LOG};
	/* The kernel logs what it refuses, too: a thread may have blocked the signal. */
	bool is_logged = mode == SANDBOX_REFUSE && phases == HS_RUN;
	const struct program *program;
	int result = sizeof(long) < 8 ? -ENOSYS : find(&wanted, &program);

	if (result == 0)
		result = load(program, is_logged ? SECCOMP_FILTER_FLAG_LOG : 0);
	return result < 0 ? translate(result) : program->calls;
}

bool sandbox_calls_is_here(const struct hs_permit *call)
{
	return number_of(call) >= 0;
}

void sandbox_calls_name(int number, char *ret_name, size_t size)
{
	AUTO(free) char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);

	if (name)
		hs_copy(ret_name, size, name);
	else
		snprintf(ret_name, size, "%d", number);
}
