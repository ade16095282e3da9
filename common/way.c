/* As root the suite may live where only root gets through: a checkout in /root, or in the 0700 home of whoever called
 * sudo. The daemons' own users could not reach their sockets and states there. So the keeper lays, in a mount namespace
 * of its own, an empty folder over the closed one, with nothing in it but the way to the home. Paths stay what they
 * are, nothing changes on the disk, and the rest of the closed folder is out of the daemons' sight. */
#include "cleanup.h"
#include "privs.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* Length of the topmost folder above path that others may not pass through; 0: there is none. */
static size_t find_closed(const char *path)
{
	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		AUTO(free) char *above = hs_printf("%.*s", (int)(slash - path), path);
		struct stat status;

		if (stat(above, &status) == 0 && !(status.st_mode & S_IXOTH))
			return (size_t)(slash - path);
	}
	return 0;
}

/* Makes all folders of path below its first `from` letters. */
static int make_way(const char *path, size_t from)
{
	for (const char *slash = path + from; slash; slash = strchr(slash + 1, '/')) {
		const char *end = strchr(slash + 1, '/');
		AUTO(free) char *step = hs_printf("%.*s", end ? (int)(end - path) : (int)strlen(path), path);

		if (mkdir(step, 0711) < 0 || chmod(step, 0711) < 0)
			return -errno;
	}
	return 0;
}

static int lay_over(const char *home, size_t closed_length)
{
	static const unsigned long quiet = MS_NOSUID | MS_NODEV | MS_NOEXEC;
	AUTO(free) char *closed = hs_printf("%.*s", (int)closed_length, home);
	AUTO(close) int tree = -1;
	int result;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return -errno;
	tree = open_tree(AT_FDCWD, home, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	if (tree < 0 || mount("hookswitch", closed, "tmpfs", quiet, "mode=0711,size=64k,nr_inodes=64") < 0)
		return -errno;
	result = make_way(home, closed_length);
	if (result < 0)
		return result;
	if (move_mount(tree, "", AT_FDCWD, home, MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
	    mount(NULL, closed, NULL, quiet | MS_REMOUNT | MS_RDONLY, "mode=0711") < 0)
		return -errno;
	return 0;
}

int hs_privs_open_way(const char *home)
{
	size_t closed_length = hs_privs_separate() && !hs_privs_placed() ? find_closed(home) : 0;

	return closed_length ? lay_over(home, closed_length) : 0;
}
