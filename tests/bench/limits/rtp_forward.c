/* rtp_forward: the least a relay with sockets can cost: connected UDP sockets, epoll, one recv and one send a packet.
 *
 *   rtp_forward CALLS BASE DEST_A DEST_B SOCKETS STREAMS
 *
 * Writes the streams file of rtp_load, prints "ready" and forwards until it is ended.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static long number(const char *text)
{
	return strtol(text, NULL, 10);
}

static struct sockaddr_in local(long port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return at;
}

static int open_connected(long port, long to)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	struct sockaddr_in here = local(port), there = local(to);
	if (bind(fd, (struct sockaddr *)&here, sizeof(here)) || connect(fd, (struct sockaddr *)&there, sizeof(there))) {
		perror("rtp_forward");
		exit(1);
	}
	return fd;
}

int main(int argc, char **argv)
{
	if (argc != 7)
		return 2;
	long calls = number(argv[1]), base = number(argv[2]), dest[2] = {number(argv[3]), number(argv[4])};
	int *fds = calloc((size_t)calls * 2, sizeof(int)), epoll = epoll_create1(0);
	FILE *streams = fopen(argv[6], "w");
	if (!streams)
		return 1;
	for (long i = 0; i < 2 * calls; i++) {
		struct epoll_event want = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
		fds[i] = open_connected(base + i, dest[i & 1] + 2 * (i / 2 % number(argv[5])));
		epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &want);
		if (i & 1)
			fprintf(streams, "127.0.0.1 %ld 127.0.0.1 %ld\n", base + i - 1, base + i);
	}
	fclose(streams);
	puts("ready");
	fflush(stdout);
	for (;;) {
		struct epoll_event events[256];
		char packet[2048];
		int ready = epoll_wait(epoll, events, 256, -1);
		for (int i = 0; i < ready; i++) {
			uint32_t from = events[i].data.u32;
			ssize_t bytes = recv(fds[from], packet, sizeof(packet), 0);
			if (bytes > 0)
				send(fds[from ^ 1], packet, (size_t)bytes, 0);
		}
	}
}
