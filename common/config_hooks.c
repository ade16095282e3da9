/* What webhooks say that no row of the contract can: ids that differ, filters that can match, files that belong
 * together.
 */
#include "cleanup.h"
#include "config_inner.h"
#include "table.h"
#include <string.h>

#define PATH_BYTES 96

struct hook {
	struct config_source *source;
	const struct hs_config *config;
	const struct hs_config_hook *one;
	size_t index;
};

static void fault(const struct hook *hook, const char *member, const char *why)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof(path), "webhooks.endpoints[%zu].%s", hook->index, member);
	config_fault(hook->source, path, "%s", why);
}

static void check_filter(const struct hook *hook)
{
	for (size_t i = 0; i < hook->one->events_count; i++)
		if (!hs_wire_event_word(hook->one->events[i]))
			fault(hook, "events", "names neither events (call.ended, call.*, *) nor states of a line");
	for (size_t i = 0; i < hook->one->lines_count; i++)
		if (!hs_config_find_line(hook->config, hook->one->lines[i]))
			fault(hook, "lines", "names a line that there is not; add it to lines or leave it out");
}

static void check_id(const struct hook *hook, struct hs_table *ids)
{
	const char *id = hook->one->id;

	if (!strcmp(id, "state") || !strcmp(id, "dtmf"))
		fault(hook, "id", "belongs to webhooks.outgoing; choose another");
	else if (hs_table_put(ids, id, (void *)id))
		fault(hook, "id", "is taken by another endpoint; choose another");
}

/* ---- Those that others call ---- */

struct incoming {
	struct config_source *source;
	const struct hs_config *config;
	const struct hs_config_incoming *one;
	size_t index;
};

static void refuse(const struct incoming *hook, const char *member, const char *why)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof(path), "webhooks.incoming[%zu].%s", hook->index, member);
	config_fault(hook->source, path, "%s", why);
}

/* Daemons that do not keep tokens check nothing of them: they have none. */
static void check_rights(const struct incoming *hook)
{
	const struct hs_config_api *api = hook->config->api;

	for (size_t i = 0; i < api->tokens_count; i++)
		if (!strcmp(api->tokens[i].name, hook->one->token))
			return;
	if (api->tokens_count)
		refuse(hook, "token", "names no token; add it to api.tokens");
}

static void check_what(const struct incoming *hook)
{
	const struct hs_config_incoming *one = hook->one;

	if (one->line && !hs_config_find_line(hook->config, one->line))
		refuse(hook, "line", "names a line that there is not");
	if (one->action == HS_HOOK_ACTION_CALL && !one->line && !one->number)
		refuse(hook, "line", "is missing: which line, or number, is called?");
	if (one->action != HS_HOOK_ACTION_CALL && !one->line)
		refuse(hook, "line", "is missing");
	if (one->action != HS_HOOK_ACTION_CALL && (one->number || one->to_line || one->to_number))
		refuse(hook, "action", "has no use for number, to_line or to_number; they belong to: call");
}

static void check_incoming(struct config_source *source, const struct hs_config *config)
{
	struct hs_table *ids = hs_table_create();

	for (size_t i = 0; i < config->webhooks->incoming_count; i++) {
		struct incoming hook = {source, config, &config->webhooks->incoming[i], i};

		if (hs_table_put(ids, hook.one->id, (void *)hook.one->id))
			refuse(&hook, "id", "is taken by another hook; choose another");
		check_rights(&hook);
		check_what(&hook);
	}
	hs_table_destroy(ids);
}

void config_check_hooks(struct config_source *source, const struct hs_config *config)
{
	struct hs_table *ids = hs_table_create();

	for (size_t i = 0; i < config->webhooks->endpoints_count; i++) {
		struct hook hook = {source, config, &config->webhooks->endpoints[i], i};

		check_id(&hook, ids);
		check_filter(&hook);
		if (!hook.one->client_cert_file != !hook.one->client_key_file)
			fault(&hook, "client_key_file", "a certificate and its key come together: give both");
	}
	hs_table_destroy(ids);
	check_incoming(source, config);
}
