/* tap: what the daemons publish, live, filtered, one line each. */
#include "cleanup.h"
#include "clock.h"
#include "link.h"
#include <ctype.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILTERS_MAX 32

/* A filter and the members of a body it is held against. Filters of one name are alternatives. */
struct filter {
	const char *name;
	const char *members[2];
};

static const struct filter filters[] = {
	{"call", {"call_id", "call"}},
	{"line", {"line", NULL}},
	{"type", {"type", "what"}},
	{"daemon", {"daemon", NULL}},
};

struct tap;

/* One subscription. The first contact counts as a gap, too; only later ones are worth a word. */
struct ear {
	struct tap *tap;
	bool met;
};

struct tap {
	struct hookctl *ctl;
	struct ear ears[HS_ROLES][HS_EDGES];
	const char *wanted[HS_COUNT(filters)][FILTERS_MAX];
	int wanted_count[HS_COUNT(filters)];
	int64_t left; /* events still to show; negative: no end */
};

static bool fits(const char *wanted, const char *text)
{
	size_t length = strlen(wanted);
	if (!text)
		return false;
	if (length > 0 && wanted[length - 1] == '*')
		return !strncmp(wanted, text, length - 1);
	return !strcmp(wanted, text);
}

/* The member a filter looks at. An event is told by apid, a trace record names its daemon. */
static const char *member_of(const struct filter *filter, struct json_object *body, const char *from)
{
	for (size_t i = 0; i < HS_COUNT(filter->members); i++) {
		struct json_object *value;
		if (filter->members[i] && json_object_object_get_ex(body, filter->members[i], &value))
			return json_object_get_string(value);
	}
	return !strcmp(filter->name, "daemon") ? from : NULL;
}

static bool passes(const struct tap *tap, struct json_object *body, const char *from)
{
	for (size_t i = 0; i < HS_COUNT(filters); i++) {
		bool passed = tap->wanted_count[i] == 0;
		const char *text = member_of(&filters[i], body, from);
		for (int k = 0; !passed && k < tap->wanted_count[i]; k++)
			passed = fits(tap->wanted[i][k], text);
		if (!passed)
			return false;
	}
	return true;
}

/* A member's text without anything that a terminal could take as a command. */
static void print_clean(const char *text)
{
	for (; *text; text++)
		putchar(iscntrl((unsigned char)*text) ? '.' : *text);
}

static const char *string_of(struct json_object *body, const char *name, const char *otherwise)
{
	struct json_object *value;
	return json_object_object_get_ex(body, name, &value) ? json_object_get_string(value) : otherwise;
}

static void print_event(const char *from, struct json_object *body)
{
	printf("%.12s %-11s %-16s", string_of(body, "timestamp", "----------------------") + 11, from,
	       string_of(body, "type", "?"));
	json_object_object_foreach(body, name, value)
	{
		if (!strcmp(name, "timestamp") || !strcmp(name, "type") || !strcmp(name, "cursor"))
			continue;
		printf(" %s=", name);
		print_clean(json_object_get_string(value));
	}
	putchar('\n');
}

static void print_trace(struct json_object *body)
{
	printf("%.12s %-11s %-5s %s -> %s: ", string_of(body, "at", "----------------------") + 11,
	       string_of(body, "daemon", "?"), string_of(body, "kind", "?"), string_of(body, "from", "?"),
	       string_of(body, "to", "?"));
	print_clean(string_of(body, "what", ""));
	if (json_object_object_get(body, "call"))
		printf("  call=%s", string_of(body, "call", ""));
	putchar('\n');
}

static void print_json(const struct hs_published *event, struct json_object *body)
{
	AUTO(json_put) struct json_object *out = json_object_new_object();
	json_object_object_add(out, "from", json_object_new_string(hs_role_names[event->from]));
	json_object_object_add(out, "edge", json_object_new_string(hs_edges[event->edge].name));
	json_object_object_add(out, "topic", json_object_new_string(event->topic));
	json_object_object_add(out, "seq", json_object_new_int64((int64_t)event->seq));
	json_object_object_add(out, "body", json_object_get(body));
	puts(json_object_to_json_string_ext(out, JSON_C_TO_STRING_NOSLASHESCAPE));
}

static void published(void *context, const struct hs_published *event)
{
	struct tap *tap = ((struct ear *)context)->tap;
	AUTO(json_put) struct json_object *body = json_tokener_parse(event->body);
	if (!body || tap->left == 0 || !passes(tap, body, hs_role_names[event->from]))
		return;
	if (tap->ctl->json)
		print_json(event, body);
	else if (event->edge == HS_EDGE_OPERATIONS)
		print_trace(body);
	else
		print_event(hs_role_names[event->from], body);
	if (tap->left > 0 && --tap->left == 0)
		link_stop(tap->ctl);
}

static void missed(void *context)
{
	struct ear *ear = context;
	if (ear->met)
		fputs("hookctl tap: some were missed; a publisher restarted, or this terminal is too slow\n", stderr);
	ear->met = true;
}

static bool add_filter(struct tap *tap, const char *word)
{
	for (size_t i = 0; i < HS_COUNT(filters); i++) {
		size_t length = strlen(filters[i].name);
		if (strncmp(word, filters[i].name, length) != 0 || word[length] != '=')
			continue;
		if (tap->wanted_count[i] == FILTERS_MAX)
			return false;
		tap->wanted[i][tap->wanted_count[i]++] = word + length + 1;
		return true;
	}
	return false;
}

static void subscribe(struct tap *tap, enum hs_edge edge)
{
	for (enum hs_role binder = HS_ROLE_NONE + 1; binder < HS_ROLES; binder++) {
		struct ear *ear = &tap->ears[binder][edge];
		ear->tap = tap;
		if (hs_edges[edge].connect[binder] & (1u << HS_ROLE_OPS) && binder != HS_ROLE_DAHDID)
			hs_bus_subscribe(link_bus(tap->ctl), binder, edge, published, missed, ear);
	}
}

static bool number(const char *text, int64_t *ret_number)
{
	char *end;
	if (!text)
		return true;
	*ret_number = strtoll(text, &end, 10);
	return *text && !*end && *ret_number > 0;
}

int tap_run(struct hookctl *ctl, int count, char **words)
{
	struct tap tap = {.ctl = ctl, .left = -1};
	int64_t seconds = 0;
	bool calls = hookctl_flag(&count, words, "calls");
	bool digits = hookctl_flag(&count, words, "digits");
	bool operations = hookctl_flag(&count, words, "operations");
	if (!number(hookctl_option(&count, words, "count"), &tap.left) ||
	    !number(hookctl_option(&count, words, "seconds"), &seconds))
		return hookctl_usage(ctl, "--count and --seconds want a number above 0");
	for (int i = 0; i < count; i++)
		if (!add_filter(&tap, words[i]))
			return hookctl_usage(ctl, "%s is no filter", words[i]);
	if (!link_open(ctl))
		return HOOKCTL_FAILED;
	bool usual = !calls && !digits && !operations;
	if (calls || usual)
		subscribe(&tap, HS_EDGE_CALLS);
	if (operations || usual)
		subscribe(&tap, HS_EDGE_OPERATIONS);
	if (digits)
		subscribe(&tap, HS_EDGE_DIGITS);
	link_run(ctl, seconds * 1000);
	return HOOKCTL_OK;
}
