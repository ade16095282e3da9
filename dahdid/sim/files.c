#define FUSE_USE_VERSION 314
#include "files.h"
#include "cleanup.h"
#include "ioctls.h"
#include "log.h"
#include <dahdi/user.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define FILES_MAX 1024
#define SLEEPERS_MAX 1024
#define REQUESTS_A_TURN 64
#define DEAD_DELAY_MS 5 /* what the driver takes to refuse a call on a descriptor whose card is gone */
#define READ_MAX 65536
#define WRITE_MAX (2 * (size_t)BLOCKS_SIZE_MAX)

enum { INODE_ROOT = 1, INODE_CTL, INODE_TIMER, INODE_CHANNEL, INODE_FIRST = 16 };

enum kind { KIND_CONTROL, KIND_TIMER, KIND_UNBOUND, KIND_CHANNEL };

/* An open description. */
struct file {
	struct file *next;
	enum kind kind;
	bool nonblocking;
	struct port *port;        /* KIND_CHANNEL */
	unsigned int removals;    /* the bank's, when it was opened: another number means dead */
	struct bank_timer *timer; /* KIND_TIMER */
	struct fuse_pollhandle *poller;
	unsigned int wanted; /* poll bits that somebody waits for; 0: nobody */
};

/* A caller who gets his answer later. */
struct sleeper {
	struct sleeper *next;
	struct files *files;
	struct file *file;
	fuse_req_t request;
	enum { SLEEP_READ, SLEEP_WRITE, SLEEP_IOCTL, SLEEP_REFUSED } what;
	size_t size;
	uint8_t *bytes; /* SLEEP_WRITE */
	unsigned int command;
	size_t argument_size;
	_Alignas(16) uint8_t argument[IOCTLS_ARGUMENT];
	int64_t until_ms; /* SLEEP_REFUSED */
};

struct files {
	struct bank *bank;
	struct files_options options;
	struct fuse_session *session;
	struct fuse_buf buffer;
	uv_poll_t device;
	bool mounted, ended_told;
	void (*ended)(void *owner);
	void *owner;
	struct file *open;
	struct sleeper *sleepers;
	unsigned int open_count, sleeper_count;
	uint64_t served;
	struct timespec began;
};

static struct files *of(fuse_req_t request)
{
	return fuse_req_userdata(request);
}

static struct file *file_of(const struct fuse_file_info *info)
{
	return (struct file *)(uintptr_t)info->fh;
}

static bool is_dead(const struct files *files, const struct file *file)
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

/* The caller sleeps; NULL: there are too many, and he was refused. The new sleeper's details are to be filled in. */
static struct sleeper *put_to_sleep(struct files *files, fuse_req_t request, struct file *file, int what)
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

/* From here on a signal can end the sleep, at once if it came already. */
static void may_be_interrupted(struct sleeper *sleeper)
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

/* The card is gone: the driver thinks for a moment before it says so. */
static void refuse_dead(struct files *files, fuse_req_t request, struct file *file)
{
	struct sleeper *sleeper = put_to_sleep(files, request, file, SLEEP_REFUSED);

	if (!sleeper)
		return;
	sleeper->until_ms = files->bank->now_ms + DEAD_DELAY_MS;
	may_be_interrupted(sleeper);
}

/* ---- read and write ---- */

/* Whether there is a living channel behind the file; otherwise the caller is refused. */
static bool has_audio(struct files *files, fuse_req_t request, struct file *file)
{
	if (file->kind != KIND_CHANNEL)
		fuse_reply_err(request, file->kind == KIND_CONTROL ? EINVAL : ENOSYS);
	else if (is_dead(files, file))
		refuse_dead(files, request, file);
	else
		return true;
	return false;
}

static int try_read(struct file *file, size_t size, uint8_t *ret_bytes)
{
	struct faults *faults = &file->port->faults;
	int error = faults_due(faults, "read");

	if (error)
		return -error;
	if (faults->short_bytes && size > (size_t)faults->short_bytes)
		size = (size_t)faults->short_bytes;
	return chan_read(&file->port->chan, ret_bytes, size);
}

static int try_write(struct file *file, const uint8_t *bytes, size_t size)
{
	int error = faults_due(&file->port->faults, "write");

	return error ? -error : chan_write(&file->port->chan, bytes, size);
}

static void read_file(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset, struct fuse_file_info *info)
{
	struct files *files = of(request);
	struct file *file = file_of(info);
	static uint8_t bytes[READ_MAX];

	if (!has_audio(files, request, file))
		return;
	file->port->chan.nonblocking = info->flags & O_NONBLOCK;
	int result = try_read(file, size < READ_MAX ? size : READ_MAX - 1, bytes);

	if (result == -EAGAIN && !(info->flags & O_NONBLOCK)) {
		struct sleeper *sleeper = put_to_sleep(files, request, file, SLEEP_READ);

		if (!sleeper)
			return;
		sleeper->size = size < READ_MAX ? size : READ_MAX - 1;
		may_be_interrupted(sleeper);
	} else if (result < 0) {
		fuse_reply_err(request, -result);
	} else {
		fuse_reply_buf(request, (const char *)bytes, (size_t)result);
	}
}

static void write_file(fuse_req_t request, fuse_ino_t inode, const char *bytes, size_t size, off_t offset,
		       struct fuse_file_info *info)
{
	struct files *files = of(request);
	struct file *file = file_of(info);

	if (!has_audio(files, request, file))
		return;
	file->port->chan.nonblocking = info->flags & O_NONBLOCK;
	int result = try_write(file, (const uint8_t *)bytes, size);

	if (result == -EAGAIN && !(info->flags & O_NONBLOCK)) {
		struct sleeper *sleeper = put_to_sleep(files, request, file, SLEEP_WRITE);

		if (!sleeper)
			return;
		/* the driver takes a count modulo 64 KiB, and of that at most a block */
		size = (size & 0xffff) < WRITE_MAX ? size & 0xffff : WRITE_MAX;
		sleeper->bytes = hs_zalloc(size);
		memcpy(sleeper->bytes, bytes, size);
		sleeper->size = size;
		may_be_interrupted(sleeper);
	} else if (result < 0) {
		fuse_reply_err(request, -result);
	} else {
		fuse_reply_write(request, (size_t)result);
	}
}

/* ---- ioctl ---- */

/* DAHDI_SPECIFY makes a channel of the generic file. */
static int bind_channel(struct files *files, struct file *file, const void *argument)
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

static int do_ioctl(struct files *files, struct file *file, unsigned int command, void *argument)
{
	switch (file->kind) {
	case KIND_CONTROL:
		return ioctls_control(files->bank, command, argument);
	case KIND_TIMER:
		return ioctls_timer(file->timer, command, argument);
	case KIND_UNBOUND:
		return command == DAHDI_SPECIFY ? bind_channel(files, file, argument) : -ENOSYS;
	default:
		return ioctls_channel(files->bank, file->port, command, argument);
	}
}

static void answer_ioctl(fuse_req_t request, int result, unsigned int command, const void *argument)
{
	if (result < 0)
		fuse_reply_err(request, -result);
	else
		fuse_reply_ioctl(request, 0, argument, _IOC_DIR(command) & _IOC_READ ? _IOC_SIZE(command) : 0);
}

static void ioctl_file(fuse_req_t request, fuse_ino_t inode, unsigned int command, void *address,
		       struct fuse_file_info *info, unsigned int flags, const void *in, size_t in_size, size_t out_size)
{
	struct files *files = of(request);
	struct file *file = file_of(info);
	_Alignas(16) uint8_t argument[IOCTLS_ARGUMENT] = {0};

	if (is_dead(files, file)) {
		refuse_dead(files, request, file);
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
		struct sleeper *sleeper = put_to_sleep(files, request, file, SLEEP_IOCTL);

		if (!sleeper)
			return;
		sleeper->command = command;
		memcpy(sleeper->argument, argument, sizeof(argument));
		may_be_interrupted(sleeper);
		return;
	}
	answer_ioctl(request, result, command, argument);
}

/* ---- Waking ---- */

/* True when the sleeper was answered. */
static bool try_again(struct sleeper *sleeper)
{
	static uint8_t bytes[READ_MAX];
	struct files *files = sleeper->files;
	bool dead = is_dead(files, sleeper->file);
	int result = -ENODEV;

	if (sleeper->what == SLEEP_REFUSED) {
		if (files->bank->now_ms < sleeper->until_ms)
			return false;
	} else if (!dead && sleeper->what == SLEEP_READ) {
		result = try_read(sleeper->file, sleeper->size, bytes);
	} else if (!dead && sleeper->what == SLEEP_WRITE) {
		result = try_write(sleeper->file, sleeper->bytes, sleeper->size);
	} else if (!dead) {
		result = ioctls_resume(sleeper->file->port, sleeper->command, sleeper->argument);
	}
	/* an event does not wake a reader or writer: ELAST comes when his block does */
	if (result == -EAGAIN || (sleeper->what == SLEEP_IOCTL && result == IOCTLS_SLEEP))
		return false;
	if (sleeper->what == SLEEP_IOCTL && !dead)
		answer_ioctl(sleeper->request, result, sleeper->command, sleeper->argument);
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

	if (sleeper->what == SLEEP_REFUSED || is_dead(sleeper->files, file))
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
	if (is_dead(files, file))
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
	if (is_dead(files, file))
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

static void poll_file(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info, struct fuse_pollhandle *poller)
{
	struct files *files = of(request);
	struct file *file = file_of(info);

	if (poller) {
		if (file->poller)
			fuse_pollhandle_destroy(file->poller);
		file->poller = poller;
		file->wanted |= info->poll_events | POLLERR;
	}
	fuse_reply_poll(request, mask_of(files, file));
}

/* ---- Names ---- */

static int inode_of(const struct files *files, const char *name)
{
	static const struct {
		const char *name;
		int inode;
	} fixed[] = {{"ctl", INODE_CTL}, {"timer", INODE_TIMER}, {"channel", INODE_CHANNEL}};
	char *end;

	for (size_t i = 0; i < HS_COUNT(fixed); i++) {
		if (!strcmp(name, fixed[i].name))
			return fixed[i].inode;
	}
	if (name[0] < '1' || name[0] > '9' || !files->bank->plugged)
		return 0;
	long number = strtol(name, &end, 10);

	return *end || number > files->bank->count ? 0 : (int)(INODE_FIRST + number);
}

static struct port *port_of(const struct files *files, fuse_ino_t inode)
{
	return inode > INODE_FIRST && files->bank->plugged ? bank_port(files->bank, (int)(inode - INODE_FIRST)) : NULL;
}

static bool is_there(const struct files *files, fuse_ino_t inode)
{
	return inode <= INODE_CHANNEL || port_of(files, inode);
}

static void fill_status(const struct files *files, fuse_ino_t inode, struct stat *ret_status)
{
	*ret_status = (struct stat){
		.st_ino = inode,
		.st_mode = inode == INODE_ROOT ? S_IFDIR | 0755 : S_IFREG | files->options.mode,
		.st_nlink = inode == INODE_ROOT ? 2 : 1,
		.st_uid = files->options.owner,
		.st_gid = files->options.group,
		.st_atim = files->began,
		.st_mtim = files->began,
		.st_ctim = files->began,
	};
}

static void look_up(fuse_req_t request, fuse_ino_t parent, const char *name)
{
	struct files *files = of(request);
	struct fuse_entry_param entry = {.ino = 0};
	int inode = parent == INODE_ROOT ? inode_of(files, name) : 0;

	if (!inode) {
		fuse_reply_err(request, ENOENT);
		return;
	}
	entry.ino = (fuse_ino_t)inode;
	fill_status(files, entry.ino, &entry.attr);
	fuse_reply_entry(request, &entry);
}

static void get_status(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info)
{
	struct files *files = of(request);
	struct stat status;

	if (!info && !is_there(files, inode)) {
		fuse_reply_err(request, ENOENT);
		return;
	}
	fill_status(files, inode, &status);
	fuse_reply_attr(request, &status, 0);
}

/* Changes of owner, mode and size are taken for granted and forgotten, as a device file forgets O_TRUNC. */
static void set_status(fuse_req_t request, fuse_ino_t inode, struct stat *wanted, int what, struct fuse_file_info *info)
{
	if (what & (FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID))
		fuse_reply_err(request, EPERM);
	else
		get_status(request, inode, info);
}

static void add_entry(fuse_req_t request, char *bytes, size_t size, size_t *at, fuse_ino_t inode, const char *name)
{
	struct stat status = {.st_ino = inode, .st_mode = inode == INODE_ROOT ? S_IFDIR : S_IFREG};
	size_t need = fuse_add_direntry(request, NULL, 0, name, NULL, 0);

	if (*at + need > size)
		return;
	fuse_add_direntry(request, bytes + *at, size - *at, name, &status, (off_t)(*at + need));
	*at += need;
}

static void read_folder(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset, struct fuse_file_info *info)
{
	struct files *files = of(request);
	static char bytes[(BANK_PORTS + 8) * 64];
	char name[16];
	size_t at = 0;

	if (inode != INODE_ROOT) {
		fuse_reply_err(request, ENOTDIR);
		return;
	}
	add_entry(request, bytes, sizeof(bytes), &at, INODE_ROOT, ".");
	add_entry(request, bytes, sizeof(bytes), &at, INODE_ROOT, "..");
	add_entry(request, bytes, sizeof(bytes), &at, INODE_CTL, "ctl");
	add_entry(request, bytes, sizeof(bytes), &at, INODE_TIMER, "timer");
	add_entry(request, bytes, sizeof(bytes), &at, INODE_CHANNEL, "channel");
	for (int i = 1; i <= files->bank->count && files->bank->plugged; i++) {
		snprintf(name, sizeof(name), "%d", i);
		add_entry(request, bytes, sizeof(bytes), &at, (fuse_ino_t)INODE_FIRST + (fuse_ino_t)i, name);
	}
	size_t from = offset < 0 || (size_t)offset > at ? at : (size_t)offset;

	fuse_reply_buf(request, bytes + from, at - from < size ? at - from : size);
}

/* ---- open and close ---- */

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
		if (!port_of(files, inode))
			return -ENOENT;
		int result = bind_channel(files, file, &number);

		return result == -EINVAL ? -ENXIO : result;
	}
}

static void open_file(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info)
{
	struct files *files = of(request);

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
	if (file->kind == KIND_CHANNEL && !is_dead(files, file))
		chan_close(&file->port->chan);
	if (file->timer)
		file->timer->used = false;
	if (file->poller)
		fuse_pollhandle_destroy(file->poller);
	free(file);
}

static void release_file(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info)
{
	close_one(of(request), file_of(info));
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
	.lookup = look_up,
	.getattr = get_status,
	.setattr = set_status,
	.readdir = read_folder,
	.open = open_file,
	.read = read_file,
	.write = write_file,
	.flush = no_flush,
	.release = release_file,
	.ioctl = ioctl_file,
	.poll = poll_file,
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
	while (files->sleepers) {
		struct sleeper *sleeper = files->sleepers;

		fuse_reply_err(sleeper->request, ENODEV);
		files->sleepers = sleeper->next;
		files->sleeper_count--;
		free_sleeper(sleeper);
	}
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
