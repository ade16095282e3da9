#include "commands.h"
#include "cleanup.h"
#include "clock.h"
#include "fxo.h"
#include "words.h"
#include <dahdi/user.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define WAIT_MS 10000
#define WAIT_MAX_MS 3600000
#define KEY_MS 100
#define BREAK_MS 60 /* a pulse: loop open, closed, and the pause after a digit */
#define MAKE_MS 40
#define PULSE_PAUSE_MS 700
#define BOUNCE_MS 3
#define DIGITS_MAX 64
#define LOUD_DBM0 (-45.0)

enum on { ON_FXS = 1, ON_FXO = 2, ON_PORT = ON_FXS | ON_FXO, ON_CARD = 4 };

struct command {
	const char *name;
	unsigned int on;
	int least, most; /* arguments */
	bool (*begin)(struct command_call *call, char **arguments, int count);
	const char *usage, *help;
};

/* Fails with a sentence; always true, so that it can be returned. */
static bool fail(struct command_call *call, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool fail(struct command_call *call, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(call->error, sizeof(call->error), format, list);
	va_end(list);
	return true;
}

static bool outcome(struct command_call *call, int result)
{
	return result ? fail(call, "%s", strerror(-result)) : true;
}

static void add_text(struct command_call *call, const char *name, const char *text)
{
	json_object_object_add(call->answer, name, json_object_new_string(text));
}

static void add_number(struct command_call *call, const char *name, int64_t number)
{
	json_object_object_add(call->answer, name, json_object_new_int64(number));
}

static void add_bool(struct command_call *call, const char *name, bool value)
{
	json_object_object_add(call->answer, name, json_object_new_boolean(value));
}

/* An argument that may be left out; false: it is there and wrong, and the call has failed. */
static bool number_argument(struct command_call *call, char **arguments, int count, int place, long lowest,
			    long highest, int *number)
{
	if (place >= count || !words_number(arguments[place], lowest, highest, number))
		return true;
	fail(call, "%s is not a number from %ld to %ld", arguments[place], lowest, highest);
	return false;
}

/* ---- Things to do at a telephone, which take time ---- */

static bool steps_are_done(struct command_call *call)
{
	return call->port->voice.done >= call->mark;
}

static bool add_steps(struct command_call *call, const struct voice_step *steps, int count)
{
	call->mark = voice_add(&call->port->voice, steps, count);
	if (!call->mark && count)
		return fail(call, "too much waits to be done; see stop");
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

	if (!number_argument(call, arguments, count, 0, 1, 10000, &ms))
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

	if (!number_argument(call, arguments, count, 0, 1, 180, &ms))
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

	if (!number_argument(call, arguments, count, 0, 0, WAIT_MAX_MS, &ms))
		return true;
	return add_steps(call, &(struct voice_step){.kind = VOICE_WAIT, .ms = ms}, 1);
}

static bool dial(struct command_call *call, char **arguments, int count)
{
	struct voice_step steps[DIGITS_MAX];
	int made = 0, ms = KEY_MS, gap_ms = KEY_MS;

	if (!number_argument(call, arguments, count, 1, 20, 10000, &ms) ||
	    !number_argument(call, arguments, count, 2, 20, 10000, &gap_ms))
		return true;
	for (const char *digit = arguments[0]; *digit; digit++) {
		if (made == DIGITS_MAX || !strchr("0123456789*#ABCD", *digit))
			return fail(call, "keys are 0-9 * # A-D, at most %d of them", DIGITS_MAX);
		steps[made++] = (struct voice_step){.kind = VOICE_KEY, .key = *digit, .ms = ms, .gap_ms = gap_ms};
	}
	return add_steps(call, steps, made);
}

static bool pulse(struct command_call *call, char **arguments, int count)
{
	struct voice_step steps[DIGITS_MAX * 20];
	int made = 0, break_ms = BREAK_MS, make_ms = MAKE_MS;

	if (!number_argument(call, arguments, count, 1, 1, 1000, &break_ms) ||
	    !number_argument(call, arguments, count, 2, 1, 1000, &make_ms))
		return true;
	if (strlen(arguments[0]) > 32 || strspn(arguments[0], "0123456789") != strlen(arguments[0]))
		return fail(call, "a dial has the digits 0-9, at most 32 of them");
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
		return fail(call, "%s: %s", arguments[0], strerror(-result));
	bool failed = add_steps(call, &(struct voice_step){.kind = VOICE_SOUND, .sound = sound}, 1);

	if (failed)
		sound_destroy(sound);
	return failed;
}

static bool record(struct command_call *call, char **arguments, int count)
{
	struct voice *voice = &call->port->voice;

	if (!strcmp(arguments[0], "off")) {
		add_number(call, "samples", (int64_t)sound_end(voice->recorder));
		voice->recorder = NULL;
		return true;
	}
	if (voice->recorder)
		return fail(call, "a recording is going on; end it with record off");
	int result = sound_record(arguments[0], call->port->chan.default_law, &voice->recorder);

	return result ? fail(call, "%s: %s", arguments[0], strerror(-result)) : true;
}

static bool stop(struct command_call *call, char **arguments, int count)
{
	voice_stop(&call->port->voice);
	return true;
}

/* ---- Things to see and hear ---- */

static void add_heard(struct command_call *call)
{
	struct json_object *tones = json_object_new_array();
	int hz[2];

	voice_tones(&call->port->voice, hz);
	for (int i = 0; i < 2 && hz[i]; i++)
		json_object_array_add(tones, json_object_new_int(hz[i]));
	json_object_object_add(call->answer, "level_dbm0",
			       json_object_new_int((int)(voice_level(&call->port->voice) - 0.5)));
	json_object_object_add(call->answer, "tones_hz", tones);
}

static bool heard(struct command_call *call, char **arguments, int count)
{
	add_heard(call);
	return true;
}

static bool display(struct command_call *call, char **arguments, int count)
{
	const struct display_message *shown = &call->port->fxs.shown;

	add_text(call, "number", shown->number);
	add_text(call, "name", shown->name);
	add_text(call, "date", shown->date);
	add_text(call, "absent", shown->absent == 'P' ? "private" : shown->absent ? "unavailable" : "");
	add_text(call, "means", shown->means ? shown->means : "");
	return true;
}

static const char *const sounds[FXO_SOUNDS] = {"silence", "dialtone", "busy", "ringback", "congestion"};

static bool state_of_telephone(struct command_call *call)
{
	const struct port *port = call->port;

	add_text(call, "hook", port->fxs.off_hook ? "off" : "on");
	add_bool(call, "ringing", port->fxs.ringing);
	add_number(call, "rings", port->fxs.rings);
	add_text(call, "feed", fxs_feed_names[port->fxs.feed]);
	add_bool(call, "reversed", port->fxs.feed == FEED_REVERSED || port->fxs.feed == FEED_ONHOOK_REVERSED);
	add_bool(call, "lamp", port_lamp(port));
	add_number(call, "messages", port->fxs.messages);
	return true;
}

static bool state_of_exchange(struct command_call *call)
{
	const struct fxo *fxo = &call->port->fxo;

	add_bool(call, "seized", fxo->seized);
	add_bool(call, "battery", fxo->battery);
	add_bool(call, "reversed", fxo->reversed);
	add_bool(call, "ringing", fxo->ring_wanted);
	add_number(call, "rings", fxo->rings);
	add_text(call, "sound", sounds[fxo->sound]);
	add_text(call, "digits", fxo->digits);
	return true;
}

static bool state(struct command_call *call, char **arguments, int count)
{
	const struct chan *chan = &call->port->chan;

	add_text(call, "kind", call->port->is_fxo ? "fxo" : "fxs");
	add_bool(call, "open", chan->open);
	add_bool(call, "cut", call->port->cut);
	add_number(call, "alarms", chan->alarms);
	add_number(call, "events_lost", (int64_t)chan->events.lost);
	add_number(call, "echo_taps", chan->taps);
	add_bool(call, "idle", voice_is_idle(&call->port->voice));
	return call->port->is_fxo ? state_of_exchange(call) : state_of_telephone(call);
}

static struct json_object *entry_json(const struct diary_entry *entry)
{
	struct json_object *json = json_object_new_object();

	json_object_object_add(json, "seq", json_object_new_int64((int64_t)entry->number));
	json_object_object_add(json, "at_ms", json_object_new_int64(entry->at_ms));
	json_object_object_add(json, "event", json_object_new_string(entry->name));
	if (entry->detail[0])
		json_object_object_add(json, "detail", json_object_new_string(entry->detail));
	return json;
}

static bool events(struct command_call *call, char **arguments, int count)
{
	struct json_object *list = json_object_new_array();
	const struct diary_entry *entry;
	int after = 0;

	if (!number_argument(call, arguments, count, 0, 0, INT32_MAX, &after)) {
		json_object_put(list);
		return true;
	}
	for (uint64_t at = (uint64_t)after; (entry = diary_next(&call->port->diary, at)); at = entry->number)
		json_object_array_add(list, entry_json(entry));
	json_object_object_add(call->answer, "events", list);
	return true;
}

static bool forget(struct command_call *call, char **arguments, int count)
{
	call->port->diary.mark = call->port->diary.last;
	return true;
}

/* ---- Waiting ---- */

static bool event_is_there(struct command_call *call)
{
	struct diary *diary = &call->port->diary;
	const struct diary_entry *entry = diary_find(diary, diary->mark, call->name);

	if (!entry)
		return false;
	diary->mark = entry->number;
	add_number(call, "seq", (int64_t)entry->number);
	add_number(call, "at_ms", entry->at_ms);
	add_text(call, "detail", entry->detail);
	return true;
}

static bool wait_until(struct command_call *call, char **arguments, int count, command_check *check)
{
	int ms = WAIT_MS;

	if (!number_argument(call, arguments, count, 1, 0, WAIT_MAX_MS, &ms))
		return true;
	call->check = check;
	call->until_ms = call->now_ms + ms;
	return false;
}

static bool expect(struct command_call *call, char **arguments, int count)
{
	hs_copy(call->name, sizeof(call->name), arguments[0]);
	return wait_until(call, arguments, count, event_is_there);
}

static bool is_ringing(const struct port *port)
{
	return port->is_fxo ? port->fxo.ring_wanted : port->fxs.ringing;
}

static bool is_off_hook(const struct port *port)
{
	return port->is_fxo ? port->fxo.seized : port->fxs.off_hook;
}

static bool is_on_hook(const struct port *port)
{
	return !is_off_hook(port);
}

static bool is_open(const struct port *port)
{
	return port->chan.open && port->plugged;
}

static bool is_closed(const struct port *port)
{
	return !is_open(port);
}

static bool is_idle(const struct port *port)
{
	return voice_is_idle(&port->voice);
}

static bool hears_sound(const struct port *port)
{
	return voice_level(&port->voice) > LOUD_DBM0;
}

static bool hears_silence(const struct port *port)
{
	return !hears_sound(port);
}

static bool is_powered(const struct port *port)
{
	return port->is_fxo ? port->fxo.battery : port->fxs.feed != FEED_OPEN;
}

static bool has_no_power(const struct port *port)
{
	return !is_powered(port);
}

static bool is_dark(const struct port *port)
{
	return !port_lamp(port);
}

static bool is_reversed(const struct port *port)
{
	return port->is_fxo ? port->fxo.reversed
			    : port->fxs.feed == FEED_REVERSED || port->fxs.feed == FEED_ONHOOK_REVERSED;
}

static const struct condition {
	const char *name;
	bool (*holds)(const struct port *port);
} conditions[] = {
	{"ringing", is_ringing},   {"off_hook", is_off_hook},  {"on_hook", is_on_hook}, {"open", is_open},
	{"closed", is_closed},     {"idle", is_idle},          {"sound", hears_sound},  {"silence", hears_silence},
	{"powered", is_powered},   {"no_power", has_no_power}, {"lamp", port_lamp},     {"dark", is_dark},
	{"reversed", is_reversed},
};

static const struct condition *find_condition(const char *name)
{
	for (size_t i = 0; i < HS_COUNT(conditions); i++) {
		if (!strcmp(conditions[i].name, name))
			return &conditions[i];
	}
	return NULL;
}

static bool condition_holds(struct command_call *call)
{
	return find_condition(call->name)->holds(call->port);
}

static bool wait_for(struct command_call *call, char **arguments, int count)
{
	if (!find_condition(arguments[0]))
		return fail(call, "no condition %.40s; see help", arguments[0]);
	hs_copy(call->name, sizeof(call->name), arguments[0]);
	return wait_until(call, arguments, count, condition_holds);
}

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

	if (!number_argument(call, arguments, count, 0, 0, 65535, &bits))
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

	if (!number_argument(call, arguments, count, 1, 0, WAIT_MAX_MS, &ms))
		return true;
	if (!strcmp(arguments[0], "in"))
		call->port->quiet_in_ms = ms;
	else if (!strcmp(arguments[0], "out"))
		call->port->quiet_out_ms = ms;
	else
		return fail(call, "in or out, as the program sees it");
	return true;
}

static bool fault(struct command_call *call, char **arguments, int count)
{
	int times = 1, skip = 0, error = faults_errno(arguments[1]);

	if (error < 0)
		return fail(call, "no errno %.40s", arguments[1]);
	if (!number_argument(call, arguments, count, 2, 1, INT32_MAX, &times) ||
	    !number_argument(call, arguments, count, 3, 0, INT32_MAX, &skip))
		return true;
	if (strlen(arguments[0]) >= FAULTS_NAME)
		return fail(call, "read, write, open or an ioctl's name");
	return outcome(call, faults_add(&call->port->faults, arguments[0], error, times, skip));
}

static bool short_reads(struct command_call *call, char **arguments, int count)
{
	number_argument(call, arguments, count, 0, 0, 65535, &call->port->faults.short_bytes);
	return true;
}

static bool queue(struct command_call *call, char **arguments, int count)
{
	int event = 0, times = 1;

	if (!number_argument(call, arguments, count, 0, 1, INT32_MAX, &event) ||
	    !number_argument(call, arguments, count, 1, 1, 100000, &times))
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

/* ---- The exchange ---- */

static bool ring(struct command_call *call, char **arguments, int count)
{
	return outcome(call, fxo_ring(call->port, count > 0 ? arguments[0] : "", count > 1 ? arguments[1] : ""));
}

static bool stop_ringing(struct command_call *call, char **arguments, int count)
{
	fxo_stop_ringing(call->port);
	return true;
}

static bool battery(struct command_call *call, char **arguments, int count)
{
	int ms = 0;

	if (!number_argument(call, arguments, count, 1, 1, 60000, &ms))
		return true;
	if (!strcmp(arguments[0], "on"))
		fxo_battery(call->port, true, 0);
	else if (!strcmp(arguments[0], "off"))
		fxo_battery(call->port, false, ms);
	else
		return fail(call, "on, or off and for how many ms");
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
		if (strcmp(sounds[i], arguments[0]))
			continue;
		fxo_play(call->port, (enum fxo_sound)i);
		return true;
	}
	return fail(call, "silence, dialtone, busy, ringback or congestion");
}

static bool auto_dial_tone(struct command_call *call, char **arguments, int count)
{
	call->port->fxo.auto_dial_tone = !strcmp(arguments[0], "on");
	return true;
}

/* ---- The card ---- */

static bool unplug(struct command_call *call, char **arguments, int count)
{
	return outcome(call, bank_unplug(call->bank));
}

static bool plug(struct command_call *call, char **arguments, int count)
{
	bool bare = count && !strcmp(arguments[0], "unconfigured");

	if (count && !bare)
		return fail(call, "unconfigured, or nothing");
	return outcome(call, bank_plug(call->bank, !bare));
}

static bool stop_clock(struct command_call *call, char **arguments, int count)
{
	int ms = 0;

	if (!number_argument(call, arguments, count, 0, 1, 60000, &ms))
		return true;
	bank_stop(call->bank, hs_clock_us(), ms, false);
	return true;
}

static bool lose(struct command_call *call, char **arguments, int count)
{
	int ms = 0;

	if (!number_argument(call, arguments, count, 0, 1, 60000, &ms))
		return true;
	bank_stop(call->bank, hs_clock_us(), ms, true);
	return true;
}

static bool burst(struct command_call *call, char **arguments, int count)
{
	number_argument(call, arguments, count, 0, 1, 1000, &call->bank->burst_ms);
	return true;
}

static bool skew(struct command_call *call, char **arguments, int count)
{
	int ppm = 0;

	if (!number_argument(call, arguments, count, 0, -10000, 10000, &ppm))
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
	add_bool(call, "plugged", bank->plugged);
	add_bool(call, "leaving", bank->remove_at_ms != 0);
	add_number(call, "alarms", bank->alarms);
	add_number(call, "clock_ms", bank->now_ms);
	add_number(call, "clock_lost_ms", (int64_t)bank->ticks_late);
	add_number(call, "skew_ppm", bank->skew_ppm);
	return true;
}

static bool help(struct command_call *call, char **arguments, int count);

static const struct command commands[] = {
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
	{"heard", ON_PORT, 0, 0, heard, "", "level and tones of the last 200 ms"},
	{"display", ON_FXS, 0, 0, display, "", "what the caller-ID display shows"},
	{"state", ON_PORT, 0, 0, state, "", "everything at a glance"},
	{"events", ON_PORT, 0, 1, events, "[AFTER]", "what happened, after a number"},
	{"forget", ON_PORT, 0, 0, forget, "", "expect looks only at what happens from now on"},
	{"expect", ON_PORT, 1, 2, expect, "EVENT [MS]", "the next such event, waiting up to MS (10000)"},
	{"wait", ON_PORT, 1, 2, wait_for, "CONDITION [MS]", "until it holds, up to MS (10000)"},
	{"cut", ON_PORT, 0, 0, cut, "", "cuts the cable"},
	{"mend", ON_PORT, 0, 0, mend, "", "mends the cable"},
	{"alarm", ON_PORT | ON_CARD, 1, 1, alarm_bits, "BITS", "alarm bits of the channel or the card, 0: none"},
	{"quiet", ON_PORT, 2, 2, quiet, "in|out MS", "one direction is silent"},
	{"fault", ON_PORT, 2, 4, fault, "AT ERRNO [TIMES [SKIP]]", "read, write, open or an ioctl (GETEVENT) fails"},
	{"short", ON_PORT, 1, 1, short_reads, "BYTES", "reads give no more; the rest of the block is lost. 0: all"},
	{"queue", ON_PORT, 1, 2, queue, "EVENT [TIMES]", "puts driver events into the queue, as many as you like"},
	{"heal", ON_PORT, 0, 0, heal, "", "no more faults, short reads and silence"},
	{"ring", ON_FXO, 0, 2, ring, "[NUMBER [NAME]]", "the exchange rings, with caller identity"},
	{"unring", ON_FXO, 0, 0, stop_ringing, "", "the caller gives up"},
	{"battery", ON_FXO, 1, 2, battery, "on|off [MS]", "battery on the line; off for MS is a disconnect"},
	{"polarity", ON_FXO, 0, 0, polarity, "", "turns the polarity, as an answer or an end of call"},
	{"tone", ON_FXO, 1, 1, sound_of_exchange, "NAME", "silence, dialtone, busy, ringback, congestion"},
	{"dialtone", ON_FXO, 1, 1, auto_dial_tone, "on|off", "whether a seized line gets dial tone by itself (on)"},
	{"unplug", ON_CARD, 0, 0, unplug, "", "takes the card out"},
	{"plug", ON_CARD, 0, 1, plug, "[unconfigured]", "puts the card in"},
	{"clockstop", ON_CARD, 1, 1, stop_clock, "MS", "no ticks for MS, then all at once"},
	{"lose", ON_CARD, 1, 1, lose, "MS", "no ticks for MS, and they never come"},
	{"burst", ON_CARD, 1, 1, burst, "MS", "ticks come in bursts of MS (1)"},
	{"skew", ON_CARD, 1, 1, skew, "PPM", "the card's crystal against the system clock"},
	{"state", ON_CARD, 0, 0, state_of_card, "", "the card at a glance"},
	{"help", ON_PORT | ON_CARD, 0, 0, help, "", "this table"},
};

static bool help(struct command_call *call, char **arguments, int count)
{
	struct json_object *list = json_object_new_array(), *names = json_object_new_array();

	for (size_t i = 0; i < HS_COUNT(commands); i++) {
		struct json_object *row = json_object_new_object();
		const struct command *one = &commands[i];
		AUTO(free) char *usage = hs_printf("%s%s%s", one->name, one->usage[0] ? " " : "", one->usage);

		json_object_object_add(row, "command", json_object_new_string(usage));
		json_object_object_add(row, "at",
				       json_object_new_string(one->on & ON_CARD   ? "card"
							      : one->on == ON_FXS ? "fxs"
							      : one->on == ON_FXO ? "fxo"
										  : "port"));
		json_object_object_add(row, "does", json_object_new_string(one->help));
		json_object_array_add(list, row);
	}
	for (size_t i = 0; i < HS_COUNT(conditions); i++)
		json_object_array_add(names, json_object_new_string(conditions[i].name));
	json_object_object_add(call->answer, "commands", list);
	json_object_object_add(call->answer, "conditions", names);
	return true;
}

/* ---- Carrying out ---- */

static unsigned int place(const struct command_call *call)
{
	return !call->port ? ON_CARD : call->port->is_fxo ? ON_FXO : ON_FXS;
}

static bool carry_out(struct command_call *call, const char *name, char **arguments, int count)
{
	for (size_t i = 0; i < HS_COUNT(commands); i++) {
		const struct command *command = &commands[i];

		if (strcmp(command->name, name) || !(command->on & place(call)))
			continue;
		if (count < command->least || count > command->most)
			return fail(call, "usage: %s %s", command->name, command->usage);
		bool done = command->begin(call, arguments, count);

		return done || (call->check && commands_again(call));
	}
	return fail(call, "no command %.40s here; see help", name);
}

bool commands_begin(struct command_call *call, char *line)
{
	char *words[WORDS_MAX];
	int count = words_split(line, words), number = 0;

	call->answer = json_object_new_object();
	if (count < 0)
		return fail(call, count == -E2BIG ? "too many words" : "not a line of text");
	if (count < 2)
		return fail(call, "PORT COMMAND or card COMMAND; see card help");
	if (strcmp(words[0], "card")) {
		call->port = words_number(words[0], 1, BANK_PORTS, &number) ? NULL : bank_port(call->bank, number);
		if (!call->port)
			return fail(call, "no port %.20s; there are 1 to %d", words[0], call->bank->count);
	}
	return carry_out(call, words[1], words + 2, count - 2);
}

bool commands_again(struct command_call *call)
{
	if (call->check(call))
		return true;
	if (!call->until_ms || call->now_ms < call->until_ms)
		return false;
	return fail(call, "it did not happen in time");
}

struct json_object *commands_answer(struct command_call *call)
{
	struct json_object *answer = call->answer;

	json_object_object_add(answer, "ok", json_object_new_boolean(!call->error[0]));
	if (call->error[0])
		json_object_object_add(answer, "error", json_object_new_string(call->error));
	*call = (struct command_call){.bank = call->bank};
	return answer;
}
