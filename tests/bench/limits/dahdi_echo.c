/* What the device costs when nobody does anything with the audio: so many channels, each block of 20 ms read and said
 * back. Prints "ready" when all of them are open.
 *
 *	dahdi_echo FOLDER CHANNELS
 */
#include <dahdi/user.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BLOCK 160
#define BLOCKS 6

static int open_channel(const char *folder, int number)
{
	struct dahdi_bufferinfo info = {.numbufs = BLOCKS, .bufsize = BLOCK};
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "%s/channel", folder);
	fd = open(path, O_RDWR | O_NONBLOCK);
	if (fd < 0 || ioctl(fd, DAHDI_SPECIFY, &number) < 0) {
		perror(path);
		exit(1);
	}
	ioctl(fd, DAHDI_SET_BUFINFO, &info);
	return fd;
}

/* All channels began together: when the first one has a block, the others have theirs. */
static void echo(const int *fds, int count)
{
	struct pollfd first = {.fd = fds[0], .events = POLLIN};
	uint8_t block[BLOCK];

	poll(&first, 1, -1);
	for (int i = 0; i < count; i++) {
		ssize_t got = read(fds[i], block, sizeof(block));

		if (got > 0 && write(fds[i], block, (size_t)got) < 0)
			perror("write");
	}
}

int main(int argc, char **argv)
{
	int fds[128], count = argc == 3 ? (int)strtol(argv[2], NULL, 10) : 0;

	if (count < 1 || count > 128)
		return 2;
	for (int i = 0; i < count; i++)
		fds[i] = open_channel(argv[1], i + 1);
	puts("ready");
	fflush(stdout);
	for (;;)
		echo(fds, count);
}
