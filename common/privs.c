#include "privs.h"
#include "cleanup.h"
#include "log.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FIRST_EDGE 100
#define EDGES_PER_BINDER 16

static struct {
	bool separate;
	uid_t base;
	bool keeps_group;
	gid_t group;
} state;

void hs_privs_setup(int64_t uid_base)
{
	state.separate = geteuid() == 0;
	state.base = (uid_t)uid_base;
}

bool hs_privs_separate(void)
{
	return state.separate;
}

uid_t hs_privs_uid(enum hs_role role)
{
	if (!state.separate)
		return geteuid();
	return role == HS_ROLE_OPS ? 0 : state.base + (uid_t)role;
}

enum hs_role hs_privs_role(uid_t uid)
{
	if (!state.separate)
		return uid == geteuid() ? HS_ROLES : HS_ROLE_NONE;
	if (uid == 0)
		return HS_ROLE_OPS;
	if (uid <= state.base || uid >= state.base + HS_ROLES || uid == state.base + HS_ROLE_OPS)
		return HS_ROLE_NONE;
	return (enum hs_role)(uid - state.base);
}

gid_t hs_privs_edge_gid(enum hs_role binder, enum hs_edge edge)
{
	return state.separate ? state.base + FIRST_EDGE + EDGES_PER_BINDER * (gid_t)binder + (gid_t)edge : getegid();
}

/* Makes a folder or opens the one that is there. No link is followed, and what is there must be root's or the owner's:
 * a taken-over daemon can put nothing in its keeper's way. */
static int open_folder(int parent, const char *name, uid_t owner, gid_t group, mode_t mode)
{
	struct stat status;
	int fd, result = 0;

	if (mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) < 0)
		result = -errno;
	else if (status.st_uid != geteuid() && status.st_uid != owner)
		result = -EPERM;
	else if (state.separate && fchown(fd, owner, group) < 0)
		result = -errno;
	else if (fchmod(fd, mode) < 0) /* after the chown, which clears the setgid bit */
		result = -errno;
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
	fd = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (state.separate && (fstat(fd, &status) < 0 || fchmod(fd, (status.st_mode & 07777) | 0111) < 0)) {
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
				 state.separate ? 0711 : 0700);

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

int hs_privs_make_folders(const char *home, enum hs_role role)
{
	AUTO(close) int top = open_home(home);
	AUTO(close) int run = -1;
	AUTO(close) int own = -1;

	if (top < 0)
		return top;
	run = open_folder(top, "run", geteuid(), getegid(), state.separate ? 0711 : 0700);
	if (run < 0)
		return run;
	own = open_folder(top, hs_role_names[role], hs_privs_uid(role), hs_privs_uid(role), 0700);
	if (own < 0)
		return own;
	return make_edges(run, role);
}

/* Groups of the edges that the role binds or may connect to. */
static size_t edge_groups(enum hs_role role, gid_t ret_groups[HS_ROLES * HS_EDGES])
{
	size_t count = 0;

	for (int binder = 1; binder < HS_ROLES; binder++)
		for (int edge = 0; edge < HS_EDGES; edge++) {
			uint32_t connect = hs_edges[edge].connect[binder];

			if (connect && (binder == (int)role || (connect & (1U << role))))
				ret_groups[count++] = hs_privs_edge_gid((enum hs_role)binder, (enum hs_edge)edge);
		}
	return count;
}

static int become(enum hs_role role)
{
	gid_t groups[HS_ROLES * HS_EDGES + 1];
	uid_t uid = hs_privs_uid(role);
	size_t count = edge_groups(role, groups);

	if (state.keeps_group)
		groups[count++] = state.group;
	if (setgroups(count, groups) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
		return -errno;
	return 0;
}

void hs_privs_keep_group(gid_t gid)
{
	state.keeps_group = true;
	state.group = gid;
}

static void shut_capability_doors(void)
{
	/* Both need CAP_SETPCAP: an ordinary user has nothing to lose here. */
	for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
		prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
	prctl(PR_SET_SECUREBITS,
	      SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
		      SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED,
	      0, 0, 0);
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
		return -errno;
	return syscall(SYS_capset, &head, none) < 0 ? -errno : 0;
}

/* The kernel forgets the parent-death signal when the user changes. */
static int keep_death_signal(int death_signal, pid_t parent)
{
	if (death_signal == 0)
		return 0;
	if (prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) < 0)
		return -errno;
	if (getppid() != parent)
		raise(death_signal); /* it died meanwhile */
	return 0;
}

static int harden(void)
{
	struct rlimit none = {0, 0};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
	    setrlimit(RLIMIT_CORE, &none) < 0)
		return -errno;
	umask(0117);
	return 0;
}

int hs_privs_drop(enum hs_role role)
{
	pid_t parent = getppid();
	int death_signal = 0, result;

	prctl(PR_GET_PDEATHSIG, &death_signal, 0, 0, 0);
	shut_capability_doors();
	if (state.separate && (result = become(role)) < 0)
		return result;
	if ((result = drop_capabilities()) < 0 || (result = keep_death_signal(death_signal, parent)) < 0 ||
	    (result = harden()) < 0)
		return result;
	if (geteuid() == 0 || setresuid(0, 0, 0) == 0)
		return -EPERM;
	return 0;
}

int hs_privs_settle(void)
{
	/* setresuid and setgroups for the child, its bounding set, and signals to it once it is another user. */
	static const uint32_t needed = 1U << CAP_SETUID | 1U << CAP_SETGID | 1U << CAP_SETPCAP | 1U << CAP_KILL;
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct now[_LINUX_CAPABILITY_U32S_3] = {{0}};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	if (!state.separate)
		return drop_capabilities();
	if (syscall(SYS_capget, &head, now) < 0)
		return -errno;
	for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		uint32_t keep = now[i].permitted & (i == 0 ? needed : 0);

		now[i] = (struct __user_cap_data_struct){.effective = keep, .permitted = keep};
	}
	return syscall(SYS_capset, &head, now) < 0 ? -errno : 0;
}
