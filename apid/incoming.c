#include "incoming.h"
#include "cleanup.h"
#include <stdlib.h>
#include <string.h>

struct incoming {
	struct incoming_hook *hooks;
	size_t count;
};

static const struct hs_config_token *token_of(const struct hs_config *config, const char *name)
{
	for (size_t i = 0; i < config->api->tokens_count; i++)
		if (!strcmp(config->api->tokens[i].name, name))
			return &config->api->tokens[i];
	return NULL;
}

static void read_hook(const struct hs_config_incoming *one, struct incoming_hook *ret)
{
	ret->id = one->id;
	if (one->action == HS_HOOK_ACTION_HANG_UP) {
		ret->message = HS_LINES_HANGUP;
		ret->body.hangup = (struct hs_lines_hangup){.line = one->line};
	} else if (one->action == HS_HOOK_ACTION_RING) {
		ret->message = HS_LINES_RING;
		ret->body.ring = (struct hs_lines_ring){.line = one->line,
							.caller_name = one->caller_name,
							.has_timeout_s = one->has_timeout_s,
							.timeout_s = one->timeout_s};
	} else {
		ret->message = HS_CALLS_CREATE;
		ret->body.call = (struct hs_calls_create){.line = one->line,
							  .number = one->number,
							  .to_line = one->to_line,
							  .to_number = one->to_number,
							  .caller_name = one->caller_name,
							  .has_timeout_s = one->has_timeout_s,
							  .timeout_s = one->timeout_s};
	}
}

struct incoming *incoming_create(const struct hs_config *config)
{
	const struct hs_config_webhooks *webhooks = config->webhooks;
	struct incoming *incoming = hs_zalloc(sizeof(*incoming));

	incoming->count = webhooks->incoming_count;
	incoming->hooks = hs_zalloc((incoming->count + 1) * sizeof(*incoming->hooks));
	for (size_t i = 0; i < incoming->count; i++) {
		read_hook(&webhooks->incoming[i], &incoming->hooks[i]);
		incoming->hooks[i].token = token_of(config, webhooks->incoming[i].token);
	}
	return incoming;
}

const struct incoming_hook *incoming_find(const struct incoming *incoming, const char *id)
{
	for (size_t i = 0; i < incoming->count; i++)
		if (!strcmp(incoming->hooks[i].id, id))
			return &incoming->hooks[i];
	return NULL;
}

void incoming_destroy(struct incoming *incoming)
{
	if (!incoming)
		return;
	free(incoming->hooks);
	free(incoming);
}
