/* The only room that knows landlock. Debian's header is older than many kernels: what it lacks is named here. */
#include "cleanup.h"
#include "log.h"
#include "sandbox_inner.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ACCESS_ALL_V1 ((UINT64_C(1) << 13) - 1)  /* execute ... make_sym */
#define ACCESS_REFER (UINT64_C(1) << 13)         /* version 2 */
#define ACCESS_TRUNCATE (UINT64_C(1) << 14)      /* version 3 */
#define ACCESS_IOCTL_DEV (UINT64_C(1) << 15)     /* version 5 */
#define NET_BIND_TCP (UINT64_C(1) << 0)          /* version 4 */
#define NET_CONNECT_TCP (UINT64_C(1) << 1)       /* version 4 */
#define SCOPE_ABSTRACT_SOCKET (UINT64_C(1) << 0) /* version 6 */
#define SCOPE_SIGNAL (UINT64_C(1) << 1)          /* version 6 */
#define RULE_PORT 2                              /* LANDLOCK_RULE_NET_PORT */

#define MAKE (LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE)
#define OF_FILES (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_TRUNCATE | ACCESS_IOCTL_DEV)

struct ruleset {
	uint64_t files, ports, scopes;
};

struct port_rule {
	uint64_t allowed, port;
};

int sandbox_files_version(void)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return version > 0 ? (int)version : 0;
}

static uint64_t rights(unsigned reach)
{
	static const struct {
		unsigned reach;
		uint64_t rights;
	} rows[] = {
		{HS_READ, LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR},
		{HS_WRITE, LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_TRUNCATE | MAKE},
		{HS_SOCKETS, LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REMOVE_FILE},
		{HS_DEVICE, LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_IOCTL_DEV},
	};
	uint64_t all = 0;

	for (size_t i = 0; i < HS_COUNT(rows); i++)
		if (reach & rows[i].reach)
			all |= rows[i].rights;
	return all;
}

static int open_path(const struct sandbox_path *path)
{
	int fd = open(path->path, O_PATH | O_CLOEXEC);
	AUTO(free) char *above = NULL;
	char *slash;

	if (fd >= 0 || errno != ENOENT || !(path->reach & HS_LATER))
		return fd;
	above = hs_strdup(path->path);
	slash = strrchr(above, '/');
	if (slash)
		*slash = 0;
	return open(above, O_PATH | O_CLOEXEC);
}

static int allow_path(int ruleset, const struct ruleset *handled, const struct sandbox_path *path)
{
	AUTO(close) int fd = open_path(path);
	struct landlock_path_beneath_attr rule = {.allowed_access = rights(path->reach) & handled->files,
						  .parent_fd = fd};
	struct stat status;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == EACCES)) {
		hs_log(DEBUG, "sandbox.skipped", LOG_TEXT("path", path->path), LOG_TEXT("error", strerror(errno)));
		return 0;
	}
	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISDIR(status.st_mode))
		rule.allowed_access &= OF_FILES;
	return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0 ? -errno : 0;
}

static int allow_ports(int ruleset, const struct ruleset *handled, const struct hs_grants *grants)
{
	for (size_t i = 0; i < grants->ports_count && (handled->ports & NET_CONNECT_TCP); i++) {
		struct port_rule rule = {NET_CONNECT_TCP, grants->ports[i]};

		if (syscall(SYS_landlock_add_rule, ruleset, RULE_PORT, &rule, 0) < 0)
			return -errno;
	}
	return 0;
}

/* How much of struct ruleset a kernel of this version knows. */
static size_t known_bytes(int version)
{
	return version >= 6 ? 3 * sizeof(uint64_t) : version >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
}

static struct ruleset handled_by(int version, const struct hs_grants *grants)
{
	struct ruleset handled = {.files = ACCESS_ALL_V1};

	if (version >= 2)
		handled.files |= ACCESS_REFER;
	if (version >= 3)
		handled.files |= ACCESS_TRUNCATE;
	if (version >= 5)
		handled.files |= ACCESS_IOCTL_DEV;
	if (version >= 4)
		handled.ports = NET_BIND_TCP | (grants->any_port ? 0 : NET_CONNECT_TCP);
	if (version >= 6)
		handled.scopes = SCOPE_ABSTRACT_SOCKET | SCOPE_SIGNAL;
	return handled;
}

static int allow_all(int ruleset, const struct ruleset *handled, const struct hs_grants *grants)
{
	for (size_t i = 0; i < grants->paths_count; i++) {
		int result = allow_path(ruleset, handled, &grants->paths[i]);

		if (result < 0) {
			hs_log(ERROR, "sandbox.no_path", LOG_TEXT("path", grants->paths[i].path),
			       LOG_TEXT("error", strerror(-result)));
			return result;
		}
	}
	return allow_ports(ruleset, handled, grants);
}

int sandbox_files_gather(const struct hs_grants *grants)
{
	int version = sandbox_files_version(), result;
	struct ruleset handled = handled_by(version, grants);
	AUTO(close) int ruleset = -1;

	if (!version)
		return -ENOSYS;
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &handled, known_bytes(version), 0);
	if (ruleset < 0)
		return -errno;
	result = allow_all(ruleset, &handled, grants);
	if (result == 0) {
		result = ruleset;
		ruleset = -1;
	}
	return result;
}

int sandbox_files_restrict(int ruleset)
{
	return syscall(SYS_landlock_restrict_self, ruleset, 0) < 0 ? -errno : 0;
}
