#include "clock.h"
#include "commands_inner.h"
#include "ioctls.h"
#include <string.h>

/* ---- Trouble ---- */

static bool cut(struct command_call *call, char **arguments, int count)
{
	port_cut(call->port, true);
	return true;
}

static bool mend(struct command_call *call, char **arguments, int count)
{
	port_cut(call->port, false);
	return true;
}

static bool alarm_bits(struct command_call *call, char **arguments, int count)
{
	int bits = 0;

	if (!command_number(call, arguments, count, 0, 0, 65535, &bits))
		return true;
	if (call->port)
		chan_alarm(&call->port->chan, (uint32_t)bits);
	else
		bank_alarm(call->bank, (uint32_t)bits);
	return true;
}

static bool quiet(struct command_call *call, char **arguments, int count)
{
	int ms = 0;

	if (!command_number(call, arguments, count, 1, 0, WAIT_MAX_MS, &ms))
		return true;
	if (!strcmp(arguments[0], "in"))
		call->port->quiet_in_ms = ms;
	else if (!strcmp(arguments[0], "out"))
		call->port->quiet_out_ms = ms;
	else
		return command_fail(call, "in or out, as the program sees it");
	return true;
}

static bool is_call(const char *name)
{
	return !strcmp(name, "read") || !strcmp(name, "write") || !strcmp(name, "open") || ioctls_is_named(name);
}

static bool fault(struct command_call *call, char **arguments, int count)
{
	int times = 1, skip = 0, error = faults_errno(arguments[1]);

	if (error < 0)
		return command_fail(call, "no errno %.40s", arguments[1]);
	if (!command_number(call, arguments, count, 2, 1, INT32_MAX, &times) ||
	    !command_number(call, arguments, count, 3, 0, INT32_MAX, &skip))
		return true;
	if (!is_call(arguments[0]))
		return command_fail(call, "read, write, open or an ioctl's name");
	return command_outcome(call, faults_add(&call->port->faults, arguments[0], error, times, skip));
}

static bool short_reads(struct command_call *call, char **arguments, int count)
{
	command_number(call, arguments, count, 0, 0, 65535, &call->port->faults.short_bytes);
	return true;
}

static bool queue(struct command_call *call, char **arguments, int count)
{
	int event = 0, times = 1;

	if (!command_number(call, arguments, count, 0, 1, INT32_MAX, &event) ||
	    !command_number(call, arguments, count, 1, 1, 100000, &times))
		return true;
	while (times-- > 0)
		chan_event(&call->port->chan, event);
	return true;
}

static bool heal(struct command_call *call, char **arguments, int count)
{
	faults_clear(&call->port->faults);
	call->port->quiet_in_ms = call->port->quiet_out_ms = 0;
	return true;
}

/* ---- The card ---- */

static bool unplug(struct command_call *call, char **arguments, int count)
{
	return command_outcome(call, bank_unplug(call->bank));
}

static bool plug(struct command_call *call, char **arguments, int count)
{
	bool bare = count && !strcmp(arguments[0], "unconfigured");

	if (count && !bare)
		return command_fail(call, "unconfigured, or nothing");
	return command_outcome(call, bank_plug(call->bank, !bare));
}

static bool stop_clock(struct command_call *call, char **arguments, int count)
{
	int ms = 0;

	if (!command_number(call, arguments, count, 0, 1, 60000, &ms))
		return true;
	bank_stop(call->bank, hs_clock_us(), ms, false);
	return true;
}

static bool lose(struct command_call *call, char **arguments, int count)
{
	int ms = 0;

	if (!command_number(call, arguments, count, 0, 1, 60000, &ms))
		return true;
	bank_stop(call->bank, hs_clock_us(), ms, true);
	return true;
}

static bool burst(struct command_call *call, char **arguments, int count)
{
	command_number(call, arguments, count, 0, 1, 1000, &call->bank->burst_ms);
	return true;
}

static bool skew(struct command_call *call, char **arguments, int count)
{
	int ppm = 0;

	if (!command_number(call, arguments, count, 0, -10000, 10000, &ppm))
		return true;
	bank_skew(call->bank, hs_clock_us(), ppm);
	return true;
}

static bool state_of_card(struct command_call *call, char **arguments, int count)
{
	const struct bank *bank = call->bank;
	struct json_object *ports = json_object_new_array();

	for (int i = 1; i <= bank->count; i++)
		json_object_array_add(ports, json_object_new_string(bank->ports[i]->is_fxo ? "fxo" : "fxs"));
	json_object_object_add(call->answer, "ports", ports);
	command_add_bool(call, "plugged", bank->plugged);
	command_add_bool(call, "leaving", bank->remove_at_ms != 0);
	command_add_number(call, "alarms", bank->alarms);
	command_add_number(call, "clock_ms", bank->now_ms);
	command_add_number(call, "clock_lost_ms", (int64_t)bank->ticks_late);
	command_add_number(call, "skew_ppm", bank->skew_ppm);
	return true;
}

static const struct command rows[] = {
	{"cut", ON_PORT, 0, 0, cut, "", "cuts the cable"},
	{"mend", ON_PORT, 0, 0, mend, "", "mends the cable"},
	{"alarm", ON_PORT | ON_CARD, 1, 1, alarm_bits, "BITS", "alarm bits of the channel or the card, 0: none"},
	{"quiet", ON_PORT, 2, 2, quiet, "in|out MS", "one direction is silent"},
	{"fault", ON_PORT, 2, 4, fault, "AT ERRNO [TIMES [SKIP]]", "read, write, open or an ioctl (GETEVENT) fails"},
	{"short", ON_PORT, 1, 1, short_reads, "BYTES", "reads give no more; the rest of the block is lost. 0: all"},
	{"queue", ON_PORT, 1, 2, queue, "EVENT [TIMES]", "puts driver events into the queue, as many as you like"},
	{"heal", ON_PORT, 0, 0, heal, "", "no more faults, short reads and silence"},
	{"unplug", ON_CARD, 0, 0, unplug, "", "takes the card out"},
	{"plug", ON_CARD, 0, 1, plug, "[unconfigured]", "puts the card in"},
	{"clockstop", ON_CARD, 1, 1, stop_clock, "MS", "no ticks for MS, then all at once"},
	{"lose", ON_CARD, 1, 1, lose, "MS", "no ticks for MS, and they never come"},
	{"burst", ON_CARD, 1, 1, burst, "MS", "ticks come in bursts of MS (1)"},
	{"skew", ON_CARD, 1, 1, skew, "PPM", "the card's crystal against the system clock"},
	{"state", ON_CARD, 0, 0, state_of_card, "", "the card at a glance"},
};

const struct command_set commands_trouble = {rows, HS_COUNT(rows)};
