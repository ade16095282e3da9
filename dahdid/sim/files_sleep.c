#include "cleanup.h"
#include "files_inner.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#define SLEEPERS_MAX 1024
#define DEAD_DELAY_MS 5 /* what the driver takes to refuse a call on a descriptor whose card is gone */

bool files_is_dead(const struct files *files, const struct file *file)
{
	return file->kind == KIND_CHANNEL && (file->removals != files->bank->removals || !file->port->chan.present);
}

/* ---- Sleeping ---- */

static void interrupted(fuse_req_t request, void *data);

static void unlink_sleeper(struct sleeper *sleeper)
{
	struct sleeper **at = &sleeper->files->sleepers;

	while (*at != sleeper)
		at = &(*at)->next;
	*at = sleeper->next;
	sleeper->files->sleeper_count--;
}

static void free_sleeper(struct sleeper *sleeper)
{
	free(sleeper->bytes);
	free(sleeper);
}

struct sleeper *files_put_to_sleep(struct files *files, fuse_req_t request, struct file *file, int what)
{
	if (files->sleeper_count >= SLEEPERS_MAX) {
		fuse_reply_err(request, ENOMEM);
		return NULL;
	}
	struct sleeper *sleeper = hs_zalloc(sizeof(*sleeper));

	sleeper->files = files;
	sleeper->file = file;
	sleeper->request = request;
	sleeper->what = what;
	sleeper->next = files->sleepers;
	files->sleepers = sleeper;
	files->sleeper_count++;
	return sleeper;
}

void files_may_be_interrupted(struct sleeper *sleeper)
{
	/* libfuse would call us with a lock held that lies in the request we are about to give back */
	if (fuse_req_interrupted(sleeper->request)) {
		interrupted(sleeper->request, sleeper);
		return;
	}
	fuse_req_interrupt_func(sleeper->request, interrupted, sleeper);
}

static void interrupted(fuse_req_t request, void *data)
{
	struct sleeper *sleeper = data;

	unlink_sleeper(sleeper);
	free_sleeper(sleeper);
	fuse_reply_err(request, EINTR);
}

void files_refuse_dead(struct files *files, fuse_req_t request, struct file *file)
{
	struct sleeper *sleeper = files_put_to_sleep(files, request, file, SLEEP_REFUSED);

	if (!sleeper)
		return;
	sleeper->until_ms = files->bank->now_ms + DEAD_DELAY_MS;
	files_may_be_interrupted(sleeper);
}

/* ---- Waking ---- */

/* True when the sleeper was answered. */
static bool try_again(struct sleeper *sleeper)
{
	static uint8_t bytes[FILES_READ_MAX];
	struct files *files = sleeper->files;
	bool dead = files_is_dead(files, sleeper->file);
	int result = -ENODEV;

	if (sleeper->what == SLEEP_REFUSED) {
		if (files->bank->now_ms < sleeper->until_ms)
			return false;
	} else if (!dead && sleeper->what == SLEEP_READ) {
		result = files_try_read(sleeper->file, sleeper->size, bytes);
	} else if (!dead && sleeper->what == SLEEP_WRITE) {
		result = files_try_write(sleeper->file, sleeper->bytes, sleeper->size);
	} else if (!dead) {
		result = ioctls_resume(sleeper->file->port, sleeper->command, sleeper->argument);
	}
	/* an event does not wake a reader or writer: ELAST comes when his block does */
	if (result == -EAGAIN || (sleeper->what == SLEEP_IOCTL && result == IOCTLS_SLEEP))
		return false;
	if (sleeper->what == SLEEP_IOCTL && !dead)
		files_answer_ioctl(sleeper->request, result, sleeper->command, sleeper->argument);
	else if (result < 0)
		fuse_reply_err(sleeper->request, -result);
	else if (sleeper->what == SLEEP_READ)
		fuse_reply_buf(sleeper->request, (const char *)bytes, (size_t)result);
	else
		fuse_reply_write(sleeper->request, (size_t)result);
	return true;
}

/* Whether this sleeper's wait may have come to its end. */
static bool is_due(const struct sleeper *sleeper)
{
	const struct file *file = sleeper->file;

	if (sleeper->what == SLEEP_REFUSED || files_is_dead(sleeper->files, file))
		return true;
	const struct blocks *blocks = &file->port->chan.blocks;

	switch (sleeper->what) {
	case SLEEP_READ:
		return blocks_readable(blocks);
	case SLEEP_WRITE:
		return blocks_writable(blocks);
	default:
		return file->port->chan.woken;
	}
}

static void wake_sleepers(struct files *files)
{
	struct sleeper *next;

	for (struct sleeper *sleeper = files->sleepers; sleeper; sleeper = next) {
		next = sleeper->next;
		if (!is_due(sleeper) || !try_again(sleeper))
			continue;
		unlink_sleeper(sleeper);
		free_sleeper(sleeper);
	}
}

static unsigned int mask_of(const struct files *files, const struct file *file)
{
	if (files_is_dead(files, file))
		return POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLERR;
	if (file->kind == KIND_TIMER)
		return file->timer->expired || file->timer->ping ? POLLPRI : 0;
	if (file->kind != KIND_CHANNEL)
		return POLLPRI | POLLERR; /* -EINVAL read as bits: what the driver says here */
	const struct chan *chan = &file->port->chan;
	unsigned int mask = 0;

	if (blocks_writable(&chan->blocks))
		mask |= POLLOUT | POLLWRNORM;
	if (blocks_readable(&chan->blocks))
		mask |= POLLIN | POLLRDNORM;
	if (events_waiting(&chan->events))
		mask |= POLLPRI;
	return mask;
}

static unsigned int news_of(const struct files *files, struct file *file)
{
	if (files_is_dead(files, file))
		return POLLIN | POLLOUT | POLLERR;
	if (file->kind == KIND_TIMER)
		return file->timer->woken ? POLLPRI : 0;
	if (file->kind != KIND_CHANNEL)
		return 0;
	const struct chan *chan = &file->port->chan;

	return (chan->in_filled ? POLLIN : 0) | (chan->out_freed ? POLLOUT : 0) | (chan->event_came ? POLLPRI : 0);
}

/* One wake-up for what was asked; whoever wakes polls again and asks anew. */
static void wake_poller(struct files *files, struct file *file)
{
	if (!file->poller || !(file->wanted & news_of(files, file)))
		return;
	file->wanted = 0;
	fuse_lowlevel_notify_poll(file->poller);
}

static void forget_news(struct file *file)
{
	if (file->timer)
		file->timer->woken = false;
	if (file->port)
		file->port->chan.woken = file->port->chan.in_filled = file->port->chan.out_freed =
			file->port->chan.event_came = false;
}

void files_settle(struct files *files)
{
	wake_sleepers(files);
	for (struct file *file = files->open; file; file = file->next) {
		wake_poller(files, file);
		forget_news(file);
	}
}

void files_poll(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info, struct fuse_pollhandle *poller)
{
	struct files *files = files_of(request);
	struct file *file = files_file(info);

	if (poller) {
		if (file->poller)
			fuse_pollhandle_destroy(file->poller);
		file->poller = poller;
		file->wanted |= info->poll_events | POLLERR;
	}
	fuse_reply_poll(request, mask_of(files, file));
}

void files_wake_all(struct files *files)
{
	while (files->sleepers) {
		struct sleeper *sleeper = files->sleepers;

		fuse_reply_err(sleeper->request, ENODEV);
		files->sleepers = sleeper->next;
		files->sleeper_count--;
		free_sleeper(sleeper);
	}
}
