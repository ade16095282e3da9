/* What daemon.c (options, keeper) hands to house.c (the child's life).
 * Included by these two only.
 * Owns nothing.
 */
#ifndef HS_DAEMON_INNER_H
#define HS_DAEMON_INNER_H

#include "daemon.h"
#include "keeper.h"

struct daemon_plan {
	const struct hs_daemon *daemon;
	struct hs_config *config;
	struct hs_sandbox_plan sandbox;
	const char *home; /* absolute */
	bool upgrade;     /* takes over from the keeper that runs */
	bool unclean;     /* the run before this keeper did not end by itself */
};

/* The child: from the drop of privileges to the end. Argument: a struct daemon_plan. Returns the exit code. */
int daemon_live(struct hs_keep *keep, void *plan);

/* Path of the file that says that a daemon is ready. The caller frees it. */
char *daemon_ready_path(const char *home, const char *name);

#endif
