#include "line.h"
#include "cleanup.h"
#include "config.h"
#include "fsm.h"
#include "log.h"
#include "trace.h"
#include "wire.h"
#include <stdlib.h>
#include <string.h>

struct lines {
	const struct hs_config *config;
	struct store *store;
	struct eventlog *log;
	struct line *all; /* in the order of the configuration */
	size_t count;
	struct hs_table *by_id;
	struct line *changed;
};

static const char *const event_names[LINE_EVENTS] = {"reachable", "unreachable", "rings", "lifted", "released"};
static const char *const state_names[HS_LINE_STATE_COUNT] = {NULL, "offline", "on_hook", "ringing", "off_hook"};

static bool is_reachable(const void *object, const void *argument)
{
	return ((const struct line *)object)->reachable;
}

static const char *line_id(const void *object)
{
	return ((const struct line *)object)->config->id;
}

#define OFFLINE HS_LINE_STATE_OFFLINE
#define ON_HOOK HS_LINE_STATE_ON_HOOK
#define RINGING HS_LINE_STATE_RINGING
#define OFF_HOOK HS_LINE_STATE_OFF_HOOK

/* A bell that rings and a lifted handset outrank what the registrar knows: a call goes on when a binding expires, and a
 * phone may call without one. */
static const struct hs_fsm_rule rules[] = {
	{OFFLINE, LINE_REACHABLE, NULL, NULL, ON_HOOK},
	{OFFLINE, LINE_UNREACHABLE, NULL, NULL, OFFLINE},
	{OFFLINE, LINE_RINGS, NULL, NULL, RINGING},
	{OFFLINE, LINE_LIFTED, NULL, NULL, OFF_HOOK},
	{OFFLINE, LINE_RELEASED, NULL, NULL, OFFLINE},
	{ON_HOOK, LINE_REACHABLE, NULL, NULL, ON_HOOK},
	{ON_HOOK, LINE_UNREACHABLE, NULL, NULL, OFFLINE},
	{ON_HOOK, LINE_RINGS, NULL, NULL, RINGING},
	{ON_HOOK, LINE_LIFTED, NULL, NULL, OFF_HOOK},
	{ON_HOOK, LINE_RELEASED, NULL, NULL, ON_HOOK},
	{RINGING, LINE_REACHABLE, NULL, NULL, RINGING},
	{RINGING, LINE_UNREACHABLE, NULL, NULL, RINGING},
	{RINGING, LINE_RINGS, NULL, NULL, RINGING},
	{RINGING, LINE_LIFTED, NULL, NULL, OFF_HOOK},
	{RINGING, LINE_RELEASED, is_reachable, NULL, ON_HOOK},
	{RINGING, LINE_RELEASED, NULL, NULL, OFFLINE},
	{OFF_HOOK, LINE_REACHABLE, NULL, NULL, OFF_HOOK},
	{OFF_HOOK, LINE_UNREACHABLE, NULL, NULL, OFF_HOOK},
	{OFF_HOOK, LINE_RINGS, NULL, NULL, OFF_HOOK},
	{OFF_HOOK, LINE_LIFTED, NULL, NULL, OFF_HOOK},
	{OFF_HOOK, LINE_RELEASED, is_reachable, NULL, ON_HOOK},
	{OFF_HOOK, LINE_RELEASED, NULL, NULL, OFFLINE},
};

static void mark_changed(struct line *line)
{
	struct lines *lines = line->lines;

	if (line->is_changed)
		return;
	line->is_changed = true;
	line->next_changed = lines->changed;
	lines->changed = line;
	store_touch(lines->store);
}

static void line_changed(void *object, int old_state)
{
	struct line *line = object;

	hs_trace_add(HS_TRACE_KIND_STATE, line->call[0] ? line->call : NULL, NULL, "apid", "apid", "line %s: %s -> %s",
		     line->config->id, state_names[old_state], state_names[line->state]);
	mark_changed(line);
}

const struct hs_fsm line_fsm = {
	.name = "line",
	.states = state_names,
	.events = event_names,
	.states_count = HS_LINE_STATE_COUNT,
	.events_count = LINE_EVENTS,
	.rules = rules,
	.rules_count = HS_COUNT(rules),
	.state_offset = offsetof(struct line, state),
	.id = line_id,
	.changed = line_changed,
};

void line_step(struct line *line, enum line_event event, int64_t at_ms, const char *call)
{
	int old = line->state;
	struct hs_state_change change;

	hs_fsm_step(&line_fsm, line, event, NULL);
	if (line->state == old)
		return;
	line->since = at_ms;
	change = (struct hs_state_change){old, line->state, line->source};
	eventlog_add(line->lines->log, HS_STATE_CHANGE, at_ms, line->config->id, call, &change);
	hs_log(INFO, "line.state", LOG_LINE(line->config->id), LOG_TEXT("old", state_names[old]),
	       LOG_TEXT("new", state_names[line->state]), LOG_CALL(call && call[0] ? call : NULL));
}

static void replace(char **text, const char *new)
{
	free(*text);
	*text = hs_strdup(new);
}

/* What is known of a line beyond its state, in a row of its own. */
static void keep(const struct line *line, const char *what, const char *value)
{
	AUTO(free) char *key = hs_printf("line.%s:%s", what, line->config->id);

	store_write(line->lines->store, STORE_META_PUT, STORE_V_TEXT(key), STORE_V_TEXT(value));
}

/* True when it is another one than before. */
static bool note_trouble(struct line *line, const struct hs_line_changed *change)
{
	enum hs_trouble trouble = change->trouble; /* 0: none */
	bool is_new = trouble != line->trouble;

	if (!is_new && !trouble)
		return false;
	line->trouble = trouble;
	replace(&line->why, trouble ? change->why : NULL);
	keep(line, "trouble", trouble ? hs_enum_trouble.names[trouble] : "");
	keep(line, "why", line->why ? line->why : "");
	return is_new;
}

void line_heard(struct line *line, const struct hs_line_changed *change, int64_t at_ms)
{
	bool moved = change->address && (!line->address || strcmp(change->address, line->address) != 0);
	bool comes = change->reachable && (!line->reachable || moved || change->contacts > line->contacts);
	bool troubled = note_trouble(line, change);
	bool goes = !change->reachable && (line->reachable || troubled);
	struct hs_line_registered registered = {change->contacts, change->address, change->device};
	struct hs_line_unregistered unregistered = {change->why, change->trouble};

	line->reachable = change->reachable;
	line->contacts = change->contacts;
	replace(&line->address, change->address);
	replace(&line->device, change->device);
	mark_changed(line);
	if (comes)
		eventlog_add(line->lines->log, HS_LINE_REGISTERED, at_ms, line->config->id, NULL, &registered);
	else if (goes)
		eventlog_add(line->lines->log, HS_LINE_UNREGISTERED, at_ms, line->config->id, NULL, &unregistered);
	line_step(line, change->reachable ? LINE_REACHABLE : LINE_UNREACHABLE, at_ms, line->call);
}

void line_engage(struct line *line, const char *call)
{
	line->legs++;
	hs_copy(line->call, sizeof(line->call), call);
	mark_changed(line);
}

void line_disengage(struct line *line, const char *call, int64_t at_ms)
{
	if (line->legs > 0 && --line->legs > 0)
		return;
	line_step(line, LINE_RELEASED, at_ms, call);
	line->call[0] = '\0';
	mark_changed(line);
}

bool line_is_free(const struct line *line)
{
	return line->state == ON_HOOK && line->legs == 0;
}

bool line_may_wait(const struct line *line)
{
	return line->call_waiting && line->state == OFF_HOOK && line->legs == 1;
}

bool line_is_exchange(const struct line *line)
{
	return hs_config_is_exchange(line->lines->config, line->config);
}

/* All that differs between drivers: who is asked, what its legs' audio is made of, how it knows the hook, and
 * whether it can be asked about the telephone's port. */
static const struct {
	enum hs_role role;
	enum hs_media_kind media;
	enum hs_state_source source;
	bool has_port;
} drivers[] = {
	[HS_DRIVER_SIP] = {HS_ROLE_SIPD, HS_MEDIA_KIND_RTP, HS_STATE_SOURCE_INFERRED, false},
	[HS_DRIVER_DAHDI] = {HS_ROLE_DAHDID, HS_MEDIA_KIND_CHANNEL, HS_STATE_SOURCE_MEASURED, true},
};

enum hs_role line_driver(const struct line *line)
{
	return drivers[line->config->driver].role;
}

enum hs_media_kind line_media(const struct line *line)
{
	return drivers[line->config->driver].media;
}

bool line_has_port(const struct line *line)
{
	return drivers[line->config->driver].has_port;
}

void line_set_messages(struct line *line, int64_t waiting)
{
	AUTO(free) char *value = hs_printf("%lld", (long long)waiting);

	line->messages = waiting;
	line->has_messages = true;
	keep(line, "messages", value);
}

void line_set_undisturbed(struct line *line, bool do_not_disturb)
{
	line->do_not_disturb = do_not_disturb;
	keep(line, "dnd", do_not_disturb ? "1" : "");
}

void line_set_call_waiting(struct line *line, bool call_waiting)
{
	line->call_waiting = call_waiting;
	keep(line, "waiting", call_waiting ? "1" : "");
}

/* Under these names they are kept. */
static const char *const forward_names[LINE_FORWARDS] = {"always", "busy", "no_answer"};

void line_set_forward(struct line *line, enum line_forward forward, const char *number)
{
	replace(&line->forwards[forward], number && number[0] ? number : NULL);
	keep(line, forward_names[forward], number ? number : "");
}

void line_set_forward_after(struct line *line, int64_t seconds)
{
	AUTO(free) char *value = hs_printf("%lld", (long long)seconds);

	line->forward_after_s = seconds;
	keep(line, "after", value);
}

void line_describe(const struct line *line, struct hs_line *ret_line)
{
	*ret_line = (struct hs_line){
		.id = line->config->id,
		.driver = line->config->driver,
		.number = line->config->number,
		.name = line->config->name,
		.state = line->state,
		.state_source = line->source,
		.call_id = line->call[0] ? line->call : NULL,
		.contacts = line->contacts,
		.address = line->address,
		.device = line->device,
		.is_default = line == lines_default(line->lines),
		.is_exchange = line_is_exchange(line),
		.declared = true,
		.has_messages_waiting = line->messages > 0,
		.messages_waiting = line->messages,
		.has_do_not_disturb = line->do_not_disturb,
		.do_not_disturb = line->do_not_disturb,
		.has_call_waiting = line->call_waiting,
		.call_waiting = line->call_waiting,
		.forward_always = line->forwards[LINE_FORWARD_ALWAYS],
		.forward_busy = line->forwards[LINE_FORWARD_BUSY],
		.forward_no_answer = line->forwards[LINE_FORWARD_NO_ANSWER],
		.has_forward_after_s = line->forwards[LINE_FORWARD_NO_ANSWER] != NULL,
		.forward_after_s = line->forward_after_s,
		.trouble = line->trouble,
		.why = line->why,
	};
}

/* ---- the table ---- */

static bool see_line(void *context, const struct store_row *row)
{
	struct lines *lines = context;
	struct line *line = hs_table_get(lines->by_id, store_text(row, 0));
	int state;

	if (!line)
		return true; /* no longer configured */
	state = hs_wire_word(&hs_enum_line_state, store_text(row, 1));
	line->state = state ? state : OFFLINE;
	line->source = hs_wire_word(&hs_enum_state_source, store_text(row, 2));
	line->since = store_int(row, 3);
	line->reachable = store_int(row, 4) != 0;
	line->contacts = store_int(row, 5);
	replace(&line->address, store_text(row, 6));
	replace(&line->device, store_text(row, 7));
	hs_copy(line->call, sizeof(line->call), store_text(row, 8));
	return true;
}

static bool see_more(void *context, const struct store_row *row)
{
	const char *what = store_text(row, 0), *value = store_text(row, 1);
	const char *id = what ? strchr(what, ':') : NULL;
	struct line *line = id ? lines_find(context, id + 1) : NULL;

	if (!line || !value || !value[0])
		return true;
	for (int i = 0; i < LINE_FORWARDS; i++)
		if ((size_t)(id - what) == strlen(forward_names[i]) &&
		    strncmp(what, forward_names[i], (size_t)(id - what)) == 0)
			replace(&line->forwards[i], value);
	if (strncmp(what, "dnd:", 4) == 0)
		line->do_not_disturb = true;
	else if (strncmp(what, "waiting:", 8) == 0)
		line->call_waiting = true;
	else if (strncmp(what, "after:", 6) == 0)
		line->forward_after_s = strtoll(value, NULL, 10);
	else if (strncmp(what, "messages:", 9) == 0) {
		line->messages = strtoll(value, NULL, 10);
		line->has_messages = true;
	} else if (strncmp(what, "trouble:", 8) == 0)
		line->trouble = hs_wire_word(&hs_enum_trouble, value);
	else if (strncmp(what, "why:", 4) == 0)
		replace(&line->why, value);
	return true;
}

struct lines *lines_create(const struct hs_config *config, struct store *store, struct eventlog *log)
{
	struct lines *lines = hs_zalloc(sizeof(*lines));

	lines->config = config;
	lines->store = store;
	lines->log = log;
	lines->count = config->lines_count;
	lines->all = hs_zalloc(lines->count * sizeof(*lines->all) + 1);
	lines->by_id = hs_table_create();
	for (size_t i = 0; i < lines->count; i++) {
		lines->all[i] = (struct line){.config = &config->lines[i],
					      .lines = lines,
					      .state = OFFLINE,
					      .forward_after_s = LINE_FORWARD_AFTER_S,
					      .source = drivers[config->lines[i].driver].source};
		hs_table_put(lines->by_id, config->lines[i].id, &lines->all[i]);
	}
	store_query(store_at_start(store), STORE_LINES, NULL, 0, see_line, lines);
	store_query(store_at_start(store), STORE_LINES_MORE, NULL, 0, see_more, lines);
	return lines;
}

struct line *lines_find(const struct lines *lines, const char *id)
{
	return id ? hs_table_get(lines->by_id, id) : NULL;
}

struct line *lines_default(const struct lines *lines)
{
	const struct hs_config_line *line = hs_config_default_line(lines->config);

	return line ? lines_find(lines, line->id) : NULL;
}

struct line *lines_at(const struct lines *lines, size_t i)
{
	return i < lines->count ? &lines->all[i] : NULL;
}

static void save(struct lines *lines, const struct line *line)
{
	store_write(lines->store, STORE_LINE_PUT, STORE_V_TEXT(line->config->id),
		    STORE_V_TEXT(hs_enum_line_state.names[line->state]),
		    STORE_V_TEXT(hs_enum_state_source.names[line->source]), STORE_V_INT(line->since),
		    STORE_V_INT(line->reachable), STORE_V_INT(line->contacts), STORE_V_TEXT(line->address),
		    STORE_V_TEXT(line->device), STORE_V_TEXT(line->call));
}

void lines_save(struct lines *lines)
{
	struct line *line = lines->changed;

	lines->changed = NULL;
	while (line) {
		struct line *next = line->next_changed;

		line->is_changed = false;
		save(lines, line);
		line = next;
	}
}

void lines_destroy(struct lines *lines)
{
	if (!lines)
		return;
	for (size_t i = 0; i < lines->count; i++) {
		free(lines->all[i].address);
		free(lines->all[i].device);
		free(lines->all[i].why);
		for (int j = 0; j < LINE_FORWARDS; j++)
			free(lines->all[i].forwards[j]);
	}
	hs_table_destroy(lines->by_id);
	free(lines->all);
	free(lines);
}
