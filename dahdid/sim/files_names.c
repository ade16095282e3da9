#include "cleanup.h"
#include "files_inner.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

struct port *files_port(const struct files *files, fuse_ino_t inode)
{
	return inode > INODE_FIRST && files->bank->plugged ? bank_port(files->bank, (int)(inode - INODE_FIRST)) : NULL;
}

static bool is_there(const struct files *files, fuse_ino_t inode)
{
	return inode <= INODE_CHANNEL || files_port(files, inode);
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

void files_look_up(fuse_req_t request, fuse_ino_t parent, const char *name)
{
	struct files *files = files_of(request);
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

void files_get_status(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info)
{
	struct files *files = files_of(request);
	struct stat status;

	if (!info && !is_there(files, inode)) {
		fuse_reply_err(request, ENOENT);
		return;
	}
	fill_status(files, inode, &status);
	fuse_reply_attr(request, &status, 0);
}

/* Changes of owner, mode and size are taken for granted and forgotten, as a device file forgets O_TRUNC. */
void files_set_status(fuse_req_t request, fuse_ino_t inode, struct stat *wanted, int what, struct fuse_file_info *info)
{
	if (what & (FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID))
		fuse_reply_err(request, EPERM);
	else
		files_get_status(request, inode, info);
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

void files_read_folder(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset, struct fuse_file_info *info)
{
	struct files *files = files_of(request);
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
