#include "cleanup.h"
#include "hookd.h"
#include "log.h"
#include "secret.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static char *join_states(const struct hs_config_endpoint *declared)
{
	char *words = hs_strdup("");

	for (size_t i = 0; i < declared->events_count; i++) {
		AUTO(free) char *before = words;

		words = hs_printf("%s%s%s", before, i ? " " : "", hs_enum_line_state.names[declared->events[i]]);
	}
	return words;
}

/* Without a sealed secret one is made, which root reads with hookctl webhook-secret. The caller frees it. */
static char *secret_of(struct hookd *hookd, const char *id, const struct hs_config_endpoint *declared)
{
	char *made;

	if (declared->secret)
		return hs_strdup(declared->secret);
	made = endpoint_make_secret(hookd->house->home, id, declared->url);
	if (!made)
		hs_log(ERROR, "webhook.secret_not_made", LOG_TEXT("webhook", id), LOG_WHY(strerror(errno)));
	return made ? made : hs_strdup("");
}

static void warn_blocked(struct hookd *hookd, const struct endpoint *endpoint)
{
	char why[EGRESS_WHY];

	if (egress_check_url(&hookd->rules, &endpoint->url, why) < 0)
		hs_log(ERROR, "webhook.blocked", LOG_TEXT("webhook", endpoint->id), LOG_WHY(why));
}

static void add(struct hookd *hookd, const char *id, const struct hs_config_endpoint *declared, const char *words)
{
	AUTO(free) char *sealed = secret_of(hookd, id, declared);
	struct outbox_endpoint row = {
		.id = id,
		.url = declared->url,
		.words = words,
		.sealed = sealed,
		.declared = true,
		.enabled = true,
		.last_error = "",
	};
	struct endpoint *endpoint = endpoint_create(&row);

	if (!endpoint) {
		hs_daemon_degraded(hookd->house, "webhook-url",
				   "the URL of a webhook in the configuration cannot be used");
		return;
	}
	endpoint->ca_file = declared->ca_file;
	warn_blocked(hookd, endpoint);
	if (dispatch_add(hookd->dispatch, endpoint) < 0)
		endpoint_destroy(endpoint);
}

static void change(struct hookd *hookd, struct endpoint *endpoint, const struct hs_config_endpoint *declared,
		   const char *words)
{
	AUTO(free) char *sealed = secret_of(hookd, endpoint->id, declared);

	endpoint_set_words(endpoint, words);
	endpoint->ca_file = declared->ca_file;
	if (strcmp(endpoint->given_url, declared->url) != 0 ||
	    !hs_secret_same(hookd->house->home, HS_ROLE_HOOKD, endpoint->sealed, sealed)) {
		hs_log(INFO, "webhook.moved", LOG_TEXT("webhook", endpoint->id), LOG_INT("waiting", endpoint->waiting));
		if (endpoint_move(endpoint, declared->url, sealed) < 0)
			hs_daemon_degraded(hookd->house, "webhook-url",
					   "the URL of a webhook in the configuration cannot be used");
	}
	warn_blocked(hookd, endpoint);
	dispatch_changed(hookd->dispatch, endpoint);
}

static void declare(struct hookd *hookd, const char *id, const struct hs_config_endpoint *declared)
{
	struct endpoint *endpoint = dispatch_find(hookd->dispatch, id);
	AUTO(free) char *words = declared ? join_states(declared) : NULL;

	if (!declared && endpoint) {
		hs_log(WARN, "webhook.removed", LOG_TEXT("webhook", id), LOG_INT("dropped", endpoint->waiting),
		       LOG_WHY("it is no longer in the configuration"));
		dispatch_remove(hookd->dispatch, endpoint);
	} else if (declared && endpoint) {
		change(hookd, endpoint, declared, words);
	} else if (declared) {
		add(hookd, id, declared, words);
	}
}

void declare_endpoints(struct hookd *hookd)
{
	const struct hs_config_outgoing *outgoing = hookd->house->config->webhooks->outgoing;

	declare(hookd, "state", outgoing->state);
	declare(hookd, "dtmf", outgoing->dtmf);
}
