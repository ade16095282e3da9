#include "pass.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	struct cmsghdr head;
	char bytes[CMSG_SPACE(sizeof(int))];
};

int hs_pass_send(int socket, const void *data, size_t bytes, int fd)
{
	union control control = {0};
	struct iovec part = {.iov_base = (void *)data, .iov_len = bytes};
	struct msghdr packet = {.msg_iov = &part, .msg_iovlen = 1};

	if (fd >= 0) {
		packet.msg_control = control.bytes;
		packet.msg_controllen = sizeof(control.bytes);
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	}
	if (sendmsg(socket, &packet, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)bytes)
		return 0;
	return errno ? -errno : -EIO;
}

/* One descriptor, or -1; of more all but the last are closed. */
static int take_descriptor(struct msghdr *packet)
{
	int fd = -1;

	for (struct cmsghdr *head = CMSG_FIRSTHDR(packet); head; head = CMSG_NXTHDR(packet, head)) {
		size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			if (fd >= 0)
				close(fd);
			memcpy(&fd, CMSG_DATA(head) + i * sizeof(int), sizeof(fd));
		}
	}
	return fd;
}

int hs_pass_receive(int socket, void *data, size_t bytes, int *ret_fd)
{
	union control control;
	struct iovec part = {.iov_base = data, .iov_len = bytes};
	struct msghdr packet = {.msg_iov = &part,
				.msg_iovlen = 1,
				.msg_control = control.bytes,
				.msg_controllen = sizeof(control.bytes)};
	ssize_t received = recvmsg(socket, &packet, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	*ret_fd = -1;
	if (received < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (received == 0)
		return 0;
	*ret_fd = take_descriptor(&packet);
	if (received == (ssize_t)bytes && !(packet.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return 1;
	if (*ret_fd >= 0)
		close(*ret_fd);
	*ret_fd = -1;
	return -EBADMSG;
}
