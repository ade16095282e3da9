#include "privs.h"
#include "cleanup.h"
#include "log.h"
#include <errno.h>
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
#define GROUPS_MAX 256

static struct {
	bool separate, placed;
	uid_t base;
	bool keeps_group;
	gid_t group;
} state;

void hs_privs_setup(int64_t uid_base)
{
	uid_t uid = geteuid();

	state.base = (uid_t)uid_base;
	state.placed = uid > state.base && uid < state.base + HS_ROLE_OPS;
	state.separate = uid == 0 || state.placed;
}

bool hs_privs_separate(void)
{
	return state.separate;
}

bool hs_privs_placed(void)
{
	return state.placed;
}

gid_t hs_privs_reader_gid(void)
{
	return state.base;
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

static bool contains(const gid_t *groups, size_t count, gid_t group)
{
	for (size_t i = 0; i < count; i++)
		if (groups[i] == group)
			return true;
	return false;
}

int hs_privs_check_groups(enum hs_role role, gid_t *ret_group)
{
	gid_t wanted[HS_ROLES * HS_EDGES + 3], present[GROUPS_MAX];
	size_t edges = edge_groups(role, wanted), allowed = edges;
	int count = getgroups(GROUPS_MAX, present);

	if (!state.placed)
		return 0;
	if (count < 0)
		return -errno;
	wanted[allowed++] = getegid();
	wanted[allowed++] = state.base;
	if (state.keeps_group)
		wanted[allowed++] = state.group;
	for (size_t i = 0; i < edges; i++)
		if (!contains(present, (size_t)count, *ret_group = wanted[i]))
			return -ENOENT;
	for (int i = 0; i < count; i++)
		if (!contains(wanted, allowed, *ret_group = present[i]))
			return -EPERM;
	return 0;
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
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}}, now[_LINUX_CAPABILITY_U32S_3] = {{0}};

	if (syscall(SYS_capget, &head, now) == 0 && memcmp(now, none, sizeof(now)) == 0)
		return 0; /* what nobody has need not be allowed */
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
	if (state.separate && !state.placed && (result = become(role)) < 0)
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
	if (!state.separate || state.placed)
		return drop_capabilities();
	if (syscall(SYS_capget, &head, now) < 0)
		return -errno;
	for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		uint32_t keep = now[i].permitted & (i == 0 ? needed : 0);

		now[i] = (struct __user_cap_data_struct){.effective = keep, .permitted = keep};
	}
	return syscall(SYS_capset, &head, now) < 0 ? -errno : 0;
}
