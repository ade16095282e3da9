/* alive: whether a daemon serves, asked of the kernel and not of the daemon: for health checks that come often, and by
 * whoever may not use the bus. That its loop turns is its keeper's to see, which ends one that hangs. */
#include "cleanup.h"
#include "hookctl.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* State letter and parent of a process; 0: it is not there. */
static char look_at(int pid, int *ret_parent)
{
	AUTO(free) char *path = hs_printf("/proc/%d/stat", pid);
	AUTO(file) FILE *file = fopen(path, "re");
	char text[512], *at, state;

	if (!file || !fgets(text, sizeof(text), file))
		return 0;
	at = strrchr(text, ')'); /* its name may hold anything */
	return at && sscanf(at + 1, " %c %d", &state, ret_parent) == 2 ? state : 0;
}

static bool runs(char state)
{
	return state && !strchr("TtZX", state);
}

int alive_run(struct hookctl *ctl, int count, char **words)
{
	AUTO(free) char *path = count == 1 ? hs_printf("%s/run/%s/ready", ctl->home, words[0]) : NULL;
	AUTO(file) FILE *file = path ? fopen(path, "re") : NULL;
	int pid = 0, keeper = 0, nobody;

	if (count != 1)
		return hookctl_usage(ctl, "which daemon?");
	if (!file && errno != ENOENT)
		return hookctl_fail(ctl, "cannot read %s: %s", path, strerror(errno));
	if (!file || fscanf(file, "%d", &pid) != 1) {
		hookctl_fail(ctl, "%s does not serve", words[0]);
		return HOOKCTL_AWAY;
	}
	if (runs(look_at(pid, &keeper)) && runs(look_at(keeper, &nobody))) {
		printf("%s serves\n", words[0]);
		return HOOKCTL_OK;
	}
	hookctl_fail(ctl, "%s or its keeper was stopped or is gone", words[0]);
	return HOOKCTL_AWAY;
}
