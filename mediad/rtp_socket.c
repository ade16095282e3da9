#include "rtp_socket.h"
#include "cleanup.h"
#include "clock.h"
#include "id.h"
#include "kept.h"
#include <errno.h>
#include <netinet/ip.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	TRIES = 64,       /* ports that others hold are stepped over */
	DRAIN = 4096,     /* more datagrams than any receive buffer holds */
	EXPEDITED = 0xb8, /* DSCP EF (RFC 3246): voice */
	NAME = 16,
};

static void write_name(uint16_t port, char ret_name[NAME])
{
	snprintf(ret_name, NAME, "rtp.%u", port);
}

static void begin(struct rtp_socket *socket, struct world *world, int fd, uint16_t port)
{
	char name[NAME];
	socket->fd = fd;
	socket->port = port;
	write_name(port, name);
	kept_hold(world, name, fd);
}

static int bind_port(const struct address *host, uint16_t port)
{
	struct sockaddr_storage kernel;
	struct address local = *host;
	int on = 1, class = EXPEDITED;
	local.port = port;
	socklen_t length = address_to_kernel(&local, &kernel);
	AUTO(close) int fd = socket(local.family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (local.family == AF_INET6) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
		setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &class, sizeof class);
	} else {
		setsockopt(fd, IPPROTO_IP, IP_TOS, &class, sizeof class);
	}
	if (bind(fd, (struct sockaddr *)&kernel, length) < 0)
		return -errno;
	int bound = fd;
	fd = -1;
	return bound;
}

static int bind_pair(const struct address *host, uint16_t port, int ret_fds[2])
{
	ret_fds[0] = bind_port(host, port);
	if (ret_fds[0] < 0)
		return ret_fds[0];
	ret_fds[1] = bind_port(host, (uint16_t)(port + 1));
	if (ret_fds[1] < 0)
		close(ret_fds[0]);
	return ret_fds[1] < 0 ? ret_fds[1] : 0;
}

int rtp_socket_open_pair(struct world *world, const struct address *local, struct rtp_socket *ret_rtp,
			 struct rtp_socket *ret_rtcp, uint16_t *ret_port)
{
	int64_t now_ms = hs_clock_ms();
	for (int i = 0; i < TRIES; i++) {
		uint32_t random = 0;
		int fds[2];
		hs_random(&random, sizeof random);
		uint16_t port = ports_take(world->ports, now_ms, random);
		if (!port)
			return -EAGAIN;
		int error = bind_pair(local, port, fds);
		if (error == 0) {
			begin(ret_rtp, world, fds[0], port);
			begin(ret_rtcp, world, fds[1], (uint16_t)(port + 1));
			*ret_port = port;
			return 0;
		}
		ports_give(world->ports, port, now_ms);
		if (error != -EADDRINUSE)
			return error == -EMFILE || error == -ENFILE ? -EAGAIN : error;
	}
	return -EAGAIN;
}

static int take_over(struct rtp_socket *socket, struct world *world, uint16_t port)
{
	struct sockaddr_storage kernel = {0};
	socklen_t length = sizeof kernel;
	char name[NAME];
	write_name(port, name);
	socket->fd = hs_keep_take(world->keep, name);
	if (socket->fd < 0)
		return -ENOENT;
	socket->port = port;
	if (getpeername(socket->fd, (struct sockaddr *)&kernel, &length) == 0)
		address_from_kernel(&kernel, &socket->peer);
	socket->is_connected = socket->peer.family != 0;
	return 0;
}

int rtp_socket_find_pair(struct world *world, uint16_t port, struct rtp_socket *ret_rtp, struct rtp_socket *ret_rtcp)
{
	if (!ports_claim(world->ports, port))
		return -ENOENT;
	if (take_over(ret_rtp, world, port) == 0) {
		if (take_over(ret_rtcp, world, (uint16_t)(port + 1)) == 0)
			return 0;
		rtp_socket_close(ret_rtp, world);
	}
	ports_give(world->ports, port, hs_clock_ms());
	return -ENOENT;
}

int rtp_socket_watch(struct rtp_socket *socket, struct reader *reader,
		     void (*readable)(struct reader_source *source, int64_t now_us))
{
	socket->source.readable = readable;
	return reader_add(reader, socket->fd, &socket->source);
}

static void drain(const struct rtp_socket *socket)
{
	uint8_t byte;
	for (int i = 0; i < DRAIN; i++)
		if (recv(socket->fd, &byte, 1, MSG_DONTWAIT | MSG_TRUNC) < 0 && errno == EAGAIN)
			return;
}

int rtp_socket_connect(struct rtp_socket *socket, const struct address *peer)
{
	struct sockaddr_storage kernel;
	socklen_t length = address_to_kernel(peer, &kernel);
	if (socket->is_connected && address_same(&socket->peer, peer))
		return 0;
	if (connect(socket->fd, (struct sockaddr *)&kernel, length) < 0)
		return -errno;
	socket->peer = *peer;
	socket->is_connected = true;
	drain(socket);
	return 0;
}

void rtp_socket_disconnect(struct rtp_socket *socket, const struct address *peer)
{
	struct sockaddr nobody = {.sa_family = AF_UNSPEC};
	struct address kept = *peer; /* may be the socket's own */
	if (socket->is_connected)
		(void)connect(socket->fd, &nobody, sizeof nobody);
	socket->is_connected = false;
	socket->peer = kept;
}

/* The library's recv and send can be cancelled, which costs two locked operations a call where there are threads (the
 * bus has one); a fiftieth of a relayed packet. The bare calls cannot. */
int rtp_socket_receive(struct rtp_socket *socket, uint8_t *data, size_t size, struct address *ret_from)
{
	struct sockaddr_storage kernel;
	socklen_t length = sizeof kernel;
	if (socket->is_connected) {
		ssize_t bytes = syscall(SYS_recvfrom, socket->fd, data, size, MSG_DONTWAIT | MSG_TRUNC, NULL, NULL);
		return bytes < 0 ? -errno : (int)bytes;
	}
	ssize_t bytes = recvfrom(socket->fd, data, size, MSG_DONTWAIT | MSG_TRUNC, (struct sockaddr *)&kernel, &length);
	if (bytes < 0)
		return -errno;
	address_from_kernel(&kernel, ret_from);
	return (int)bytes;
}

static ssize_t send_once(const struct rtp_socket *socket, const uint8_t *data, size_t bytes)
{
	struct sockaddr_storage kernel;
	if (socket->is_connected)
		return syscall(SYS_sendto, socket->fd, data, bytes, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
	socklen_t length = address_to_kernel(&socket->peer, &kernel);
	return sendto(socket->fd, data, bytes, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&kernel, length);
}

bool rtp_socket_send(struct rtp_socket *socket, const uint8_t *data, size_t bytes)
{
	if (!socket->peer.family)
		return false;
	if (send_once(socket, data, bytes) >= 0)
		return true;
	/* A connected socket first tells what ICMP said about an earlier packet, instead of sending this one. */
	return errno == ECONNREFUSED && send_once(socket, data, bytes) >= 0;
}

void rtp_socket_close(struct rtp_socket *socket, struct world *world)
{
	char name[NAME];
	write_name(socket->port, name);
	reader_forget(world->reader, socket->fd, &socket->source);
	hs_keep_drop(world->keep, name);
	close(socket->fd);
	socket->fd = -1;
}
