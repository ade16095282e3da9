#include "commands_inner.h"
#include <stdio.h>
#include <string.h>

#define KEY_MS 100
#define BREAK_MS 60 /* a pulse: loop open, closed, and the pause after a digit */
#define MAKE_MS 40
#define PULSE_PAUSE_MS 700
#define BOUNCE_MS 3
#define DIGITS_MAX 64

static bool steps_are_done(struct command_call *call)
{
	return call->port->voice.done >= call->mark;
}

static bool add_steps(struct command_call *call, const struct voice_step *steps, int count)
{
	call->mark = voice_add(&call->port->voice, steps, count);
	if (!call->mark && count)
		return command_fail(call, "too much waits to be done; see stop");
	call->check = steps_are_done;
	return false;
}

static bool lift(struct command_call *call, char **arguments, int count)
{
	return add_steps(call, &(struct voice_step){.kind = VOICE_HOOK, .off = true}, 1);
}

static bool hang_up(struct command_call *call, char **arguments, int count)
{
	voice_stop(&call->port->voice);
	return add_steps(call, &(struct voice_step){.kind = VOICE_HOOK, .off = false}, 1);
}

static bool flash(struct command_call *call, char **arguments, int count)
{
	int ms = 500;

	if (!command_number(call, arguments, count, 0, 1, 10000, &ms))
		return true;
	const struct voice_step steps[] = {
		{.kind = VOICE_HOOK, .off = false, .ms = ms},
		{.kind = VOICE_HOOK, .off = true},
	};

	return add_steps(call, steps, 2);
}

static bool bounce(struct command_call *call, char **arguments, int count)
{
	struct voice_step steps[128];
	int ms = 20, made = 0;
	bool end = call->port->fxs.off_hook;

	if (!command_number(call, arguments, count, 0, 1, 180, &ms))
		return true;
	for (int at = 0; at < ms; at += 2 * BOUNCE_MS) {
		steps[made++] = (struct voice_step){.kind = VOICE_HOOK, .off = !end, .ms = BOUNCE_MS};
		steps[made++] = (struct voice_step){.kind = VOICE_HOOK, .off = end, .ms = BOUNCE_MS};
	}
	return add_steps(call, steps, made);
}

static bool wait_a_while(struct command_call *call, char **arguments, int count)
{
	int ms = 0;

	if (!command_number(call, arguments, count, 0, 0, WAIT_MAX_MS, &ms))
		return true;
	return add_steps(call, &(struct voice_step){.kind = VOICE_WAIT, .ms = ms}, 1);
}

static bool dial(struct command_call *call, char **arguments, int count)
{
	struct voice_step steps[DIGITS_MAX];
	int made = 0, ms = KEY_MS, gap_ms = KEY_MS;

	if (!command_number(call, arguments, count, 1, 20, 10000, &ms) ||
	    !command_number(call, arguments, count, 2, 20, 10000, &gap_ms))
		return true;
	for (const char *digit = arguments[0]; *digit; digit++) {
		if (made == DIGITS_MAX || !strchr("0123456789*#ABCD", *digit))
			return command_fail(call, "keys are 0-9 * # A-D, at most %d of them", DIGITS_MAX);
		steps[made++] = (struct voice_step){.kind = VOICE_KEY, .key = *digit, .ms = ms, .gap_ms = gap_ms};
	}
	return add_steps(call, steps, made);
}

static bool pulse(struct command_call *call, char **arguments, int count)
{
	struct voice_step steps[DIGITS_MAX * 20];
	int made = 0, break_ms = BREAK_MS, make_ms = MAKE_MS;

	if (!command_number(call, arguments, count, 1, 1, 1000, &break_ms) ||
	    !command_number(call, arguments, count, 2, 1, 1000, &make_ms))
		return true;
	if (strlen(arguments[0]) > 32 || strspn(arguments[0], "0123456789") != strlen(arguments[0]))
		return command_fail(call, "a dial has the digits 0-9, at most 32 of them");
	for (const char *digit = arguments[0]; *digit; digit++) {
		int pulses = *digit == '0' ? 10 : *digit - '0';

		for (int i = 1; i <= pulses; i++) {
			steps[made++] = (struct voice_step){.kind = VOICE_HOOK, .off = false, .ms = break_ms};
			steps[made++] = (struct voice_step){
				.kind = VOICE_HOOK, .off = true, .ms = i == pulses ? PULSE_PAUSE_MS : make_ms};
		}
	}
	return add_steps(call, steps, made);
}

static bool speak(struct command_call *call, char **arguments, int count)
{
	struct sound *sound;
	int result = sound_load(arguments[0], &sound);

	if (result)
		return command_fail(call, "%s: %s", arguments[0], strerror(-result));
	bool failed = add_steps(call, &(struct voice_step){.kind = VOICE_SOUND, .sound = sound}, 1);

	if (failed)
		sound_destroy(sound);
	return failed;
}

static bool record(struct command_call *call, char **arguments, int count)
{
	struct voice *voice = &call->port->voice;

	if (!strcmp(arguments[0], "off")) {
		command_add_number(call, "samples", (int64_t)sound_end(voice->recorder));
		voice->recorder = NULL;
		return true;
	}
	if (voice->recorder)
		return command_fail(call, "a recording is going on; end it with record off");
	int result = sound_record(arguments[0], call->port->chan.default_law, &voice->recorder);

	return result ? command_fail(call, "%s: %s", arguments[0], strerror(-result)) : true;
}

static bool stop(struct command_call *call, char **arguments, int count)
{
	voice_stop(&call->port->voice);
	return true;
}

static const struct command rows[] = {
	{"lift", ON_FXS, 0, 0, lift, "", "takes the handset off its hook"},
	{"hangup", ON_FXS, 0, 0, hang_up, "", "puts the handset down; what is being done is stopped"},
	{"flash", ON_FXS, 0, 1, flash, "[MS]", "on hook for MS (500), then off again"},
	{"bounce", ON_FXS, 0, 1, bounce, "[MS]", "a dirty contact: the hook chatters for MS (20)"},
	{"dial", ON_PORT, 1, 3, dial, "KEYS [MS [GAP_MS]]", "keys, by tone"},
	{"pulse", ON_FXS, 1, 3, pulse, "DIGITS [BREAK_MS [MAKE_MS]]", "digits by the dial (60, 40)"},
	{"speak", ON_PORT, 1, 1, speak, "FILE",
	 "says a WAV file, or G.711 bytes (.ulaw .alaw .raw); answers at its end"},
	{"record", ON_PORT, 1, 1, record, "FILE|off",
	 "records what is heard until off; .ulaw .alaw .raw: bytes as they come"},
	{"pause", ON_PORT, 1, 1, wait_a_while, "MS", "does nothing for MS of the card's time"},
	{"stop", ON_PORT, 0, 0, stop, "", "stops speaking, dialling and what waits to be done"},
};

const struct command_set commands_voice = {rows, HS_COUNT(rows)};
