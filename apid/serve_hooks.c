/* Requests about webhooks: hookd owns them; apid checks the token, makes ids and secrets, and passes on. */
#include "cleanup.h"
#include "id.h"
#include "incoming.h"
#include "log.h"
#include "secret.h"
#include "serve.h"
#include "wire.h"
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define SECRET_RANDOM 32 /* bytes; Standard Webhooks asks for 24 to 64 */
#define SECRET_TEXT 64
#define DEAD_LIMIT 100
#define ATTEMPTS_LIMIT 20
#define KEEP_S 86400 /* of the secret before */

static void ask_hookd(struct visit *visit, enum hs_message_id message, const void *body,
		      void (*answered)(void *context, const struct hs_answer *answer), void *context)
{
	struct hs_ask ask = {.to = HS_ROLE_HOOKD,
			     .message = message,
			     .body = body,
			     .request_id = visit->request->request_id,
			     .answered = answered,
			     .context = context};

	hs_bus_ask(visit->apid->house->bus, &ask);
}

/* Its answer has the same members as ours. */
static void pass_on(void *context, const struct hs_answer *answer)
{
	struct visit *visit = context;

	if (answer->error != HS_OK)
		visit_pass_refusal(visit, answer);
	else
		visit_answer(visit,
			     hs_messages[visit->request->message].answer->fields_count > 0 ? answer->body : NULL);
}

static void webhooks_list(struct visit *visit)
{
	ask_hookd(visit, HS_HOOK_LIST, NULL, pass_on, visit);
}

static void one_listed(void *context, const struct hs_answer *answer)
{
	struct visit *visit = context;
	const struct hs_hook_list_answer *list = answer->body;
	struct hs_webhooks_get_answer reply;

	if (answer->error != HS_OK || !list->webhooks_count) {
		visit_pass_refusal(visit, answer);
		return;
	}
	reply.webhook = list->webhooks;
	visit_answer(visit, &reply);
}

static void webhooks_get(struct visit *visit)
{
	const struct hs_webhooks_get *body = visit->request->body;
	struct hs_hook_list ask = {body->webhook};

	ask_hookd(visit, HS_HOOK_LIST, &ask, one_listed, visit);
}

static void webhooks_pause(struct visit *visit)
{
	const struct hs_webhooks_pause *body = visit->request->body;
	struct hs_hook_pause ask = {body->webhook, true};

	ask_hookd(visit, HS_HOOK_PAUSE, &ask, pass_on, visit);
}

static void webhooks_resume(struct visit *visit)
{
	const struct hs_webhooks_resume *body = visit->request->body;
	struct hs_hook_pause ask = {body->webhook, false};

	ask_hookd(visit, HS_HOOK_PAUSE, &ask, pass_on, visit);
}

static void webhooks_delete(struct visit *visit)
{
	const struct hs_webhooks_delete *body = visit->request->body;
	struct hs_hook_delete ask = {body->webhook};

	ask_hookd(visit, HS_HOOK_DELETE, &ask, pass_on, visit);
}

static void webhooks_test(struct visit *visit)
{
	const struct hs_webhooks_test *body = visit->request->body;
	struct hs_hook_test ask = {body->webhook};

	ask_hookd(visit, HS_HOOK_TEST, &ask, pass_on, visit);
}

static void webhooks_deliveries(struct visit *visit)
{
	const struct hs_webhooks_deliveries *body = visit->request->body;
	struct hs_hook_attempts ask = {.webhook = body->webhook,
				       .has_since = body->has_since,
				       .since = body->since,
				       .limit = body->has_limit ? body->limit : ATTEMPTS_LIMIT};

	ask_hookd(visit, HS_HOOK_ATTEMPTS, &ask, pass_on, visit);
}

static void webhooks_again(struct visit *visit)
{
	const struct hs_webhooks_again *body = visit->request->body;
	struct hs_hook_again ask = {body->webhook, body->delivery, body->from, body->to};

	ask_hookd(visit, HS_HOOK_AGAIN, &ask, pass_on, visit);
}

static void webhooks_dead(struct visit *visit)
{
	const struct hs_webhooks_dead *body = visit->request->body;
	struct hs_hook_dead ask = {body->webhook, body->has_limit ? body->limit : DEAD_LIMIT};

	ask_hookd(visit, HS_HOOK_DEAD, &ask, pass_on, visit);
}

static void webhooks_replay(struct visit *visit)
{
	const struct hs_webhooks_replay *body = visit->request->body;
	struct hs_hook_replay ask = {body->delivery};

	ask_hookd(visit, HS_HOOK_REPLAY, &ask, pass_on, visit);
}

static void webhooks_revive(struct visit *visit)
{
	const struct hs_webhooks_revive *body = visit->request->body;
	struct hs_hook_revive ask = {body->webhook};

	ask_hookd(visit, HS_HOOK_REVIVE, &ask, pass_on, visit);
}

/* ---- secrets ---- */

/* A secret in the making: told in the answer, and to hookd sealed for the URL. */
struct making {
	struct visit *visit;
	char id[HS_ID_BYTES];
	char secret[SECRET_TEXT];
	char *sealed, *sealed_key; /* NULL: none */
	struct hs_webhook_tls tls; /* what hookd gets of the client's, with the key sealed */
	struct hs_webhook_tls *given;
};

static void making_destroy(struct making *making)
{
	sodium_memzero(making->secret, sizeof(making->secret));
	free(making->sealed);
	free(making->sealed_key);
	free(making);
}

static void make_secret(char ret_secret[SECRET_TEXT])
{
	static const char prefix[] = "whsec_";
	unsigned char random[SECRET_RANDOM];

	randombytes_buf(random, sizeof(random));
	hs_copy(ret_secret, SECRET_TEXT, prefix);
	sodium_bin2base64(ret_secret + strlen(prefix), SECRET_TEXT - strlen(prefix), random, sizeof(random),
			  sodium_base64_VARIANT_ORIGINAL);
	sodium_memzero(random, sizeof(random));
}

/* Seals a new secret, and the client's key when there is one, for a URL. False, and the visit refused, without hookd's
 * key. */
static bool making_seal(struct making *making, const char *url, const struct hs_webhook_tls *tls)
{
	const char *home = making->visit->apid->house->home;
	AUTO(free) char *destination = hs_printf("url:%s", url);

	make_secret(making->secret);
	making->sealed = hs_secret_seal(home, HS_ROLE_HOOKD, destination, making->secret);
	if (tls) {
		making->tls = *tls;
		making->given = &making->tls;
	}
	if (tls && tls->client_key)
		making->tls.client_key = making->sealed_key =
			hs_secret_seal(home, HS_ROLE_HOOKD, destination, tls->client_key);
	if (making->sealed && (!tls || !tls->client_key || making->sealed_key))
		return true;
	visit_refuse(making->visit, HS_ERROR_UNAVAILABLE, NULL, NULL, "hookd has not made its key yet");
	return false;
}

static struct making *making_create(struct visit *visit)
{
	struct making *making = hs_zalloc(sizeof(*making));

	making->visit = visit;
	return making;
}

/* ---- making one ---- */

static void hook_made(void *context, const struct hs_answer *answer)
{
	struct making *making = context;
	const struct hs_hook_put_answer *body = answer->body;
	struct hs_webhooks_create_answer reply = {body ? body->webhook : NULL, making->secret};

	if (answer->error != HS_OK)
		visit_pass_refusal(making->visit, answer);
	else
		visit_answer(making->visit, &reply);
	making_destroy(making);
}

static bool refuse_names(struct visit *visit, const char *const *events, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (hs_wire_event_word(events[i]))
			continue;
		visit_refuse(visit, HS_ERROR_INVALID, "events", NULL, "there is no event '%.64s'", events[i]);
		return true;
	}
	return false;
}

static void webhooks_create(struct visit *visit)
{
	const struct hs_webhooks_create *body = visit->request->body;
	struct hs_hook_put ask = {
		.url = body->url,
		.events_count = body->events_count,
		.events = body->events,
		.lines_count = body->lines_count,
		.lines = body->lines,
		.calls_count = body->calls_count,
		.calls = body->calls,
		.style = body->style,
		.has_paused = body->has_paused,
		.paused = body->paused,
	};
	struct making *making;

	if (refuse_names(visit, (const char *const *)body->events, body->events_count))
		return;
	making = making_create(visit);
	hs_id_make('w', visit->apid->house->config->node, making->id);
	if (!making_seal(making, body->url, body->tls)) {
		making_destroy(making);
		return;
	}
	ask.webhook = making->id;
	ask.secret = making->sealed;
	ask.tls = making->given;
	ask_hookd(visit, HS_HOOK_PUT, &ask, hook_made, making);
}

/* ---- changing one ---- */

static void hook_changed(void *context, const struct hs_answer *answer)
{
	struct making *making = context;
	const struct hs_hook_change_answer *body = answer->body;
	struct hs_webhooks_change_answer reply = {body ? body->webhook : NULL,
						  body && body->moved ? making->secret : NULL};

	if (answer->error != HS_OK)
		visit_pass_refusal(making->visit, answer);
	else
		visit_answer(making->visit, &reply);
	making_destroy(making);
}

/* Where it is from now on is known: a secret is made for there, which hookd takes when this is a new place. */
static void change_at(struct making *making, const char *url)
{
	const struct hs_webhooks_change *body = making->visit->request->body;
	struct hs_hook_change ask = {
		.webhook = body->webhook,
		.url = body->url,
		.events_count = body->events_count,
		.events = body->events,
		.lines_count = body->lines_count,
		.lines = body->lines,
		.calls_count = body->calls_count,
		.calls = body->calls,
		.style = body->style,
	};

	if (!making_seal(making, url, body->tls)) {
		making_destroy(making);
		return;
	}
	ask.secret = body->url ? making->sealed : NULL;
	ask.tls = making->given;
	ask_hookd(making->visit, HS_HOOK_CHANGE, &ask, hook_changed, making);
}

/* Finds where an endpoint is. NULL, and all ended, when it is not there. */
static const char *url_of(struct making *making, const struct hs_answer *answer)
{
	const struct hs_hook_list_answer *list = answer->body;

	if (answer->error == HS_OK && list->webhooks_count)
		return list->webhooks[0].url;
	visit_pass_refusal(making->visit, answer);
	making_destroy(making);
	return NULL;
}

static void found_for_change(void *context, const struct hs_answer *answer)
{
	const char *url = url_of(context, answer);

	if (url)
		change_at(context, url);
}

static void webhooks_change(struct visit *visit)
{
	const struct hs_webhooks_change *body = visit->request->body;
	struct hs_hook_list ask = {body->webhook};
	struct making *making;

	if (refuse_names(visit, (const char *const *)body->events, body->events_count))
		return;
	making = making_create(visit);
	if (body->url)
		change_at(making, body->url);
	else
		ask_hookd(visit, HS_HOOK_LIST, &ask, found_for_change, making);
}

/* ---- a new secret ---- */

static void hook_rotated(void *context, const struct hs_answer *answer)
{
	struct making *making = context;
	const struct hs_hook_rotate_answer *body = answer->body;
	struct hs_webhooks_rotate_answer reply = {body ? body->webhook : NULL, making->secret};

	if (answer->error != HS_OK)
		visit_pass_refusal(making->visit, answer);
	else
		visit_answer(making->visit, &reply);
	making_destroy(making);
}

static void found_for_rotate(void *context, const struct hs_answer *answer)
{
	struct making *making = context;
	const struct hs_webhooks_rotate *body = making->visit->request->body;
	struct hs_hook_rotate ask = {.webhook = body->webhook, .keep_s = body->has_keep_s ? body->keep_s : KEEP_S};
	const char *url = url_of(making, answer);

	if (!url)
		return;
	if (!making_seal(making, url, NULL)) {
		making_destroy(making);
		return;
	}
	ask.secret = making->sealed;
	ask_hookd(making->visit, HS_HOOK_ROTATE, &ask, hook_rotated, making);
}

static void webhooks_rotate(struct visit *visit)
{
	const struct hs_webhooks_rotate *body = visit->request->body;
	struct hs_hook_list ask = {body->webhook};

	ask_hookd(visit, HS_HOOK_LIST, &ask, found_for_rotate, making_create(visit));
}

/* ---- hooks that others call ---- */

static void hook_verified(void *context, const struct hs_answer *answer)
{
	struct visit *visit = context;
	const struct hs_hooks_in *body = visit->request->body;
	const struct incoming_hook *hook = incoming_find(visit->apid->incoming, body->hook);
	AUTO(free) char *path = hs_printf("/api/v1/hooks/in/%s", body->hook);

	if (answer->error != HS_OK) {
		visit_pass_refusal(visit, answer);
		return;
	}
	if (!hook || !hook->token) { /* hookd was started with another configuration */
		visit_refuse(visit, HS_ERROR_NOT_FOUND, "hook", NULL, "there is no such hook");
		return;
	}
	hs_log(INFO, "hook.called", LOG_TEXT("hook", hook->id), LOG_TEXT("id", body->id),
	       LOG_TEXT("does", hs_messages[hook->message].name), LOG_TEXT("request", visit->request->request_id));
	visit_become(visit, hook->message, &hook->body, hook->token, path, body->id);
}

static void hooks_in(struct visit *visit)
{
	const struct hs_hooks_in *body = visit->request->body;
	struct hs_hook_verify ask = {body->hook, body->id, body->timestamp, body->signature, body->payload};

	ask_hookd(visit, HS_HOOK_VERIFY, &ask, hook_verified, visit);
}

const struct serve_row serve_hook_rows[] = {
	{.message = HS_WEBHOOKS_LIST, .handle = webhooks_list},
	{.message = HS_WEBHOOKS_GET, .handle = webhooks_get},
	{.message = HS_WEBHOOKS_CREATE, .handle = webhooks_create, .changes = true, .unstored = true},
	{.message = HS_WEBHOOKS_CHANGE, .handle = webhooks_change, .changes = true, .unstored = true},
	{.message = HS_WEBHOOKS_PAUSE, .handle = webhooks_pause, .changes = true},
	{.message = HS_WEBHOOKS_RESUME, .handle = webhooks_resume, .changes = true},
	{.message = HS_WEBHOOKS_ROTATE, .handle = webhooks_rotate, .changes = true, .unstored = true},
	{.message = HS_WEBHOOKS_TEST, .handle = webhooks_test, .changes = true, .unstored = true},
	{.message = HS_WEBHOOKS_DELIVERIES, .handle = webhooks_deliveries},
	{.message = HS_WEBHOOKS_AGAIN, .handle = webhooks_again, .changes = true},
	{.message = HS_WEBHOOKS_DELETE, .handle = webhooks_delete},
	{.message = HS_WEBHOOKS_DEAD, .handle = webhooks_dead},
	{.message = HS_WEBHOOKS_REPLAY, .handle = webhooks_replay, .changes = true},
	{.message = HS_WEBHOOKS_REVIVE, .handle = webhooks_revive, .changes = true},
	{.message = HS_HOOKS_IN, .handle = hooks_in, .changes = true},
	{.handle = NULL},
};
