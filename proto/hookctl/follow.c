/* follow: one call across all daemons, as a ladder. */
#include "cleanup.h"
#include "id.h"
#include "ladder.h"
#include "link.h"
#include "wire.h"
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PAGE_WIDTH 400 /* where nothing is cut off: a file or a pipe */
#define GATHER_MS 120  /* live: records of all daemons are sorted over this long */

struct follow {
	struct hookctl *ctl;
	const char *call;
	struct ladder *ladder;
	struct ladder *early;         /* live: what is published while the past is asked for */
	int64_t told_until[HS_ROLES]; /* at_us of the last record each daemon answered with */
};

/* Asking is seen, too; what this tool asked would only hide the call. */
static bool is_ours(const struct hs_trace *record)
{
	return !strcmp(record->from, hs_role_names[HS_ROLE_OPS]) || !strcmp(record->to, hs_role_names[HS_ROLE_OPS]);
}

static void add_records(struct follow *follow, enum hs_role role, const struct reply *reply)
{
	struct hs_wire_fault fault;
	struct hs_daemon_trace_answer answer;
	struct hs_arena *arena = hs_arena_create();
	const struct hs_shape *shape = hs_messages[HS_DAEMON_TRACE].answer;
	const struct hs_json *json;
	if (reply->error == HS_OK && !hs_wire_parse(reply->text, strlen(reply->text), arena, &json, &fault) &&
	    !hs_wire_decode(shape, json, false, arena, &answer, &fault))
		for (size_t i = 0; i < answer.records_count; i++) {
			if (!is_ours(&answer.records[i]))
				ladder_add(follow->ladder, &answer.records[i]);
			if (answer.records[i].at_us > follow->told_until[role])
				follow->told_until[role] = answer.records[i].at_us;
		}
	hs_arena_destroy(arena);
}

static void ask_past(struct follow *follow)
{
	struct reply replies[HS_ROLES];
	AUTO(json_put) struct json_object *body = json_object_new_object();
	json_object_object_add(body, "call", json_object_new_string(follow->call));
	link_ask_all(follow->ctl, HS_DAEMON_TRACE, body, replies);
	for (enum hs_role role = HS_ROLE_NONE + 1; role < HS_ROLES; role++) {
		if (replies[role].error == HS_OK)
			add_records(follow, role, &replies[role]);
		else if (replies[role].error != HS_ERROR_UNKNOWN_MESSAGE)
			link_explain(follow->ctl, role, &replies[role]);
		reply_finish(&replies[role]);
	}
}

/* The call's record, or NULL when there is no token or no such call. */
static struct json_object *ask_record(struct follow *follow)
{
	struct json_object *call = NULL;
	struct reply reply;
	AUTO(free) char *token = hookctl_token(follow->ctl);
	AUTO(json_put) struct json_object *body = json_object_new_object();
	json_object_object_add(body, "call", json_object_new_string(follow->call));
	link_ask(follow->ctl, HS_ROLE_APID, HS_CALLS_GET, body, token, 0, &reply);
	if (reply.error == HS_OK && json_object_object_get_ex(reply.body, "call", &call))
		json_object_get(call);
	reply_finish(&reply);
	return call;
}

#define MEMBERS_A_ROW 4

/* The named members that are there, a few in each row. */
static void print_members(struct json_object *object, const char *const *names, size_t count)
{
	size_t shown = 0;
	for (size_t i = 0; i < count; i++) {
		struct json_object *value = json_object_object_get(object, names[i]);
		if (!value)
			continue;
		printf("%s%s %s", shown % MEMBERS_A_ROW ? "  " : "    ", names[i], json_object_get_string(value));
		if (++shown % MEMBERS_A_ROW == 0)
			putchar('\n');
	}
	if (shown % MEMBERS_A_ROW)
		putchar('\n');
}

static void print_leg(struct json_object *leg)
{
	static const char *const members[] = {"line", "state", "cause"};
	static const char *const figures[] = {"codec",        "remote",          "packets_received", "packets_sent",
					      "packets_lost", "packets_refused", "jitter_us",        "dropped_frames"};
	struct json_object *media;
	printf("leg %s\n", json_object_get_string(json_object_object_get(leg, "id")));
	print_members(leg, members, HS_COUNT(members));
	if (json_object_object_get_ex(leg, "media", &media))
		print_members(media, figures, HS_COUNT(figures));
}

static void print_record(struct json_object *call)
{
	static const char *const members[] = {"state", "direction", "line",        "dialled",
					      "cause", "ended_by",  "duration_ms", "digits"};
	printf("call %s\n", json_object_get_string(json_object_object_get(call, "id")));
	print_members(call, members, HS_COUNT(members));
	struct json_object *legs = json_object_object_get(call, "legs");
	for (size_t i = 0; legs && i < json_object_array_length(legs); i++)
		print_leg(json_object_array_get_idx(legs, i));
	putchar('\n');
}

static void add_json(void *context, const struct hs_trace *record)
{
	size_t bytes;
	AUTO(free) char *text = hs_wire_text(&hs_shape_trace, record, &bytes);
	json_object_array_add(context, json_tokener_parse(text));
}

static void print_json(struct follow *follow, struct json_object *call)
{
	AUTO(json_put) struct json_object *out = json_object_new_object();
	struct json_object *records = json_object_new_array();
	ladder_each(follow->ladder, add_json, records);
	json_object_object_add(out, "call", json_object_get(call));
	json_object_object_add(out, "records", records);
	puts(json_object_to_json_string_ext(out, JSON_C_TO_STRING_NOSLASHESCAPE));
}

static enum hs_role role_of(const char *daemon)
{
	for (enum hs_role role = HS_ROLE_NONE + 1; role < HS_ROLES; role++)
		if (!strcmp(hs_role_names[role], daemon))
			return role;
	return HS_ROLE_NONE;
}

static void add_if_new(void *context, const struct hs_trace *record)
{
	struct follow *follow = context;
	if (record->at_us > follow->told_until[role_of(record->daemon)])
		ladder_add(follow->ladder, record);
}

static void published(void *context, const struct hs_published *event)
{
	struct follow *follow = context;
	struct hs_trace record;
	struct hs_wire_fault fault;
	struct hs_arena *arena = hs_arena_create();
	if (!hs_wire_decode(&hs_shape_trace, event->json, false, arena, &record, &fault) && record.call &&
	    !strcmp(record.call, follow->call) && !is_ours(&record)) {
		if (follow->early)
			ladder_add(follow->early, &record);
		else
			add_if_new(follow, &record);
	}
	hs_arena_destroy(arena);
}

static void subscribe(struct follow *follow)
{
	const struct hs_edge_row *row = &hs_edges[HS_EDGE_OPERATIONS];
	for (enum hs_role binder = HS_ROLE_NONE + 1; binder < HS_ROLES; binder++)
		if (row->connect[binder] & (1u << HS_ROLE_OPS) && binder != HS_ROLE_DAHDID)
			hs_bus_subscribe(link_bus(follow->ctl), binder, HS_EDGE_OPERATIONS, published, NULL, follow);
}

/* Goes on with what is published; what came while the past was asked for is looked at first. */
static void go_on(struct follow *follow)
{
	struct ladder *early = TAKE(follow->early);
	ladder_each(early, add_if_new, follow);
	ladder_destroy(early);
	do
		ladder_draw(follow->ladder, stdout);
	while (!link_run(follow->ctl, GATHER_MS));
}

static int show(struct follow *follow, bool live)
{
	ask_past(follow);
	AUTO(json_put) struct json_object *call = ask_record(follow);
	if (!call && !live && ladder_count(follow->ladder) == 0)
		return hookctl_fail(follow->ctl, "no daemon remembers call %s", follow->call);
	if (follow->ctl->json) {
		print_json(follow, call);
		return HOOKCTL_OK;
	}
	if (call)
		print_record(call);
	ladder_draw(follow->ladder, stdout);
	if (live)
		go_on(follow);
	return HOOKCTL_OK;
}

/* Columns of the terminal, so that a row stays a row. */
static int page_width(void)
{
	struct winsize size;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return PAGE_WIDTH;
}

int follow_run(struct hookctl *ctl, int count, char **words)
{
	const char *width = hookctl_option(&count, words, "width");
	bool live = hookctl_flag(&count, words, "live");
	if (count != 1 || !hs_id_valid(words[0]))
		return hookctl_usage(ctl, "the id of a call is needed (hookctl status lists those that are up)");
	if (live && ctl->json)
		return hookctl_usage(ctl, "--live has no JSON form; hookctl tap --operations --json call=CALL has");
	if (!link_open(ctl))
		return HOOKCTL_FAILED;
	int columns = width ? (int)strtol(width, NULL, 10) : page_width();
	struct follow follow = {.ctl = ctl, .call = words[0], .ladder = ladder_create(columns)};
	if (live) {
		follow.early = ladder_create(columns);
		subscribe(&follow);
	}
	int code = show(&follow, live);
	ladder_destroy(follow.early);
	ladder_destroy(follow.ladder);
	return code;
}
