#include "wiretap.h"
#include "clock.h"
#include "filter.h"
#include "id.h"
#include "log.h"
#include "metrics.h"
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sofia-sip/su.h>
#include <sofia-sip/su_addrinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FLOW_NAME "sip.flow/"
#define DATAGRAM_MAX 65536
#define CONNECTIONS 4096       /* TCP descriptors that are followed; more are refused */
#define CONNECTIONS_OF_ONE 200 /* of one address */
#define UNREAD_MAX 5           /* looks, a second apart, at a connection whose bytes the library leaves unread */
#define UNFINISHED_MS 15000    /* so long the rest of a message may take */
#define READING 64             /* streams read in one step of the library */
#define DROPS_MAX 16           /* reasons */
#define DROPS_AT_ONCE 64       /* refused datagrams in a row, before the loop goes on */
#define LATE_MS 50             /* a datagram that waited longer is late */
#define STANDING_MS 300        /* and a queue where all are, for that long, is one that will not be worked off */
#define LINES_MAX 512          /* of headers and bodies without a blank line between, in a stream */

/* One TCP connection, by descriptor. */
struct connection {
	bool open;
	struct source_key key;
	struct sockaddr_storage peer;
	unsigned lines, commas; /* since the last blank line */
	int newlines;           /* ends of line in a row, over chunks */
	bool after_cr;          /* the last chunk ended with it */
	bool in_head;           /* something came since the last blank line */
	uint64_t flow;          /* its name with the keeper; 0: it is not kept */
	bool loose;             /* where its messages end cannot be told: the library reads it as it comes */
	bool waits;             /* for so many bytes that the rest of a message is there */
	size_t whole, taken;    /* bytes of the next message; of those that the library has read and we have not yet */
	int64_t unfinished_ms;  /* since when a message is there in part; 0: none is */
	uint8_t unread;         /* looks in a row that found bytes, or the end, that nobody read */
};

/* The library calls plain functions, so what they need cannot be handed to them: the one shared state of sipd. */
static struct {
	struct wiretap_setup setup;
	bool active, mute;
	int epoll_fd, udp_fd;
	struct connection connections[CONNECTIONS];
	struct pollfd looks[CONNECTIONS];
	int adopted;          /* a predecessor's connection that the library is to accept next; -1: none */
	int reading[READING]; /* descriptors with taken bytes */
	size_t reading_count;
	int64_t looked_ms;
	char linear[DATAGRAM_MAX]; /* of a datagram: as it was read, until the library takes it */
	size_t held;               /* bytes of such a datagram; 0: none */
	struct sockaddr_storage from;
	int64_t delay_ms, read_ms; /* of the last datagram: how long it waited, when it was read */
	int64_t late_since_ms;     /* since when each one was late; 0: the last one was not */
} tap = {.epoll_fd = -1, .udp_fd = -1, .adopted = -1};

void wiretap_open(const struct wiretap_setup *setup)
{
	tap.setup = *setup;
	tap.active = true;
}

int wiretap_epoll(void)
{
	return tap.epoll_fd;
}

void wiretap_refresh_bans(void)
{
	uint32_t banned[FILTER_BANNED];
	size_t count = sources_banned_ipv4(tap.setup.sources, hs_clock_ms(), banned, FILTER_BANNED);
	int result = tap.udp_fd >= 0 ? filter_attach(tap.udp_fd, banned, count) : 0;
	if (result) /* the same packets are dropped after the read then */
		hs_log(WARN, "sip.no_filter", LOG_WHY(strerror(-result)));
}

void wiretap_mute(bool mute)
{
	tap.mute = mute;
}

int64_t wiretap_delay_ms(void)
{
	int64_t now_ms = hs_clock_ms();
	bool stands = tap.late_since_ms && now_ms - tap.late_since_ms > STANDING_MS;
	return stands && now_ms - tap.read_ms < STANDING_MS ? tap.delay_ms : 0;
}

void wiretap_close(void)
{
	if (tap.setup.udp_fd >= 0)
		close(tap.setup.udp_fd);
	if (tap.setup.tcp_fd >= 0)
		close(tap.setup.tcp_fd);
	tap.setup.udp_fd = tap.setup.tcp_fd = tap.epoll_fd = tap.udp_fd = -1;
	tap.active = false;
	tap.held = 0;
}

/* why is one of a few constant words. */
static void count_drop(const char *why)
{
	static struct {
		const char *why;
		struct hs_metric *counter;
	} known[DROPS_MAX];
	char labels[48];
	size_t i = 0;
	while (i < DROPS_MAX - 1 && known[i].why && strcmp(known[i].why, why) != 0)
		i++;
	if (!known[i].why) {
		snprintf(labels, sizeof(labels), "reason=\"%s\"", why);
		known[i].why = why;
		known[i].counter = hs_metric_counter("hookswitch_sip_dropped_total", labels,
						     "packets and connections dropped before the parser");
	}
	hs_metric_add(known[i].counter, 1);
}

/* ---- what Sofia calls ---- */

int epoll_create(int size)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);
	if (tap.active && tap.epoll_fd < 0)
		tap.epoll_fd = fd;
	return fd;
}

static uint16_t port_of(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)address)->sin_port);
	return address->sa_family == AF_INET6 ? ntohs(((const struct sockaddr_in6 *)address)->sin6_port) : 0;
}

/* Our SIP sockets are bound already, by the keeper: they are put in the place of those that the library has just made.
 * Packets that came while nobody was there wait in them. */
int bind(int fd, __CONST_SOCKADDR_ARG address, socklen_t length)
{
	const struct sockaddr *plain = address.__sockaddr__;
	int type = 0;
	socklen_t type_length = sizeof(type);
	getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_length);
	bool ours = tap.active && port_of(plain) == tap.setup.port;
	int *kept = type == SOCK_DGRAM ? &tap.setup.udp_fd : &tap.setup.tcp_fd;
	if (ours && type == SOCK_DGRAM)
		tap.udp_fd = fd;
	if (!ours || *kept < 0)
		return (int)syscall(SYS_bind, fd, plain, length);
	if (dup3(*kept, fd, O_CLOEXEC) < 0)
		return -1;
	close(*kept);
	*kept = -1;
	if (type == SOCK_DGRAM) /* when each one came: how long they wait for us */
		setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &(int){1}, sizeof(int));
	return 0;
}

/* ---- connections that outlive us ---- */

/* The keeper holds each connection that a phone opened, so that it lives on when we die. A message stays in the kernel
 * until we have dealt with it: read with MSG_PEEK, as a whole, and taken out after that. So a successor finds in the
 * socket just what nobody has answered; where it was answered in the last moment, it is a repetition. */

static void name_flow(uint64_t flow, char ret_name[HS_KEEP_NAME])
{
	snprintf(ret_name, HS_KEEP_NAME, FLOW_NAME "%016llx", (unsigned long long)flow);
}

static void let_go(struct connection *connection)
{
	char name[HS_KEEP_NAME];
	if (!connection->flow)
		return;
	name_flow(connection->flow, name);
	hs_keep_drop(tap.setup.keep, name);
	connection->flow = 0;
}

static void follow(int fd, const struct sockaddr *peer, socklen_t length, uint64_t flow)
{
	struct connection *connection = &tap.connections[fd];
	*connection = (struct connection){.open = true, .flow = flow};
	sources_key(peer, &connection->key);
	memcpy(&connection->peer, peer, length < sizeof(connection->peer) ? length : sizeof(connection->peer));
}

static void keep(int fd)
{
	char name[HS_KEEP_NAME];
	uint64_t flow = 0;
	if (!tap.setup.keep)
		return;
	hs_random(&flow, sizeof(flow));
	name_flow(flow, name);
	if (!hs_keep_hold(tap.setup.keep, name, fd))
		tap.connections[fd].flow = flow;
}

static bool is_followed(int fd)
{
	return tap.active && fd >= 0 && fd < CONNECTIONS && tap.connections[fd].open;
}

static void take_out(int fd)
{
	struct connection *connection = &tap.connections[fd];
	if (connection->taken) /* TCP throws away what it is asked to cut */
		(void)recv(fd, tap.linear, connection->taken, MSG_TRUNC | MSG_DONTWAIT);
	connection->taken = 0;
}

void wiretap_taken(void)
{
	while (tap.reading_count) {
		int fd = tap.reading[--tap.reading_count];
		if (is_followed(fd))
			take_out(fd);
	}
}

static void note_taken(int fd, size_t bytes)
{
	tap.connections[fd].taken = bytes;
	if (tap.reading_count == READING)
		take_out(fd);
	else
		tap.reading[tap.reading_count++] = fd;
}

static void wait_for_bytes(int fd, size_t bytes)
{
	setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &(int){(int)bytes}, sizeof(int));
	tap.connections[fd].waits = bytes > 1;
}

static bool has_ended(int fd)
{
	struct pollfd look = {.fd = fd, .events = POLLRDHUP};
	return poll(&look, 1, 0) != 0;
}

/* The rest of this message is worth waiting for; else the library gets what there is, and will find the fault. */
static bool may_wait(int fd, size_t there)
{
	struct peek peek;
	peek_look(tap.linear, there, &peek);
	return !has_ended(fd) && !peek_refuse(&peek);
}

/* How much the library may read of a stream: one whole message. */
static issize_t size_of_stream(int fd)
{
	struct connection *connection = &tap.connections[fd];
	size_t needed = 0;
	take_out(fd);
	ssize_t there = recv(fd, tap.linear, sizeof(tap.linear), MSG_PEEK | MSG_DONTWAIT);
	if (there <= 0)
		return there < 0 && errno == EAGAIN ? -1 : 0;
	size_t whole = connection->loose ? PEEK_UNFRAMED : peek_whole(tap.linear, (size_t)there, &needed);
	if (!whole && may_wait(fd, (size_t)there)) {
		if (!connection->unfinished_ms)
			connection->unfinished_ms = hs_clock_ms();
		wait_for_bytes(fd, needed);
		errno = EAGAIN;
		return -1;
	}
	if (connection->waits)
		wait_for_bytes(fd, 1);
	connection->unfinished_ms = 0;
	if (!whole || whole == PEEK_UNFRAMED) {
		connection->loose = true;
		let_go(connection);
		whole = (size_t)there;
	}
	connection->whole = whole;
	return (issize_t)whole;
}

struct adopting {
	void (*accept_one)(void *context);
	void *context;
};

static void adopt_one(void *context, const char *name)
{
	const struct adopting *adopting = context;
	int fd = hs_keep_take(tap.setup.keep, name);
	struct sockaddr_storage peer;
	socklen_t length = sizeof(peer);
	if (fd >= 0 && fd < CONNECTIONS && !getpeername(fd, (struct sockaddr *)&peer, &length)) {
		follow(fd, (struct sockaddr *)&peer, length, strtoull(name + strlen(FLOW_NAME), NULL, 16));
		wait_for_bytes(fd, 1);
		tap.adopted = fd;
		adopting->accept_one(adopting->context);
		if (tap.adopted < 0)
			return;
		tap.adopted = -1;
		tap.connections[fd].open = false;
	}
	hs_keep_drop(tap.setup.keep, name);
	if (fd >= 0)
		close(fd);
}

void wiretap_adopt(void (*accept_one)(void *context), void *context)
{
	struct adopting adopting = {accept_one, context};
	hs_keep_each(tap.setup.keep, FLOW_NAME, adopt_one, &adopting);
}

static int accept_adopted(struct sockaddr *peer, socklen_t *length)
{
	int fd = tap.adopted;
	tap.adopted = -1;
	return getpeername(fd, peer, length) ? -1 : fd;
}

static void look_at_unread(const struct pollfd *look)
{
	struct connection *connection = &tap.connections[look->fd];
	connection->unread = look->revents ? connection->unread + 1 : 0;
	if (connection->unread < UNREAD_MAX)
		return;
	connection->unread = 0;
	count_drop("unread");
	shutdown(look->fd, SHUT_RDWR); /* the library hears of that and closes it */
}

/* Half a message holds a descriptor for so long only, once others want one. */
static void cut_unfinished(int fd, int64_t now_ms)
{
	const struct connection *connection = &tap.connections[fd];
	if (!connection->unfinished_ms || now_ms - connection->unfinished_ms < UNFINISHED_MS)
		return;
	count_drop("unfinished");
	shutdown(fd, SHUT_RDWR);
}

/* After an error in a stream the library reads no more of it, not even its end, and would keep it for its idle time of
 * an hour: some hundred bad messages would take all descriptors. Done where descriptors are taken. */
static void cut_unread(int64_t now_ms)
{
	nfds_t count = 0;
	if (now_ms - tap.looked_ms < 1000)
		return;
	tap.looked_ms = now_ms;
	for (int fd = 0; fd < CONNECTIONS; fd++)
		if (tap.connections[fd].open)
			tap.looks[count++] = (struct pollfd){.fd = fd, .events = POLLIN | POLLRDHUP};
	for (nfds_t i = 0; i < count; i++)
		cut_unfinished(tap.looks[i].fd, now_ms);
	if (count && poll(tap.looks, count, 0) >= 0)
		for (nfds_t i = 0; i < count; i++)
			look_at_unread(&tap.looks[i]);
}

static bool may_connect(const struct source_key *key)
{
	size_t same = 0;
	for (size_t i = 0; i < CONNECTIONS; i++)
		same += tap.connections[i].open && !memcmp(&tap.connections[i].key, key, sizeof(*key));
	return same < CONNECTIONS_OF_ONE;
}

int accept(int listener, __SOCKADDR_ARG address, socklen_t *restrict length)
{
	struct sockaddr *peer = address.__sockaddr__;
	struct source_key key;
	if (tap.adopted >= 0 && peer)
		return accept_adopted(peer, length);
	int fd = accept4(listener, peer, length, SOCK_CLOEXEC);
	if (fd < 0 || !tap.active || !peer || !sources_key(peer, &key))
		return fd;
	int64_t now_ms = hs_clock_ms();
	bool banned = sources_is_banned(tap.setup.sources, &key, now_ms);
	cut_unread(now_ms);
	if (fd >= CONNECTIONS || banned || !may_connect(&key)) {
		count_drop(banned ? "banned" : "limited");
		close(fd);
		errno = EAGAIN;
		return -1;
	}
	follow(fd, peer, *length, 0);
	keep(fd);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	return fd;
}

int su_close(su_socket_t fd)
{
	if (fd >= 0 && fd < CONNECTIONS) {
		struct connection *connection = &tap.connections[fd];
		if (connection->flow) /* the keeper has it, too: closing ends nothing */
			shutdown(fd, SHUT_RDWR);
		let_go(connection);
		connection->open = false;
	}
	return close(fd);
}

/* The library tries its new UDP socket with a datagram to itself and reads one back: on a kept socket that would be the
 * first message that waits. It goes on without the trial. */
ssize_t sendto(int fd, const void *data, size_t bytes, int flags, __CONST_SOCKADDR_ARG to, socklen_t length)
{
	if (tap.active && fd == tap.udp_fd && bytes == 4 && !memcmp(data, "TEST", 4)) {
		errno = EAGAIN;
		return -1;
	}
	return syscall(SYS_sendto, fd, data, bytes, flags, to.__sockaddr__, length);
}

/* The library writes the addresses of each message, and the C library prints them through the whole of stdio. */
const char *inet_ntop(int family, const void *restrict bytes, char *restrict text, socklen_t size)
{
	static const char *(*slowly)(int, const void *restrict, char *restrict, socklen_t);
	struct sockaddr_in four = {.sin_family = AF_INET};
	if (family == AF_INET && size >= INET_ADDRSTRLEN) {
		char host[SOURCES_HOST];
		memcpy(&four.sin_addr, bytes, sizeof(four.sin_addr));
		sources_write((struct sockaddr *)&four, host);
		memcpy(text, host, strlen(host) + 1);
		return text;
	}
	if (!slowly)
		*(void **)&slowly = dlsym(RTLD_NEXT, "inet_ntop");
	return slowly(family, bytes, text, size);
}

/* A name in a Via must never be looked up: the C library would block the loop for seconds. */
int su_getaddrinfo(const char *node, const char *service, const su_addrinfo_t *hints, su_addrinfo_t **ret)
{
	struct addrinfo numeric = {0};
	if (hints)
		numeric = *(const struct addrinfo *)hints;
	numeric.ai_flags &= AI_PASSIVE | AI_CANONNAME | AI_NUMERICHOST | AI_NUMERICSERV;
	numeric.ai_flags |= AI_NUMERICHOST | AI_NUMERICSERV;
	return getaddrinfo(node, service, &numeric, (struct addrinfo **)ret);
}

/* The first bytes of a message in one piece. */
static const char *in_one_piece(const su_iovec_t *iov, isize_t count, size_t bytes, size_t *ret_bytes)
{
	size_t used = 0;
	if (bytes > sizeof(tap.linear))
		bytes = sizeof(tap.linear);
	*ret_bytes = bytes;
	if (count == 1 || iov[0].siv_len >= bytes)
		return iov[0].siv_base;
	for (isize_t i = 0; i < count && used < bytes; i++) {
		size_t part = iov[i].siv_len < bytes - used ? iov[i].siv_len : bytes - used;
		memcpy(tap.linear + used, iov[i].siv_base, part);
		used += part;
	}
	return tap.linear;
}

/* One token; as a word why there is none. */
static const char *take_token(const struct source_key *address, const struct sockaddr *peer, bool stream)
{
	static const char *const words[] = {
		[SOURCES_LIMITED] = "limited", [SOURCES_CROWDED] = "crowd", [SOURCES_BANNED] = "banned"};
	enum wiretap_peer who = tap.setup.who(tap.setup.context, peer, stream);
	struct source_key key = *address;
	if (who == WIRETAP_PHONE)
		key.port = port_of(peer);
	return words[sources_take(tap.setup.sources, &key, who == WIRETAP_STRANGER, hs_clock_ms())];
}

/* Why a datagram is dropped, or NULL. */
static const char *judge(const struct peek *peek, const struct sockaddr *peer)
{
	struct source_key key;
	const char *why = peek_refuse(peek);
	if (why || !sources_key(peer, &key))
		return why ? why : "garbage";
	/* answers to what we asked are limited by our asking */
	if (peek->kind == PEEK_RESPONSE)
		return sources_is_banned(tap.setup.sources, &key, hs_clock_ms()) ? "banned" : NULL;
	return take_token(&key, peer, false);
}

static void show(const struct peek *peek, const struct sockaddr *peer, bool stream, bool sent)
{
	struct wiretap_message message = {peer, stream, sent, peek};
	if (tap.setup.seen && (peek->kind == PEEK_REQUEST || peek->kind == PEEK_RESPONSE))
		tap.setup.seen(tap.setup.context, &message);
}

static bool pass_datagram(const char *data, size_t bytes, const struct sockaddr *peer)
{
	struct peek peek;
	peek_look(data, bytes, &peek);
	const char *why = judge(&peek, peer);
	if (why) {
		count_drop(why);
		return false;
	}
	show(&peek, peer, false, false);
	return true;
}

/* A queue that is always late is one that grows; a burst that is late once is worked off. */
static void note_delay(const struct timespec *came)
{
	int64_t now_ms = tap.read_ms = hs_clock_ms(), wall_us = hs_clock_wall_us();
	tap.delay_ms = (wall_us - ((int64_t)came->tv_sec * 1000000 + came->tv_nsec / 1000)) / 1000;
	if (tap.delay_ms < LATE_MS)
		tap.late_since_ms = 0;
	else if (!tap.late_since_ms)
		tap.late_since_ms = now_ms;
}

static ssize_t read_datagram(void)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(struct timespec)) + 64];
	} control;
	struct iovec part = {.iov_base = tap.linear, .iov_len = sizeof(tap.linear)};
	struct msghdr header = {.msg_iov = &part,
				.msg_iovlen = 1,
				.msg_name = &tap.from,
				.msg_namelen = sizeof(tap.from),
				.msg_control = control.bytes,
				.msg_controllen = sizeof(control.bytes)};
	ssize_t bytes = recvmsg(tap.udp_fd, &header, MSG_DONTWAIT);
	if (bytes < 0)
		return bytes;
	for (struct cmsghdr *at = CMSG_FIRSTHDR(&header); at; at = CMSG_NXTHDR(&header, at)) {
		struct timespec came;
		if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_TIMESTAMPNS)
			continue;
		memcpy(&came, CMSG_DATA(at), sizeof(came));
		note_delay(&came);
	}
	return bytes;
}

/* The library asks how long the next datagram is, and takes it in a second call. So it is read and judged here: what is
 * refused costs the library nothing, and many of those are thrown away at once. */
issize_t su_getmsgsize(su_socket_t fd)
{
	int waiting = 0;
	if (is_followed(fd))
		return size_of_stream(fd);
	if (!tap.active || fd != tap.udp_fd)
		return ioctl(fd, FIONREAD, &waiting) < 0 ? -1 : waiting;
	tap.held = 0;
	for (int i = 0; i < DROPS_AT_ONCE; i++) {
		ssize_t bytes = read_datagram();
		if (bytes < 0)
			return -1;
		if (pass_datagram(tap.linear, (size_t)bytes, (struct sockaddr *)&tap.from))
			return (issize_t)(tap.held = (size_t)bytes);
	}
	errno = EAGAIN;
	return -1;
}

static issize_t hand_over(su_iovec_t iov[], isize_t count, su_sockaddr_t *peer, socklen_t *length)
{
	size_t used = 0;
	for (isize_t i = 0; i < count && used < tap.held; i++) {
		size_t part = iov[i].siv_len < tap.held - used ? iov[i].siv_len : tap.held - used;
		memcpy(iov[i].siv_base, tap.linear + used, part);
		used += part;
	}
	socklen_t size = tap.from.ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	memcpy(peer, &tap.from, *length < size ? *length : size);
	*length = size;
	tap.held = 0;
	return (issize_t)used;
}

/* An error that waits on the UDP socket is about an earlier datagram: sending takes it and tries again. */
int su_soerror(su_socket_t fd)
{
	int error = 0;
	socklen_t length = sizeof(error);
	if (tap.active && fd == tap.udp_fd)
		return 0;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
	return error;
}

/* An end of line as the parser sees it: CRLF, LF, or a CR alone. Whether it makes a blank line after a head. */
static bool end_line(struct connection *connection)
{
	connection->lines++;
	if (++connection->newlines < 2)
		return false;
	bool head = connection->in_head;
	connection->lines = connection->commas = 0;
	connection->in_head = false;
	return head;
}

/* The parser's time grows with the square of the header lines and list items; a stream has no other bound than this.
 * -1: too many; else how many heads ended in the chunk. */
static int count_heads(struct connection *connection, const char *data, size_t bytes)
{
	int heads = 0;
	for (size_t i = 0; i < bytes; i++) {
		bool crlf = data[i] == '\n' && connection->after_cr;
		connection->after_cr = data[i] == '\r';
		if (crlf)
			continue;
		if (data[i] == '\r' || data[i] == '\n') {
			heads += end_line(connection);
		} else {
			connection->newlines = 0;
			connection->in_head = true;
			connection->commas += data[i] == ',';
		}
		if (connection->lines > LINES_MAX || connection->commas > PEEK_COMMAS)
			return -1;
	}
	return heads;
}

/* A chunk holds any number of messages and parts of them: each head that ends costs what a datagram costs. */
static const char *judge_heads(const struct connection *connection, int heads)
{
	const char *why = NULL;
	if (sources_is_banned(tap.setup.sources, &connection->key, hs_clock_ms()))
		return "banned";
	for (int i = 0; i < heads && !why; i++)
		why = take_token(&connection->key, (const struct sockaddr *)&connection->peer, true);
	return why;
}

static const char *judge_chunk(struct connection *connection, const struct peek *peek, const char *data, size_t bytes)
{
	bool whole = peek->kind == PEEK_REQUEST || peek->kind == PEEK_RESPONSE;
	const char *why = whole ? peek_refuse(peek) : NULL;
	if (why)
		return why;
	int heads = count_heads(connection, data, bytes);
	if (heads < 0)
		return "headers";
	/* answers to what we asked are limited by our asking */
	return judge_heads(connection, heads - (heads && peek->kind == PEEK_RESPONSE));
}

static bool pass_stream(int fd, const su_iovec_t *iov, isize_t count, size_t bytes)
{
	struct peek peek;
	size_t length;
	if (fd < 0 || fd >= CONNECTIONS || !tap.connections[fd].open)
		return true;
	struct connection *connection = &tap.connections[fd];
	connection->unread = 0;
	const char *data = in_one_piece(iov, count, bytes, &length);
	peek_look(data, length, &peek);
	const char *why = judge_chunk(connection, &peek, data, length);
	if (why) {
		count_drop(why);
		return false;
	}
	show(&peek, (const struct sockaddr *)&connection->peer, true, false);
	return true;
}

issize_t su_vrecv(su_socket_t fd, su_iovec_t iov[], isize_t count, int flags, su_sockaddr_t *peer, socklen_t *length)
{
	struct msghdr header = {.msg_iov = (struct iovec *)iov, .msg_iovlen = count, .msg_name = peer};
	if (tap.active && fd == tap.udp_fd && tap.held && peer && length)
		return hand_over(iov, count, peer, length);
	if (peer && length)
		header.msg_namelen = *length;
	bool is_kept = !peer && is_followed(fd) && !tap.connections[fd].loose;
	issize_t bytes = recvmsg(fd, &header, is_kept ? flags | MSG_PEEK : flags);
	if (is_kept && bytes > 0)
		note_taken(fd, (size_t)bytes);
	if (peer && length)
		*length = header.msg_namelen;
	if (bytes <= 0 || !tap.active || peer) {
		return bytes;
	}
	if (pass_stream(fd, iov, count, (size_t)bytes))
		return bytes;
	errno = ECONNRESET;
	shutdown(fd, SHUT_RDWR);
	return -1;
}

static bool is_earlier_error(int error)
{
	return error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH || error == EPROTO ||
	       error == ENOPROTOOPT || error == EHOSTDOWN || error == ENONET || error == EOPNOTSUPP;
}

static issize_t bytes_of(const su_iovec_t iov[], isize_t count)
{
	size_t bytes = 0;
	for (isize_t i = 0; i < count; i++)
		bytes += iov[i].siv_len;
	return (issize_t)bytes;
}

issize_t su_vsend(su_socket_t fd, const su_iovec_t iov[], isize_t count, int flags, const su_sockaddr_t *peer,
		  socklen_t length)
{
	struct msghdr header = {.msg_iov = (struct iovec *)iov, .msg_iovlen = count, .msg_name = (void *)peer};
	if (peer)
		header.msg_namelen = length;
	if (tap.mute)
		return bytes_of(iov, count);
	issize_t bytes = sendmsg(fd, &header, flags | MSG_NOSIGNAL);
	if (is_followed(fd) && bytes < bytes_of(iov, count)) /* a successor could not send the rest */
		let_go(&tap.connections[fd]);
	if (bytes < 0 && tap.active && fd == tap.udp_fd && is_earlier_error(errno))
		bytes = sendmsg(fd, &header, flags | MSG_NOSIGNAL);
	if (bytes <= 0 || !tap.active)
		return bytes;
	struct sockaddr_storage connected;
	socklen_t connected_length = sizeof(connected);
	const struct sockaddr *to = peer ? &peer->su_sa : (struct sockaddr *)&connected;
	if (!peer && getpeername(fd, (struct sockaddr *)&connected, &connected_length))
		return bytes;
	struct peek peek;
	size_t piece;
	const char *data = in_one_piece(iov, count, (size_t)bytes, &piece);
	peek_glance(data, piece, &peek);
	show(&peek, to, !peer, true);
	return bytes;
}
