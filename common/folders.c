/* The folders of the bus and of the daemons' states. */
#include "cleanup.h"
#include "privs.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int claim(int fd, uid_t owner, gid_t group, mode_t mode)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return -errno;
	if (status.st_uid != geteuid() && status.st_uid != owner)
		return -EPERM;
	if (hs_privs_separate() && fchown(fd, owner, group) < 0)
		return -errno;
	return fchmod(fd, mode) < 0 ? -errno : 0; /* after the chown, which clears the setgid bit */
}

/* Who is no longer root finds all as root made it, or does not run. */
static int check(int fd, uid_t owner, gid_t group, mode_t mode)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return -errno;
	return status.st_uid == owner && status.st_gid == group && (status.st_mode & 07777) == mode ? 0 : -EPERM;
}

/* Makes a folder or opens the one that is there. No link is followed, and what is there must be root's or the owner's:
 * a taken-over daemon can put nothing in its keeper's way. */
static int open_folder(int parent, const char *name, uid_t owner, gid_t group, mode_t mode)
{
	int fd, result;

	if (mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(parent, name, (hs_privs_placed() ? O_PATH : O_RDONLY) | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	result = hs_privs_placed() ? check(fd, owner, group, mode) : claim(fd, owner, group, mode);
	if (result == 0)
		return fd;
	close(fd);
	return result;
}

/* Home may be older than the suite, so that only what is needed changes: others must be able to pass through. */
static int open_home(const char *home)
{
	struct stat status;
	int fd;

	if (mkdir(home, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = open(home, (hs_privs_placed() ? O_PATH : O_RDONLY) | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (hs_privs_separate() && !hs_privs_placed() &&
	    (fstat(fd, &status) < 0 || fchmod(fd, (status.st_mode & 07777) | 0111) < 0)) {
		int result = -errno;

		close(fd);
		return result;
	}
	return fd;
}

static int make_edges(int run, enum hs_role role)
{
	AUTO(close)
	int binder = open_folder(run, hs_role_names[role], hs_privs_uid(role), hs_privs_uid(role),
				 hs_privs_separate() ? 0711 : 0700);

	if (binder < 0)
		return binder;
	for (int edge = 0; edge < HS_EDGES; edge++) {
		AUTO(close) int fd = -1;

		if (!hs_edges[edge].connect[role])
			continue;
		fd = open_folder(binder, hs_edges[edge].name, hs_privs_uid(role),
				 hs_privs_edge_gid(role, (enum hs_edge)edge), 02710);
		if (fd < 0)
			return fd;
	}
	return 0;
}

/* The keepers', which is root's where there is one. */
static int open_run(int top)
{
	if (hs_privs_separate())
		return open_folder(top, "run", 0, 0, 0711);
	return open_folder(top, "run", geteuid(), getegid(), 0700);
}

int hs_privs_make_folders(const char *home, enum hs_role role)
{
	AUTO(close) int top = open_home(home);
	AUTO(close) int run = -1;
	AUTO(close) int own = -1;

	if (top < 0)
		return top;
	if (hs_privs_placed() && geteuid() != hs_privs_uid(role))
		return -EPERM; /* another's */
	run = open_run(top);
	if (run < 0)
		return run;
	own = open_folder(top, hs_role_names[role], hs_privs_uid(role), hs_privs_uid(role), 0700);
	if (own < 0)
		return own;
	return make_edges(run, role);
}

/* Made by root for a keeper that will be the role's own user and may make nothing beside its folders. */
static int make_lock(const char *home, enum hs_role role)
{
	AUTO(free) char *path = hs_privs_lock_path(home, role);
	AUTO(close) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);

	return fd < 0 || fchown(fd, hs_privs_uid(role), hs_privs_uid(role)) < 0 ? -errno : 0;
}

char *hs_privs_lock_path(const char *home, enum hs_role role)
{
	return hs_printf("%s/run/%s.lock", home, hs_role_names[role]);
}

int hs_privs_place(const char *home, enum hs_role role)
{
	int result = hs_privs_make_folders(home, role);

	return result < 0 ? result : make_lock(home, role);
}
