#include "chan.h"
#include "cleanup.h"
#include "log.h"
#include "metrics.h"
#include <dahdi/user.h>
#include <dahdi/wctdm_user.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

_Static_assert(CHAN_ELAST == ELAST, "the header's own number");
_Static_assert(CHAN_CADENCE == DAHDI_MAX_CADENCE, "numbers in a cadence");

#define PATH_BYTES 300
#define TRY_AGAIN 3  /* ioctls that a signal cut short */
#define TX_RINGING 2 /* txhooksig; its words are in a header for the kernel only */

/* ---- one way to the driver ---- */

static int fail(struct chan *chan, const char *what, int error)
{
	char labels[96];

	if (chan->is_quiet)
		return -error;
	chan->failures++;
	snprintf(labels, sizeof(labels), "call=\"%s\"", what);
	hs_metric_add(hs_metric_counter("hookswitch_analog_driver_errors_total", labels,
					"Calls of the DAHDI driver that failed."),
		      1);
	hs_log(DEBUG, "dahdi.failed", LOG_INT("channel", chan->number), LOG_TEXT("call", what),
	       LOG_TEXT("error", strerror(error)), LOG_TEXT("request", chan->request[0] ? chan->request : NULL));
	return -error;
}

static void note(const struct chan *chan, const char *what)
{
	if (!chan->is_quiet)
		hs_log(DEBUG, "dahdi.called", LOG_INT("channel", chan->number), LOG_TEXT("call", what),
		       LOG_TEXT("request", chan->request[0] ? chan->request : NULL));
}

static int command(struct chan *chan, const char *what, unsigned long request, void *argument)
{
	int result, tries = 0;

	do
		result = ioctl(chan->fd, request, argument);
	while (result < 0 && errno == EINTR && ++tries < TRY_AGAIN);
	if (result < 0)
		return fail(chan, what, errno);
	note(chan, what);
	return 0;
}

/* For what takes a pointer to one int. */
static int command_int(struct chan *chan, const char *what, unsigned long request, int value)
{
	return command(chan, what, request, &value);
}

/* ---- open ---- */

static int open_file(struct chan *chan, const char *what, const char *path)
{
	chan->fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	return chan->fd < 0 ? fail(chan, what, errno) : 0;
}

/* The generic file, bound to a number: it needs no node of the channel's own, and reaches every number. */
static int open_generic(struct chan *chan, const char *folder)
{
	char path[PATH_BYTES];
	int result;

	snprintf(path, sizeof(path), "%s/channel", folder);
	result = open_file(chan, "open_channel", path);
	if (result < 0)
		return result == -ENOENT || result == -ENXIO ? -ENODEV : result;
	result = command_int(chan, "specify", DAHDI_SPECIFY, chan->number);
	if (result < 0)
		chan_close(chan);
	return result == -EINVAL ? -ENOENT : result;
}

static int open_own(struct chan *chan, const char *folder)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof(path), "%s/%d", folder, chan->number);
	return open_file(chan, "open", path);
}

int chan_open(struct chan *chan, const char *folder, int number)
{
	int result;

	*chan = (struct chan){.fd = -1, .number = number, .failures = chan->failures};
	result = open_generic(chan, folder);
	if (result != -ENODEV && result != -EACCES)
		return result;
	return open_own(chan, folder) < 0 ? result : 0;
}

void chan_close(struct chan *chan)
{
	if (chan->fd >= 0)
		close(chan->fd);
	chan->fd = -1;
}

/* ---- what the driver says ---- */

static enum hs_signalling signalling_of(int type)
{
	static const struct {
		int type;
		enum hs_signalling signalling;
	} rows[] = {
		{DAHDI_SIG_FXOKS, HS_SIGNALLING_FXOKS},
		{DAHDI_SIG_FXOLS, HS_SIGNALLING_FXOLS},
		{DAHDI_SIG_FXSKS, HS_SIGNALLING_FXSKS},
		{DAHDI_SIG_FXSLS, HS_SIGNALLING_FXSLS},
	};

	for (size_t i = 0; i < HS_COUNT(rows); i++)
		if (rows[i].type == type)
			return rows[i].signalling;
	return 0;
}

static void read_params(const struct dahdi_params *params, struct chan_facts *ret_facts)
{
	*ret_facts = (struct chan_facts){
		.number = params->channo,
		.span = params->spanno,
		.signalling = signalling_of(params->sigtype),
		.is_configured = params->sigtype != 0,
		.law = params->curlaw == DAHDI_LAW_ALAW ? HS_CODEC_PCMA : HS_CODEC_PCMU,
		.off_hook = params->rxisoffhook != 0,
		.ringing = params->txhooksig == TX_RINGING,
		.alarms = params->chan_alarms,
	};
	hs_copy(ret_facts->name, sizeof(ret_facts->name), params->name);
}

int chan_ask(struct chan *chan, struct chan_facts *ret_facts)
{
	struct dahdi_params params = {.channo = chan->number};
	int result = command(chan, "get_params", DAHDI_GET_PARAMS, &params);

	params.name[sizeof(params.name) - 1] = 0;
	if (result == 0)
		read_params(&params, ret_facts);
	return result;
}

/* The driver takes all its times at once. */
static int set_time(struct chan *chan, size_t offset, int ms)
{
	struct dahdi_params params = {.channo = chan->number};
	int result = command(chan, "get_params", DAHDI_GET_PARAMS, &params);

	if (result < 0)
		return result;
	memcpy((char *)&params + offset, &ms, sizeof(ms));
	return command(chan, "set_params", DAHDI_SET_PARAMS, &params);
}

int chan_flash_time(struct chan *chan, int ms)
{
	return set_time(chan, offsetof(struct dahdi_params, rxflashtime), ms);
}

int chan_recall_time(struct chan *chan, int ms)
{
	return set_time(chan, offsetof(struct dahdi_params, flashtime), ms);
}

static void copy_span(const struct dahdi_spaninfo *info, struct chan_span *ret_span)
{
	*ret_span = (struct chan_span){
		.number = info->spanno, .alarms = info->alarms, .channels = info->numchans, .spans = info->totalspans};
	snprintf(ret_span->name, sizeof(ret_span->name), "%.*s", (int)sizeof(info->name), info->name);
	snprintf(ret_span->description, sizeof(ret_span->description), "%.*s", (int)sizeof(info->desc), info->desc);
	snprintf(ret_span->device, sizeof(ret_span->device), "%.*s", (int)sizeof(info->devicetype), info->devicetype);
	snprintf(ret_span->type, sizeof(ret_span->type), "%.*s", (int)sizeof(info->spantype), info->spantype);
}

static int ask_span(struct chan *chan, int number, struct chan_span *ret_span)
{
	struct dahdi_spaninfo info = {.spanno = number};
	int result = command(chan, "span_stat", DAHDI_SPANSTAT, &info);

	if (result == 0)
		copy_span(&info, ret_span);
	return result;
}

int chan_own_span(struct chan *chan, struct chan_span *ret_span)
{
	return ask_span(chan, 0, ret_span);
}

/* ---- without a channel ---- */

static int open_ctl(struct chan *ctl, const char *folder)
{
	char path[PATH_BYTES];

	*ctl = (struct chan){.fd = -1};
	snprintf(path, sizeof(path), "%s/ctl", folder);
	ctl->fd = open(path, O_RDWR | O_CLOEXEC);
	return ctl->fd < 0 ? -errno : 0;
}

int chan_version(const char *folder, char *ret_text, size_t size)
{
	struct dahdi_versioninfo info = {0};
	struct chan ctl;
	int result = open_ctl(&ctl, folder);

	if (result < 0)
		return result;
	result = command(&ctl, "get_version", DAHDI_GETVERSION, &info);
	if (result == 0)
		snprintf(ret_text, size, "DAHDI %.*s", (int)sizeof(info.version) - 1, info.version);
	chan_close(&ctl);
	return result;
}

int chan_span(const char *folder, int number, struct chan_span *ret_span)
{
	struct chan ctl;
	int result = open_ctl(&ctl, folder);

	if (result < 0)
		return result;
	result = ask_span(&ctl, number, ret_span);
	chan_close(&ctl);
	return result;
}

/* ---- events ---- */

static const struct {
	int number;
	enum chan_event_kind kind;
} event_rows[] = {
	{DAHDI_EVENT_NONE, CHAN_NOTHING},         {DAHDI_EVENT_ONHOOK, CHAN_ON_HOOK},
	{DAHDI_EVENT_RINGOFFHOOK, CHAN_OFF_HOOK}, {DAHDI_EVENT_WINKFLASH, CHAN_FLASH},
	{DAHDI_EVENT_PULSE_START, CHAN_PULSES},   {DAHDI_EVENT_RINGERON, CHAN_BURST_ON},
	{DAHDI_EVENT_RINGEROFF, CHAN_BURST_OFF},  {DAHDI_EVENT_HOOKCOMPLETE, CHAN_HOOK_DONE},
	{DAHDI_EVENT_DIALCOMPLETE, CHAN_DIALLED}, {DAHDI_EVENT_ALARM, CHAN_ALARM},
	{DAHDI_EVENT_NOALARM, CHAN_NO_ALARM},     {DAHDI_EVENT_REMOVED, CHAN_REMOVED},
	{DAHDI_EVENT_RINGBEGIN, CHAN_RING_BEGAN}, {DAHDI_EVENT_POLARITY, CHAN_POLARITY},
	{DAHDI_EVENT_TX_CED_DETECTED, CHAN_FAX},  {DAHDI_EVENT_RX_CED_DETECTED, CHAN_FAX},
};

static const char *const event_names[CHAN_EVENTS] = {
	"nothing", "on_hook", "off_hook", "flash",   "pulses",     "pulse_digit", "burst_on", "burst_off", "hook_done",
	"dialled", "alarm",   "no_alarm", "removed", "ring_began", "polarity",    "fax",      "other",
};

const char *chan_event_name(enum chan_event_kind kind)
{
	return kind < CHAN_EVENTS ? event_names[kind] : "?";
}

/* What the driver calls 11 and 12 are the star and the hash. */
static char pulse_digit(int number)
{
	int digit = number & 0xffff;

	if (digit < 32)
		return digit == 11 ? '*' : digit == 12 ? '#' : (char)('0' + digit % 10);
	return (char)digit;
}

void chan_read_event(int number, struct chan_event *ret_event)
{
	*ret_event = (struct chan_event){.kind = CHAN_OTHER, .number = number};
	if (number & DAHDI_EVENT_PULSEDIGIT) {
		ret_event->kind = CHAN_PULSE_DIGIT;
		ret_event->digit = pulse_digit(number);
		return;
	}
	for (size_t i = 0; i < HS_COUNT(event_rows); i++)
		if (event_rows[i].number == number)
			ret_event->kind = event_rows[i].kind;
}

int chan_take_event(struct chan *chan, int *ret_number)
{
	int tries = 0;

	while (ioctl(chan->fd, DAHDI_GETEVENT, ret_number) < 0)
		if (errno != EINTR || ++tries == TRY_AGAIN)
			return fail(chan, "get_event", errno);
	return 0;
}

/* ---- commands ---- */

int chan_hook(struct chan *chan, enum chan_hook hook)
{
	static const struct {
		const char *what;
		int value;
	} rows[] = {
		[CHAN_HANG_UP] = {"hang_up", DAHDI_ONHOOK}, [CHAN_ENGAGE] = {"engage", DAHDI_OFFHOOK},
		[CHAN_RING] = {"ring", DAHDI_RING},         [CHAN_STOP_RING] = {"stop_ring", DAHDI_RINGOFF},
		[CHAN_RECALL] = {"flash", DAHDI_FLASH},
	};
	int value = rows[hook].value;

	if (ioctl(chan->fd, DAHDI_HOOK, &value) < 0 && errno != EINPROGRESS)
		return fail(chan, rows[hook].what, errno);
	note(chan, rows[hook].what);
	return 0;
}

int chan_cadence(struct chan *chan, const int ms[CHAN_CADENCE])
{
	struct dahdi_ring_cadence cadence;

	memcpy(cadence.ringcadence, ms, sizeof(cadence.ringcadence));
	return command(chan, "set_cadence", DAHDI_SETCADENCE, &cadence);
}

int chan_blocks(struct chan *chan, int bytes, int count)
{
	struct dahdi_bufferinfo info = {
		.txbufpolicy = DAHDI_POLICY_IMMEDIATE,
		.rxbufpolicy = DAHDI_POLICY_IMMEDIATE,
		.numbufs = count,
		.bufsize = bytes,
	};

	return command(chan, "set_bufinfo", DAHDI_SET_BUFINFO, &info);
}

int chan_flush(struct chan *chan, int what)
{
	return command_int(chan, "flush", DAHDI_FLUSH, what);
}

int chan_law(struct chan *chan, enum hs_codec law)
{
	return command_int(chan, "set_law", DAHDI_SETLAW, law == HS_CODEC_PCMA ? DAHDI_LAW_ALAW : DAHDI_LAW_MULAW);
}

int chan_gains(struct chan *chan, const uint8_t receive[256], const uint8_t transmit[256])
{
	struct dahdi_gains gains = {.chan = chan->number};

	memcpy(gains.rxgain, receive, sizeof(gains.rxgain));
	memcpy(gains.txgain, transmit, sizeof(gains.txgain));
	return command(chan, "set_gains", DAHDI_SETGAINS, &gains);
}

int chan_echo(struct chan *chan, int taps)
{
	return command_int(chan, "echo_cancel", DAHDI_ECHOCANCEL, taps);
}

int chan_tone(struct chan *chan, enum chan_tone tone)
{
	return command_int(chan, "send_tone", DAHDI_SENDTONE, tone);
}

int chan_dial(struct chan *chan, const char *digits, bool by_pulses)
{
	struct dahdi_dialoperation operation = {.op = DAHDI_DIAL_OP_REPLACE};

	snprintf(operation.dialstr, sizeof(operation.dialstr), "%c%s", by_pulses ? 'P' : 'T', digits);
	return command(chan, "dial", DAHDI_DIAL, &operation);
}

int chan_on_hook_transfer(struct chan *chan, int ms)
{
	return command_int(chan, "on_hook_transfer", DAHDI_ONHOOKTRANSFER, ms);
}

int chan_polarity(struct chan *chan, bool is_reversed)
{
	return command_int(chan, "set_polarity", DAHDI_SETPOLARITY, is_reversed);
}

int chan_lamp(struct chan *chan, enum hs_lamp lamp, int messages)
{
	static const unsigned int types[] = {
		[HS_LAMP_REVERSAL] = DAHDI_VMWI_LREV,
		[HS_LAMP_DC] = DAHDI_VMWI_HVDC,
		[HS_LAMP_NEON] = DAHDI_VMWI_HVAC,
	};
	struct dahdi_vmwi_info info = {.vmwi_type = lamp < HS_COUNT(types) ? types[lamp] : 0};
	int result = command(chan, "vmwi_config", DAHDI_VMWI_CONFIG, &info);

	return result < 0 ? result : command_int(chan, "vmwi", DAHDI_VMWI, messages);
}

int chan_voltages(struct chan *chan, int ret_mv[3])
{
	struct wctdm_stats stats = {0};
	int result = command(chan, "get_stats", WCTDM_GET_STATS, &stats);

	if (result < 0)
		return result;
	ret_mv[0] = stats.tipvolt;
	ret_mv[1] = stats.ringvolt;
	ret_mv[2] = stats.batvolt;
	return 0;
}

/* ---- audio: no log, no counter on the way of a block ---- */

int chan_read(struct chan *chan, uint8_t *ret_block, size_t size)
{
	ssize_t count = read(chan->fd, ret_block, size);

	return count < 0 ? -errno : (int)count;
}

int chan_write(struct chan *chan, const uint8_t *block, size_t bytes)
{
	ssize_t count = write(chan->fd, block, bytes);

	return count < 0 ? -errno : (int)count;
}
