#include "notify.h"
#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define TIMES 4 /* in an interval of the watchdog */

static struct {
	int fd;
	bool is_ready;
	int64_t every_ms, told_at_ms;
} state = {.fd = -1};

/* A path, or @ and a name that is in no file system. */
static int connect_to(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = strlen(name);
	int fd, result;

	if ((name[0] != '/' && name[0] != '@') || length < 2 || length >= sizeof(address.sun_path))
		return -EINVAL;
	memcpy(address.sun_path, name, length);
	if (name[0] == '@')
		address.sun_path[0] = 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) == 0)
		return fd;
	result = -errno;
	close(fd);
	return result;
}

void hs_notify_open(void)
{
	const char *name = getenv("NOTIFY_SOCKET"), *interval = getenv("WATCHDOG_USEC");

	if (!name || !*name)
		return;
	state.fd = connect_to(name);
	if (state.fd < 0)
		hs_log(WARN, "notify.no_socket", LOG_TEXT("path", name), LOG_TEXT("error", strerror(-state.fd)));
	if (interval)
		state.every_ms = strtoll(interval, NULL, 10) / 1000 / TIMES; /* 0: no watchdog */
}

void hs_notify_tell(const char *lines)
{
	if (state.fd >= 0 && send(state.fd, lines, strlen(lines), MSG_NOSIGNAL) < 0)
		hs_log(DEBUG, "notify.lost", LOG_TEXT("error", strerror(errno)));
}

void hs_notify_beat(void)
{
	int64_t now = hs_clock_ms();

	if (!state.is_ready) {
		state.is_ready = true;
		hs_notify_tell("READY=1");
	}
	if (state.every_ms <= 0 || now - state.told_at_ms < state.every_ms)
		return;
	state.told_at_ms = now;
	hs_notify_tell("WATCHDOG=1");
}

int hs_notify_socket(int *ret_every_ms)
{
	*ret_every_ms = (int)state.every_ms;
	return state.fd;
}

void hs_notify_inherit(int fd, int every_ms)
{
	hs_auto_close(&state.fd);
	state.fd = fd;
	state.every_ms = every_ms;
	state.is_ready = fd >= 0;
}
