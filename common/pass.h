/* Pass: one datagram of fixed size between two processes of ours, and at most one descriptor beside it.
 * Called by keep.c (child to keeper), keeper.c and handover.c (keeper to keeper).
 * Owns nothing.
 */
#ifndef HS_PASS_H
#define HS_PASS_H

#include <stddef.h>

/* Sends it, with a duplicate of fd unless that is -1. Blocks for no one. 0, -EAGAIN: no room, -errno. */
int hs_pass_send(int socket, const void *data, size_t bytes, int fd);

/* Takes the next one. 1, and *ret_fd is the caller's or -1; 0: the other end is closed; -EAGAIN: there is none yet;
 * -EBADMSG: it was of another size, and is gone; -errno. Of several descriptors all but the last are closed. */
int hs_pass_receive(int socket, void *data, size_t bytes, int *ret_fd);

#endif
