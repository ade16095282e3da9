#include "commands_inner.h"
#include "fxo.h"
#include <string.h>

const char *const commands_sounds[FXO_SOUNDS] = {"silence", "dialtone", "busy", "ringback", "congestion"};

static bool ring(struct command_call *call, char **arguments, int count)
{
	return command_outcome(call,
			       fxo_ring(call->port, count > 0 ? arguments[0] : "", count > 1 ? arguments[1] : ""));
}

static bool stop_ringing(struct command_call *call, char **arguments, int count)
{
	fxo_stop_ringing(call->port);
	return true;
}

static bool battery(struct command_call *call, char **arguments, int count)
{
	int ms = 0;

	if (!command_number(call, arguments, count, 1, 1, 60000, &ms))
		return true;
	if (!strcmp(arguments[0], "on"))
		fxo_battery(call->port, true, 0);
	else if (!strcmp(arguments[0], "off"))
		fxo_battery(call->port, false, ms);
	else
		return command_fail(call, "on, or off and for how many ms");
	return true;
}

static bool polarity(struct command_call *call, char **arguments, int count)
{
	fxo_reverse(call->port);
	return true;
}

static bool sound_of_exchange(struct command_call *call, char **arguments, int count)
{
	for (int i = 0; i < FXO_SOUNDS; i++) {
		if (strcmp(commands_sounds[i], arguments[0]) != 0)
			continue;
		fxo_play(call->port, (enum fxo_sound)i);
		return true;
	}
	return command_fail(call, "silence, dialtone, busy, ringback or congestion");
}

static bool auto_dial_tone(struct command_call *call, char **arguments, int count)
{
	call->port->fxo.auto_dial_tone = !strcmp(arguments[0], "on");
	return true;
}

static const struct command rows[] = {
	{"ring", ON_FXO, 0, 2, ring, "[NUMBER [NAME]]", "the exchange rings, with caller identity"},
	{"unring", ON_FXO, 0, 0, stop_ringing, "", "the caller gives up"},
	{"battery", ON_FXO, 1, 2, battery, "on|off [MS]", "battery on the line; off for MS is a disconnect"},
	{"polarity", ON_FXO, 0, 0, polarity, "", "turns the polarity, as an answer or an end of call"},
	{"tone", ON_FXO, 1, 1, sound_of_exchange, "NAME", "silence, dialtone, busy, ringback, congestion"},
	{"dialtone", ON_FXO, 1, 1, auto_dial_tone, "on|off", "whether a seized line gets dial tone by itself (on)"},
};

const struct command_set commands_exchange = {rows, HS_COUNT(rows)};
