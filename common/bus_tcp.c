/* Edges between hosts. apid listens, for its own edges and for those that others bring; all others connect, so that
 * apid makes no connection and one host alone needs an open port. What listens is opened by the keeper. A stranger
 * costs one connection of few, for seconds, until he has proved a key that we know; its role is his from then on. */
#include "bus_inner.h"
#include "cleanup.h"
#include "log.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 64
#define STRANGERS_MAX 32 /* at one edge, who have not proved anything yet */
#define FIRST_WAIT_MS 10
#define MOST_WAIT_MS 500

/* Who connects to apid of another host, again and again. */
struct bus_caller {
	const struct hs_config_edge *edge;
	struct bus_route route; /* of its connection; 0: none */
	size_t tried;           /* pairs of keys that were turned away */
	int64_t call_at, wait_ms;
};

/* ---- What is configured ---- */

static bool is_edge(const struct hs_config_edge *config, enum hs_role binder, enum hs_edge edge)
{
	return strcmp(hs_enum_far_binder.names[config->binder], hs_role_names[binder]) == 0 &&
	       strcmp(hs_enum_far_edge.names[config->edge], hs_edges[edge].name) == 0;
}

/* Those that concern a role: where apid is, what it listens at; elsewhere what reaches it. */
static size_t edges_of(const struct hs_config_bus *far, enum hs_role role, const struct hs_config_edge **ret_edges)
{
	if (role == HS_ROLE_APID) {
		*ret_edges = far->listen;
		return far->listen_count;
	}
	*ret_edges = far->connect;
	return role == HS_ROLE_HOOKD || role == HS_ROLE_OPS ? far->connect_count : 0;
}

bool hs_bus_is_far(const struct hs_config_bus *far, enum hs_role role)
{
	const struct hs_config_edge *edges;

	return far && edges_of(far, role, &edges) > 0;
}

static const struct hs_config_edge *find(const struct hs_bus *bus, enum hs_role binder, enum hs_edge edge)
{
	const struct hs_config_edge *edges = NULL;
	size_t count = bus->far ? edges_of(bus->far, bus->role, &edges) : 0;

	if (bus->role != HS_ROLE_APID && binder != HS_ROLE_APID && binder != bus->role)
		return NULL; /* both are here, and apid is elsewhere */
	for (size_t i = 0; i < count; i++)
		if (is_edge(&edges[i], binder, edge))
			return &edges[i];
	return NULL;
}

bool bus_tcp_is_far(const struct hs_bus *bus, enum hs_role binder, enum hs_edge edge)
{
	return find(bus, binder, edge) != NULL;
}

/* ---- Addresses ---- */

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	};
	socklen_t bytes;
};

static struct address address_of(const struct hs_config_edge *edge)
{
	struct address address = {.bytes = sizeof(address.v4)};

	address.v4.sin_family = AF_INET;
	address.v4.sin_port = htons((uint16_t)edge->port);
	if (inet_pton(AF_INET, edge->host, &address.v4.sin_addr) == 1)
		return address;
	address = (struct address){.bytes = sizeof(address.v6)};
	address.v6.sin6_family = AF_INET6;
	address.v6.sin6_port = htons((uint16_t)edge->port);
	inet_pton(AF_INET6, edge->host, &address.v6.sin6_addr);
	return address;
}

static void write_address(const struct sockaddr *address, char ret_text[BUS_ADDRESS_BYTES])
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
	char host[INET6_ADDRSTRLEN] = "?";

	inet_ntop(address->sa_family,
		  address->sa_family == AF_INET ? (const void *)&v4->sin_addr : (const void *)&v6->sin6_addr, host,
		  sizeof(host));
	snprintf(ret_text, BUS_ADDRESS_BYTES, address->sa_family == AF_INET ? "%s:%d" : "[%s]:%d", host,
		 ntohs(address->sa_family == AF_INET ? v4->sin_port : v6->sin6_port));
}

/* Not blocking; what is written goes out at once, for a turn writes all it has. */
static int open_socket(const struct address *address)
{
	static const int yes = 1;
	int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	return fd;
}

/* ---- Listening ---- */

static char *name_of(const struct hs_config_edge *edge)
{
	return hs_printf("bus.%s.%s", hs_enum_far_binder.names[edge->binder], hs_enum_far_edge.names[edge->edge]);
}

static int listen_at(const struct hs_config_edge *edge)
{
	static const int yes = 1;
	struct address address = address_of(edge);
	AUTO(close) int fd = open_socket(&address);
	int result = fd;

	if (fd < 0)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(fd, &address.any, address.bytes) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	fd = -1;
	return result;
}

int hs_bus_listen(const struct hs_config_bus *far, enum hs_role role,
		  bool (*is_bound)(const char *name, const struct sockaddr *address, socklen_t length),
		  int (*hold)(const char *name, int fd))
{
	for (size_t i = 0; role == HS_ROLE_APID && i < far->listen_count; i++) {
		AUTO(free) char *name = name_of(&far->listen[i]);
		struct address address = address_of(&far->listen[i]);
		int fd, result;

		if (is_bound(name, &address.any, address.bytes))
			continue;
		fd = listen_at(&far->listen[i]);
		result = fd < 0 ? fd : hold(name, fd);
		if (result < 0) {
			hs_log(ERROR, "bus.cannot_listen", LOG_TEXT("edge", name),
			       LOG_TEXT("host", far->listen[i].host), LOG_INT("port", far->listen[i].port),
			       LOG_WHY(strerror(-result)));
			return result;
		}
	}
	return 0;
}

/* When there are too many strangers, who has been one for longest has had his time. */
static void leave_oldest(struct bus_socket *socket)
{
	struct bus_wire *oldest = NULL;
	int count = 0;

	for (struct bus_wire *wire = socket->wires; wire; wire = wire->next)
		if (wire->role == HS_ROLE_NONE) {
			oldest = wire; /* new ones come first */
			count++;
		}
	if (count < STRANGERS_MAX)
		return;
	bus_refused(socket->bus, BUS_WHY_OVERLOAD, oldest->veil->address, "too many who have not proved a key");
	bus_wire_close(oldest);
}

static void come(struct bus_socket *socket, int fd, const struct sockaddr *address)
{
	const struct curve_pair *own;
	size_t own_count = bus_keys_own(socket->bus, &own);
	char text[BUS_ADDRESS_BYTES];
	struct bus_wire *wire;

	write_address(address, text);
	if (own_count == 0) {
		bus_refused(socket->bus, BUS_WHY_STRANGER, text, "we have no key");
		close(fd);
		return;
	}
	leave_oldest(socket);
	wire = bus_wire_open(socket, fd, HS_ROLE_NONE, bus_veil_create(text));
	if (wire)
		bus_veil_begin(wire, own, own_count, NULL);
}

bool bus_tcp_admit(struct bus_wire *wire)
{
	enum hs_role role = bus_keys_role(wire->socket->bus, curve_their_key(wire->veil->curve));

	if (bus_socket_is_crowded(wire->socket, role))
		return false;
	wire->role = role;
	hs_log(INFO, "bus.far_up", LOG_TEXT("peer", hs_role_names[role]), LOG_TEXT("address", wire->veil->address),
	       LOG_TEXT("edge", hs_edges[wire->socket->edge].name));
	return true;
}

/* ---- Connecting ---- */

/* Newest keys first, ours and theirs; then those that the other end may still have to learn about. */
static const uint8_t *choose(struct hs_bus *bus, size_t tried, const struct curve_pair **ret_own)
{
	const struct curve_pair *own;
	size_t own_count = bus_keys_own(bus, &own), theirs = 0;

	while (bus_keys_of(bus, HS_ROLE_APID, theirs))
		theirs++;
	if (own_count == 0 || theirs == 0)
		return NULL;
	tried %= own_count * theirs;
	*ret_own = &own[tried % own_count];
	return bus_keys_of(bus, HS_ROLE_APID, tried / own_count);
}

static void call(struct bus_socket *socket)
{
	struct bus_caller *caller = socket->caller;
	const struct curve_pair *own;
	const uint8_t *server = choose(socket->bus, caller->tried, &own);
	struct address address = address_of(caller->edge);
	char text[BUS_ADDRESS_BYTES];
	struct bus_wire *wire;
	int fd = server ? open_socket(&address) : -ENOKEY;

	if (fd < 0)
		return;
	if (connect(fd, &address.any, address.bytes) < 0 && errno != EINPROGRESS) {
		close(fd);
		return;
	}
	write_address(&address.any, text);
	wire = bus_wire_open(socket, fd, HS_ROLE_APID, bus_veil_create(text));
	if (!wire)
		return;
	caller->route = wire->route;
	bus_veil_begin(wire, own, 1, server);
}

/* Its connection has ended: it had been up, was turned away, or there was nobody. */
void bus_tcp_lost(struct bus_wire *wire)
{
	struct bus_caller *caller = wire->socket->caller;

	if (!caller || caller->route.number != wire->route.number)
		return;
	caller->route.number = 0;
	if (curve_is_up(wire->veil->curve)) {
		caller->tried = 0;
		caller->wait_ms = FIRST_WAIT_MS;
	} else if (wire->veil->is_heard) {
		if (caller->tried++ == 0)
			hs_log(WARN, "bus.turned_away", LOG_TEXT("address", wire->veil->address),
			       LOG_TEXT("edge", hs_edges[wire->socket->edge].name),
			       LOG_WHY("apid there does not take our key, or is not who keys/peers says"));
	}
	caller->call_at = (int64_t)uv_now(wire->socket->bus->loop) + caller->wait_ms;
	bus_due(wire->socket->bus, caller->call_at);
}

int64_t bus_tcp_tick(struct bus_socket *socket, int64_t now)
{
	struct bus_caller *caller = socket->caller;

	if (!caller || caller->route.number)
		return INT64_MAX;
	if (now < caller->call_at)
		return caller->call_at;
	caller->wait_ms = caller->wait_ms * 2 < MOST_WAIT_MS ? caller->wait_ms * 2 : MOST_WAIT_MS;
	caller->call_at = now + caller->wait_ms;
	call(socket);
	return caller->route.number ? INT64_MAX : caller->call_at;
}

int bus_tcp_open(struct bus_socket *socket)
{
	struct hs_bus *bus = socket->bus;
	const struct hs_config_edge *edge = find(bus, socket->binder, socket->edge);
	AUTO(free) char *name = name_of(edge);
	int fd;

	if (bus->role != HS_ROLE_APID) {
		socket->caller = bus_alloc(bus, sizeof(*socket->caller));
		*socket->caller = (struct bus_caller){.edge = edge, .wait_ms = FIRST_WAIT_MS};
		bus_due(bus, (int64_t)uv_now(bus->loop));
		return 0;
	}
	fd = bus->keep ? hs_keep_take(bus->keep, name) : -ENOENT;
	if (fd < 0) {
		hs_log(ERROR, "bus.cannot_listen", LOG_TEXT("edge", name), LOG_WHY(strerror(-fd)));
		return fd;
	}
	socket->far_listener = bus_socket_listen(socket, fd, come);
	return socket->far_listener ? 0 : -EMFILE;
}

/* ---- Keys that change ---- */

static bool is_own(const struct hs_bus *bus, const uint8_t *key, bool *ret_is_newest)
{
	const struct curve_pair *own;
	size_t count = bus_keys_own(bus, &own), at = 0;

	while (at < count && memcmp(own[at].public, key, CURVE_KEY_BYTES) != 0)
		at++;
	*ret_is_newest = at == 0;
	return at < count;
}

/* What a changed ring means for a connection. */
static void review(struct bus_wire *wire)
{
	struct hs_bus *bus = wire->socket->bus;
	const struct curve *curve = wire->veil->curve;
	bool is_newest;

	if (!curve_is_up(curve))
		return;
	if (bus_keys_role(bus, curve_their_key(curve)) == wire->role && is_own(bus, curve_own_key(curve), &is_newest))
		return;
	bus_refused(bus, BUS_WHY_STRANGER, wire->veil->address, "its key, or ours that it knows, was withdrawn");
	bus_wire_close(wire);
}

void bus_tcp_review(struct hs_bus *bus)
{
	for (size_t i = 0; i < bus->wires_size; i++)
		if (bus->wires[i] && bus->wires[i]->veil)
			review(bus->wires[i]);
}

int hs_bus_renew(struct hs_bus *bus)
{
	int standing = 0;
	bool is_newest;

	if (!bus->keys)
		return 0;
	bus_keys_look(bus);
	for (size_t i = 0; i < bus->wires_size; i++) {
		struct bus_wire *wire = bus->wires[i];

		if (!wire || !wire->veil || !curve_is_up(wire->veil->curve))
			continue;
		is_own(bus, curve_own_key(wire->veil->curve), &is_newest);
		standing += !is_newest;
		if (!is_newest)
			bus_wire_close(wire);
	}
	return standing;
}
