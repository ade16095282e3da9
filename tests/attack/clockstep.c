/* A machine whose clock somebody sets: loaded before the libraries of every daemon (LD_PRELOAD), it puts what the file
 * CLOCK_STEP says, microseconds as a binary number, on top of the wall clock. The file is mapped before the walls go
 * up, so that it works in all children, at once. The clocks that nobody can set are as they are. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const int64_t second_us = 1000000;
static const volatile int64_t *step_us;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("CLOCK_STEP");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *mapped = fd >= 0 ? mmap(NULL, sizeof(*step_us), PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
	if (fd >= 0)
		close(fd);
	if (mapped != MAP_FAILED)
		step_us = mapped;
}

static void put_on_top(struct timespec *time)
{
	int64_t us = (int64_t)time->tv_sec * second_us + time->tv_nsec / 1000 + (step_us ? *step_us : 0);
	time->tv_nsec = us % second_us * 1000 + time->tv_nsec % 1000;
	time->tv_sec = us / second_us;
}

int clock_gettime(clockid_t id, struct timespec *time)
{
	static int (*real)(clockid_t, struct timespec *);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
	int result = real(id, time);
	if (!result && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		put_on_top(time);
	return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	struct timespec time;
	clock_gettime(CLOCK_REALTIME, &time);
	*now = (struct timeval){.tv_sec = time.tv_sec, .tv_usec = time.tv_nsec / 1000};
	return 0;
}

time_t time(time_t *ret_now)
{
	struct timespec time;
	clock_gettime(CLOCK_REALTIME, &time);
	if (ret_now)
		*ret_now = time.tv_sec;
	return time.tv_sec;
}

/* The kernel notes by the same clock when a datagram came. */
ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	static ssize_t (*real)(int, struct msghdr *, int);
	struct timespec came;
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "recvmsg");
	ssize_t bytes = real(fd, message, flags);
	for (struct cmsghdr *at = bytes < 0 ? NULL : CMSG_FIRSTHDR(message); at; at = CMSG_NXTHDR(message, at)) {
		if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_TIMESTAMPNS)
			continue;
		memcpy(&came, CMSG_DATA(at), sizeof(came));
		put_on_top(&came);
		memcpy(CMSG_DATA(at), &came, sizeof(came));
	}
	return bytes;
}
