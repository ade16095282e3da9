/* The file system: /dev/dahdi's files under a folder, their open, read, write, poll and ioctl.
 * Called by main; calls ioctls and chan. Only files*.c know libfuse.
 * Owns the session, open files, and callers that sleep (bounded).
 */
#ifndef SIM_FILES_H
#define SIM_FILES_H

#include "bank.h"
#include <sys/types.h>
#include <uv.h>

struct files;

struct files_options {
	const char *folder; /* where to mount, an empty folder */
	uid_t owner;
	gid_t group;
	mode_t mode;      /* of the files */
	bool allow_other; /* other accounts may open them, by owner and mode */
};

/* Mounts and serves from the loop. Negative errno; the reason is logged. ended is called when somebody unmounts it. */
int files_create(uv_loop_t *loop, struct bank *bank, const struct files_options *options, void (*ended)(void *owner),
		 void *owner, struct files **ret_files);

/* Wakes sleepers and pollers for what has happened; call it after each tick and each command. */
void files_settle(struct files *files);

/* Unmounts. The loop must run once more for handles to close before files_destroy. */
void files_stop(struct files *files);
void files_destroy(struct files *files);

/* Open files now, and requests served since the start. */
unsigned int files_open(const struct files *files);
uint64_t files_served(const struct files *files);

#endif
