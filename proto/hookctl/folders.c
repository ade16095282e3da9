/* folders: what a daemon needs to find when whoever starts it gives it its user, and not root's. */
#include "bus.h"
#include "ceilings.h"
#include "cleanup.h"
#include "hookctl.h"
#include "keys.h"
#include "privs.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Hashes and sealed secrets: for the keepers, which have no root's rights to read it. */
static int hand_over_config(const struct hookctl *ctl)
{
	AUTO(free) char *path = hs_printf("%s/hookswitch.yaml", ctl->home);
	AUTO(close) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	return fchown(fd, 0, hs_privs_reader_gid()) < 0 || fchmod(fd, 0640) < 0 ? -errno : 0;
}

/* For connections between hosts. */
static int make_far_key(const struct hookctl *ctl, enum hs_role role)
{
	int result = hs_keys_make(ctl->home, HS_KEYS_CURVE(role));

	return result < 0 ? result : hs_keys_make_peers(ctl->home);
}

int folders_run(struct hookctl *ctl, int count, char **words)
{
	int result;

	if (count > 0)
		return hookctl_usage(ctl, "it takes no arguments");
	if (geteuid() != 0)
		return hookctl_fail(ctl, "only root can make folders for others");
	result = hand_over_config(ctl);
	if (result >= 0)
		result = hs_ceilings_make(ctl->home);
	for (int role = 1; role < HS_ROLE_OPS && result >= 0; role++) {
		result = hs_privs_place(ctl->home, (enum hs_role)role);
		if (result >= 0)
			result = hs_keys_make(ctl->home, (enum hs_role)role);
		if (result >= 0 && hs_bus_is_far(ctl->config->bus, (enum hs_role)role))
			result = make_far_key(ctl, (enum hs_role)role);
		if (result >= 0)
			printf("%s %lld\n", hs_role_names[role], (long long)hs_privs_uid((enum hs_role)role));
	}
	return result < 0 ? hookctl_fail(ctl, "in %s: %s", ctl->home, strerror(-result)) : HOOKCTL_OK;
}
