/* The only room that knows libseccomp. */
#include "cleanup.h"
#include "sandbox_inner.h"
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CALLS_MAX 1024
#define TREE 2 /* of the filter: a binary tree by number, not a list */

static struct scmp_arg_cmp compare(const struct hs_condition *condition)
{
	struct scmp_arg_cmp made = {.arg = condition->argument, .op = SCMP_CMP_EQ, .datum_a = (uint64_t)getpid()};

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

static int add(scmp_filter_ctx filter, const struct hs_permit *call)
{
	int number = seccomp_syscall_resolve_name(call->name);
	struct scmp_arg_cmp conditions[HS_COUNT(call->only)];
	unsigned count = 0;

	if (number < 0) /* this architecture has another name for it */
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
		int number = (calls[i].when & phases) ? seccomp_syscall_resolve_name(calls[i].name) : -1;

		if (number < 0 || number >= CALLS_MAX || known[number])
			continue;
		known[number] = true;
		added++;
	}
	return added;
}

static int count_calls(const struct hs_sandbox *sandbox, unsigned phases)
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

static int load(scmp_filter_ctx filter, bool is_logged)
{
	int result = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

	if (result == 0)
		result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0); /* it is set already */
	if (result == 0)
		result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (result == 0)
		result = seccomp_attr_set(filter, SCMP_FLTATR_API_SYSRAWRC, 1);
	if (result == 0)
		result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, TREE);
	if (result == 0 && is_logged) /* the kernel logs what it refuses, too: a thread may have blocked the signal */
		result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
	return result < 0 ? result : seccomp_load(filter);
}

int sandbox_calls_restrict(const struct hs_sandbox *sandbox, unsigned phases, enum sandbox_mode mode)
{
	scmp_filter_ctx filter;
	int result;

	if (sizeof(long) < 8) /* the tables name the calls of 64-bit systems */
		return -ENOSYS;
	filter = seccomp_init(mode == SANDBOX_LOG ? SCMP_ACT_LOG : SCMP_ACT_TRAP);
	if (!filter)
		return -ENOMEM;
	result = fill(filter, sandbox, phases | (SANDBOX_SANITIZED ? HS_SANITIZED : 0));
	if (result == 0)
		result = load(filter, mode == SANDBOX_REFUSE && phases == HS_RUN);
	seccomp_release(filter);
	if (result == -EINVAL || result == -EOPNOTSUPP) /* a kernel without filters, or one that cannot only log */
		return -ENOSYS;
	return result < 0 ? result : count_calls(sandbox, phases);
}

void sandbox_calls_name(int number, char *ret_name, size_t size)
{
	AUTO(free) char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);

	if (name)
		hs_copy(ret_name, size, name);
	else
		snprintf(ret_name, size, "%d", number);
}
