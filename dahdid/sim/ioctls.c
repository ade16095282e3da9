#include "ioctls.h"
#include "cleanup.h"
#include <dahdi/user.h>
#include <errno.h>
#include <string.h>

#define VERSION "2.11.1 (simulated)"
#define SPAN 1

_Static_assert(sizeof(struct dahdi_gains) <= IOCTLS_ARGUMENT, "the largest argument fits");
_Static_assert(sizeof(struct dahdi_params) == 136 && sizeof(struct dahdi_spaninfo) == 314, "the driver's layout");

typedef int answer(struct bank *bank, struct port *port, void *argument);

static int number_of(const void *argument)
{
	int number;

	memcpy(&number, argument, sizeof(number));
	return number;
}

static int tell(void *argument, int number)
{
	memcpy(argument, &number, sizeof(number));
	return 0;
}

/* The channel meant by an argument that begins with a number: the descriptor's own, else the one named. */
static struct port *meant(struct bank *bank, struct port *port, const void *argument)
{
	if (port)
		return port;
	return bank->plugged ? bank_port(bank, number_of(argument)) : NULL;
}

/* ---- Parameters and inventory ---- */

static void fill_times(struct dahdi_params *params, const struct chan_times *times)
{
	params->prewinktime = times->prewink;
	params->preflashtime = times->preflash;
	params->winktime = times->wink;
	params->flashtime = times->flash;
	params->starttime = times->start;
	params->rxwinktime = times->rxwink;
	params->rxflashtime = times->rxflash;
	params->debouncetime = times->debounce;
	params->pulsebreaktime = times->pulsebreak;
	params->pulsemaketime = times->pulsemake;
	params->pulseaftertime = times->pulseafter;
}

static int capabilities(const struct port *port)
{
	/* Each kind of signalling holds the bit of its family. NOLINTBEGIN(misc-redundant-expression) */
	return port->is_fxo ? DAHDI_SIG_FXSKS | DAHDI_SIG_FXSLS | DAHDI_SIG_SF | DAHDI_SIG_CLEAR
			    : DAHDI_SIG_FXOKS | DAHDI_SIG_FXOLS | DAHDI_SIG_FXOGS | DAHDI_SIG_SF | DAHDI_SIG_EM |
				      DAHDI_SIG_CLEAR;
	/* NOLINTEND(misc-redundant-expression) */
}

static int get_params(struct bank *bank, struct port *port, void *argument)
{
	struct dahdi_params *params = argument;

	params->channo &= ~DAHDI_GET_PARAMS_RETURN_MASTER;
	port = meant(bank, port, argument);
	if (!port)
		return -EINVAL;
	const struct chan *chan = &port->chan;

	*params = (struct dahdi_params){
		.channo = chan->number,
		.spanno = SPAN,
		.chanpos = chan->position,
		.sigtype = chan->signalling,
		.sigcap = capabilities(port),
		.rxisoffhook = chan_is_off_hook(chan),
		.rxbits = -1,
		.txbits = -1,
		.txhooksig = (int)chan->out,
		.rxhooksig = (int)chan->in,
		.curlaw = (int)chan->law,
		.chan_alarms = chan->alarms,
	};
	snprintf(params->name, sizeof(params->name), "SIM/0/%d", chan->position - 1);
	fill_times(params, &chan->times);
	return 0;
}

static int set_params(struct bank *bank, struct port *port, void *argument)
{
	const struct dahdi_params *params = argument;

	port = meant(bank, port, argument);
	if (!port)
		return -EINVAL;
	port->chan.times = (struct chan_times){
		.prewink = params->prewinktime,
		.preflash = params->preflashtime,
		.wink = params->winktime,
		.flash = params->flashtime,
		.start = params->starttime,
		.rxwink = params->rxwinktime,
		.rxflash = params->rxflashtime,
		.debounce = params->debouncetime,
		.pulsebreak = params->pulsebreaktime,
		.pulsemake = params->pulsemaketime,
		.pulseafter = params->pulseaftertime,
	};
	if (!port->chan.zone)
		port->chan.cadence_ms[0] = params->starttime;
	return 0;
}

/* "FXS", "FXO", or for both kinds what is left of "ANALOG_MIXED" in six bytes. */
static const char *span_type(const struct bank *bank)
{
	bool fxs = false, fxo = false;

	for (int i = 1; i <= bank->count; i++) {
		fxo |= bank->ports[i]->is_fxo;
		fxs |= !bank->ports[i]->is_fxo;
	}
	return fxs && fxo ? "ANALO" : fxo ? "FXO" : "FXS";
}

static int configured(const struct bank *bank)
{
	int count = 0;

	for (int i = 1; i <= bank->count; i++)
		count += bank->ports[i]->chan.signalling != 0;
	return count;
}

static int span_stat(struct bank *bank, struct port *port, void *argument)
{
	int number = number_of(argument);

	if ((!number && !port) || (number && (number != SPAN || !bank->plugged)))
		return -EINVAL;
	struct dahdi_spaninfo info = {
		.spanno = SPAN,
		.alarms = (int)bank->alarms,
		.numchans = configured(bank),
		.totalchans = bank->count,
		.totalspans = 1,
		.name = "SIM/0",
		.desc = "dahdisim board 1",
		.manufacturer = "hookswitch",
		.devicetype = "dahdisim",
		.location = "a file system",
		.lboname = "0 db (CSU)/0-133 feet (DSX-1)",
	};

	hs_copy(info.spantype, sizeof(info.spantype), span_type(bank));
	memcpy(argument, &info, sizeof(info));
	return 0;
}

static int get_version(struct bank *bank, struct port *port, void *argument)
{
	struct dahdi_versioninfo *info = argument;

	*info = (struct dahdi_versioninfo){.version = VERSION};
	return 0;
}

static int get_gains(struct bank *bank, struct port *port, void *argument)
{
	struct dahdi_gains *gains = argument;
	struct port *named = gains->chan ? meant(bank, NULL, argument) : port;

	if (!named)
		return -EINVAL;
	gains->chan = named->chan.number;
	memcpy(gains->rxgain, named->chan.rx_gain, sizeof(gains->rxgain));
	memcpy(gains->txgain, named->chan.tx_gain, sizeof(gains->txgain));
	return 0;
}

static int set_gains(struct bank *bank, struct port *port, void *argument)
{
	const struct dahdi_gains *gains = argument;
	struct port *named = gains->chan ? meant(bank, NULL, argument) : port;

	if (!named)
		return -EINVAL;
	memcpy(named->chan.rx_gain, gains->rxgain, sizeof(gains->rxgain));
	memcpy(named->chan.tx_gain, gains->txgain, sizeof(gains->txgain));
	return 0;
}

/* ---- The control file alone ---- */

static int chan_config(struct bank *bank, struct port *port, void *argument)
{
	const struct dahdi_chanconfig *config = argument;

	port = meant(bank, NULL, argument);
	if (!port)
		return -EINVAL;
	if (config->sigtype && (config->sigtype & capabilities(port)) != config->sigtype)
		return -EINVAL;
	if (config->deflaw)
		port->chan.default_law = port->chan.law = config->deflaw == DAHDI_LAW_ALAW ? LAW_ALAW : LAW_MULAW;
	chan_configure(&port->chan, config->sigtype);
	return 0;
}

static int span_config(struct bank *bank, struct port *port, void *argument)
{
	return number_of(argument) == SPAN && bank->plugged ? 0 : -ENXIO;
}

/* Only the header arrives here: the zone is the one of the command line, whatever follows it. */
static int load_zone(struct bank *bank, struct port *port, void *argument)
{
	const struct dahdi_tone_def_header *header = argument;

	if (header->zone < 0 || header->zone > 255 || header->count < 0 || header->count > 128)
		return -EINVAL;
	if (bank->zone_loaded)
		return header->zone == bank->zone.number ? -EINVAL : 0;
	bank->zone_loaded = true;
	for (int i = 1; i <= bank->count; i++)
		bank->ports[i]->chan.zones = &bank->zone;
	return 0;
}

static int default_zone(struct bank *bank, struct port *port, void *argument)
{
	return bank->zone_loaded && number_of(argument) == bank->zone.number ? 0 : -EINVAL;
}

static int attach_echocan(struct bank *bank, struct port *port, void *argument)
{
	const struct dahdi_attach_echocan *attach = argument;

	port = meant(bank, NULL, argument);
	if (!port)
		return -EINVAL;
	port->chan.has_canceller = attach->echocan[0] != '\0';
	return 0;
}

static int get_dial_params(struct bank *bank, struct port *port, void *argument)
{
	struct dahdi_dialparams *params = argument;

	*params = (struct dahdi_dialparams){.mfv1_tonelen = 800, .dtmf_tonelen = 800, .mfr2_tonelen = 800};
	return 0;
}

static int accept_it(struct bank *bank, struct port *port, void *argument)
{
	return 0;
}

/* ---- Channels ---- */

static int get_blocksize(struct bank *bank, struct port *port, void *argument)
{
	return tell(argument, port->chan.blocks.size);
}

static int set_blocksize(struct bank *bank, struct port *port, void *argument)
{
	int size = number_of(argument);

	if (size < 16 || size > DAHDI_MAX_BLOCKSIZE)
		return -EINVAL;
	chan_use_blocks(&port->chan, size, port->chan.blocks.count, (int)port->chan.blocks.policy);
	return 0;
}

static int get_bufinfo(struct bank *bank, struct port *port, void *argument)
{
	struct dahdi_bufferinfo *info = argument;

	*info = (struct dahdi_bufferinfo){
		.txbufpolicy = (int)port->chan.blocks.policy,
		.rxbufpolicy = DAHDI_POLICY_IMMEDIATE,
		.numbufs = port->chan.blocks.count,
		.bufsize = port->chan.blocks.size,
		.readbufs = -1,
		.writebufs = -1,
	};
	return 0;
}

static int set_bufinfo(struct bank *bank, struct port *port, void *argument)
{
	const struct dahdi_bufferinfo *info = argument;

	if (info->bufsize < 16 || info->bufsize > DAHDI_MAX_BLOCKSIZE)
		return -EINVAL;
	if ((int64_t)info->bufsize * info->numbufs > DAHDI_MAX_BUF_SPACE)
		return -EINVAL;
	chan_use_blocks(&port->chan, info->bufsize, info->numbufs, info->txbufpolicy);
	return 0;
}

static int flush(struct bank *bank, struct port *port, void *argument)
{
	chan_flush(&port->chan, number_of(argument));
	return 0;
}

static int sync_out(struct bank *bank, struct port *port, void *argument)
{
	return blocks_all_sent(&port->chan.blocks) ? 0 : IOCTLS_SLEEP;
}

static int hook(struct bank *bank, struct port *port, void *argument)
{
	int result = chan_hook(&port->chan, number_of(argument));

	return result == CHAN_SLEEP ? IOCTLS_SLEEP : result;
}

static int get_event(struct bank *bank, struct port *port, void *argument)
{
	return tell(argument, events_take(&port->chan.events));
}

static int io_mux(struct bank *bank, struct port *port, void *argument)
{
	struct chan *chan = &port->chan;
	int mask = number_of(argument), now = 0;

	if (!mask)
		return -EINVAL;
	if (mask & DAHDI_IOMUX_READ && blocks_readable(&chan->blocks))
		now |= DAHDI_IOMUX_READ;
	if (mask & DAHDI_IOMUX_WRITE && blocks_writable(&chan->blocks))
		now |= DAHDI_IOMUX_WRITE;
	if (mask & DAHDI_IOMUX_WRITEEMPTY) {
		blocks_release(&chan->blocks);
		if (blocks_all_sent(&chan->blocks))
			now |= DAHDI_IOMUX_WRITEEMPTY;
	}
	if (mask & DAHDI_IOMUX_SIGEVENT && events_waiting(&chan->events))
		now |= DAHDI_IOMUX_SIGEVENT;
	if (!now && !(mask & DAHDI_IOMUX_NOWAIT))
		return IOCTLS_SLEEP;
	return tell(argument, now);
}

static int get_zone(struct bank *bank, struct port *port, void *argument)
{
	return tell(argument, port->chan.zone ? port->chan.zone->number : 0);
}

static int set_zone(struct bank *bank, struct port *port, void *argument)
{
	return chan_use_zone(&port->chan, number_of(argument));
}

static int send_tone(struct bank *bank, struct port *port, void *argument)
{
	return chan_tone(&port->chan, number_of(argument));
}

static int dial(struct bank *bank, struct port *port, void *argument)
{
	struct dahdi_dialoperation *operation = argument;

	operation->dialstr[sizeof(operation->dialstr) - 1] = '\0';
	return chan_dial(&port->chan, operation->op, operation->dialstr);
}

static int dialing(struct bank *bank, struct port *port, void *argument)
{
	return tell(argument, port->chan.dialling);
}

static int echo_cancel(struct bank *bank, struct port *port, void *argument)
{
	int taps = number_of(argument);

	port->chan.taps = port->chan.has_canceller && taps ? taps : 0;
	return 0;
}

static int echo_cancel_params(struct bank *bank, struct port *port, void *argument)
{
	const struct dahdi_echocanparams *params = argument;

	if (params->param_count > DAHDI_MAX_ECHOCANPARAMS)
		return -E2BIG;
	port->chan.taps = port->chan.has_canceller ? (int)params->tap_length : 0;
	return 0;
}

static int echo_train(struct bank *bank, struct port *port, void *argument)
{
	int ms = number_of(argument);

	return ms < 0 || ms >= 1000 || !port->chan.taps ? -EINVAL : 0;
}

static int echo_fax_mode(struct bank *bank, struct port *port, void *argument)
{
	return port->chan.taps ? 0 : -EINVAL;
}

static int channel_number(struct bank *bank, struct port *port, void *argument)
{
	return tell(argument, port->chan.number);
}

static int set_law(struct bank *bank, struct port *port, void *argument)
{
	int law = number_of(argument);

	if (law < 0 || law > DAHDI_LAW_ALAW)
		return -EINVAL;
	chan_use_law(&port->chan, law);
	return 0;
}

static int set_linear(struct bank *bank, struct port *port, void *argument)
{
	port->chan.linear = number_of(argument) != 0;
	return 0;
}

static int set_cadence(struct bank *bank, struct port *port, void *argument)
{
	chan_cadence(&port->chan, argument);
	return 0;
}

static int invalid(struct bank *bank, struct port *port, void *argument)
{
	return -EINVAL;
}

static int get_rx_bits(struct bank *bank, struct port *port, void *argument)
{
	return tell(argument, 0);
}

static int get_freeze(struct bank *bank, struct port *port, void *argument)
{
	return tell(argument, port->chan.frozen);
}

static int set_freeze(struct bank *bank, struct port *port, void *argument)
{
	port->chan.frozen = number_of(argument) != 0;
	return 0;
}

static int get_confmute(struct bank *bank, struct port *port, void *argument)
{
	return tell(argument, port->chan.confmute);
}

static int set_confmute(struct bank *bank, struct port *port, void *argument)
{
	port->chan.confmute = number_of(argument);
	return 0;
}

static int set_loopback(struct bank *bank, struct port *port, void *argument)
{
	port->chan.looped = number_of(argument) != 0;
	return 0;
}

static int set_buffer_events(struct bank *bank, struct port *port, void *argument)
{
	port->chan.buffer_events = number_of(argument) != 0;
	return 0;
}

static int by_card(struct bank *bank, struct port *port, void *argument);

/* ---- The table ---- */

struct row {
	unsigned int command;
	const char *name;
	answer *control, *channel; /* NULL: not there */
};

static const struct row rows[] = {
	{DAHDI_GET_PARAMS, "GET_PARAMS", get_params, get_params},
	{DAHDI_GET_PARAMS_V1, "GET_PARAMS", get_params, get_params},
	{DAHDI_SET_PARAMS, "SET_PARAMS", set_params, set_params},
	{DAHDI_SPANSTAT, "SPANSTAT", span_stat, span_stat},
	{DAHDI_GETGAINS, "GETGAINS", get_gains, get_gains},
	{DAHDI_SETGAINS, "SETGAINS", set_gains, set_gains},
	{DAHDI_GETVERSION, "GETVERSION", get_version, NULL},
	{DAHDI_CHANCONFIG, "CHANCONFIG", chan_config, NULL},
	{DAHDI_SPANCONFIG, "SPANCONFIG", span_config, NULL},
	{DAHDI_STARTUP, "STARTUP", span_config, NULL},
	{DAHDI_SHUTDOWN, "SHUTDOWN", span_config, NULL},
	{DAHDI_LOADZONE, "LOADZONE", load_zone, NULL},
	{DAHDI_DEFAULTZONE, "DEFAULTZONE", default_zone, NULL},
	{DAHDI_FREEZONE, "FREEZONE", accept_it, NULL},
	{DAHDI_ATTACH_ECHOCAN, "ATTACH_ECHOCAN", attach_echocan, NULL},
	{DAHDI_GET_DIALPARAMS, "GET_DIALPARAMS", get_dial_params, NULL},
	{DAHDI_SET_DIALPARAMS, "SET_DIALPARAMS", accept_it, NULL},
	{DAHDI_INDIRECT, "INDIRECT", invalid, NULL},
	{DAHDI_GET_BLOCKSIZE, "GET_BLOCKSIZE", NULL, get_blocksize},
	{DAHDI_SET_BLOCKSIZE, "SET_BLOCKSIZE", NULL, set_blocksize},
	{DAHDI_GET_BUFINFO, "GET_BUFINFO", NULL, get_bufinfo},
	{DAHDI_SET_BUFINFO, "SET_BUFINFO", NULL, set_bufinfo},
	{DAHDI_FLUSH, "FLUSH", NULL, flush},
	{DAHDI_SYNC, "SYNC", NULL, sync_out},
	{DAHDI_HOOK, "HOOK", NULL, hook},
	{DAHDI_GETEVENT, "GETEVENT", NULL, get_event},
	{DAHDI_IOMUX, "IOMUX", NULL, io_mux},
	{DAHDI_GETTONEZONE, "GETTONEZONE", NULL, get_zone},
	{DAHDI_SETTONEZONE, "SETTONEZONE", NULL, set_zone},
	{DAHDI_SENDTONE, "SENDTONE", NULL, send_tone},
	{DAHDI_DIAL, "DIAL", NULL, dial},
	{DAHDI_DIALING, "DIALING", NULL, dialing},
	{DAHDI_ECHOCANCEL, "ECHOCANCEL", NULL, echo_cancel},
	{DAHDI_ECHOCANCEL_PARAMS, "ECHOCANCEL_PARAMS", NULL, echo_cancel_params},
	{DAHDI_ECHOTRAIN, "ECHOTRAIN", NULL, echo_train},
	{DAHDI_ECHOCANCEL_FAX_MODE, "ECHOCANCEL_FAX_MODE", NULL, echo_fax_mode},
	{DAHDI_CHANNO, "CHANNO", NULL, channel_number},
	{DAHDI_SETLAW, "SETLAW", NULL, set_law},
	{DAHDI_SETLINEAR, "SETLINEAR", NULL, set_linear},
	{DAHDI_SETCADENCE, "SETCADENCE", NULL, set_cadence},
	{DAHDI_AUDIOMODE, "AUDIOMODE", NULL, invalid},
	{DAHDI_GETRXBITS, "GETRXBITS", NULL, get_rx_bits},
	{DAHDI_SETTXBITS, "SETTXBITS", NULL, invalid},
	{DAHDI_GETSIGFREEZE, "GETSIGFREEZE", NULL, get_freeze},
	{DAHDI_SETSIGFREEZE, "SETSIGFREEZE", NULL, set_freeze},
	{DAHDI_GETCONFMUTE, "GETCONFMUTE", NULL, get_confmute},
	{DAHDI_CONFMUTE, "CONFMUTE", NULL, set_confmute},
	{DAHDI_LOOPBACK, "LOOPBACK", NULL, set_loopback},
	{DAHDI_BUFFER_EVENTS, "BUFFER_EVENTS", NULL, set_buffer_events},
	{DAHDI_ONHOOKTRANSFER, "ONHOOKTRANSFER", NULL, by_card},
	{DAHDI_SETPOLARITY, "SETPOLARITY", NULL, by_card},
	{DAHDI_VMWI, "VMWI", NULL, by_card},
	{DAHDI_VMWI_CONFIG, "VMWI_CONFIG", NULL, by_card},
	{DAHDI_SET_HWGAIN, "SET_HWGAIN", NULL, by_card},
	{DAHDI_TONEDETECT, "TONEDETECT", NULL, by_card},
	{_IOR(DAHDI_CODE, 60, int[3]), "WCTDM_GET_STATS", NULL, by_card},
	{DAHDI_SPECIFY, "SPECIFY", NULL, NULL},
	{DAHDI_TIMERCONFIG, "TIMERCONFIG", NULL, NULL},
	{DAHDI_TIMERACK, "TIMERACK", NULL, NULL},
	{DAHDI_TIMERPING, "TIMERPING", NULL, NULL},
	{DAHDI_TIMERPONG, "TIMERPONG", NULL, NULL},
};

static const struct row *find(unsigned int command)
{
	for (size_t i = 0; i < HS_COUNT(rows); i++) {
		if (rows[i].command == command)
			return &rows[i];
	}
	return NULL;
}

static int by_card(struct bank *bank, struct port *port, void *argument)
{
	return -ENOTTY; /* ioctls_channel knows the command and asks the card */
}

const char *ioctls_name(unsigned int command)
{
	const struct row *row = find(command);

	return row ? row->name : "";
}

bool ioctls_is_named(const char *name)
{
	for (size_t i = 0; i < HS_COUNT(rows); i++) {
		if (strcmp(rows[i].name, name) == 0)
			return true;
	}
	return false;
}

int ioctls_control(struct bank *bank, unsigned int command, void *argument)
{
	const struct row *row = find(command);

	return row && row->control ? row->control(bank, NULL, argument) : -ENOTTY;
}

int ioctls_channel(struct bank *bank, struct port *port, unsigned int command, void *argument)
{
	const struct row *row = find(command);
	int error = faults_due(&port->faults, row ? row->name : "");

	if (error)
		return -error;
	if (!row || !row->channel)
		return -ENOTTY;
	return row->channel == by_card ? port_ioctl(port, command, argument) : row->channel(bank, port, argument);
}

int ioctls_resume(struct port *port, unsigned int command, void *argument)
{
	if (command == DAHDI_HOOK)
		return chan_settled(&port->chan, number_of(argument)) ? 0 : IOCTLS_SLEEP;
	return command == DAHDI_IOMUX ? io_mux(NULL, port, argument) : sync_out(NULL, port, argument);
}

/* ---- Timers ---- */

static int timer_event(struct bank_timer *timer, void *argument)
{
	if (timer->ping)
		return tell(argument, DAHDI_EVENT_TIMER_PING);
	return tell(argument, timer->expired ? DAHDI_EVENT_TIMER_EXPIRED : DAHDI_EVENT_NONE);
}

int ioctls_timer(struct bank_timer *timer, unsigned int command, void *argument)
{
	int number = command == DAHDI_TIMERCONFIG || command == DAHDI_TIMERACK ? number_of(argument) : 0;

	switch (command) {
	case DAHDI_TIMERCONFIG:
		timer->samples = timer->left = number > 0 ? number : 0;
		return 0;
	case DAHDI_TIMERACK:
		timer->expired -= number < 1 || number > timer->expired ? timer->expired : number;
		return 0;
	case DAHDI_GETEVENT:
		return timer_event(timer, argument);
	case DAHDI_TIMERPING:
		timer->ping = timer->woken = true;
		return 0;
	case DAHDI_TIMERPONG:
		timer->ping = false;
		return 0;
	default:
		return -ENOTTY;
	}
}
