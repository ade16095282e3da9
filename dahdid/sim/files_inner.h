/* What the files of files share: open descriptions, callers who sleep, and the operations of each file.
 * Called by files*.c only. files.c opens and closes and keeps the session; files_names.c says what there is;
 * files_calls.c reads, writes and commands; files_sleep.c lets callers wait, and wakes them. Owns nothing.
 */
#ifndef SIM_FILES_INNER_H
#define SIM_FILES_INNER_H

#define FUSE_USE_VERSION 314
#include "files.h"
#include "ioctls.h"
#include <fuse_lowlevel.h>

#define FILES_READ_MAX 65536

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

static inline struct files *files_of(fuse_req_t request)
{
	return fuse_req_userdata(request);
}

static inline struct file *files_file(const struct fuse_file_info *info)
{
	return (struct file *)(uintptr_t)info->fh;
}

/* ---- files_names.c ---- */

/* The port that a numbered file is for, or NULL. */
struct port *files_port(const struct files *files, fuse_ino_t inode);

void files_look_up(fuse_req_t request, fuse_ino_t parent, const char *name);
void files_get_status(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info);
void files_set_status(fuse_req_t request, fuse_ino_t inode, struct stat *wanted, int what, struct fuse_file_info *info);
void files_read_folder(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset, struct fuse_file_info *info);

/* ---- files_calls.c ---- */

/* As read(2) and write(2) of the channel, with the faults that were asked for. Bytes or -errno. */
int files_try_read(struct file *file, size_t size, uint8_t *ret_bytes);
int files_try_write(struct file *file, const uint8_t *bytes, size_t size);

/* DAHDI_SPECIFY makes a channel of the generic file; argument is its number. 0 or -errno. */
int files_bind(struct files *files, struct file *file, const void *argument);

void files_answer_ioctl(fuse_req_t request, int result, unsigned int command, const void *argument);
void files_read(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset, struct fuse_file_info *info);
void files_write(fuse_req_t request, fuse_ino_t inode, const char *bytes, size_t size, off_t offset,
		 struct fuse_file_info *info);
void files_ioctl(fuse_req_t request, fuse_ino_t inode, unsigned int command, void *address, struct fuse_file_info *info,
		 unsigned int flags, const void *in, size_t in_size, size_t out_size);

/* ---- files_sleep.c ---- */

/* Its card is gone, or was gone since it was opened. */
bool files_is_dead(const struct files *files, const struct file *file);

/* The caller sleeps; NULL: there are too many, and he was refused. The new sleeper's details are to be filled in. */
struct sleeper *files_put_to_sleep(struct files *files, fuse_req_t request, struct file *file, int what);

/* From here on a signal can end the sleep, at once if it came already. */
void files_may_be_interrupted(struct sleeper *sleeper);

/* The card is gone: the driver thinks for a moment before it says so. */
void files_refuse_dead(struct files *files, fuse_req_t request, struct file *file);

/* All who sleep are refused: it ends. */
void files_wake_all(struct files *files);

void files_poll(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info, struct fuse_pollhandle *poller);

#endif
