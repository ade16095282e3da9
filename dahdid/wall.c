#include "wall.h"
#include "cleanup.h"
#include "config.h"
#include <dahdi/user.h>
#include <dahdi/wctdm_user.h>
#include <stdlib.h>
#include <string.h>

static const struct hs_permit calls[] = {
	HS_CALLS_OF_WORKERS,
	HS_ALLOW("ioctl", HS_ALWAYS, "which channel", HS_IS(1, DAHDI_SPECIFY)),
	HS_ALLOW("ioctl", HS_ALWAYS, "version of the driver", HS_IS(1, DAHDI_GETVERSION)),
	HS_ALLOW("ioctl", HS_ALWAYS, "what a channel is", HS_IS(1, DAHDI_GET_PARAMS)),
	HS_ALLOW("ioctl", HS_ALWAYS, "length of a flash", HS_IS(1, DAHDI_SET_PARAMS)),
	HS_ALLOW("ioctl", HS_ALWAYS, "what a span is", HS_IS(1, DAHDI_SPANSTAT)),
	HS_ALLOW("ioctl", HS_ALWAYS, "hook, pulses, ringing", HS_IS(1, DAHDI_GETEVENT)),
	HS_ALLOW("ioctl", HS_ALWAYS, "on and off the hook, ringing", HS_IS(1, DAHDI_HOOK)),
	HS_ALLOW("ioctl", HS_ALWAYS, "ringing", HS_IS(1, DAHDI_SETCADENCE)),
	HS_ALLOW("ioctl", HS_ALWAYS, "dialling on an exchange line", HS_IS(1, DAHDI_DIAL)),
	HS_ALLOW("ioctl", HS_ALWAYS, "tones", HS_IS(1, DAHDI_SENDTONE)),
	HS_ALLOW("ioctl", HS_ALWAYS, "echo", HS_IS(1, DAHDI_ECHOCANCEL)),
	HS_ALLOW("ioctl", HS_ALWAYS, "length of blocks", HS_IS(1, DAHDI_SET_BUFINFO)),
	HS_ALLOW("ioctl", HS_ALWAYS, "companding", HS_IS(1, DAHDI_SETLAW)),
	HS_ALLOW("ioctl", HS_ALWAYS, "gains", HS_IS(1, DAHDI_SETGAINS)),
	HS_ALLOW("ioctl", HS_ALWAYS, "what waits", HS_IS(1, DAHDI_FLUSH)),
	HS_ALLOW("ioctl", HS_ALWAYS, "caller identification", HS_IS(1, DAHDI_ONHOOKTRANSFER)),
	HS_ALLOW("ioctl", HS_ALWAYS, "polarity", HS_IS(1, DAHDI_SETPOLARITY)),
	HS_ALLOW("ioctl", HS_ALWAYS, "the lamp", HS_IS(1, DAHDI_VMWI)),
	HS_ALLOW("ioctl", HS_ALWAYS, "the lamp", HS_IS(1, DAHDI_VMWI_CONFIG)),
	HS_ALLOW("ioctl", HS_ALWAYS, "voltages", HS_IS(1, WCTDM_GET_STATS)),
	HS_ALLOW("timerfd_create", HS_START, "the pace of blocks"),
	HS_ALLOW("timerfd_settime", HS_ALWAYS, "the pace of blocks"),
	HS_ALLOW("mlockall", HS_START, "not to be swapped out"),
	HS_ALLOW("sched_setscheduler", HS_START, "real-time priority"),
};

static const struct hs_folder folders[] = {
	{"ceilings", HS_READ | HS_LATER, "what nobody may go beyond"},
};

/* The folder above: the device's own is made anew when the card's driver or the simulator is started again. The files
 * themselves are for one group, which dahdid alone has. */
static void grant(const struct hs_config *config, struct hs_grants *grants)
{
	AUTO(free) char *folder = hs_strdup(config->dahdi->device);
	char *slash = strrchr(folder, '/');

	if (!slash || slash == folder)
		return;
	*slash = 0;
	hs_grant_path(grants, folder, HS_DEVICE, "the device files");
}

const struct hs_sandbox dahdid_wall = {
	.calls = calls,
	.calls_count = HS_COUNT(calls),
	.folders = folders,
	.folders_count = HS_COUNT(folders),
	.has_workers = true,
	.descriptors = 8192,
	.file_bytes = UINT64_C(1) << 30,
	.memory_bytes = UINT64_C(2) << 30,
	.grant = grant,
};
