/* What the sandbox's rooms share: tables to their walls.
 * Included by sandbox*.c only.
 * Owns nothing.
 */
#ifndef HS_SANDBOX_INNER_H
#define HS_SANDBOX_INNER_H

#include "sandbox.h"
#include <stdbool.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer) || __has_feature(thread_sanitizer)
#define SANDBOX_SANITIZED 1
#endif
#endif
#ifndef SANDBOX_SANITIZED
#define SANDBOX_SANITIZED 0
#endif

#define SANDBOX_PATHS 64
#define SANDBOX_PORTS 64

struct hs_grants {
	const char *home;
	struct sandbox_path {
		char *path; /* absolute */
		unsigned reach;
		const char *why;
	} paths[SANDBOX_PATHS];
	size_t paths_count;
	uint16_t ports[SANDBOX_PORTS];
	size_t ports_count;
	bool any_port;
};

/* Rows that every process of ours has, by phase. */
extern const struct hs_permit sandbox_calls[];
extern const size_t sandbox_calls_count;

/* ---- sandbox_files.c ---- */

/* Version of landlock that the kernel has; 0: none, or not for us. */
int sandbox_files_version(void);

/* A descriptor of the rules that allow these paths, and TCP connections to these ports; the caller closes it. -errno.
 */
int sandbox_files_gather(const struct hs_grants *grants);

/* From here on only what these rules allow. They can be used again, by forks as well. -errno. */
int sandbox_files_restrict(int rules);

/* ---- sandbox_calls.c ---- */

/* Stands in a filter that is not loaded yet for the pid of whoever will load it. No row has this number. */
#define SANDBOX_OURSELVES 0x5e1f5e1fU

enum sandbox_mode {
	SANDBOX_REFUSE,
	SANDBOX_LOG,
	SANDBOX_TEST
}; /* the last one refuses, and the kernel does not log it */

/* Makes the filter for these phases, which takes milliseconds, and keeps it for the forks that will load it. -ENOSYS
 * when the kernel has no filters, -errno. */
int sandbox_calls_prepare(const struct hs_sandbox *sandbox, unsigned phases, enum sandbox_mode mode);

/* Loads it in all threads; one that nobody prepared is made first. Returns how many calls it knows, or as above. */
int sandbox_calls_restrict(const struct hs_sandbox *sandbox, unsigned phases, enum sandbox_mode mode);

/* Whether a row counts on this architecture. */
bool sandbox_calls_is_here(const struct hs_permit *call);

/* How many calls a filter of these phases knows here, a sanitizer's apart. */
int sandbox_calls_count_of(const struct hs_sandbox *sandbox, unsigned phases);

/* Name of a call's number here, into size bytes. */
void sandbox_calls_name(int number, char *ret_name, size_t size);

/* ---- sandbox_probe.c ---- */

/* Tries what must fail, in a fork, under the filter of HS_RUN unless only_log. -EPERM with a log line for what
 * worked. */
int sandbox_probe(const struct hs_sandbox_plan *plan, bool has_calls, bool has_files);

/* ---- sandbox_trap.c ---- */

/* Notes a refused call in the keeper's page and dies of it. */
void sandbox_trap_set(bool says_it_itself);

#endif
