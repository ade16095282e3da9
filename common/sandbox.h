/* The sandbox: what a process may still ask of the kernel once it is set up.
 * Called by daemon.c (keeper), house.c (child), scribe.c and keeper.c; each daemon's table stands in its sandbox.c,
 * what all need in sandbox_table.c. Calls libseccomp (sandbox_calls.c only) and landlock (sandbox_files.c only). Owns a
 * page in which a refused call is noted, and how often that happened.
 *
 * A filter is inherited by every fork and can only become narrower: the keeper may do what its child may, and fork and
 * change users; the child loses that with its first filter, and what only starting needs with its second.
 */
#ifndef HS_SANDBOX_H
#define HS_SANDBOX_H

#include "hs_proto.h"
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- tables ---- */

/* When a row counts. */
enum hs_phase {
	HS_START = 1,      /* a child, until it serves */
	HS_RUN = 2,        /* a child that serves */
	HS_ALWAYS = 3,     /* both */
	HS_KEEPER = 4,     /* a keeper, beside what its child may */
	HS_SCRIBE = 8,     /* a scribe */
	HS_SANITIZED = 16, /* programs built with a sanitizer, which looks at itself when it ends; told in the log */
};

enum hs_compare { HS_ANYTHING, HS_MASKED, HS_DIFFERS, HS_OURSELVES };

/* What an argument (0 to 5) must be. */
struct hs_condition {
	enum hs_compare compare;
	unsigned argument;
	uint64_t mask, value;
};

#define HS_IS(argument, value)                                                                                         \
	{                                                                                                              \
		HS_MASKED, argument, UINT32_MAX, value                                                                 \
	}
#define HS_KIND(argument, kind)                                                                                        \
	{                                                                                                              \
		HS_MASKED, argument, 0xf, kind                                                                         \
	} /* type of a socket, without its flags */
#define HS_WITHOUT(argument, bits)                                                                                     \
	{                                                                                                              \
		HS_MASKED, argument, bits, 0                                                                           \
	}
#define HS_WITH(argument, bits)                                                                                        \
	{                                                                                                              \
		HS_MASKED, argument, bits, bits                                                                        \
	}
#define HS_NOT(argument, value)                                                                                        \
	{                                                                                                              \
		HS_DIFFERS, argument, 0, value                                                                         \
	}
#define HS_SELF(argument)                                                                                              \
	{                                                                                                              \
		HS_OURSELVES, argument, 0, 0                                                                           \
	} /* our own pid */

/* A system call that is allowed. Several rows of one name: any of them. Names that an architecture does not have are
 * skipped there, and so is a newer name where there is the older one, which is what libraries call there. */
struct hs_permit {
	const char *name;
	const char *instead; /* of this one, where an architecture does not have it; NULL: it counts everywhere */
	unsigned when;       /* enum hs_phase, several */
	const char *why;
	struct hs_condition only[2]; /* all must hold */
};

#define HS_ALLOW(call, phases, reason, ...)                                                                            \
	{                                                                                                              \
		.name = call, .when = phases, .why = reason, .only = { __VA_ARGS__ }                                   \
	}

#define HS_ALLOW_INSTEAD(call, older, phases, reason)                                                                  \
	{                                                                                                              \
		.name = (call), .instead = (older), .when = (phases), .why = (reason)                                  \
	}

/* What is allowed below a path. */
enum hs_reach {
	HS_READ = 1,
	HS_WRITE = 2,   /* and make, cut and remove files */
	HS_SOCKETS = 4, /* make sockets */
	HS_DEVICE = 8,  /* read, write and ioctl of device files */
	HS_LATER = 16,  /* while it is not there yet: what is above it */
};

struct hs_folder {
	const char *path; /* absolute, or below the home */
	unsigned reach;   /* enum hs_reach, several */
	const char *why;
};

/* Rows of SQLite, for daemons that have a database. */
#define HS_CALLS_OF_SQLITE                                                                                             \
	HS_ALLOW("pwrite64", HS_ALWAYS, "the database"), HS_ALLOW("fsync", HS_ALWAYS, "the database"),                 \
		HS_ALLOW("fdatasync", HS_ALWAYS, "the database"), HS_ALLOW("ftruncate", HS_ALWAYS, "the database"),    \
		HS_ALLOW("access", HS_ALWAYS, "the database"),                                                         \
		HS_ALLOW_INSTEAD("faccessat", "access", HS_ALWAYS, "the database"),                                    \
		HS_ALLOW("readlink", HS_ALWAYS, "the database"),                                                       \
		HS_ALLOW_INSTEAD("readlinkat", "readlink", HS_ALWAYS, "the database"),                                 \
		HS_ALLOW("clock_nanosleep", HS_ALWAYS, "somebody else has the database")

/* Rows of libuv's workers, for daemons that have them; what makes a process is in no row. One may begin later than it
 * was made. */
#define HS_CALLS_OF_WORKERS                                                                                            \
	HS_ALLOW("clone", HS_START, "workers of the loop", HS_WITH(0, CLONE_THREAD | CLONE_VM | CLONE_SIGHAND)),       \
		HS_ALLOW("set_robust_list", HS_ALWAYS, "a worker begins"),                                             \
		HS_ALLOW("rseq", HS_ALWAYS, "a worker begins"),                                                        \
		HS_ALLOW("sched_getaffinity", HS_START, "how many processors there are"),                              \
		HS_ALLOW("sched_yield", HS_ALWAYS, "the loop waits for a worker that wakes it"),                       \
		HS_ALLOW("exit", HS_ALWAYS, "a worker ends")

/* Rows of sockets beside the bus's, for daemons that speak to the world. */
#define HS_CALLS_OF_NETWORK                                                                                            \
	HS_ALLOW("setsockopt", HS_ALWAYS, "options of sockets"), HS_ALLOW("getsockname", HS_ALWAYS, "our address"),    \
		HS_ALLOW("getpeername", HS_ALWAYS, "whose address it is")

/* And for those whose connections others begin, or keep. */
#define HS_CALLS_OF_CONNECTIONS HS_CALLS_OF_NETWORK, HS_ALLOW("shutdown", HS_ALWAYS, "the end of a connection")

struct hs_grants; /* what depends on the configuration */

/* What one daemon needs beside what all need. */
struct hs_sandbox {
	const struct hs_permit *calls;
	size_t calls_count;
	const struct hs_folder *folders;
	size_t folders_count;
	bool has_workers;      /* libuv's threads, which are made before its filter closes */
	uint64_t descriptors;  /* open at once */
	uint64_t file_bytes;   /* longest file, its journal's memory included */
	uint64_t memory_bytes; /* address space */

	/* NULL: nothing more. */
	void (*grant)(const struct hs_config *config, struct hs_grants *grants);
};

/* path absolute; a missing one is skipped. */
void hs_grant_path(struct hs_grants *grants, const char *path, unsigned reach, const char *why);

/* TCP connections to this port; 0: to every port. Without a grant there is none. */
void hs_grant_connect(struct hs_grants *grants, uint16_t port);

/* ---- a process's life ---- */

struct hs_sandbox_plan {
	enum hs_role role;
	const char *name, *home;
	const struct hs_sandbox *sandbox; /* NULL: what all need */
	const struct hs_config *config;
};

/* The keeper, when all is opened, before its first fork. -errno with a log line: it must not run. What the kernel
 * cannot do is told in the log and by hs_sandbox_missing. */
int hs_sandbox_keeper(const struct hs_sandbox_plan *plan);

/* The child, as its user and before it has a thread: limits, files, and a probe that tries what must fail, which
 * takes about a millisecond. -EPERM with a log line: something forbidden worked. */
int hs_sandbox_enclose(const struct hs_sandbox_plan *plan);

/* The child, before it reads what its predecessor left: all threads get the filter of HS_START. -errno with a log
 * line. */
int hs_sandbox_start(const struct hs_sandbox_plan *plan);

/* The child, before its loop runs: the filter of HS_RUN, and no more processes or threads. -errno with a log line. */
int hs_sandbox_run(const struct hs_sandbox_plan *plan);

/* The scribe. Best effort: a log is written in any case. */
void hs_sandbox_scribe(void);

/* ---- what became of it ---- */

/* What the kernel or the configuration left out, as a sentence for /health; NULL: nothing. */
const char *hs_sandbox_missing(void);

/* The wall as it stands, for daemon.status: "seccomp 52, landlock 7". Borrowed, filled by hs_sandbox_run. */
const char *hs_sandbox_summary(void);

/* The keeper: its child died by SIGSYS. Logs which call it was, as far as it is known, and counts it. */
void hs_sandbox_mourn(pid_t child);

/* Calls visit for each call that killed a predecessor of this process, with how often. */
void hs_sandbox_each_refused(void (*visit)(void *context, const char *call, int64_t count), void *context);

/* Writes what this daemon may do, and why, as --dump-sandbox prints it. */
void hs_sandbox_dump(const struct hs_sandbox_plan *plan);

#endif
