#include "open.h"
#include "cleanup.h"
#include "log.h"
#include "lwsio.h"
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUEUE 4096

union address {
	struct sockaddr any;
	struct sockaddr_in four;
	struct sockaddr_in6 six;
};

/* Bytes of the address, or 0 when the host is no numeric address. */
static socklen_t read_address(const char *host, int64_t port, union address *ret)
{
	*ret = (union address){.any.sa_family = AF_UNSPEC};
	if (inet_pton(AF_INET, host, &ret->four.sin_addr) == 1) {
		ret->four.sin_family = AF_INET;
		ret->four.sin_port = htons((uint16_t)port);
		return sizeof(ret->four);
	}
	if (inet_pton(AF_INET6, host, &ret->six.sin6_addr) != 1)
		return 0;
	ret->six.sin6_family = AF_INET6;
	ret->six.sin6_port = htons((uint16_t)port);
	return sizeof(ret->six);
}

static int listen_at(const union address *address, socklen_t length)
{
	int on = 1;
	AUTO(close) int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, &address->any, length) < 0 || listen(fd, QUEUE) < 0)
		return -errno;
	int taken = fd;
	fd = -1;
	return taken;
}

static int open_one(const char *host, int64_t port, const char *setting, const char *name,
		    int (*hold)(const char *name, int fd))
{
	union address address;
	socklen_t length = read_address(host, port, &address);
	if (length == 0) {
		hs_log(ERROR, "front.bad_host", LOG_TEXT("host", host),
		       LOG_WHY("server.host must be a numeric address"));
		return -EINVAL;
	}
	if (hs_keeper_is_bound(name, &address.any, length)) /* by the keeper before us */
		return 0;
	int fd = listen_at(&address, length);
	int error = fd < 0 ? fd : hold(name, fd); /* from now on the keeper's */
	if (error) {
		AUTO(free)
		char *why = hs_printf("port %d (%s): %s; stop the other program, or change %s", (int)port, setting,
				      strerror(-error), setting);
		hs_log(ERROR, "front.cannot_listen", LOG_TEXT("host", host), LOG_INT("port", port), LOG_WHY(why));
	}
	return error;
}

int open_sockets(const struct hs_config *config, const char *home, int (*hold)(const char *name, int fd))
{
	const struct hs_config_server *server = config->server;
	hs_lwsio_load();
	int error = open_one(server->host, server->rest_port, "server.rest_port", OPEN_REST, hold);
	return error ? error : open_one(server->host, server->ws_port, "server.ws_port", OPEN_WS, hold);
}

int open_take(struct hs_house *house, const char *name)
{
	int fd = hs_keep_take(house->keep, name);
	if (fd < 0)
		hs_log(ERROR, "front.socket_missing", LOG_TEXT("name", name), LOG_WHY("the keeper does not hold it"));
	return fd;
}
