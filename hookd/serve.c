#include "cleanup.h"
#include "clock.h"
#include "hookd.h"
#include "log.h"
#include "wire.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- hook.list ---- */

static void describe_into(void *context, struct endpoint *endpoint)
{
	struct hs_webhook **at = context;

	endpoint_describe(endpoint, (*at)++);
}

static void serve_list(void *context, struct hs_request *request)
{
	struct hookd *hookd = context;
	AUTO(free) struct hs_webhook *webhooks = hs_zalloc((dispatch_count(hookd->dispatch) + 1) * sizeof(*webhooks));
	struct hs_hook_list_answer answer = {dispatch_count(hookd->dispatch), webhooks};
	struct hs_webhook *at = webhooks;

	dispatch_each(hookd->dispatch, describe_into, &at);
	hs_bus_answer(request, &answer);
}

/* ---- hook.put ---- */

/* A request whose host is being resolved before it is judged. */
struct putting {
	struct hookd *hookd;
	struct hs_request *request;
	struct endpoint *endpoint;
	struct resolve_question *question;
	struct putting *next;
};

static struct putting *take_out(struct putting *putting)
{
	struct putting **at = &putting->hookd->putting;

	while (*at != putting)
		at = &(*at)->next;
	*at = putting->next;
	return putting;
}

static void answer_put(struct hs_request *request, const struct endpoint *endpoint)
{
	struct hs_webhook webhook;
	struct hs_hook_put_answer answer = {&webhook};

	endpoint_describe(endpoint, &webhook);
	hs_bus_answer(request, &answer);
}

/* Refuses and frees when something is wrong with the words. */
static bool words_are_good(struct hs_request *request, const struct hs_hook_put *put)
{
	for (size_t i = 0; i < put->events_count; i++)
		if (!match_word_valid(put->events[i]) || strchr(put->events[i], ' ')) {
			hs_bus_refuse(request, HS_ERROR_INVALID, "events", NULL,
				      "\"%s\" is neither an event type (call.ended, call.*, *) nor a line state",
				      put->events[i]);
			return false;
		}
	return true;
}

static char *join(const struct hs_hook_put *put)
{
	char *words = hs_strdup("");

	for (size_t i = 0; i < put->events_count; i++) {
		AUTO(free) char *before = words;

		words = hs_printf("%s%s%s", before, i ? " " : "", put->events[i]);
	}
	return words;
}

static struct endpoint *make_endpoint(const struct hs_hook_put *put)
{
	AUTO(free) char *words = join(put);
	struct outbox_endpoint row = {
		.id = put->webhook,
		.url = put->url,
		.words = words,
		.sealed = put->secret,
		.enabled = true,
		.last_error = "",
	};

	return endpoint_create(&row);
}

static void store(struct hookd *hookd, struct hs_request *request, struct endpoint *endpoint)
{
	struct endpoint *known = dispatch_find(hookd->dispatch, endpoint->id);

	if (known) { /* asked again while the name was being resolved */
		endpoint_destroy(endpoint);
		answer_put(request, known);
	} else if (dispatch_add(hookd->dispatch, endpoint) < 0) {
		endpoint_destroy(endpoint);
		hs_bus_refuse(request, HS_ERROR_OVERLOADED, NULL, NULL, "there are %d endpoints; delete one first",
			      DISPATCH_MAX_ENDPOINTS);
	} else if (dispatch_commit(hookd->dispatch) < 0) {
		dispatch_remove(hookd->dispatch, endpoint);
		hs_bus_refuse(request, HS_ERROR_UNAVAILABLE, NULL, NULL, "the endpoint cannot be stored; see health");
	} else {
		hs_log(INFO, "webhook.added", LOG_TEXT("webhook", endpoint->id), LOG_TEXT("host", endpoint->url.host));
		answer_put(request, endpoint);
	}
}

/* A name that cannot be resolved now is taken: every attempt checks again. One that leads inside is refused. */
static void on_resolved(void *context, const struct egress_address *addresses, size_t count, const char *why)
{
	struct putting *putting = take_out(context);
	char sentence[EGRESS_WHY];

	if (count && egress_check(&putting->hookd->rules, &putting->endpoint->url, addresses, count, sentence) < 0) {
		hs_bus_refuse(putting->request, HS_ERROR_INVALID, "url", NULL, "%s", sentence);
		endpoint_destroy(putting->endpoint);
	} else {
		store(putting->hookd, putting->request, putting->endpoint);
	}
	free(putting);
}

static void judge(struct hookd *hookd, struct hs_request *request, struct endpoint *endpoint)
{
	char why[EGRESS_WHY];
	int error = endpoint_open_secrets(endpoint, hookd->house->home);
	bool blocked = egress_check_url(&hookd->rules, &endpoint->url, why) < 0;

	if (error == -EXDEV)
		hs_log(ERROR, "webhook.redirected", LOG_TEXT("webhook", endpoint->id),
		       LOG_TEXT("host", endpoint->url.host), LOG_WHY("its secret was sealed for another URL"));
	if (error == 0)
		error = endpoint_reseal(endpoint, hookd->house->home); /* apid sealed it just before a rotation */
	if (error < 0 || blocked) {
		endpoint_destroy(endpoint);
		if (blocked)
			hs_bus_refuse(request, HS_ERROR_INVALID, "url", NULL, "%s", why);
		else
			hs_bus_refuse(request, HS_ERROR_INVALID, "secret", NULL,
				      "it is not a whsec_ secret sealed to hookd for this URL");
	} else if (endpoint->url.numeric) {
		store(hookd, request, endpoint);
	} else {
		struct putting *putting = hs_zalloc(sizeof(*putting));

		*putting = (struct putting){hookd, request, endpoint, NULL, hookd->putting};
		hookd->putting = putting;
		putting->question = resolve_ask(hookd->resolve, endpoint->url.host, on_resolved, putting);
	}
}

void serve_finish(struct hookd *hookd)
{
	for (struct putting *putting = TAKE(hookd->putting), *next; putting; putting = next) {
		next = putting->next;
		resolve_forget(putting->question);
		hs_bus_refuse(putting->request, HS_ERROR_UNAVAILABLE, NULL, NULL, "hookd ends; ask again");
		endpoint_destroy(putting->endpoint);
		free(putting);
	}
}

static void serve_put(void *context, struct hs_request *request)
{
	struct hookd *hookd = context;
	const struct hs_hook_put *put = request->body;
	struct endpoint *known = dispatch_find(hookd->dispatch, put->webhook);
	struct egress_url url;
	char why[EGRESS_WHY];

	if (known && !known->declared)
		answer_put(request, known);
	else if (known || !strcmp(put->webhook, "state") || !strcmp(put->webhook, "dtmf"))
		hs_bus_refuse(request, HS_ERROR_INVALID, "webhook", NULL, "this id belongs to the configuration file");
	else if (dispatch_is_stuck(hookd->dispatch))
		hs_bus_refuse(request, HS_ERROR_UNAVAILABLE, NULL, NULL, "the outbox cannot be written; see health");
	else if (egress_parse_url(put->url, EGRESS_HTTP, &url, why) < 0)
		hs_bus_refuse(request, HS_ERROR_INVALID, "url", NULL, "%s", why);
	else if (words_are_good(request, put))
		judge(hookd, request, make_endpoint(put));
}

/* ---- hook.delete ---- */

static void serve_delete(void *context, struct hs_request *request)
{
	struct hookd *hookd = context;
	const struct hs_hook_delete *delete = request->body;
	struct endpoint *endpoint = dispatch_find(hookd->dispatch, delete->webhook);

	if (!endpoint) {
		hs_bus_refuse(request, HS_ERROR_NOT_FOUND, "webhook", NULL, "there is no endpoint of this id");
		return;
	}
	if (endpoint->declared) {
		hs_bus_refuse(request, HS_ERROR_WRONG_STATE, "webhook", "declared",
			      "the configuration file declares it (webhooks.outgoing.%s)", endpoint->id);
		return;
	}
	if (dispatch_is_stuck(hookd->dispatch)) {
		hs_bus_refuse(request, HS_ERROR_UNAVAILABLE, NULL, NULL, "the outbox cannot be written; see health");
		return;
	}
	hs_log(INFO, "webhook.deleted", LOG_TEXT("webhook", endpoint->id), LOG_INT("dropped", endpoint->waiting));
	dispatch_remove(hookd->dispatch, endpoint);
	if (dispatch_commit(hookd->dispatch) < 0)
		hs_bus_refuse(request, HS_ERROR_UNAVAILABLE, NULL, NULL, "the outbox cannot be written; see health");
	else
		hs_bus_answer(request, NULL);
}

/* ---- hook.dead, hook.replay ---- */

struct listing {
	struct hookd *hookd;
	struct hs_delivery *deliveries;
	struct outbox_delivery **owned;
	size_t count;
};

static void list_dead(void *context, struct outbox_delivery *dead)
{
	struct listing *listing = context;

	listing->owned[listing->count] = dead;
	listing->deliveries[listing->count++] = (struct hs_delivery){
		.id = dead->id,
		.webhook = dispatch_name(listing->hookd->dispatch, dead->endpoint),
		.event_type = dead->type,
		.created_at = dead->created_at_ms,
		.attempts = dead->attempts,
		.has_last_status = dead->last_status > 0,
		.last_status = dead->last_status,
		.last_error = *dead->last_error ? dead->last_error : NULL,
	};
}

static void serve_dead(void *context, struct hs_request *request)
{
	struct hookd *hookd = context;
	const struct hs_hook_dead *dead = request->body;
	const struct endpoint *endpoint = dead->webhook ? dispatch_find(hookd->dispatch, dead->webhook) : NULL;
	size_t limit = (size_t)dead->limit;
	AUTO(free) struct hs_delivery *deliveries = hs_zalloc(limit * sizeof(*deliveries));
	AUTO(free) struct outbox_delivery **owned = hs_zalloc(limit * sizeof(struct outbox_delivery *));
	struct listing listing = {hookd, deliveries, owned, 0};
	struct hs_hook_dead_answer answer;

	if (endpoint || !dead->webhook)
		outbox_each_dead(hookd->outbox, endpoint ? endpoint->number : 0, (int)limit, list_dead, &listing);
	answer = (struct hs_hook_dead_answer){listing.count, deliveries};
	hs_bus_answer(request, &answer);
	for (size_t i = 0; i < listing.count; i++)
		free(owned[i]);
}

static void serve_replay(void *context, struct hs_request *request)
{
	struct hookd *hookd = context;
	const struct hs_hook_replay *replay = request->body;

	if (dispatch_is_stuck(hookd->dispatch))
		hs_bus_refuse(request, HS_ERROR_UNAVAILABLE, NULL, NULL, "the outbox cannot be written; see health");
	else if (dispatch_replay(hookd->dispatch, replay->delivery) < 0)
		hs_bus_refuse(request, HS_ERROR_NOT_FOUND, "delivery", NULL, "there is no dead letter of this id");
	else if (dispatch_commit(hookd->dispatch) < 0)
		hs_bus_refuse(request, HS_ERROR_UNAVAILABLE, NULL, NULL, "the outbox cannot be written; see health");
	else
		hs_bus_answer(request, NULL);
}

const struct hs_door serve_doors[SERVE_DOORS] = {
	{HS_HOOK_LIST, serve_list}, {HS_HOOK_PUT, serve_put},       {HS_HOOK_DELETE, serve_delete},
	{HS_HOOK_DEAD, serve_dead}, {HS_HOOK_REPLAY, serve_replay},
};
