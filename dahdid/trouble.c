#include "trouble.h"
#include "cleanup.h"
#include <errno.h>
#include <stdio.h>

static const struct {
	int error;
	enum hs_trouble trouble;
} errors[] = {
	{ENOENT, HS_TROUBLE_MISSING},       {ENXIO, HS_TROUBLE_UNCONFIGURED},  {EBUSY, HS_TROUBLE_IN_USE},
	{EACCES, HS_TROUBLE_FORBIDDEN},     {EPERM, HS_TROUBLE_FORBIDDEN},     {ENODEV, HS_TROUBLE_NO_DRIVER},
	{ENOMEM, HS_TROUBLE_NO_RESOURCES},  {EMFILE, HS_TROUBLE_NO_RESOURCES}, {ENFILE, HS_TROUBLE_NO_RESOURCES},
	{ENODATA, HS_TROUBLE_NO_TONE_ZONE},
};

enum hs_trouble trouble_of(int error)
{
	for (size_t i = 0; i < HS_COUNT(errors); i++)
		if (errors[i].error == -error)
			return errors[i].trouble;
	return HS_TROUBLE_DEVICE;
}

/* In each sentence %1$d is the channel, %2$s the device folder. */
static const struct {
	enum trouble_layer layer;
	const char *format;
} rows[] = {
	[HS_TROUBLE_NO_DRIVER] = {TROUBLE_SERVICE,
				  "no DAHDI device in %2$s (channel %1$d): load the card's module with "
				  "modprobe, or correct dahdi.device"},
	[HS_TROUBLE_FORBIDDEN] = {TROUBLE_SERVICE, "%2$s may not be opened for channel %1$d: give the group of dahdid "
						   "the device with a udev rule for SUBSYSTEM==\"dahdi*\""},
	[HS_TROUBLE_MISSING] = {TROUBLE_SERVICE,
				"there is no channel %1$d in %2$s: look at /proc/dahdi, and assign the "
				"span or correct the line's channel"},
	[HS_TROUBLE_UNCONFIGURED] = {TROUBLE_SERVICE, "channel %1$d of %2$s is not configured: put it into "
						      "/etc/dahdi/system.conf as fxoks and run dahdi_cfg"},
	[HS_TROUBLE_IN_USE] = {TROUBLE_SERVICE, "another program has channel %1$d of %2$s open: stop it, or take the "
						"channel out of its configuration"},
	[HS_TROUBLE_WRONG_SIGNALLING] = {TROUBLE_SERVICE, "channel %1$d of %2$s has another signalling than the line "
							  "needs: correct /etc/dahdi/system.conf, run dahdi_cfg"},
	[HS_TROUBLE_NO_TONE_ZONE] = {TROUBLE_SERVICE,
				     "channel %1$d of %2$s cannot ring without a tone zone: set loadzone "
				     "and defaultzone in system.conf, run dahdi_cfg"},
	[HS_TROUBLE_ALARM] = {TROUBLE_HARDWARE,
			      "channel %1$d of %2$s is in alarm: look at /proc/dahdi, at the card and "
			      "its cables"},
	[HS_TROUBLE_UNPLUGGED] = {TROUBLE_HARDWARE,
				  "the card of channel %1$d of %2$s was taken away: the line comes back "
				  "with it, after dahdi_cfg"},
	[HS_TROUBLE_OFF_HOOK] = {TROUBLE_API,
				 "the handset at channel %1$d of %2$s is off the hook and in no call: put it "
				 "down"},
	[HS_TROUBLE_NO_RESOURCES] = {TROUBLE_SERVICE,
				     "the kernel had no memory or descriptors for channel %1$d of %2$s: "
				     "free some"},
	[HS_TROUBLE_DEVICE] = {TROUBLE_HARDWARE, "the driver refused to set up channel %1$d of %2$s: the log and dmesg "
						 "tell more"},
};

void trouble_explain(enum hs_trouble trouble, int channel, const char *folder, char *ret_text, size_t size)
{
	if ((size_t)trouble >= HS_COUNT(rows) || !rows[trouble].format)
		trouble = HS_TROUBLE_DEVICE;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* a row of the table above */
	snprintf(ret_text, size, rows[trouble].format, channel, folder);
#pragma GCC diagnostic pop
}

enum trouble_layer trouble_layer(enum hs_trouble trouble)
{
	return (size_t)trouble < HS_COUNT(rows) ? rows[trouble].layer : TROUBLE_HARDWARE;
}

const char *trouble_layer_name(enum trouble_layer layer)
{
	static const char *const names[TROUBLE_LAYERS] = {"hardware", "service", "api"};

	return layer < TROUBLE_LAYERS ? names[layer] : "?";
}
