/* The scribe: a process that writes what keeper and child say on standard error to where it goes.
 * Called by keeper.c only. Keeper and child write whole lines to a pipe that never blocks; the disk or terminal behind
 * it may take its time, and nobody but the scribe waits for it.
 * Owns the pipe; 1 MiB of lines wait in it, and what does not fit is dropped and counted by log.c.
 */
#ifndef HS_SCRIBE_H
#define HS_SCRIBE_H

struct hs_scribe {
	const char *name;
	int in;   /* the pipe's other end, for the scribe's successor; -1: there is none, nor will be */
	int out;  /* standard error as it was */
	int life; /* reads an end when the scribe is gone; -1: it could not be started */
};

/* Puts a pipe in the place of standard error and starts the scribe. name is borrowed. SIGCHLD is handled and SIGPIPE
 * ignored by then. -errno: standard error stays as it was. */
int hs_scribe_begin(struct hs_scribe *scribe, const char *name);

/* The scribe is gone (life reads an end): starts another, which goes on where it was. */
void hs_scribe_renew(struct hs_scribe *scribe);

/* In a child, after the fork: keeps only the pipe, for standard output as well. */
void hs_scribe_leave(const struct hs_scribe *scribe);

/* A child is dead: what it left unfinished becomes a line of its own. */
void hs_scribe_end_line(const struct hs_scribe *scribe);

/* Standard error is what it was before. The scribe ends when it has written all there is; waits a second for it. */
void hs_scribe_end(struct hs_scribe *scribe);

#endif
