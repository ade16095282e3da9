#include "cleanup.h"
#include "files_inner.h"
#include <dahdi/user.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define WRITE_MAX (2 * (size_t)BLOCKS_SIZE_MAX)

/* ---- read and write ---- */

/* Whether there is a living channel behind the file; otherwise the caller is refused. */
static bool has_audio(struct files *files, fuse_req_t request, struct file *file)
{
	if (file->kind != KIND_CHANNEL)
		fuse_reply_err(request, file->kind == KIND_CONTROL ? EINVAL : ENOSYS);
	else if (files_is_dead(files, file))
		files_refuse_dead(files, request, file);
	else
		return true;
	return false;
}

int files_try_read(struct file *file, size_t size, uint8_t *ret_bytes)
{
	struct faults *faults = &file->port->faults;
	int error = faults_due(faults, "read");

	if (error)
		return -error;
	if (faults->short_bytes && size > (size_t)faults->short_bytes)
		size = (size_t)faults->short_bytes;
	return chan_read(&file->port->chan, ret_bytes, size);
}

int files_try_write(struct file *file, const uint8_t *bytes, size_t size)
{
	int error = faults_due(&file->port->faults, "write");

	return error ? -error : chan_write(&file->port->chan, bytes, size);
}

void files_read(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset, struct fuse_file_info *info)
{
	struct files *files = files_of(request);
	struct file *file = files_file(info);
	static uint8_t bytes[FILES_READ_MAX];

	if (!has_audio(files, request, file))
		return;
	file->port->chan.nonblocking = info->flags & O_NONBLOCK;
	int result = files_try_read(file, size < FILES_READ_MAX ? size : FILES_READ_MAX - 1, bytes);

	if (result == -EAGAIN && !(info->flags & O_NONBLOCK)) {
		struct sleeper *sleeper = files_put_to_sleep(files, request, file, SLEEP_READ);

		if (!sleeper)
			return;
		sleeper->size = size < FILES_READ_MAX ? size : FILES_READ_MAX - 1;
		files_may_be_interrupted(sleeper);
	} else if (result < 0) {
		fuse_reply_err(request, -result);
	} else {
		fuse_reply_buf(request, (const char *)bytes, (size_t)result);
	}
}

void files_write(fuse_req_t request, fuse_ino_t inode, const char *bytes, size_t size, off_t offset,
		 struct fuse_file_info *info)
{
	struct files *files = files_of(request);
	struct file *file = files_file(info);

	if (!has_audio(files, request, file))
		return;
	file->port->chan.nonblocking = info->flags & O_NONBLOCK;
	int result = files_try_write(file, (const uint8_t *)bytes, size);

	if (result == -EAGAIN && !(info->flags & O_NONBLOCK)) {
		struct sleeper *sleeper = files_put_to_sleep(files, request, file, SLEEP_WRITE);

		if (!sleeper)
			return;
		/* the driver takes a count modulo 64 KiB, and of that at most a block */
		size = (size & 0xffff) < WRITE_MAX ? size & 0xffff : WRITE_MAX;
		sleeper->bytes = hs_zalloc(size);
		memcpy(sleeper->bytes, bytes, size);
		sleeper->size = size;
		files_may_be_interrupted(sleeper);
	} else if (result < 0) {
		fuse_reply_err(request, -result);
	} else {
		fuse_reply_write(request, (size_t)result);
	}
}

/* ---- ioctl ---- */

int files_bind(struct files *files, struct file *file, const void *argument)
{
	int number;

	memcpy(&number, argument, sizeof(number));
	struct port *port = files->bank->plugged ? bank_port(files->bank, number) : NULL;

	if (!port)
		return -EINVAL;
	int error = faults_due(&port->faults, "open");
	int result = error ? -error : chan_open(&port->chan, file->nonblocking);

	if (result)
		return result;
	file->kind = KIND_CHANNEL;
	file->port = port;
	file->removals = files->bank->removals;
	return 0;
}

static int specify(struct files *files, struct file *file, const void *argument)
{
	int number, error;
	struct port *port;

	memcpy(&number, argument, sizeof(number));
	port = bank_port(files->bank, number);
	error = port ? faults_due(&port->faults, "SPECIFY") : 0;
	return error ? -error : files_bind(files, file, argument);
}

static int do_ioctl(struct files *files, struct file *file, unsigned int command, void *argument)
{
	switch (file->kind) {
	case KIND_CONTROL:
		return ioctls_control(files->bank, command, argument);
	case KIND_TIMER:
		return ioctls_timer(file->timer, command, argument);
	case KIND_UNBOUND:
		return command == DAHDI_SPECIFY ? specify(files, file, argument) : -ENOSYS;
	default:
		return ioctls_channel(files->bank, file->port, command, argument);
	}
}

void files_answer_ioctl(fuse_req_t request, int result, unsigned int command, const void *argument)
{
	if (result < 0)
		fuse_reply_err(request, -result);
	else
		fuse_reply_ioctl(request, 0, argument, _IOC_DIR(command) & _IOC_READ ? _IOC_SIZE(command) : 0);
}

void files_ioctl(fuse_req_t request, fuse_ino_t inode, unsigned int command, void *address, struct fuse_file_info *info,
		 unsigned int flags, const void *in, size_t in_size, size_t out_size)
{
	struct files *files = files_of(request);
	struct file *file = files_file(info);
	_Alignas(16) uint8_t argument[IOCTLS_ARGUMENT] = {0};

	if (files_is_dead(files, file)) {
		files_refuse_dead(files, request, file);
		return;
	}
	if (flags & FUSE_IOCTL_DIR || in_size > sizeof(argument) || out_size > sizeof(argument) ||
	    _IOC_SIZE(command) > sizeof(argument)) {
		fuse_reply_err(request, ENOTTY);
		return;
	}
	if (in_size)
		memcpy(argument, in, in_size);
	int result = do_ioctl(files, file, command, argument);

	if (result == IOCTLS_SLEEP) {
		struct sleeper *sleeper = files_put_to_sleep(files, request, file, SLEEP_IOCTL);

		if (!sleeper)
			return;
		sleeper->command = command;
		memcpy(sleeper->argument, argument, sizeof(argument));
		files_may_be_interrupted(sleeper);
		return;
	}
	files_answer_ioctl(request, result, command, argument);
}
