#include "reader.h"
#include "cleanup.h"
#include "clock.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
	BATCH = 64,
	ROUNDS = 8, /* in one turn of the loop: the bus must not wait longer */
};

struct reader {
	uv_poll_t poll;
	int epoll;
	struct epoll_event events[BATCH];
	int count; /* of events that are being served */
};

static int serve_batch(struct reader *reader)
{
	reader->count = epoll_wait(reader->epoll, reader->events, BATCH, 0);
	int count = reader->count;
	int64_t now_us = count > 0 ? hs_clock_us() : 0;
	for (int i = 0; i < reader->count; i++) {
		struct reader_source *source = reader->events[i].data.ptr;
		if (i + 1 < reader->count && reader->events[i + 1].data.ptr)
			__builtin_prefetch(reader->events[i + 1].data.ptr);
		if (source)
			source->readable(source, now_us);
	}
	reader->count = 0;
	return count;
}

/* Where several came at once, more came meanwhile: a look is cheaper than a turn of the loop. */
static void woken(uv_poll_t *poll, int status, int events)
{
	for (int i = 0; i < ROUNDS; i++)
		if (serve_batch(poll->data) < 2)
			return;
}

struct reader *reader_create(uv_loop_t *loop)
{
	AUTO(close) int epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0)
		return NULL;
	struct reader *reader = hs_zalloc(sizeof *reader);
	reader->epoll = epoll;
	epoll = -1;
	uv_poll_init(loop, &reader->poll, reader->epoll);
	reader->poll.data = reader;
	uv_poll_start(&reader->poll, UV_READABLE, woken);
	return reader;
}

int reader_add(struct reader *reader, int fd, struct reader_source *source)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = source};
	return epoll_ctl(reader->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

void reader_forget(struct reader *reader, int fd, const struct reader_source *source)
{
	if (source->readable)
		epoll_ctl(reader->epoll, EPOLL_CTL_DEL, fd, NULL);
	for (int i = 0; i < reader->count; i++)
		if (reader->events[i].data.ptr == source)
			reader->events[i].data.ptr = NULL;
}

static void closed(uv_handle_t *handle)
{
	free(handle->data);
}

void reader_destroy(struct reader *reader)
{
	if (!reader)
		return;
	uv_poll_stop(&reader->poll);
	close(reader->epoll);
	uv_close((uv_handle_t *)&reader->poll, closed);
}
