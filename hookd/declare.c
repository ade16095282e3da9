#include "cleanup.h"
#include "declared.h"
#include "hookd.h"
#include "log.h"
#include "secret.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void append(char **text, const char *word)
{
	AUTO(free) char *before = *text;

	*text = hs_printf("%s%s%s", before, *before ? " " : "", word);
}

static char *events_of(const struct declared *declared)
{
	char *words = hs_strdup("");

	for (size_t i = 0; i < declared->states_count; i++)
		append(&words, hs_enum_line_state.names[declared->states[i]]);
	for (size_t i = 0; i < declared->events_count; i++)
		append(&words, declared->events[i]);
	return words;
}

static char *lines_of(const struct declared *declared)
{
	char *words = hs_strdup("");

	for (size_t i = 0; i < declared->lines_count; i++)
		append(&words, declared->lines[i]);
	return words;
}

/* Without a sealed secret one is made, which root reads with hookctl webhook-secret. The caller frees it. */
static char *secret_of(struct hookd *hookd, const struct declared *declared)
{
	char *made;

	if (declared->secret)
		return hs_strdup(declared->secret);
	made = endpoint_make_secret(hookd->house->home, declared->id, declared->url);
	if (!made)
		hs_log(ERROR, "webhook.secret_not_made", LOG_TEXT("webhook", declared->id), LOG_WHY(strerror(errno)));
	return made ? made : hs_strdup("");
}

static void warn_blocked(struct hookd *hookd, const struct endpoint *endpoint)
{
	char why[EGRESS_WHY];

	if (egress_check_url(&hookd->rules, &endpoint->url, why) < 0)
		hs_log(ERROR, "webhook.blocked", LOG_TEXT("webhook", endpoint->id), LOG_WHY(why));
}

static void cannot_use(struct hookd *hookd, const struct declared *declared, const char *why)
{
	hs_log(ERROR, "webhook.cannot_use", LOG_TEXT("webhook", declared->id), LOG_WHY(why));
	hs_daemon_degraded(hookd->house, "webhook-url", "a webhook of the configuration cannot be used: see the log");
}

static void set_files(struct endpoint *endpoint, const struct declared *declared)
{
	endpoint->tls.ca_file = declared->ca_file;
	endpoint->tls.cert_file = declared->client_cert_file;
	endpoint->tls.key_file = declared->client_key_file;
}

static void add(struct hookd *hookd, const struct declared *declared, const char *words, const char *lines)
{
	AUTO(free) char *sealed = secret_of(hookd, declared);
	struct outbox_endpoint row = {
		.id = declared->id,
		.url = declared->url,
		.words = words,
		.lines = lines,
		.style = (int)declared->style,
		.sealed = sealed,
		.declared = true,
		.enabled = true,
	};
	struct endpoint *endpoint = endpoint_create(&row);

	if (!endpoint) {
		cannot_use(hookd, declared, "its URL cannot be read");
		return;
	}
	set_files(endpoint, declared);
	warn_blocked(hookd, endpoint);
	if (dispatch_add(hookd->dispatch, endpoint) < 0)
		endpoint_destroy(endpoint);
}

static void change(struct hookd *hookd, struct endpoint *endpoint, const struct declared *declared, const char *words,
		   const char *lines)
{
	AUTO(free) char *sealed = secret_of(hookd, declared);
	bool is_new = !hookd->house->predecessor_died; /* whoever takes a dead one's place has the same, and no time */

	endpoint_set_words(&endpoint->words, words);
	endpoint_set_words(&endpoint->lines, lines);
	endpoint->style = declared->style;
	set_files(endpoint, declared);
	if (strcmp(endpoint->given_url, declared->url) != 0 ||
	    !hs_secret_same(hookd->house->home, HS_ROLE_HOOKD, endpoint->sealed, sealed)) {
		hs_log(INFO, "webhook.moved", LOG_TEXT("webhook", endpoint->id), LOG_INT("waiting", endpoint->waiting));
		is_new = true;
		if (endpoint_move(endpoint, declared->url, sealed) < 0)
			cannot_use(hookd, declared, "its URL cannot be read");
	}
	warn_blocked(hookd, endpoint);
	if (is_new)
		dispatch_changed(hookd->dispatch, endpoint);
}

static void declare(struct hookd *hookd, const struct declared *declared)
{
	struct endpoint *endpoint = dispatch_find(hookd->dispatch, declared->id);
	AUTO(free) char *words = events_of(declared);
	AUTO(free) char *lines = lines_of(declared);

	if (endpoint && !endpoint->declared)
		cannot_use(hookd, declared, "an endpoint made by the API has this id");
	else if (endpoint)
		change(hookd, endpoint, declared, words, lines);
	else
		add(hookd, declared, words, lines);
}

/* ---- Those that are no longer there ---- */

struct sweep {
	const struct declared *list;
	size_t count;
	struct endpoint *gone;
};

static void find_gone(void *context, struct endpoint *endpoint)
{
	struct sweep *sweep = context;

	for (size_t i = 0; i < sweep->count; i++)
		if (!strcmp(sweep->list[i].id, endpoint->id))
			return;
	if (endpoint->declared)
		sweep->gone = endpoint;
}

static bool remove_one(struct hookd *hookd, const struct declared *list, size_t count)
{
	struct sweep sweep = {list, count, NULL};

	dispatch_each(hookd->dispatch, find_gone, &sweep);
	if (!sweep.gone)
		return false;
	hs_log(WARN, "webhook.removed", LOG_TEXT("webhook", sweep.gone->id), LOG_INT("dropped", sweep.gone->waiting),
	       LOG_WHY("it is no longer in the configuration"));
	dispatch_remove(hookd->dispatch, sweep.gone);
	return true;
}

void declare_endpoints(struct hookd *hookd)
{
	struct declared list[DECLARED_MAX];
	size_t count = declared_list(hookd->house->config->webhooks, list);

	while (remove_one(hookd, list, count))
		;
	for (size_t i = 0; i < count; i++)
		declare(hookd, &list[i]);
}
