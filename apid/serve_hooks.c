/* Requests about webhooks: hookd owns them; apid checks the token, makes ids and secrets, and passes on. */
#include "cleanup.h"
#include "id.h"
#include "secret.h"
#include "serve.h"
#include "wire.h"
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define SECRET_RANDOM 32 /* bytes; Standard Webhooks asks for 24 to 64 */
#define SECRET_TEXT 64
#define DEAD_LIMIT 100

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

static void webhooks_delete(struct visit *visit)
{
	const struct hs_webhooks_delete *body = visit->request->body;
	struct hs_hook_delete ask = {body->webhook};

	ask_hookd(visit, HS_HOOK_DELETE, &ask, pass_on, visit);
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

/* ---- making one ---- */

struct making {
	struct visit *visit;
	char id[HS_ID_BYTES];
	char secret[SECRET_TEXT];
};

static void making_destroy(struct making *making)
{
	sodium_memzero(making->secret, sizeof(making->secret));
	free(making);
}

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

static bool is_event_name(const char *name)
{
	int message = hs_wire_find(name);

	return (message >= 0 && hs_messages[message].kind == HS_EVENT) || hs_wire_word(&hs_enum_line_state, name) > 0;
}

static void webhooks_create(struct visit *visit)
{
	const struct hs_webhooks_create *body = visit->request->body;
	AUTO(free) char *destination = hs_printf("url:%s", body->url);
	AUTO(free) char *sealed = NULL;
	struct hs_hook_put ask = {.url = body->url, .events_count = body->events_count, .events = body->events};
	struct making *making;

	for (size_t i = 0; i < body->events_count; i++) {
		if (is_event_name(body->events[i]))
			continue;
		visit_refuse(visit, HS_ERROR_INVALID, "events", NULL, "there is no event '%.64s'", body->events[i]);
		return;
	}
	making = hs_zalloc(sizeof(*making));
	making->visit = visit;
	hs_id_make('w', visit->apid->house->config->node, making->id);
	make_secret(making->secret);
	sealed = hs_secret_seal(visit->apid->house->home, HS_ROLE_HOOKD, destination, making->secret);
	if (!sealed) {
		visit_refuse(visit, HS_ERROR_UNAVAILABLE, NULL, NULL, "hookd has not made its key yet");
		making_destroy(making);
		return;
	}
	ask.webhook = making->id;
	ask.secret = sealed;
	ask_hookd(visit, HS_HOOK_PUT, &ask, hook_made, making);
}

const struct serve_row serve_hook_rows[] = {
	{.message = HS_WEBHOOKS_LIST, .handle = webhooks_list},
	{.message = HS_WEBHOOKS_CREATE, .handle = webhooks_create, .changes = true, .unstored = true},
	{.message = HS_WEBHOOKS_DELETE, .handle = webhooks_delete},
	{.message = HS_WEBHOOKS_DEAD, .handle = webhooks_dead},
	{.message = HS_WEBHOOKS_REPLAY, .handle = webhooks_replay, .changes = true},
	{.handle = NULL},
};
