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
}
