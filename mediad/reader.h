/* Reader: all RTP and RTCP sockets in one epoll of their own, which the loop sees as one descriptor.
 * Called by rtp_socket (add, forget); calls whoever has packets. Owns the epoll descriptor and its libuv handle.
 * A socket costs one system call to watch and one to let go: closing it is not enough, for the keeper may hold it open.
 * Packets that come
 * together are read in one turn of the loop, with one look at the clock.
 */
#ifndef MEDIAD_READER_H
#define MEDIAD_READER_H

#include <stdint.h>
#include <uv.h>

struct reader;

/* Embedded by whoever has a socket. */
struct reader_source {
	/* There is a packet, or an error that reading tells. May forget any source, its own too, as its last act. */
	void (*readable)(struct reader_source *source, int64_t now_us);
};

/* NULL with errno when the kernel refuses. */
struct reader *reader_create(uv_loop_t *loop);

/* From now on readable is called while fd has packets; both live until forgotten. 0 or -errno. */
int reader_add(struct reader *reader, int fd, struct reader_source *source);

/* It is not called any more. One that was never added is fine. */
void reader_forget(struct reader *reader, int fd, const struct reader_source *source);

/* Frees it once libuv has let go. NULL is fine. */
void reader_destroy(struct reader *reader);

#endif
