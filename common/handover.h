/* Handover: the keeper of a new program takes over from the one that runs, and no call notices more than a death.
 * Called by daemon.c (before the walls) and keeper.c. Knows names and descriptors, and one text that says how what lies
 * in them is laid out. Owns the lock of the home, the connection between the two keepers and, while they meet, its
 * path.
 *
 * The new keeper listens at the path and sends SIGHUP to the old one, whose pid stands in the lock; the old one
 * connects to it. Each asks the kernel whether the other is of its own user, and the process that it knows of. Then:
 *
 *   old: OFFER, what its child keeps; LOCK, NOTIFY; OPENED, each socket that it opened itself; ASK
 *   new: goes away, if it cannot read that or may not work here; else puts up its walls and says TAKE
 *   old: ends its child; LEFT, each descriptor; ALL
 *   new: starts its child; when that serves, DONE
 *   old: ends.
 *
 * The old one holds everything until DONE: when the new one goes away before that, it starts its own child again. A
 * filter of system calls can only become narrower, so a new program cannot be run in the old one's place: it may need
 * more. Hence a new process, which its starter starts as he started the old one.
 */
#ifndef HS_HANDOVER_H
#define HS_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define HS_HANDOVER_TEXT 256 /* longest description of what is kept, with NUL */
#define HS_HANDOVER_MS 60000 /* so long a new one may take until its child serves */

/* What the other keeper says that its own keeper has to do something about. */
enum hs_handover_said {
	HS_HANDOVER_NOTHING, /* yet */
	HS_HANDOVER_TAKE,    /* to the old one: end the child and give everything */
	HS_HANDOVER_DONE,    /* to the old one: all is well, end */
	HS_HANDOVER_STOP,    /* to the new one: SIGTERM came to the old one */
	HS_HANDOVER_RECALL,  /* to the new one: it took too long, the old one goes on */
	HS_HANDOVER_LOST,    /* the other is gone, or talks nonsense */
};

/* ---- before the walls ---- */

/* Where the keepers meet (borrowed), and how what its children keep is laid out. lock: the home's, which is signed with
 * our pid; -1: we have not got it. */
void hs_handover_setup(const char *path, const char *layout, int lock);

/* lock is a descriptor of the file that the old keeper has locked. 0: it is ours from now on, too, and
 * hs_handover_is_heir is true. -ESRCH: nobody answers; -EPROTO: it cannot be taken over; told in the log. */
int hs_handover_ask(int lock);

/* Whoever waits at the other end of this is sent a byte when our child serves. */
void hs_handover_tell(int fd);

/* ---- both keepers ---- */

/* The connection, to be polled; -1: none. */
int hs_handover_socket(void);

/* What the other says, one word at a time. */
enum hs_handover_said hs_handover_hear(void);

/* Ends the connection. */
void hs_handover_leave(void);

/* ---- the old keeper ---- */

/* SIGHUP came from this process: connects to it and makes the offer. */
void hs_handover_meet(pid_t asker);

/* The child is gone: everything that is held, and how many children ended before. 0 or -errno. */
int hs_handover_give(int deaths);

/* STOP or RECALL. */
void hs_handover_say(enum hs_handover_said what);

/* DONE came: whoever started us is told which process it is now. */
void hs_handover_end(void);

/* ---- the new keeper ---- */

/* It has asked and has not said DONE. */
bool hs_handover_is_heir(void);

/* Behind its walls: says TAKE and holds what it is given. How many children ended before, or -errno. */
int hs_handover_take(void);

/* Its child serves: DONE, if there is one to say it to. */
void hs_handover_done(void);

#endif
