#include "commands_inner.h"
#include <string.h>

#define WAIT_MS 10000
#define LOUD_DBM0 (-45.0)

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
	const struct display_message *lamp = &call->port->fxs.lamp_message;

	command_add_text(call, "number", shown->number);
	command_add_text(call, "name", shown->name);
	command_add_text(call, "date", shown->date);
	command_add_text(call, "absent", shown->absent == 'P' ? "private" : shown->absent ? "unavailable" : "");
	command_add_text(call, "means", shown->means ? shown->means : "");
	command_add_text(call, "message_waiting", !lamp->kind ? "" : lamp->lamp ? "on" : "off");
	command_add_number(call, "messages", lamp->waiting);
	return true;
}

static bool state_of_telephone(struct command_call *call)
{
	const struct port *port = call->port;

	command_add_text(call, "hook", port->fxs.off_hook ? "off" : "on");
	command_add_bool(call, "ringing", port->fxs.ringing);
	command_add_number(call, "rings", port->fxs.rings);
	command_add_text(call, "feed", fxs_feed_names[port->fxs.feed]);
	command_add_bool(call, "reversed", port->fxs.feed == FEED_REVERSED || port->fxs.feed == FEED_ONHOOK_REVERSED);
	command_add_bool(call, "lamp", port_lamp(port));
	command_add_number(call, "messages", port->fxs.messages);
	return true;
}

static bool state_of_exchange(struct command_call *call)
{
	const struct fxo *fxo = &call->port->fxo;

	command_add_bool(call, "seized", fxo->seized);
	command_add_bool(call, "battery", fxo->battery);
	command_add_bool(call, "reversed", fxo->reversed);
	command_add_bool(call, "ringing", fxo->ring_wanted);
	command_add_number(call, "rings", fxo->rings);
	command_add_text(call, "sound", commands_sounds[fxo->sound]);
	command_add_text(call, "digits", fxo->digits);
	return true;
}

static bool state(struct command_call *call, char **arguments, int count)
{
	const struct chan *chan = &call->port->chan;

	command_add_text(call, "kind", call->port->is_fxo ? "fxo" : "fxs");
	command_add_bool(call, "open", chan->open);
	command_add_bool(call, "cut", call->port->cut);
	command_add_number(call, "alarms", chan->alarms);
	command_add_number(call, "events_lost", (int64_t)chan->events.lost);
	command_add_number(call, "echo_taps", chan->taps);
	command_add_bool(call, "idle", voice_is_idle(&call->port->voice));
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

	if (!command_number(call, arguments, count, 0, 0, INT32_MAX, &after)) {
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
	command_add_number(call, "seq", (int64_t)entry->number);
	command_add_number(call, "at_ms", entry->at_ms);
	command_add_text(call, "detail", entry->detail);
	return true;
}

static bool wait_until(struct command_call *call, char **arguments, int count, command_check *check)
{
	int ms = WAIT_MS;

	if (!command_number(call, arguments, count, 1, 0, WAIT_MAX_MS, &ms))
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
		return command_fail(call, "no condition %.40s; see help", arguments[0]);
	hs_copy(call->name, sizeof(call->name), arguments[0]);
	return wait_until(call, arguments, count, condition_holds);
}

const char *commands_condition(size_t number)
{
	return number < HS_COUNT(conditions) ? conditions[number].name : NULL;
}

static const struct command rows[] = {
	{"heard", ON_PORT, 0, 0, heard, "", "level and tones of the last 200 ms"},
	{"display", ON_FXS, 0, 0, display, "", "what the caller-ID display shows"},
	{"state", ON_PORT, 0, 0, state, "", "everything at a glance"},
	{"events", ON_PORT, 0, 1, events, "[AFTER]", "what happened, after a number"},
	{"forget", ON_PORT, 0, 0, forget, "", "expect looks only at what happens from now on"},
	{"expect", ON_PORT, 1, 2, expect, "EVENT [MS]", "the next such event, waiting up to MS (10000)"},
	{"wait", ON_PORT, 1, 2, wait_for, "CONDITION [MS]", "until it holds, up to MS (10000)"},
};

const struct command_set commands_look = {rows, HS_COUNT(rows)};
