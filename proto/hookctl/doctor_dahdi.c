/* doctor: the host of analog cards, as far as it can be seen without opening a channel. */
#include "cleanup.h"
#include "doctor.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SPANS 128

static bool is_loaded(const char *module)
{
	char row[512], name[64];
	AUTO(file) FILE *file = fopen("/proc/modules", "re");
	while (file && fgets(row, sizeof(row), file))
		if (sscanf(row, "%63s", name) == 1 && !strcmp(name, module))
			return true;
	return false;
}

/* Rows of a span are "   1 WCTDM/4/0 FXOKS (In use)": number, name, signalling. "" when it is not set; NULL: no
 * channel. */
static const char *signalling_of(const char *row, int64_t channel)
{
	static char signalling[32];
	int64_t number;
	int fields = sscanf(row, " %" SCNd64 " %*s %31s", &number, signalling);
	if (fields < 1 || number != channel)
		return NULL;
	return fields == 2 && signalling[0] != '(' ? signalling : "";
}

/* What the driver says of a channel; NULL: it has none of this number. */
static const char *find_channel(int64_t channel)
{
	for (int span = 1; span <= SPANS; span++) {
		char row[512];
		AUTO(free) char *path = hs_printf("/proc/dahdi/%d", span);
		AUTO(file) FILE *file = fopen(path, "re");
		while (file && fgets(row, sizeof(row), file)) {
			const char *found = signalling_of(row, channel);
			if (found)
				return found;
		}
	}
	return NULL;
}

static void examine_channel(struct doctor *doctor, const struct hs_config_line *line)
{
	const char *signalling = find_channel(line->channel);
	if (!signalling)
		doctor_find(doctor, FINDING_FAULT, "DAHDI",
			    "cat /proc/dahdi/* lists the channels; correct lines: channel",
			    "%s: there is no channel %" PRId64, line->id, line->channel);
	else if (!*signalling)
		doctor_find(doctor, FINDING_FAULT, "DAHDI", "name it in /etc/dahdi/system.conf, then dahdi_cfg -vv",
			    "%s: channel %" PRId64 " has no signalling", line->id, line->channel);
	else
		doctor_find(doctor, FINDING_OK, "DAHDI", NULL, "%s: channel %" PRId64 " is %s", line->id, line->channel,
			    signalling);
}

static bool examine_driver(struct doctor *doctor, const char *device)
{
	struct stat folder;
	if (!is_loaded("dahdi")) {
		doctor_find(doctor, FINDING_FAULT, "DAHDI",
			    "apt-get install dahdi dahdi-dkms, then modprobe the card's module",
			    "the kernel's driver is not loaded");
		return false;
	}
	if (stat(device, &folder) == 0)
		return true;
	doctor_find(doctor, FINDING_FAULT, "DAHDI",
		    "the udev rules of Debian's dahdi make it; README.md, \"An analog card\"", "%s: %s", device,
		    strerror(errno));
	return false;
}

void doctor_dahdi(struct doctor *doctor)
{
	const struct hs_config *config = doctor->ctl->config;
	bool is_simulated = strncmp(config->dahdi->device, "/dev/", 5) != 0, is_driven = false;
	int count = 0;
	for (size_t i = 0; i < config->lines_count; i++) {
		const struct hs_config_line *line = &config->lines[i];
		if (line->driver != HS_DRIVER_DAHDI)
			continue;
		if (count++ == 0 && !is_simulated)
			is_driven = examine_driver(doctor, config->dahdi->device);
		if (is_driven)
			examine_channel(doctor, line);
	}
	if (count > 0 && is_simulated)
		doctor_find(doctor, FINDING_OK, "DAHDI", NULL, "%d simulated telephones in %s", count,
			    config->dahdi->device);
}
