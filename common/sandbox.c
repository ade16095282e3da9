/* One wall after the other, from the keeper's start to the daemon's loop. */
#include "bus.h"
#include "cleanup.h"
#include "config.h"
#include "keys.h"
#include "log.h"
#include "privs.h"
#include "sandbox_inner.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define SUMMARY_BYTES 96
#define WHY_BYTES 240
#define WHOLE_LANDLOCK 6 /* from this version on nothing of the tables is left out */

static struct {
	bool has_calls, has_files; /* what the kernel gave */
	bool only_logs;
	int landlock;
	int rules; /* of landlock, for the children; -1: none */
	char summary[SUMMARY_BYTES], missing[WHY_BYTES];
} state = {.rules = -1};

/* ---- paths and ports ---- */

void hs_grant_path(struct hs_grants *grants, const char *path, unsigned reach, const char *why)
{
	if (grants->paths_count == SANDBOX_PATHS)
		return;
	grants->paths[grants->paths_count++] = (struct sandbox_path){
		.path = path[0] == '/' ? hs_strdup(path) : hs_printf("%s/%s", grants->home, path),
		.reach = reach,
		.why = why,
	};
}

void hs_grant_connect(struct hs_grants *grants, uint16_t port)
{
	if (port == 0)
		grants->any_port = true;
	else if (grants->ports_count < SANDBOX_PORTS)
		grants->ports[grants->ports_count++] = port;
}

/* Other hosts: who they are, and apid's ports there. What is listened at the keeper has opened. */
static void grant_far(const struct hs_sandbox_plan *plan, struct hs_grants *grants)
{
	const struct hs_config_bus *far = plan->config->bus;
	AUTO(free) char *private = hs_printf("keys/%s.curve.key", plan->name);

	hs_grant_path(grants, private, HS_READ, "its key for other hosts");
	hs_grant_path(grants, HS_KEYS_PEERS, HS_READ, "whom it knows on other hosts");
	for (size_t i = 0; i < far->connect_count && plan->role != HS_ROLE_APID; i++)
		hs_grant_connect(grants, (uint16_t)far->connect[i].port);
}

static void grant_own(const struct hs_sandbox_plan *plan, struct hs_grants *grants)
{
	AUTO(free) char *run = hs_printf("run/%s", plan->name);
	AUTO(free) char *private = hs_printf("keys/%s.key", plan->name);
	AUTO(free) char *public = hs_printf("keys/%s.pub", plan->name);

	hs_grant_path(grants, plan->name, HS_READ | HS_WRITE, "its own state");
	hs_grant_path(grants, run, HS_READ | HS_WRITE | HS_SOCKETS, "its sockets, and the sign that it is ready");
	if (hs_bus_is_far(plan->config->bus, plan->role))
		grant_far(plan, grants);
	if (!hs_keys_has_pair(plan->role))
		return;
	hs_grant_path(grants, private, HS_READ, "its own key");
	hs_grant_path(grants, public, HS_READ, "seals for itself");
}

static struct hs_grants *gather(const struct hs_sandbox_plan *plan)
{
	struct hs_grants *grants = hs_zalloc(sizeof(*grants));
	const struct hs_sandbox *sandbox = plan->sandbox;

	grants->home = plan->home;
	grant_own(plan, grants);
	for (size_t i = 0; sandbox && i < sandbox->folders_count; i++)
		hs_grant_path(grants, sandbox->folders[i].path, sandbox->folders[i].reach, sandbox->folders[i].why);
	if (sandbox && sandbox->grant)
		sandbox->grant(plan->config, grants);
	if (SANDBOX_SANITIZED) {
		static const char *const read[] = {"/proc", "/usr", "/lib", "/lib64", "/etc/ld.so.cache"};

		for (size_t i = 0; i < HS_COUNT(read); i++)
			hs_grant_path(grants, read[i], HS_READ, "a sanitizer looks at itself");
	}
	return grants;
}

static void release(struct hs_grants *grants)
{
	for (size_t i = 0; i < grants->paths_count; i++)
		free(grants->paths[i].path);
	free(grants);
}

/* ---- the walls ---- */

/* A kernel or container that has no such wall is no reason not to run; anything else is. */
static bool cannot(int result)
{
	return result == -ENOSYS || result == -EOPNOTSUPP || result == -EPERM;
}

static int judge_files(int result)
{
	if (result < 0 && !cannot(result))
		hs_log(ERROR, "sandbox.failed", LOG_TEXT("wall", "landlock"), LOG_TEXT("error", strerror(-result)),
		       LOG_WHY("the files it may reach could not be limited; it does not run without that"));
	state.has_files = result >= 0;
	return result < 0 && cannot(result) ? 0 : result;
}

/* The keeper may reach what its children may, whose rules are made here as well: who is born when one died has no time
 * to lose. */
static int restrict_keeper_files(const struct hs_sandbox_plan *plan)
{
	struct hs_grants *grants = gather(plan);
	AUTO(close) int own = -1;
	int result;

	state.rules = sandbox_files_gather(grants);
	hs_grant_path(grants, "/proc", HS_READ, "the child's own figures");
	hs_grant_path(grants, "/dev/null", HS_DEVICE, "in the place of a standard descriptor that is missing");
	own = sandbox_files_gather(grants);
	release(grants);
	result = judge_files(state.rules < 0 ? state.rules : own);
	return result < 0 || !state.has_files ? result : judge_files(sandbox_files_restrict(own));
}

static int restrict_files(void)
{
	int result = state.rules < 0 ? -ENOSYS : sandbox_files_restrict(state.rules);

	if (state.rules >= 0)
		close(state.rules);
	state.rules = -1;
	return judge_files(result);
}

static bool only_logs(const struct hs_sandbox_plan *plan)
{
	return plan->config->security->sandbox == HS_SANDBOX_MODE_LOG;
}

static int judge_calls(int result)
{
	if (result < 0 && !cannot(result))
		hs_log(ERROR, "sandbox.failed", LOG_TEXT("wall", "seccomp"), LOG_TEXT("error", strerror(-result)),
		       LOG_WHY("its system calls could not be limited; it does not run without that"));
	state.has_calls = result >= 0;
	return result < 0 && cannot(result) ? 0 : result;
}

static enum sandbox_mode mode_of(const struct hs_sandbox_plan *plan)
{
	return only_logs(plan) ? SANDBOX_LOG : SANDBOX_REFUSE;
}

static int restrict_calls(const struct hs_sandbox_plan *plan, unsigned phases)
{
	return judge_calls(sandbox_calls_restrict(plan->sandbox, phases, mode_of(plan)));
}

/* What the children and the scribe will load. */
static int prepare_calls(const struct hs_sandbox_plan *plan)
{
	int result = sandbox_calls_prepare(plan->sandbox, HS_ALWAYS, mode_of(plan));

	if (result == 0)
		result = sandbox_calls_prepare(plan->sandbox, HS_RUN, mode_of(plan));
	if (result == 0)
		result = sandbox_calls_prepare(NULL, HS_SCRIBE, mode_of(plan));
	return judge_calls(result);
}

/* Once, in the keeper: what of the model this kernel or configuration leaves out. */
static void tell_missing(const struct hs_sandbox_plan *plan)
{
	snprintf(state.missing, sizeof(state.missing), "%s%s%s",
		 state.has_calls ? ""
				 : "this kernel or container has no seccomp filters: system calls are not limited. ",
		 state.has_files ? "" : "this kernel or container has no landlock: files are limited by users only. ",
		 only_logs(plan) ? "security.sandbox is log: forbidden system calls are not prevented." : "");
	if (state.missing[0])
		hs_log(WARN, "sandbox.degraded", LOG_WHY(state.missing));
	if (state.has_files && state.landlock < WHOLE_LANDLOCK)
		hs_log(INFO, "sandbox.older_landlock", LOG_INT("version", state.landlock),
		       LOG_WHY("1: no limit for renaming between folders; below 3: nor for truncating; below 4: nor "
			       "for "
			       "TCP ports; below 5: nor for ioctl of devices; below 6: nor for signals and abstract "
			       "sockets. seccomp and users limit most of it as well"));
	if (SANDBOX_SANITIZED)
		hs_log(WARN, "sandbox.sanitized",
		       LOG_WHY("built with a sanitizer, which looks at its own process: ptrace, clone and /proc are "
			       "allowed. Not for service"));
}

int hs_sandbox_keeper(const struct hs_sandbox_plan *plan)
{
	int result;

	state.landlock = sandbox_files_version();
	result = restrict_keeper_files(plan);
	if (result < 0)
		return result;
	state.only_logs = only_logs(plan);
	sandbox_trap_set(true);
	result = prepare_calls(plan);
	if (result == 0 && state.has_calls)
		result = restrict_calls(plan, HS_ALWAYS | HS_KEEPER | HS_SCRIBE);
	if (result >= 0)
		tell_missing(plan);
	return result < 0 ? result : 0;
}

static void limit(int resource, uint64_t most)
{
	struct rlimit now;

	if (most == 0 || getrlimit(resource, &now) < 0 || now.rlim_max <= most)
		return;
	now = (struct rlimit){.rlim_cur = now.rlim_cur < most ? now.rlim_cur : most, .rlim_max = most};
	setrlimit(resource, &now);
}

int hs_sandbox_enclose(const struct hs_sandbox_plan *plan)
{
	bool had_calls = state.has_calls;
	int result = restrict_files();

	if (result < 0)
		return result;
	if (plan->sandbox) {
		limit(RLIMIT_NOFILE, plan->sandbox->descriptors);
		limit(RLIMIT_FSIZE, plan->sandbox->file_bytes);
		if (!SANDBOX_SANITIZED) /* whose shadow is most of the address space */
			limit(RLIMIT_AS, plan->sandbox->memory_bytes);
	}
	sandbox_trap_set(false);
	return sandbox_probe(plan, had_calls && !only_logs(plan), state.has_files);
}

int hs_sandbox_start(const struct hs_sandbox_plan *plan)
{
	int result = state.has_calls ? restrict_calls(plan, HS_ALWAYS) : 0;

	return result < 0 ? result : 0;
}

int hs_sandbox_run(const struct hs_sandbox_plan *plan)
{
	static const struct rlimit none = {0, 0};
	int count;

	if (!SANDBOX_SANITIZED && setrlimit(RLIMIT_NPROC, &none) < 0)
		return -errno;
	count = state.has_calls ? restrict_calls(plan, HS_RUN) : 0;
	if (count < 0)
		return count;
	snprintf(state.summary, sizeof(state.summary), "%s %d, landlock %d%s",
		 only_logs(plan) ? "seccomp (log)" : "seccomp", state.has_calls ? count : 0,
		 state.has_files ? state.landlock : 0, SANDBOX_SANITIZED ? ", widened for a sanitizer" : "");
	hs_log(INFO, "sandbox.closed", LOG_INT("calls", count),
	       LOG_INT("landlock", state.has_files ? state.landlock : 0));
	return 0;
}

void hs_sandbox_scribe(void)
{
	struct hs_grants nothing = {0};
	struct rlimit files = {3, 3};
	int rules = state.has_files ? sandbox_files_gather(&nothing) : -ENOSYS;

	if (rules >= 0) {
		sandbox_files_restrict(rules);
		close(rules);
	}
	setrlimit(RLIMIT_NOFILE, &files);
	if (state.has_calls)
		sandbox_calls_restrict(NULL, HS_SCRIBE, state.only_logs ? SANDBOX_LOG : SANDBOX_REFUSE);
}

/* ---- what became of it ---- */

const char *hs_sandbox_missing(void)
{
	return state.missing[0] ? state.missing : NULL;
}

const char *hs_sandbox_summary(void)
{
	return state.summary;
}

/* ---- printed ---- */

static const char *phase_name(unsigned when)
{
	if ((when & HS_ALWAYS) == HS_ALWAYS)
		return "always";
	return when & HS_RUN ? "running" : when & HS_START ? "starting" : when & HS_KEEPER ? "keeper" : "scribe";
}

static void dump_calls(const struct hs_permit *calls, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (calls[i].when != HS_SANITIZED && sandbox_calls_is_here(&calls[i]))
			printf("call    %-10s %-24s %s%s\n", phase_name(calls[i].when), calls[i].name, calls[i].why,
			       calls[i].only[0].compare != HS_ANYTHING ? " (arguments are limited)" : "");
}

void hs_sandbox_dump(const struct hs_sandbox_plan *plan)
{
	struct hs_grants *grants = gather(plan);

	if (plan->sandbox)
		dump_calls(plan->sandbox->calls, plan->sandbox->calls_count);
	dump_calls(sandbox_calls, sandbox_calls_count);
	for (size_t i = 0; i < grants->paths_count; i++)
		printf("path    %s%s%s%s %-28s %s\n", grants->paths[i].reach & (HS_READ | HS_DEVICE) ? "r" : "-",
		       grants->paths[i].reach & (HS_WRITE | HS_DEVICE) ? "w" : "-",
		       grants->paths[i].reach & HS_SOCKETS ? "s" : "-", grants->paths[i].reach & HS_DEVICE ? "d" : "-",
		       grants->paths[i].path, grants->paths[i].why);
	if (grants->any_port)
		printf("tcp     connects to every port\n");
	for (size_t i = 0; i < grants->ports_count && !grants->any_port; i++)
		printf("tcp     connects to port %d\n", grants->ports[i]);
	release(grants);
}
