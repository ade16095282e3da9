/* The two UDP sockets of a leg: RTP on an even port, RTCP on the next one.
 * Called by leg_rtp; calls ports, reader, kept and the kernel. Owns the descriptors, of which the keeper holds
 * duplicates: packets that come while nobody is there wait in them.
 * A connected socket takes packets of its peer only: the kernel drops everybody else's. Whatever came before it was
 * connected is thrown away, so nothing of a stranger is left in its queue.
 */
#ifndef MEDIAD_RTP_SOCKET_H
#define MEDIAD_RTP_SOCKET_H

#include "end.h"

struct rtp_socket {
	struct reader_source source;
	int fd; /* -1: closed */
	uint16_t port;
	bool is_connected;
	struct address peer; /* connected to, or sent to; unset: nobody yet */
};

/* Takes a pair of ports and binds both at local's host. 0 and local's port filled, or -EAGAIN: no pair is free. */
int rtp_socket_open_pair(struct world *world, const struct address *local, struct rtp_socket *ret_rtp,
			 struct rtp_socket *ret_rtcp, uint16_t *ret_port);

/* Takes over the pair that a predecessor had at this port, as connected as it was. 0, or -ENOENT: it is not there, or
 * not free. */
int rtp_socket_find_pair(struct world *world, uint16_t port, struct rtp_socket *ret_rtp, struct rtp_socket *ret_rtcp);

/* Lets readable be called for packets, with the socket's source. -errno. */
int rtp_socket_watch(struct rtp_socket *socket, struct reader *reader,
		     void (*readable)(struct reader_source *source, int64_t now_us));

/* Takes and gives packets of this peer only. -errno: the route is missing. */
int rtp_socket_connect(struct rtp_socket *socket, const struct address *peer);

/* Takes packets of anybody again (the caller checks their source) and sends to peer, which may be unset. */
void rtp_socket_disconnect(struct rtp_socket *socket, const struct address *peer);

/* One datagram of at most size bytes. Its length, or -errno: -EAGAIN, or what ICMP said, which is forgotten then. from
 * is set when the socket is not connected. */
int rtp_socket_receive(struct rtp_socket *socket, uint8_t *data, size_t size, struct address *ret_from);

/* Sends to the peer. False: it has none, or the kernel refused. */
bool rtp_socket_send(struct rtp_socket *socket, const uint8_t *data, size_t bytes);

/* Closes at once. */
void rtp_socket_close(struct rtp_socket *socket, struct world *world);

#endif
