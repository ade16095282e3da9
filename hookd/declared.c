#include "declared.h"

static struct declared plain(const char *id, const struct hs_config_endpoint *one)
{
	return (struct declared){
		.id = id,
		.url = one->url,
		.secret = one->secret,
		.states = one->events,
		.states_count = one->events_count,
		.style = HS_WEBHOOK_STYLE_STANDARD,
		.ca_file = one->ca_file,
	};
}

static struct declared whole(const struct hs_config_hook *one)
{
	return (struct declared){
		.id = one->id,
		.url = one->url,
		.secret = one->secret,
		.events = (const char *const *)one->events,
		.events_count = one->events_count,
		.lines = (const char *const *)one->lines,
		.lines_count = one->lines_count,
		.style = one->style,
		.ca_file = one->ca_file,
		.client_cert_file = one->client_cert_file,
		.client_key_file = one->client_key_file,
	};
}

size_t declared_list(const struct hs_config_webhooks *webhooks, struct declared ret[DECLARED_MAX])
{
	size_t count = 0;

	if (webhooks->outgoing->state)
		ret[count++] = plain("state", webhooks->outgoing->state);
	if (webhooks->outgoing->dtmf)
		ret[count++] = plain("dtmf", webhooks->outgoing->dtmf);
	for (size_t i = 0; i < webhooks->endpoints_count && count < DECLARED_MAX; i++)
		ret[count++] = whole(&webhooks->endpoints[i]);
	return count;
}
