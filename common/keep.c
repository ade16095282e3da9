/* The child is a fork of its keeper, so what the keeper holds is already open here: nothing has to be sent to a
 * successor, and it knows all names when it starts. Only news goes over the socket. */
#include "keep.h"
#include "cleanup.h"
#include "pass.h"
#include "table.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A busy keeper gets this long to take the next datagram; one that missed it once is not waited for. */
#define PATIENCE_MS 2

struct left {
	int fd; /* -1: taken, or ours from the beginning */
};

struct hs_keep {
	int socket, deaths;
	int witness; /* -1: none */
	bool stuck;
	struct hs_table *names; /* all that the keeper holds */
};

bool hs_keep_name_valid(const char *name)
{
	size_t length = name ? strnlen(name, HS_KEEP_NAME) : 0;

	for (size_t i = 0; i < length; i++)
		if (name[i] <= ' ' || name[i] > '~')
			return false;
	return length >= 1 && length < HS_KEEP_NAME;
}

struct hs_keep *hs_keep_create(int socket, int deaths)
{
	struct hs_keep *keep = hs_zalloc(sizeof(*keep));

	keep->socket = socket;
	keep->deaths = deaths;
	keep->witness = -1;
	keep->names = hs_table_create();
	return keep;
}

void hs_keep_leave(struct hs_keep *keep, const char *name, int fd)
{
	struct left *left = hs_zalloc(sizeof(*left));

	left->fd = fd;
	free(hs_table_put(keep->names, name, left));
}

static int send_message(struct hs_keep *keep, enum hs_keep_op op, const char *name, int fd)
{
	struct hs_keep_message message = {.op = (uint8_t)op};
	int result;

	hs_copy(message.name, sizeof(message.name), name);
	result = hs_pass_send(keep->socket, &message, sizeof(message), op == HS_KEEP_HOLD ? fd : -1);
	return result == 0 || result == -EBADF ? result : -EAGAIN;
}

static int tell_keeper(struct hs_keep *keep, enum hs_keep_op op, const char *name, int fd)
{
	struct pollfd room = {.fd = keep->socket, .events = POLLOUT};
	int result = send_message(keep, op, name, fd);

	if (result == -EAGAIN && !keep->stuck) {
		poll(&room, 1, PATIENCE_MS);
		result = send_message(keep, op, name, fd);
	}
	keep->stuck = result == -EAGAIN;
	return result;
}

static void forget(struct hs_keep *keep, const char *name)
{
	struct left *left = hs_table_remove(keep->names, name);

	if (left && left->fd >= 0)
		close(left->fd);
	free(left);
}

int hs_keep_hold(struct hs_keep *keep, const char *name, int fd)
{
	int result;

	if (!hs_keep_name_valid(name) || fd < 0)
		return -EINVAL;
	if (!keep)
		return 0;
	if (!hs_table_get(keep->names, name) && hs_table_count(keep->names) >= HS_KEEP_MAX)
		return -ENOSPC;
	result = tell_keeper(keep, HS_KEEP_HOLD, name, fd);
	if (result < 0)
		return result;
	forget(keep, name);
	hs_keep_leave(keep, name, -1);
	return 0;
}

void hs_keep_drop(struct hs_keep *keep, const char *name)
{
	if (!keep || !hs_table_get(keep->names, name))
		return;
	tell_keeper(keep, HS_KEEP_DROP, name, -1);
	forget(keep, name);
}

int hs_keep_take(struct hs_keep *keep, const char *name)
{
	struct left *left = keep ? hs_table_get(keep->names, name) : NULL;
	int fd;

	if (!left || left->fd < 0)
		return -ENOENT;
	fd = left->fd;
	left->fd = -1;
	return fd;
}

struct walk {
	const char *prefix;
	void (*visit)(void *context, const char *name);
	void *context;
};

static _Bool visit_left(void *context, const char *key, void *object)
{
	const struct walk *walk = context;
	const struct left *left = object;
	char name[HS_KEEP_NAME];

	if (left->fd < 0 || strncmp(key, walk->prefix, strlen(walk->prefix)) != 0)
		return true;
	hs_copy(name, sizeof(name), key); /* the visitor may drop it */
	walk->visit(walk->context, name);
	return true;
}

void hs_keep_each(struct hs_keep *keep, const char *prefix, void (*visit)(void *context, const char *name),
		  void *context)
{
	struct walk walk = {prefix, visit, context};

	if (keep)
		hs_table_each(keep->names, visit_left, &walk);
}

int hs_keep_deaths(const struct hs_keep *keep)
{
	return keep ? keep->deaths : 0;
}

void hs_keep_witness(struct hs_keep *keep, int fd)
{
	keep->witness = fd;
}

void hs_keep_serves(struct hs_keep *keep)
{
	if (!keep || keep->witness < 0)
		return;
	close(keep->witness);
	keep->witness = -1;
}

static _Bool free_left(void *context, const char *key, void *object)
{
	struct left *left = object;

	if (left->fd >= 0)
		close(left->fd);
	free(left);
	return true;
}

void hs_keep_destroy(struct hs_keep *keep)
{
	if (!keep)
		return;
	hs_table_each(keep->names, free_left, NULL);
	hs_table_destroy(keep->names);
	hs_keep_serves(keep);
	close(keep->socket);
	free(keep);
}
