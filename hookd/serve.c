#include "cleanup.h"
#include "clock.h"
#include "hookd.h"
#include "ledger.h"
#include "log.h"
#include "wire.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- hook.list ---- */

struct describing {
	const struct hookd *hookd;
	struct hs_webhook *at;
};

/* A public key is known when the secret has been opened. */
static void describe_into(void *context, struct endpoint *endpoint)
{
	struct describing *describing = context;

	if (endpoint->style == HS_WEBHOOK_STYLE_TELNYX)
		endpoint_open_secrets(endpoint, describing->hookd->house->home);
	endpoint_describe(endpoint, describing->at++);
}

struct endpoint *serve_find(struct hookd *hookd, struct hs_request *request, const char *id)
{
	struct endpoint *endpoint = dispatch_find(hookd->dispatch, id);

	if (!endpoint)
		hs_bus_refuse(request, HS_ERROR_NOT_FOUND, "webhook", NULL, "there is no endpoint of this id");
	return endpoint;
}

bool serve_is_stuck(struct hookd *hookd, struct hs_request *request)
{
	if (!dispatch_is_stuck(hookd->dispatch))
		return false;
	hs_bus_refuse(request, HS_ERROR_UNAVAILABLE, NULL, NULL, "the outbox cannot be written; see health");
	return true;
}

static void serve_list(void *context, struct hs_request *request)
{
	struct hookd *hookd = context;
	const struct hs_hook_list *list = request->body;
	AUTO(free) struct hs_webhook *webhooks = hs_zalloc((dispatch_count(hookd->dispatch) + 1) * sizeof(*webhooks));
	struct hs_hook_list_answer answer = {list->webhook ? 1 : dispatch_count(hookd->dispatch), webhooks};
	struct describing describing = {hookd, webhooks};
	bool of_one = list->webhook;
	struct endpoint *one = of_one ? serve_find(hookd, request, list->webhook) : NULL;

	if (of_one && !one)
		return;
	if (one)
		describe_into(&describing, one);
	else
		dispatch_each(hookd->dispatch, describe_into, &describing);
	hs_bus_answer(request, &answer);
}

/* ---- hook.pause ---- */

static void serve_pause(void *context, struct hs_request *request)
{
	struct hookd *hookd = context;
	const struct hs_hook_pause *pause = request->body;
	struct endpoint *endpoint = serve_find(hookd, request, pause->webhook);
	struct hs_webhook webhook;
	struct hs_hook_pause_answer answer = {&webhook};

	if (!endpoint || serve_is_stuck(hookd, request))
		return;
	endpoint->paused = pause->paused;
	if (!pause->paused) {
		endpoint->enabled = true;
		endpoint->failing = false;
		endpoint->failing_since_ms = 0;
	}
	hs_log(INFO, pause->paused ? "webhook.paused" : "webhook.resumed", LOG_TEXT("webhook", endpoint->id),
	       LOG_INT("waiting", endpoint->waiting));
	dispatch_changed(hookd->dispatch, endpoint);
	if (dispatch_commit(hookd->dispatch) < 0) {
		hs_bus_refuse(request, HS_ERROR_UNAVAILABLE, NULL, NULL, "the outbox cannot be written; see health");
		return;
	}
	endpoint_describe(endpoint, &webhook);
	hs_bus_answer(request, &answer);
}

/* ---- hook.attempts ---- */

static void serve_attempts(void *context, struct hs_request *request)
{
	struct hookd *hookd = context;
	const struct hs_hook_attempts *wanted = request->body;
	struct endpoint *endpoint = serve_find(hookd, request, wanted->webhook);
	struct hs_arena *arena;
	struct hs_hook_attempts_answer answer = {0};
	int64_t last = 0;

	if (!endpoint)
		return;
	arena = hs_arena_create();
	answer.attempts = hs_arena_alloc(arena, (size_t)wanted->limit * sizeof(*answer.attempts));
	answer.attempts_count =
		ledger_list(dispatch_ledger(hookd->dispatch, endpoint), wanted->has_since ? wanted->since : -1,
			    (size_t)wanted->limit, arena, answer.attempts, &last);
	answer.cursor = last;
	if (answer.attempts_count)
		answer.cursor = answer.attempts[answer.attempts_count - 1].number;
	answer.more = answer.cursor < last;
	hs_bus_answer(request, &answer);
	hs_arena_destroy(arena);
}

/* ---- hook.delete ---- */

bool serve_is_declared(struct hs_request *request, const struct endpoint *endpoint)
{
	if (endpoint->declared)
		hs_bus_refuse(request, HS_ERROR_WRONG_STATE, "webhook", "declared",
			      "the configuration file declares it (webhooks): change it there");
	return endpoint->declared;
}

static void serve_delete(void *context, struct hs_request *request)
{
	struct hookd *hookd = context;
	const struct hs_hook_delete *delete = request->body;
	struct endpoint *endpoint = serve_find(hookd, request, delete->webhook);

	if (!endpoint || serve_is_declared(request, endpoint) || serve_is_stuck(hookd, request))
		return;
	hs_log(INFO, "webhook.deleted", LOG_TEXT("webhook", endpoint->id), LOG_INT("dropped", endpoint->waiting));
	dispatch_remove(hookd->dispatch, endpoint);
	if (dispatch_commit(hookd->dispatch) < 0)
		hs_bus_refuse(request, HS_ERROR_UNAVAILABLE, NULL, NULL, "the outbox cannot be written; see health");
	else
		hs_bus_answer(request, NULL);
}

/* ---- hook.dead, hook.replay, hook.revive ---- */

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

	if (serve_is_stuck(hookd, request))
		return;
	if (dispatch_replay(hookd->dispatch, replay->delivery) < 0)
		hs_bus_refuse(request, HS_ERROR_NOT_FOUND, "delivery", NULL, "there is no dead letter of this id");
	else if (dispatch_commit(hookd->dispatch) < 0)
		hs_bus_refuse(request, HS_ERROR_UNAVAILABLE, NULL, NULL, "the outbox cannot be written; see health");
	else
		hs_bus_answer(request, NULL);
}

static void serve_revive(void *context, struct hs_request *request)
{
	struct hookd *hookd = context;
	const struct hs_hook_revive *revive = request->body;
	bool of_one = revive->webhook;
	struct endpoint *endpoint = of_one ? serve_find(hookd, request, revive->webhook) : NULL;
	struct hs_hook_revive_answer answer;

	if ((of_one && !endpoint) || serve_is_stuck(hookd, request))
		return;
	answer.queued = dispatch_replay_all(hookd->dispatch, endpoint);
	if (dispatch_commit(hookd->dispatch) < 0)
		hs_bus_refuse(request, HS_ERROR_UNAVAILABLE, NULL, NULL, "the outbox cannot be written; see health");
	else
		hs_bus_answer(request, &answer);
}

void serve_finish(struct hookd *hookd)
{
	put_finish(hookd);
	trial_finish(hookd);
	again_finish(hookd);
}

const struct hs_door serve_doors[SERVE_DOORS] = {
	{HS_HOOK_LIST, serve_list},     {HS_HOOK_PUT, serve_put},           {HS_HOOK_CHANGE, serve_change},
	{HS_HOOK_ROTATE, serve_rotate}, {HS_HOOK_PAUSE, serve_pause},       {HS_HOOK_DELETE, serve_delete},
	{HS_HOOK_TEST, serve_test},     {HS_HOOK_ATTEMPTS, serve_attempts}, {HS_HOOK_AGAIN, serve_again},
	{HS_HOOK_DEAD, serve_dead},     {HS_HOOK_REPLAY, serve_replay},     {HS_HOOK_REVIVE, serve_revive},
	{HS_HOOK_VERIFY, serve_verify},
};
