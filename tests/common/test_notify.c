#include "check.h"
#include "cleanup.h"
#include "clock.h"
#include "notify.h"
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A manager's socket that is in no file system. */
static int listen_at(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&address,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
			 0);
	return fd;
}

static void assert_said(int fd, const char *wanted)
{
	char text[64] = "";

	assert_true(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT) > 0);
	assert_string_equal(text, wanted);
}

static void assert_silent(int fd)
{
	assert_int_equal(poll(&(struct pollfd){fd, POLLIN, 0}, 1, 0), 0);
}

static void tells_its_manager(void **state)
{
	AUTO(free) char *name = hs_printf("@hookswitch-test-%d", (int)getpid());
	AUTO(close) int fd = listen_at(name);

	unsetenv("NOTIFY_SOCKET");
	hs_notify_open();
	hs_notify_tell("READY=1"); /* to nobody */
	setenv("NOTIFY_SOCKET", "relative", 1);
	hs_notify_open();
	hs_notify_tell("READY=1");
	assert_silent(fd);

	setenv("NOTIFY_SOCKET", name, 1);
	setenv("WATCHDOG_USEC", "30000000", 1);
	hs_notify_open();
	hs_notify_beat();
	assert_said(fd, "READY=1");
	assert_said(fd, "WATCHDOG=1");
	hs_notify_beat(); /* not yet again */
	assert_silent(fd);
	hs_notify_tell("STOPPING=1");
	assert_said(fd, "STOPPING=1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(tells_its_manager)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
