/* Somebody who has taken over a process: runs as its user, in its sandbox, with what it was given, and tries what must
 * not be possible.
 *
 *   hostile child|keeper|scribe HOME
 *
 * One line on standard output for each attempt: its name, a tab, and "killed", "refused ERROR", "worked" or, for what
 * that process may do, "allowed". It goes the way of the real ones: the same functions of the sandbox in the same
 * order, beside the real daemon of its role, which goes on working. Which daemon it is was decided when it was linked.
 */
#include "attacks.h"
#include "cleanup.h"
#include "config.h"
#include "log.h"
#include "privs.h"
#include "sandbox_inner.h"
#include "wall.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define NO_VERDICT 1000

enum disguise { CHILD, KEEPER, SCRIBE };

static int *verdict; /* shared with the fork that tries */

static void report(const struct attack *attack, int status)
{
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		printf("%s\tkilled\n", attack->name);
	else if (WIFSIGNALED(status))
		printf("%s\tsignal %d\n", attack->name, WTERMSIG(status));
	else if (*verdict == ATTACK_ALLOWED)
		printf("%s\tallowed\n", attack->name);
	else if (*verdict == 0)
		printf("%s\tworked\n", attack->name);
	else if (*verdict == NO_VERDICT)
		printf("%s\tended %d\n", attack->name, WEXITSTATUS(status));
	else
		printf("%s\trefused %s\n", attack->name, strerrorname_np(-*verdict));
}

/* What house.c does, until the loop would run. */
static int become(const struct hs_sandbox_plan *plan, enum disguise disguise)
{
	int result = 0;

	if (disguise == SCRIBE) {
		if (hs_privs_separate())
			result = hs_privs_drop(HS_ROLE_NONE);
		hs_sandbox_scribe();
		return result;
	}
	if (disguise == KEEPER)
		return 0;
	result = hs_privs_drop(plan->role);
	if (result == 0)
		result = hs_sandbox_enclose(plan);
	if (result == 0)
		result = hs_sandbox_start(plan);
	return result == 0 ? hs_sandbox_run(plan) : result;
}

static void try(const struct attack *attack, const struct hs_sandbox_plan *plan, enum disguise disguise)
{
	struct attack_world world = {.role = plan->role,
				     .home = plan->home,
				     .parent = getpid(),
				     .is_keeper = disguise == KEEPER,
				     .is_scribe = disguise == SCRIBE};
	int status = 0;
	pid_t pid;

	*verdict = NO_VERDICT;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		if (become(plan, disguise) < 0)
			_exit(2);
		*verdict = SANDBOX_SANITIZED && attack->is_loose ? ATTACK_ALLOWED : attack->attempt(&world);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		hs_sandbox_mourn(pid);
	report(attack, status);
}

int main(int argc, char **argv)
{
	static const char *const disguises[] = {"child", "keeper", "scribe"};
	const char *home = argc == 3 ? argv[2] : "";
	AUTO(free) char *file = hs_printf("%s/hookswitch.yaml", home);
	struct hs_sandbox_plan plan = {HOSTILE_ROLE, hs_role_names[HOSTILE_ROLE], home, &HOSTILE_WALL, NULL};
	enum disguise disguise = CHILD;
	size_t count;

	while (argc == 3 && disguise <= SCRIBE && strcmp(argv[1], disguises[disguise]) != 0)
		disguise++;
	if (argc != 3 || disguise > SCRIBE) {
		fprintf(stderr, "usage: hostile child|keeper|scribe HOME\n");
		return 2;
	}
	hs_log_setup("hostile", HS_LOG_FORMAT_LOGFMT, HS_LOG_LEVEL_WARN);
	plan.config = hs_config_load(file, HOSTILE_ROLE, stderr);
	verdict = mmap(NULL, sizeof(*verdict), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!plan.config || verdict == MAP_FAILED)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	hs_privs_setup(plan.config->security->uid_base);
	attacks_prepare();
	if (hs_privs_settle() < 0 || hs_sandbox_keeper(&plan) < 0)
		return 2;
	for (const struct attack *attack = attacks_all(&count); count--; attack++)
		try(attack, &plan, disguise);
	hs_config_destroy((struct hs_config *)plan.config);
	return 0;
}
