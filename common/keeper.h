/* The keeper: starts the sandboxed child, holds descriptors for it, restarts it at once when it dies.
 * Called by daemon.c only; children use the hs_keep_* half. Parses nothing from outside: over its socket pair it takes
 * a name of up to 63 bytes and one descriptor, as with systemd's descriptor store.
 * Owns a duplicate of every descriptor it holds, at most HS_KEEP_MAX.
 */
#ifndef HS_KEEPER_H
#define HS_KEEPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define HS_KEEP_MAX 16384
#define HS_KEEP_NAME 64

struct hs_keep; /* the child's end */

/* Holds a duplicate of fd under name; an older one of that name is closed. Blocks for no one: -EAGAIN when the keeper
 * is stuck (the caller goes on, unprotected), -EINVAL for a bad name, -ENOSPC at HS_KEEP_MAX. */
int hs_keep_hold(struct hs_keep *keep, const char *name, int fd);

/* Lets go of name; unknown is fine. */
void hs_keep_drop(struct hs_keep *keep, const char *name);

/* A descriptor that the predecessor left (or the keeper opened), once; the caller owns it. -ENOENT. */
int hs_keep_take(struct hs_keep *keep, const char *name);

/* Calls visit for each name with this prefix that was left and not yet taken. */
void hs_keep_each(struct hs_keep *keep, const char *prefix, void (*visit)(void *context, const char *name),
		  void *context);

/* The child serves, and goes on with all that was left to it. */
void hs_keep_serves(struct hs_keep *keep);

/* How many children ended before this one, under this keeper and those that it took over from; 0 in the first. */
int hs_keep_deaths(const struct hs_keep *keep);

/* Exit code of a child that cannot work here at all (a port is taken): its keeper ends with it instead of trying again.
 */
#define HS_KEEPER_GIVE_UP 78

/* Before hs_keeper_run: holds a descriptor for the first child; it is the keeper's from now on. 0, -EINVAL (name),
 * -ENOSPC. */
int hs_keeper_hold(const char *name, int fd);

/* Before hs_keeper_run: whether a socket bound to this address is held under this name, because the keeper that ran
 * before us opened it (handover.h). */
bool hs_keeper_is_bound(const char *name, const struct sockaddr *address, socklen_t length);

/* Calls visit for each descriptor that is held, until it returns false; opened: only those of hs_keeper_hold. */
void hs_keeper_each(bool opened, bool (*visit)(void *context, const char *name, int fd), void *context);

/* Whoever waits for a keeper to end gives it this much more than the grace of its child. */
#define HS_KEEPER_PATIENCE_S 20

/* Before hs_keeper_run: so long a child that was asked to stop may take, else 5 s; then it is killed, but for one that
 * waits for a disk: that gets HS_KEEPER_PATIENCE_S more. */
void hs_keeper_grace(int64_t wanted_ms);

/* Before hs_keeper_run: a death is somebody's silence. The keeper gives way to nobody, and with a priority above 0 it
 * and what its children do until they choose another are done in real time, where the host grants it. */
void hs_keeper_urgent(int priority);

/* Runs the keeper: forks child(keep, argument) and stays until a child exits with 0 or HS_KEEPER_GIVE_UP, or until
 * SIGTERM/SIGINT was passed on and the child is gone (killed after its grace). Restarts at once; after 5 deaths within
 * 10 s waits 100 ms, doubling to 5 s; the successor of a child that lived for a second never waits. A child that hangs
 * is killed (pulse.h). SIGHUP: a keeper of a new program takes over, if there is one (handover.h); 0 then, too. A child
 * is killed when its keeper dies (PR_SET_PDEATHSIG). Returns the exit code for main. */
int hs_keeper_run(const char *name, int (*child)(struct hs_keep *keep, void *argument), void *argument);

#endif
