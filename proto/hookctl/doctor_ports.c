/* doctor: the ports that API, WebSockets, SIP and audio listen on. */
#include "cleanup.h"
#include "doctor.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_MS 1500

struct listener {
	const char *what, *setting;
	int64_t port;
	int type; /* SOCK_STREAM, SOCK_DGRAM */
};

/* Whether one can listen there: 0, -EADDRINUSE, -EACCES, -EADDRNOTAVAIL. */
static int try_bind(const char *host, const struct listener *listener)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)listener->port)};
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons((uint16_t)listener->port)};
	bool is_six = inet_pton(AF_INET6, host, &six.sin6_addr) == 1;
	int on = 1;
	if (!is_six && inet_pton(AF_INET, host, &four.sin_addr) != 1)
		return -EADDRNOTAVAIL;
	AUTO(close) int fd = socket(is_six ? AF_INET6 : AF_INET, listener->type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (listener->type == SOCK_STREAM)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	const struct sockaddr *at = is_six ? (struct sockaddr *)&six : (struct sockaddr *)&four;
	return bind(fd, at, is_six ? sizeof(six) : sizeof(four)) < 0 ? -errno : 0;
}

/* ---- Whose is it? ---- */

/* Inode of a socket that listens on the port, of one of the kernel's tables; 0: none. */
static uint64_t inode_in(const char *table, int64_t wanted, bool is_stream)
{
	char row[512];
	AUTO(file) FILE *file = fopen(table, "re");
	uint64_t inode = 0, found = 0;
	unsigned port, state;
	while (file && !found && fgets(row, sizeof(row), file))
		if (sscanf(row, " %*d: %*[0-9A-F]:%x %*s %x %*s %*s %*s %*s %*s %" SCNu64, &port, &state, &inode) ==
			    3 &&
		    port == (unsigned)wanted && (!is_stream || state == 0x0a))
			found = inode;
	return found;
}

static bool has_socket(const char *pid, uint64_t inode)
{
	AUTO(free) char *folder = hs_printf("/proc/%s/fd", pid);
	AUTO(free) char *wanted = hs_printf("socket:[%" PRIu64 "]", inode);
	DIR *fds = opendir(folder);
	bool found = false;
	for (struct dirent *entry; fds && !found && (entry = readdir(fds));) {
		char target[64];
		ssize_t length = readlinkat(dirfd(fds), entry->d_name, target, sizeof(target) - 1);
		target[length > 0 ? length : 0] = '\0';
		found = !strcmp(target, wanted);
	}
	if (fds)
		closedir(fds);
	return found;
}

static char *name_of(const char *pid)
{
	char name[32] = "";
	AUTO(free) char *path = hs_printf("/proc/%s/comm", pid);
	AUTO(file) FILE *file = fopen(path, "re");
	if (file && fgets(name, sizeof(name), file))
		name[strcspn(name, "\n")] = '\0';
	return hs_printf("%s, pid %s", name, pid);
}

/* "nginx, pid 77", or that it cannot be seen. */
static char *owner_of(const struct listener *listener)
{
	static const char *const tables[2][2] = {{"/proc/net/udp", "/proc/net/udp6"},
						 {"/proc/net/tcp", "/proc/net/tcp6"}};
	bool is_stream = listener->type == SOCK_STREAM;
	uint64_t inode = inode_in(tables[is_stream][0], listener->port, is_stream);
	char *owner = NULL;
	if (!inode)
		inode = inode_in(tables[is_stream][1], listener->port, is_stream);
	DIR *all = inode ? opendir("/proc") : NULL;
	for (struct dirent *entry; all && !owner && (entry = readdir(all));)
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && has_socket(entry->d_name, inode))
			owner = name_of(entry->d_name);
	if (all)
		closedir(all);
	return owner ? owner : hs_strdup("a program that only root can see");
}

/* ---- Each listener ---- */

static void examine_free(struct doctor *doctor, const struct listener *listener)
{
	const char *host = doctor->ctl->config->server->host, *kind = listener->type == SOCK_STREAM ? "TCP" : "UDP";
	int error = try_bind(host, listener);
	AUTO(free) char *mend = NULL;
	if (!error) {
		doctor_find(doctor, FINDING_OK, listener->what, NULL, "%s %s:%" PRId64 " is free", kind, host,
			    listener->port);
	} else if (error == -EADDRINUSE) {
		AUTO(free) char *owner = owner_of(listener);
		mend = hs_printf("stop that program, or choose another %s", listener->setting);
		doctor_find(doctor, FINDING_FAULT, listener->what, mend, "%s port %" PRId64 " is taken by %s", kind,
			    listener->port, owner);
	} else {
		mend = hs_printf(
			"server.host must be an address of this machine, %s at least 1024 unless started by root",
			listener->setting);
		doctor_find(doctor, FINDING_FAULT, listener->what, mend, "cannot listen on %s %s:%" PRId64 ": %s", kind,
			    host, listener->port, strerror(-error));
	}
}

/* Where a listener on this host is reached from here. */
static bool local_address(const char *host, int64_t port, struct sockaddr_in6 *ret, socklen_t *ret_length)
{
	struct sockaddr_in *four = (struct sockaddr_in *)ret;
	*ret = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
	*ret_length = sizeof(*ret);
	if (inet_pton(AF_INET6, host, &ret->sin6_addr) == 1) {
		if (IN6_IS_ADDR_UNSPECIFIED(&ret->sin6_addr))
			ret->sin6_addr = in6addr_loopback;
		return true;
	}
	*four = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	*ret_length = sizeof(*four);
	if (inet_pton(AF_INET, host, &four->sin_addr) != 1)
		return false;
	if (four->sin_addr.s_addr == htonl(INADDR_ANY))
		four->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return true;
}

static int dial(const struct doctor *doctor, const struct listener *listener)
{
	struct sockaddr_in6 address;
	socklen_t length;
	if (!local_address(doctor->ctl->config->server->host, listener->port, &address, &length))
		return -EINVAL;
	AUTO(close) int fd = socket(address.sin6_family, listener->type | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, length) < 0)
		return -errno;
	int dialled = fd;
	fd = -1;
	return dialled;
}

/* A ping (RFC 3261 section 11.1); any answer is one. */
static bool sip_answers(int fd)
{
	char message[512], answer[2048];
	struct pollfd waited = {.fd = fd, .events = POLLIN};
	int length =
		snprintf(message, sizeof(message),
			 "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bKdoctor%d\r\n"
			 "Max-Forwards: 1\r\nFrom: <sip:doctor@127.0.0.1>;tag=d%d\r\nTo: <sip:127.0.0.1>\r\n"
			 "Call-ID: doctor-%d\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
			 getpid(), getpid(), getpid());
	if (send(fd, message, (size_t)length, 0) != length || poll(&waited, 1, ANSWER_MS) != 1)
		return false;
	ssize_t bytes = recv(fd, answer, sizeof(answer), 0);
	return bytes > 7 && !memcmp(answer, "SIP/2.0", 7);
}

static void examine_ours(struct doctor *doctor, const struct listener *listener)
{
	AUTO(close) int fd = dial(doctor, listener);
	bool is_stream = listener->type == SOCK_STREAM;
	if (fd >= 0 && (is_stream || sip_answers(fd))) {
		doctor_find(doctor, FINDING_OK, listener->what, NULL, "%s port %" PRId64 " answers",
			    is_stream ? "TCP" : "UDP", listener->port);
		return;
	}
	doctor_find(doctor, FINDING_FAULT, listener->what,
		    "hookctl status says whether its daemon is up; its log says why not; a firewall on lo is rare",
		    "%s port %" PRId64 " (%s) does not answer", is_stream ? "TCP" : "UDP", listener->port,
		    listener->setting);
}

/* ---- Audio ---- */

static void examine_audio(struct doctor *doctor)
{
	const struct hs_config_media *media = doctor->ctl->config->media;
	int64_t calls = (media->port_max - media->port_min + 1) / 4;
	long first = 0, last = 0;
	AUTO(file) FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
	if (file && fscanf(file, "%ld %ld", &first, &last) != 2)
		first = last = 0;
	if (last && media->port_min <= last && media->port_max >= first)
		doctor_find(doctor, FINDING_NOTE, "audio ports",
			    "choose media.port_min and media.port_max outside net.ipv4.ip_local_port_range",
			    "UDP %" PRId64 "-%" PRId64
			    " overlap with %ld-%ld, from which the kernel gives ports to any program",
			    media->port_min, media->port_max, first, last);
	else
		doctor_find(doctor, FINDING_OK, "audio ports", NULL,
			    "UDP %" PRId64 "-%" PRId64 ", enough for %" PRId64
			    " calls at once; a firewall must let them in",
			    media->port_min, media->port_max, calls);
}

void doctor_ports(struct doctor *doctor)
{
	const struct hs_config_server *server = doctor->ctl->config->server;
	const struct listener listeners[] = {
		{"REST", "server.rest_port", server->rest_port, SOCK_STREAM},
		{"WebSockets", "server.ws_port", server->ws_port, SOCK_STREAM},
		{"SIP", "server.sip_port", server->sip_port, SOCK_DGRAM},
		{"SIP", "server.sip_port", server->sip_port, SOCK_STREAM},
	};
	for (size_t i = 0; i < HS_COUNT(listeners); i++)
		(doctor->is_up ? examine_ours : examine_free)(doctor, &listeners[i]);
	examine_audio(doctor);
}
