/* What somebody tries who has taken over a process. Each attempt is made in a process of its own.
 * Called by hostile.c.
 * Owns nothing.
 */
#ifndef ATTACKS_H
#define ATTACKS_H

#include "hs_proto.h"
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define ATTACK_ALLOWED 1 /* a right of this process: it is not tried */

struct attack_world {
	enum hs_role role;
	const char *home;
	pid_t parent;
	bool is_keeper, is_scribe;
};

struct attack {
	const char *name;
	int (*attempt)(const struct attack_world *world); /* 0: it worked; -errno; ATTACK_ALLOWED */
	bool is_loose; /* a sanitizer needs it: not tried in programs that are built with one */
};

const struct attack *attacks_all(size_t *ret_count);

/* Before the sandbox: makes what the attempts need of the host. */
void attacks_prepare(void);

#endif
