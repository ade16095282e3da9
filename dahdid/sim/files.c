#include "cleanup.h"
#include "files_inner.h"
#include "log.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FILES_MAX 1024
#define REQUESTS_A_TURN 64

static struct bank_timer *free_timer(struct bank *bank)
{
	for (int i = 0; i < BANK_TIMERS; i++) {
		if (!bank->timers[i].used)
			return &bank->timers[i];
	}
	return NULL;
}

static int open_timer(struct files *files, struct file *file)
{
	file->timer = free_timer(files->bank);
	if (!file->timer)
		return -ENOMEM;
	*file->timer = (struct bank_timer){.used = true};
	return 0;
}

static int open_kind(struct files *files, struct file *file, fuse_ino_t inode)
{
	int number = (int)inode - INODE_FIRST;

	switch (inode) {
	case INODE_CTL:
		file->kind = KIND_CONTROL;
		return 0;
	case INODE_TIMER:
		file->kind = KIND_TIMER;
		return open_timer(files, file);
	case INODE_CHANNEL:
		file->kind = KIND_UNBOUND;
		return 0;
	default:
		if (!files_port(files, inode))
			return -ENOENT;
		int result = files_bind(files, file, &number);

		return result == -EINVAL ? -ENXIO : result;
	}
}

static void open_file(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info)
{
	struct files *files = files_of(request);

	if (files->open_count >= FILES_MAX) {
		fuse_reply_err(request, ENFILE);
		return;
	}
	struct file *file = hs_zalloc(sizeof(*file));

	file->nonblocking = info->flags & O_NONBLOCK;
	int result = open_kind(files, file, inode);

	if (result) {
		free(file);
		fuse_reply_err(request, -result);
		return;
	}
	file->next = files->open;
	files->open = file;
	files->open_count++;
	info->fh = (uintptr_t)file;
	info->direct_io = 1;
	info->nonseekable = 1;
	fuse_reply_open(request, info);
}

static void close_one(struct files *files, struct file *file)
{
	struct file **at = &files->open;

	while (*at != file)
		at = &(*at)->next;
	*at = file->next;
	files->open_count--;
	if (file->kind == KIND_CHANNEL && !files_is_dead(files, file))
		chan_close(&file->port->chan);
	if (file->timer)
		file->timer->used = false;
	if (file->poller)
		fuse_pollhandle_destroy(file->poller);
	free(file);
}

static void release_file(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info)
{
	close_one(files_of(request), files_file(info));
	fuse_reply_err(request, 0);
}

static void no_flush(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info)
{
	fuse_reply_err(request, 0);
}

static void begin(void *data, struct fuse_conn_info *connection)
{
	connection->want &= ~(unsigned int)(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
}

static const struct fuse_lowlevel_ops operations = {
	.init = begin,
	.lookup = files_look_up,
	.getattr = files_get_status,
	.setattr = files_set_status,
	.readdir = files_read_folder,
	.open = open_file,
	.read = files_read,
	.write = files_write,
	.flush = no_flush,
	.release = release_file,
	.ioctl = files_ioctl,
	.poll = files_poll,
};

/* ---- The session ---- */

static void tell_ended(struct files *files)
{
	if (files->ended_told)
		return;
	files->ended_told = true;
	files->ended(files->owner);
}

/* The kernel has requests for us. */
static void serve(uv_poll_t *handle, int status, int events)
{
	struct files *files = handle->data;

	for (int i = 0; i < REQUESTS_A_TURN; i++) {
		int result = fuse_session_receive_buf(files->session, &files->buffer);

		if (result == -EAGAIN || result == -EINTR)
			break;
		if (result <= 0 || fuse_session_exited(files->session)) {
			tell_ended(files);
			return;
		}
		files->served++;
		fuse_session_process_buf(files->session, &files->buffer);
	}
	files_settle(files);
}

static int mount_it(struct files *files)
{
	struct fuse_args arguments = FUSE_ARGS_INIT(0, NULL);

	fuse_opt_add_arg(&arguments, "dahdisim");
	fuse_opt_add_arg(&arguments, "-osubtype=dahdisim,fsname=dahdisim,default_permissions");
	if (files->options.allow_other)
		fuse_opt_add_arg(&arguments, "-oallow_other");
	files->session = fuse_session_new(&arguments, &operations, sizeof(operations), files);
	fuse_opt_free_args(&arguments);
	if (!files->session)
		return -EINVAL;
	return fuse_session_mount(files->session, files->options.folder) ? -EPERM : 0;
}

int files_create(uv_loop_t *loop, struct bank *bank, const struct files_options *options, void (*ended)(void *owner),
		 void *owner, struct files **ret_files)
{
	struct files *files = hs_zalloc(sizeof(*files));

	files->bank = bank;
	files->options = *options;
	files->ended = ended;
	files->owner = owner;
	clock_gettime(CLOCK_REALTIME, &files->began);
	int result = mount_it(files);

	if (result) {
		hs_log(ERROR, "dahdisim.no_mount", LOG_TEXT("folder", options->folder),
		       LOG_TEXT("why", strerror(-result)));
		if (files->session)
			fuse_session_destroy(files->session);
		free(files);
		return result;
	}
	files->mounted = true;
	int device = fuse_session_fd(files->session);

	fcntl(device, F_SETFL, fcntl(device, F_GETFL) | O_NONBLOCK);
	uv_poll_init(loop, &files->device, device);
	files->device.data = files;
	uv_poll_start(&files->device, UV_READABLE, serve);
	*ret_files = files;
	return 0;
}

void files_stop(struct files *files)
{
	if (!files->mounted)
		return;
	files->mounted = false;
	files_wake_all(files);
	uv_close((uv_handle_t *)&files->device, NULL);
	fuse_session_unmount(files->session);
}

void files_destroy(struct files *files)
{
	while (files->open)
		close_one(files, files->open);
	free(files->buffer.mem);
	fuse_session_destroy(files->session);
	free(files);
}

unsigned int files_open(const struct files *files)
{
	return files->open_count;
}

uint64_t files_served(const struct files *files)
{
	return files->served;
}
