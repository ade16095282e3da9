/* Notify: tells the service manager that started us how the daemon is: READY=1, WATCHDOG=1, STOPPING=1, as systemd's
 * sd_notify(3) does. Called by daemon.c and keeper.c: the keeper speaks, as the process that the manager knows.
 * Owns one datagram socket, which is connected before any wall is there; without NOTIFY_SOCKET all of it does nothing.
 */
#ifndef HS_NOTIFY_H
#define HS_NOTIFY_H

/* The keeper, before its sandbox. What cannot be reached is logged: the manager will say that we do not get ready. */
void hs_notify_open(void);

/* One or more lines NAME=VALUE. Blocks for no one: what the manager does not take at once is lost. */
void hs_notify_tell(const char *lines);

/* The daemon serves and its loop turns, to be said again and again. The first time the manager is told that it is
 * ready; then four times in each interval of its watchdog (WATCHDOG_USEC), if it has one. */
void hs_notify_beat(void);

/* The socket and the milliseconds between two beats, for a keeper that takes over; -1: there is none. */
int hs_notify_socket(int *ret_every_ms);

/* Speaks over this socket from now on, whose manager was told already that the daemon is ready; fd is ours from now on,
 * -1: says nothing any more. */
void hs_notify_inherit(int fd, int every_ms);

#endif
