/* ZAP in the loop: libzmq asks an inproc socket before a connection to one of our listeners carries its first message,
 * because they set a domain. The domain says which edge it is. */
#include "bus_inner.h"
#include "log.h"
#include "privs.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ADDRESS_BYTES 256
#define DOMAIN_BYTES 32

/* Frames of a question to the handler (RFC 27). */
enum { VERSION, REQUEST, DOMAIN, ADDRESS, IDENTITY, MECHANISM, QUESTION_FRAMES };

#define OURSELVES "self" /* stamped where all roles share one uid */

static bool copy_frame(zmq_msg_t *frame, char *ret_text, size_t size)
{
	size_t length = zmq_msg_size(frame);

	if (length >= size || memchr(zmq_msg_data(frame), '\0', length))
		return false;
	memcpy(ret_text, zmq_msg_data(frame), length);
	ret_text[length] = '\0';
	return true;
}

/* On ipc:// the address is NAME:uid:gid:pid, from SO_PEERCRED. */
static bool read_uid(const char *address, uid_t *ret_uid)
{
	const char *at = address + strlen(address);
	char *end;
	unsigned long uid;

	for (int fields = 0; fields < 3; fields++) {
		do {
			if (at == address)
				return false;
			at--;
		} while (*at != ':');
	}
	at++;
	if (*at < '0' || *at > '9')
		return false;
	errno = 0;
	uid = strtoul(at, &end, 10);
	if (*end != ':' || errno || uid > UINT32_MAX)
		return false;
	*ret_uid = (uid_t)uid;
	return true;
}

/* User id to stamp, or NULL: refused. */
static const char *judge(const char *domain, const char *address)
{
	enum hs_role role;
	int binder, edge;
	uid_t uid;

	if (sscanf(domain, "%d.%d", &binder, &edge) != 2 || !read_uid(address, &uid))
		return NULL;
	role = hs_privs_role(uid);
	if (role == HS_ROLES)
		return OURSELVES;
	if (role == HS_ROLE_NONE || !(hs_edges[edge].connect[binder] & 1u << role))
		return NULL;
	return hs_role_names[role];
}

static void reply(struct bus_socket *socket, zmq_msg_t *request, const char *user)
{
	const struct bus_part parts[] = {
		{"1.0", 3}, {zmq_msg_data(request), zmq_msg_size(request)}, {user ? "200" : "400", 3},
		{"", 0},    {user ? user : "", user ? strlen(user) : 0},    {"", 0},
	};

	bus_send(socket, parts, 6);
}

static bool take_question(struct bus_socket *socket)
{
	char domain[DOMAIN_BYTES] = "", address[ADDRESS_BYTES] = "";
	struct bus_message *message = bus_message_take(socket, false);
	const char *user = NULL;

	if (!message)
		return false;
	if (message->count >= QUESTION_FRAMES && copy_frame(&message->frames[DOMAIN], domain, sizeof(domain)) &&
	    copy_frame(&message->frames[ADDRESS], address, sizeof(address)))
		user = judge(domain, address);
	if (!user)
		bus_refused(socket->bus, BUS_WHY_STRANGER, address, domain);
	if (message->count > REQUEST)
		reply(socket, &message->frames[REQUEST], user);
	bus_message_close(message);
	return true;
}

int bus_zap_open(struct hs_bus *bus)
{
	int result = bus_socket_open(bus, &bus->zap, ZMQ_REP, take_question);

	if (result == 0 && zmq_bind(bus->zap.zmq, "inproc://zeromq.zap.01") < 0)
		result = -zmq_errno();
	return result;
}

void bus_zap_guard(struct bus_socket *socket, enum hs_edge edge)
{
	char domain[DOMAIN_BYTES];

	snprintf(domain, sizeof(domain), "%d.%d", (int)socket->bus->role, (int)edge);
	zmq_setsockopt(socket->zmq, ZMQ_ZAP_DOMAIN, domain, strlen(domain));
}

enum hs_role bus_zap_stamped(zmq_msg_t *frame)
{
	const char *user = zmq_msg_gets(frame, "User-Id");

	if (!user)
		return HS_ROLE_NONE;
	return strcmp(user, OURSELVES) == 0 ? HS_ROLES : bus_envelope_role(user);
}
