#include "wsguard.h"
#include "cleanup.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* <sys/socket.h> is left out: its fortified recv would stand in the way of ours. */
#define NO_SIGNAL 0x4000 /* MSG_NOSIGNAL */
ssize_t recv(int fd, void *buffer, size_t bytes, int flags);
ssize_t send(int fd, const void *buffer, size_t bytes, int flags);

enum { STEP_FIRST, STEP_LENGTH, STEP_LONG, STEP_MASK, STEP_PAYLOAD };

#define MASKED 0x80
#define CONTROL 0x08
#define MAX_CONTROL 125

/* The one thing here that is not a connection's: libwebsockets gives recv nothing but the descriptor. */
static struct hs_wsguard **watched;
static size_t watched_count;

static bool fail(struct hs_wsguard *guard, const char *why)
{
	guard->why = why;
	return false;
}

static void step(struct hs_wsguard *guard, int next, uint8_t bytes)
{
	guard->step = (uint8_t)next;
	guard->left = bytes;
}

static void after_length(struct hs_wsguard *guard)
{
	step(guard, STEP_MASK, 4);
}

static bool take_length(struct hs_wsguard *guard, uint8_t byte)
{
	if (!(byte & MASKED))
		return fail(guard, "frame without mask");
	guard->length7 = byte & 0x7f;
	guard->payload = guard->length7 <= MAX_CONTROL ? guard->length7 : 0;
	if ((guard->opcode & CONTROL) && guard->length7 > MAX_CONTROL)
		return fail(guard, "long control frame");
	if (guard->length7 <= MAX_CONTROL)
		after_length(guard);
	else
		step(guard, STEP_LONG, guard->length7 == 126 ? 2 : 8);
	return true;
}

static bool take_long(struct hs_wsguard *guard, uint8_t byte)
{
	guard->payload = guard->payload << 8 | byte;
	if (--guard->left > 0)
		return true;
	uint64_t least = guard->length7 == 126 ? 126 : 65536;
	if (guard->payload < least || guard->payload > INT64_MAX)
		return fail(guard, "length not in its shortest form");
	after_length(guard);
	return true;
}

static bool take_header(struct hs_wsguard *guard, uint8_t byte)
{
	switch (guard->step) {
	case STEP_FIRST:
		guard->opcode = byte & 0x0f;
		step(guard, STEP_LENGTH, 1);
		return true;
	case STEP_LENGTH:
		return take_length(guard, byte);
	case STEP_LONG:
		return take_long(guard, byte);
	default:
		if (--guard->left == 0)
			step(guard, guard->payload > 0 ? STEP_PAYLOAD : STEP_FIRST, 0);
		return true;
	}
}

bool hs_wsguard_feed(struct hs_wsguard *guard, const uint8_t *data, size_t bytes)
{
	for (size_t i = 0; i < bytes && !guard->why;) {
		if (guard->step != STEP_PAYLOAD) {
			take_header(guard, data[i++]);
			continue;
		}
		size_t part = bytes - i < guard->payload ? bytes - i : (size_t)guard->payload;
		guard->payload -= part;
		i += part;
		if (guard->payload == 0)
			step(guard, STEP_FIRST, 0);
	}
	return !guard->why;
}

size_t hs_wsguard_close_frame(int code, const char *why, const uint8_t *mask, uint8_t *ret_frame)
{
	size_t length = 2 + strnlen(why, MAX_CONTROL - 2), head = mask ? 6 : 2;
	uint8_t *payload = ret_frame + head;
	ret_frame[0] = 0x88;
	ret_frame[1] = (uint8_t)(length | (mask ? MASKED : 0));
	if (mask)
		memcpy(ret_frame + 2, mask, 4);
	payload[0] = (uint8_t)(code >> 8);
	payload[1] = (uint8_t)code;
	memcpy(payload + 2, why, length - 2);
	for (size_t i = 0; mask && i < length; i++)
		payload[i] ^= mask[i % 4];
	return head + length;
}

/* The reader is told of a reset, so nobody else will send a close frame. */
static void send_close(int fd, const char *why)
{
	uint8_t frame[HS_WSGUARD_CLOSE_BYTES];
	size_t length = hs_wsguard_close_frame(1002, why, NULL, frame);
	send(fd, frame, length, NO_SIGNAL);
}

ssize_t recv(int fd, void *buffer, size_t bytes, int flags)
{
	ssize_t got = syscall(SYS_recvfrom, fd, buffer, bytes, flags, NULL, NULL);
	if (got <= 0 || fd < 0 || (size_t)fd >= watched_count || !watched[fd])
		return got;
	struct hs_wsguard *guard = watched[fd];
	guard->heard = true;
	if (guard->why || hs_wsguard_feed(guard, buffer, (size_t)got))
		return got;
	send_close(fd, guard->why);
	errno = ECONNRESET;
	return -1;
}

int hs_wsguard_open(size_t max)
{
	if (watched)
		return -EBUSY;
	watched = hs_zalloc(max * sizeof(struct hs_wsguard *));
	watched_count = max;
	return 0;
}

void hs_wsguard_watch(int fd, struct hs_wsguard *guard)
{
	if (fd >= 0 && (size_t)fd < watched_count)
		watched[fd] = guard;
}

void hs_wsguard_close(void)
{
	watched_count = 0;
	free(watched);
	watched = NULL;
}
