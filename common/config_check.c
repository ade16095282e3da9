/* Each check names the path it complains about and what to do. Duplicates are found by a table, so that ten thousand
 * lines are no matter. */
#include "cleanup.h"
#include "config_inner.h"
#include "table.h"
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define PATH_BYTES 96
#define NODE_BYTES 4 /* ids with longer marks do not fit an audio frame */

/* Values that must differ, and the path that has each. */
struct names {
	struct config_source *source;
	struct hs_table *paths;
};

static _Bool free_path(void *context, const char *key, void *object)
{
	free(object);
	return true;
}

static void finish_names(struct names *names)
{
	hs_table_each(names->paths, free_path, NULL);
	hs_table_destroy(names->paths);
}

/* Claims a value for a path; a fault when another has it. NULL values are nobody's. */
static void claim(struct names *names, const char *path, const char *value)
{
	const char *other = value ? hs_table_get(names->paths, value) : NULL;

	if (other)
		config_fault(names->source, path, "%s is taken by %s; choose another", value, other);
	else if (value)
		hs_table_put(names->paths, value, hs_strdup(path));
}

static void check_line_names(struct config_source *source, const struct hs_config *config)
{
	struct names ids = {source, hs_table_create()}, users = {source, hs_table_create()};

	for (size_t i = 0; i < config->lines_count; i++) {
		const struct hs_config_line *line = &config->lines[i];
		bool fresh = !hs_table_get(ids.paths, line->id);
		char id[PATH_BYTES], user[PATH_BYTES];

		snprintf(id, sizeof(id), "lines[%zu].id", i);
		snprintf(user, sizeof(user), "lines[%zu].%s", i, line->user ? "user" : "id");
		claim(&ids, id, line->id);
		if (line->driver == HS_DRIVER_SIP && (line->user || fresh)) /* the same fault need not be told twice */
			claim(&users, user, line->user ? line->user : line->id);
	}
	finish_names(&ids);
	finish_names(&users);
}

static void check_numbers(struct config_source *source, const struct hs_config *config)
{
	struct names names = {source, hs_table_create()};

	claim(&names, "calls.operator_number", config->calls->operator_number);
	claim(&names, "calls.hotline", config->calls->hotline);
	for (size_t i = 0; i < config->lines_count; i++) {
		const struct hs_config_line *line = &config->lines[i];
		const struct hs_config_line *namesake = hs_config_find_line(config, line->number);
		char path[PATH_BYTES];

		snprintf(path, sizeof(path), "lines[%zu].number", i);
		claim(&names, path, line->number);
		if (namesake && namesake != line)
			config_fault(source, path,
				     "%s is the id of another line, which is dialled by it; choose another",
				     line->number);
	}
	for (size_t i = 0; i < config->groups_count; i++) {
		char path[PATH_BYTES];

		snprintf(path, sizeof(path), "groups[%zu].number", i);
		claim(&names, path, config->groups[i].number);
		if (hs_config_find_line(config, config->groups[i].number))
			config_fault(source, path, "%s is the id of a line, which is dialled by it; choose another",
				     config->groups[i].number);
	}
	finish_names(&names);
}

static void check_lines_exist(struct config_source *source, const struct hs_config *config)
{
	if (config->calls->default_line && !hs_config_default_line(config))
		config_fault(source, "calls.default_line", "there is no line %s; add it to lines or name another",
			     config->calls->default_line);
	for (size_t i = 0; i < config->operator->lines_count; i++) {
		char path[PATH_BYTES];

		snprintf(path, sizeof(path), "operator.lines[%zu]", i);
		if (!hs_config_find_line(config, config->operator->lines[i]))
			config_fault(source, path, "there is no line %s; add it to lines or leave it out",
				     config->operator->lines[i]);
	}
}

/* A group is dialled like a line, by its number or id; its own lines are telephones. */
static void check_groups(struct config_source *source, const struct hs_config *config)
{
	struct names ids = {source, hs_table_create()};

	for (size_t i = 0; i < config->groups_count; i++) {
		const struct hs_config_group *group = &config->groups[i];
		char path[PATH_BYTES];

		snprintf(path, sizeof(path), "groups[%zu].id", i);
		claim(&ids, path, group->id);
		if (hs_config_find_line(config, group->id))
			config_fault(source, path, "%s is the id of a line; choose another", group->id);
		for (size_t j = 0; j < group->lines_count; j++) {
			const struct hs_config_line *line = hs_config_find_line(config, group->lines[j]);

			snprintf(path, sizeof(path), "groups[%zu].lines[%zu]", i, j);
			if (!line)
				config_fault(source, path, "there is no line %s; add it to lines or leave it out",
					     group->lines[j]);
			else if (hs_config_is_exchange(config, line))
				config_fault(source, path, "%s is an exchange line, at which nobody can be rung",
					     group->lines[j]);
		}
	}
	finish_names(&ids);
}

static void check_dialling(struct config_source *source, const struct hs_config *config)
{
	const struct {
		const char *path, *value;
	} rows[] = {{"numbers.country", config->numbers->country},
		    {"numbers.national", config->numbers->national},
		    {"numbers.international", config->numbers->international}};

	for (size_t i = 0; i < HS_COUNT(rows); i++)
		if (rows[i].value && rows[i].value[strspn(rows[i].value, "0123456789")])
			config_fault(source, rows[i].path, "must be digits");
}

static void check_channels(struct config_source *source, const struct hs_config *config)
{
	struct names channels = {source, hs_table_create()};

	for (size_t i = 0; i < config->lines_count; i++) {
		const struct hs_config_line *line = &config->lines[i];
		char path[PATH_BYTES], channel[24];

		snprintf(path, sizeof(path), "lines[%zu].channel", i);
		snprintf(channel, sizeof(channel), "%d", (int)line->channel);
		if (line->driver == HS_DRIVER_DAHDI && !line->has_channel)
			config_fault(source, path, "is missing: an analog line needs the number of its DAHDI channel");
		else if (line->driver == HS_DRIVER_DAHDI)
			claim(&channels, path, channel);
	}
	if (config->dahdi->block_ms % 10)
		config_fault(source, "dahdi.block_ms", "must be a multiple of 10");
	if (config->dahdi->device[0] != '/')
		config_fault(source, "dahdi.device", "must be an absolute path, such as /dev/dahdi");
	finish_names(&channels);
}

static void check_sealed(struct config_source *source, const char *path, const char *value)
{
	if (value && strncmp(value, "sealed:", 7) != 0)
		config_fault(source, path, "must be a sealed text; make it with: hookctl seal");
}

static void check_sealed_texts(struct config_source *source, const struct hs_config *config)
{
	const struct hs_config_outgoing *outgoing = config->webhooks->outgoing;

	for (size_t i = 0; i < config->lines_count; i++) {
		char path[PATH_BYTES];

		snprintf(path, sizeof(path), "lines[%zu].secret", i);
		check_sealed(source, path, config->lines[i].secret);
	}
	if (outgoing->state)
		check_sealed(source, "webhooks.outgoing.state.secret", outgoing->state->secret);
	if (outgoing->dtmf)
		check_sealed(source, "webhooks.outgoing.dtmf.secret", outgoing->dtmf->secret);
	for (size_t i = 0; i < config->webhooks->endpoints_count; i++) {
		char path[PATH_BYTES];

		snprintf(path, sizeof(path), "webhooks.endpoints[%zu].secret", i);
		check_sealed(source, path, config->webhooks->endpoints[i].secret);
	}
}

static void check_sealed_hooks(struct config_source *source, const struct hs_config_webhooks *webhooks)
{
	for (size_t i = 0; i < webhooks->incoming_count; i++) {
		char path[PATH_BYTES];

		snprintf(path, sizeof(path), "webhooks.incoming[%zu].secret", i);
		check_sealed(source, path, webhooks->incoming[i].secret);
	}
}

static bool is_address(const char *text)
{
	unsigned char bytes[16];

	return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

/* apid is at one end of each edge that reaches another host. */
static void check_far_edges(struct config_source *source, const char *list, const struct hs_config_edge *edges,
			    size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char path[PATH_BYTES];

		snprintf(path, sizeof(path), "bus.%s[%zu].host", list, i);
		if (!is_address(edges[i].host))
			config_fault(source, path, "must be a numeric address, such as 10.0.0.1");
		snprintf(path, sizeof(path), "bus.%s[%zu].edge", list, i);
		if (edges[i].binder != HS_FAR_BINDER_APID && edges[i].edge != HS_FAR_EDGE_REQUESTS)
			config_fault(source, path,
				     "must be requests: apid has no business at the other edges of hookd");
	}
}

static void check_far(struct config_source *source, const struct hs_config *config)
{
	check_far_edges(source, "listen", config->bus->listen, config->bus->listen_count);
	check_far_edges(source, "connect", config->bus->connect, config->bus->connect_count);
	if (config->bus->listen_count && config->bus->connect_count)
		config_fault(source, "bus.connect",
			     "is for hosts without apid, bus.listen for the one that has it: leave one out");
}

static void check_server(struct config_source *source, const struct hs_config *config)
{
	const struct hs_config_server *server = config->server;
	const struct hs_config_media *media = config->media;

	if (!is_address(server->host))
		config_fault(source, "server.host", "must be a numeric address, such as 0.0.0.0 or 192.168.1.10");
	if (server->advertised_host && !is_address(server->advertised_host))
		config_fault(source, "server.advertised_host", "must be a numeric address, such as 192.168.1.10");
	if (!hs_copy((char[64]){0}, 64, server->domain) || !server->domain[0] ||
	    server->domain[strspn(server->domain, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-")])
		config_fault(source, "server.domain",
			     "must be a host name of at most 63 letters, digits, dots and dashes");
	if (server->rest_port == server->ws_port)
		config_fault(source, "server.ws_port", "is server.rest_port too; choose another");
	if (server->sip_port == server->rest_port || server->sip_port == server->ws_port)
		config_fault(source, "server.sip_port", "is an HTTP port too; choose another");
	if (media->port_min >= media->port_max)
		config_fault(source, "media.port_max", "must be above media.port_min");
	else if (media->port_min % 2 || media->port_max % 2 == 0)
		config_fault(source, media->port_min % 2 ? "media.port_min" : "media.port_max",
			     "the range must begin with an even port and end with an odd one");
	else if (server->sip_port >= media->port_min && server->sip_port <= media->port_max)
		config_fault(source, "server.sip_port",
			     "lies between media.port_min and media.port_max; choose another");
}

static void check_order(struct config_source *source, const struct hs_config *config)
{
	if (strlen(config->node) > NODE_BYTES ||
	    config->node[strspn(config->node, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")])
		config_fault(source, "node", "must be one to four letters and digits");
	if (config->sip->min_expires_s > config->sip->max_expires_s)
		config_fault(source, "sip.min_expires_s", "must not be above sip.max_expires_s");
	if (config->sip->burst < config->sip->requests_per_s)
		config_fault(source, "sip.burst", "must not be below sip.requests_per_s");
	if (config->webhooks->retry->delay_ms > config->webhooks->retry->max_delay_ms)
		config_fault(source, "webhooks.retry.delay_ms", "must not be above webhooks.retry.max_delay_ms");
}

/* "scheme://host..." with one of two schemes and a host. */
static bool has_scheme(const char *url, const char *first, const char *second)
{
	const char *const schemes[] = {first, second};

	for (size_t i = 0; i < HS_COUNT(schemes); i++) {
		size_t length = strlen(schemes[i]);

		if (strncmp(url, schemes[i], length) == 0 && strncmp(url + length, "://", 3) == 0)
			return url[length + 3] && !strchr("/?#", url[length + 3]);
	}
	return false;
}

static void check_url(struct config_source *source, const char *path, const char *url, const char *first,
		      const char *second)
{
	if (!has_scheme(url, first, second))
		config_fault(source, path, "must begin with %s:// or %s:// and a host", first, second);
	else if (strchr(strstr(url, "://") + 3, '@'))
		config_fault(source, path, "must not hold a password");
}

static void check_urls(struct config_source *source, const struct hs_config *config)
{
	const struct hs_config_outgoing *outgoing = config->webhooks->outgoing;

	if (config->operator->websocket_url)
		check_url(source, "operator.websocket_url", config->operator->websocket_url, "wss", "ws");
	for (size_t i = 0; i < config->operator->backups_count; i++) {
		char path[PATH_BYTES];

		snprintf(path, sizeof(path), "operator.backups[%zu].websocket_url", i);
		check_url(source, path, config->operator->backups[i].websocket_url, "wss", "ws");
		if (!config->operator->websocket_url)
			config_fault(source, path, "is a backup of operator.websocket_url, which is missing");
	}
	if (outgoing->state)
		check_url(source, "webhooks.outgoing.state.url", outgoing->state->url, "https", "http");
	if (outgoing->dtmf)
		check_url(source, "webhooks.outgoing.dtmf.url", outgoing->dtmf->url, "https", "http");
	for (size_t i = 0; i < config->webhooks->endpoints_count; i++) {
		char path[PATH_BYTES];

		snprintf(path, sizeof(path), "webhooks.endpoints[%zu].url", i);
		check_url(source, path, config->webhooks->endpoints[i].url, "https", "http");
	}
	for (size_t i = 0; i < config->api->origins_count; i++) {
		const char *origin = config->api->origins[i];
		char path[PATH_BYTES];

		snprintf(path, sizeof(path), "api.origins[%zu]", i);
		check_url(source, path, origin, "https", "http");
		if (strstr(origin, "://") && strchr(strstr(origin, "://") + 3, '/'))
			config_fault(source, path, "must be scheme, host and port only, without a path");
	}
}

static bool is_network(const char *text)
{
	char address[64], *slash;
	unsigned char bytes[16];
	int bits;

	if (!hs_copy(address, sizeof(address), text) || !(slash = strchr(address, '/')))
		return false;
	*slash++ = 0;
	if (strlen(slash) < 1 || strlen(slash) > 3 || strspn(slash, "0123456789") != strlen(slash))
		return false;
	bits = (int)strtol(slash, NULL, 10);
	return (inet_pton(AF_INET, address, bytes) == 1 && bits <= 32) ||
	       (inet_pton(AF_INET6, address, bytes) == 1 && bits <= 128);
}

static void check_networks(struct config_source *source, const char *list, const char *const *networks, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char path[PATH_BYTES];

		snprintf(path, sizeof(path), "%s[%zu]", list, i);
		if (!is_network(networks[i]))
			config_fault(source, path, "must be a network such as 192.168.0.0/16 or fd00::/8");
	}
}

/* Scopes are the words of the messages, and those of the WebSockets. */
static bool scope_known(const char *scope)
{
	static const char *const streams[] = {"audio", "digits"};

	for (int i = 0; i < HS_MESSAGES; i++)
		if (hs_messages[i].scope && strcmp(hs_messages[i].scope, scope) == 0)
			return true;
	for (size_t i = 0; i < HS_COUNT(streams); i++)
		if (strcmp(streams[i], scope) == 0)
			return true;
	return false;
}

static void check_tokens(struct config_source *source, const struct hs_config *config)
{
	struct names names = {source, hs_table_create()};

	for (size_t i = 0; i < config->api->tokens_count; i++) {
		const struct hs_config_token *token = &config->api->tokens[i];
		char path[PATH_BYTES];

		snprintf(path, sizeof(path), "api.tokens[%zu].name", i);
		claim(&names, path, token->name);
		for (size_t k = 0; k < token->scopes_count; k++) {
			snprintf(path, sizeof(path), "api.tokens[%zu].scopes[%zu]", i, k);
			if (!scope_known(token->scopes[k]))
				config_fault(source, path, "%s is no scope; see the reference of api.tokens",
					     token->scopes[k]);
		}
	}
	finish_names(&names);
}

void config_check(struct config_source *source, const struct hs_config *config)
{
	check_line_names(source, config);
	check_numbers(source, config);
	check_groups(source, config);
	check_dialling(source, config);
	check_lines_exist(source, config);
	check_channels(source, config);
	config_check_routes(source, config);
	config_check_hooks(source, config);
	check_sealed_texts(source, config);
	check_sealed_hooks(source, config->webhooks);
	check_server(source, config);
	check_far(source, config);
	check_order(source, config);
	check_urls(source, config);
	check_networks(source, "sip.local_networks", config->sip->local_networks, config->sip->local_networks_count);
	check_networks(source, "webhooks.allow_networks", config->webhooks->allow_networks,
		       config->webhooks->allow_networks_count);
	check_tokens(source, config);
}
