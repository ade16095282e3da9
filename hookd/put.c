/* What is asked for is built as an endpoint that nobody knows yet, the draft. It is judged as a whole (filter, URL,
 * secrets, what its host resolves to), and then stored, or takes the place of the one it is for. */
#include "cleanup.h"
#include "clock.h"
#include "hookd.h"
#include "log.h"
#include "wire.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A request whose host is being resolved before it is judged. */
struct putting {
	struct hookd *hookd;
	struct hs_request *request;
	struct endpoint *draft;
	void (*store)(struct hookd *hookd, struct hs_request *request, struct endpoint *draft);
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

/* ---- Judging ---- */

static bool words_are_good(struct hs_request *request, const char *const *events, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!hs_wire_event_word(events[i]) || strchr(events[i], ' ')) {
			hs_bus_refuse(request, HS_ERROR_INVALID, "events", NULL,
				      "\"%s\" is neither an event type (call.ended, call.*, *) nor a line state",
				      events[i]);
			return false;
		}
	return true;
}

static bool is_pem(const char *text)
{
	return !text || strstr(text, "-----BEGIN ");
}

/* Whether it can be used is seen when the receiver is spoken to: hookctl, or the test, shows what went wrong. */
static bool tls_is_good(struct hs_request *request, const struct hs_webhook_tls *tls)
{
	if (!tls)
		return true;
	if (!is_pem(tls->ca) || !is_pem(tls->client_cert))
		hs_bus_refuse(request, HS_ERROR_INVALID, tls->ca && !is_pem(tls->ca) ? "tls.ca" : "tls.client_cert",
			      NULL, "it is not in PEM (-----BEGIN CERTIFICATE-----)");
	else if (!tls->client_cert != !tls->client_key)
		hs_bus_refuse(request, HS_ERROR_INVALID, "tls.client_key", NULL,
			      "a certificate and its key come together");
	else
		return true;
	return false;
}

/* Refuses and destroys the draft when something is wrong with it. */
static bool draft_is_good(struct hookd *hookd, struct hs_request *request, struct endpoint *draft)
{
	char why[EGRESS_WHY];
	int error = endpoint_open_secrets(draft, hookd->house->home);
	bool blocked = egress_check_url(&hookd->rules, &draft->url, why) < 0;

	if (error == -EXDEV)
		hs_log(ERROR, "webhook.redirected", LOG_TEXT("webhook", draft->id), LOG_TEXT("host", draft->url.host),
		       LOG_WHY("its secret was sealed for another URL"));
	if (error == 0)
		error = endpoint_reseal(draft, hookd->house->home); /* apid sealed it just before a rotation */
	if (error >= 0 && !blocked)
		return true;
	if (blocked)
		hs_bus_refuse(request, HS_ERROR_INVALID, "url", NULL, "%s", why);
	else
		hs_bus_refuse(request, HS_ERROR_INVALID, "secret", NULL,
			      "it is not a whsec_ secret, or a key, sealed to hookd for this URL");
	endpoint_destroy(draft);
	return false;
}

/* A name that cannot be resolved now is taken: every attempt checks again. One that leads inside is refused. */
static void on_resolved(void *context, const struct egress_address *addresses, size_t count, const char *why)
{
	struct putting *putting = take_out(context);
	char sentence[EGRESS_WHY];

	if (count && egress_check(&putting->hookd->rules, &putting->draft->url, addresses, count, sentence) < 0) {
		hs_bus_refuse(putting->request, HS_ERROR_INVALID, "url", NULL, "%s", sentence);
		endpoint_destroy(putting->draft);
	} else {
		putting->store(putting->hookd, putting->request, putting->draft);
	}
	free(putting);
}

static void judge(struct hookd *hookd, struct hs_request *request, struct endpoint *draft,
		  void (*store)(struct hookd *hookd, struct hs_request *request, struct endpoint *draft))
{
	struct putting *putting;

	if (!draft_is_good(hookd, request, draft))
		return;
	if (draft->url.numeric) {
		store(hookd, request, draft);
		return;
	}
	putting = hs_zalloc(sizeof(*putting));
	*putting = (struct putting){hookd, request, draft, store, NULL, hookd->putting};
	hookd->putting = putting;
	putting->question = resolve_ask(hookd->resolve, draft->url.host, on_resolved, putting);
}

void put_finish(struct hookd *hookd)
{
	for (struct putting *putting = TAKE(hookd->putting), *next; putting; putting = next) {
		next = putting->next;
		resolve_forget(putting->question);
		hs_bus_refuse(putting->request, HS_ERROR_UNAVAILABLE, NULL, NULL, "hookd ends; ask again");
		endpoint_destroy(putting->draft);
		free(putting);
	}
}

/* ---- hook.put ---- */

static char *join(const char *const *words, size_t count)
{
	char *text = hs_strdup("");

	for (size_t i = 0; i < count; i++) {
		AUTO(free) char *before = text;

		text = hs_printf("%s%s%s", before, i ? " " : "", words[i]);
	}
	return text;
}

static void set_tls(struct outbox_endpoint *row, const struct hs_webhook_tls *tls)
{
	row->ca = tls->ca;
	row->cert = tls->client_cert;
	row->sealed_key = tls->client_key;
}

static struct endpoint *draft_of(const struct hs_hook_put *put)
{
	AUTO(free) char *words = join((const char *const *)put->events, put->events_count);
	AUTO(free) char *lines = join((const char *const *)put->lines, put->lines_count);
	AUTO(free) char *calls = join((const char *const *)put->calls, put->calls_count);
	struct outbox_endpoint row = {
		.id = put->webhook,
		.url = put->url,
		.words = words,
		.lines = lines,
		.calls = calls,
		.style = (int)put->style,
		.sealed = put->secret,
		.enabled = true,
		.paused = put->has_paused && put->paused,
	};

	if (put->tls)
		set_tls(&row, put->tls);
	return endpoint_create(&row);
}

static void answer_put(struct hs_request *request, const struct endpoint *endpoint)
{
	struct hs_webhook webhook;
	struct hs_hook_put_answer answer = {&webhook};

	endpoint_describe(endpoint, &webhook);
	hs_bus_answer(request, &answer);
}

static void store_new(struct hookd *hookd, struct hs_request *request, struct endpoint *draft)
{
	struct endpoint *known = dispatch_find(hookd->dispatch, draft->id);

	if (known) { /* asked again while the name was being resolved */
		endpoint_destroy(draft);
		answer_put(request, known);
	} else if (dispatch_add(hookd->dispatch, draft) < 0) {
		endpoint_destroy(draft);
		hs_bus_refuse(request, HS_ERROR_OVERLOADED, NULL, NULL, "there are %d endpoints; delete one first",
			      DISPATCH_MAX_ENDPOINTS);
	} else if (dispatch_commit(hookd->dispatch) < 0) {
		dispatch_remove(hookd->dispatch, draft);
		hs_bus_refuse(request, HS_ERROR_UNAVAILABLE, NULL, NULL, "the endpoint cannot be stored; see health");
	} else {
		hs_log(INFO, "webhook.added", LOG_TEXT("webhook", draft->id), LOG_TEXT("host", draft->url.host));
		answer_put(request, draft);
	}
}

void serve_put(void *context, struct hs_request *request)
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
	else if (serve_is_stuck(hookd, request))
		return;
	else if (egress_parse_url(put->url, EGRESS_HTTP, &url, why) < 0)
		hs_bus_refuse(request, HS_ERROR_INVALID, "url", NULL, "%s", why);
	else if (words_are_good(request, (const char *const *)put->events, put->events_count) &&
		 tls_is_good(request, put->tls))
		judge(hookd, request, draft_of(put), store_new);
}

/* ---- hook.change ---- */

/* A key is worth nothing at another URL: it was sealed for the one there was. */
static struct endpoint *draft_from(const struct endpoint *known, const struct hs_hook_change *change)
{
	AUTO(free) char *words = join((const char *const *)change->events, change->events_count);
	AUTO(free) char *lines = join((const char *const *)change->lines, change->lines_count);
	AUTO(free) char *calls = join((const char *const *)change->calls, change->calls_count);
	struct outbox_endpoint row = endpoint_row(known);

	row.words = words;
	row.lines = lines;
	row.calls = calls;
	row.style = change->style ? (int)change->style : row.style;
	if (change->url && strcmp(change->url, known->given_url) != 0) {
		row.url = change->url;
		row.sealed = change->secret ? change->secret : "";
		row.old_until_ms = 0;
		row.cert = row.sealed_key = NULL;
	}
	if (change->tls)
		set_tls(&row, change->tls);
	return endpoint_create(&row);
}

static void store_change(struct hookd *hookd, struct hs_request *request, struct endpoint *draft)
{
	struct endpoint *endpoint = dispatch_find(hookd->dispatch, draft->id);
	bool moved = endpoint && strcmp(endpoint->given_url, draft->given_url) != 0;
	struct hs_webhook webhook;
	struct hs_hook_change_answer answer = {&webhook, moved};

	if (!endpoint) { /* removed while the name was being resolved */
		endpoint_destroy(draft);
		hs_bus_refuse(request, HS_ERROR_NOT_FOUND, "webhook", NULL, "there is no endpoint of this id");
		return;
	}
	endpoint_become(endpoint, draft);
	endpoint_open_secrets(endpoint, hookd->house->home);
	dispatch_changed(hookd->dispatch, endpoint);
	if (dispatch_commit(hookd->dispatch) < 0) {
		hs_bus_refuse(request, HS_ERROR_UNAVAILABLE, NULL, NULL, "the endpoint cannot be stored; see health");
		return;
	}
	hs_log(INFO, "webhook.changed", LOG_TEXT("webhook", endpoint->id), LOG_TEXT("host", endpoint->url.host),
	       LOG_TEXT("moved", moved ? "true" : "false"));
	endpoint_describe(endpoint, &webhook);
	hs_bus_answer(request, &answer);
}

void serve_change(void *context, struct hs_request *request)
{
	struct hookd *hookd = context;
	const struct hs_hook_change *change = request->body;
	struct endpoint *known = serve_find(hookd, request, change->webhook);
	struct egress_url url;
	char why[EGRESS_WHY];

	if (!known || serve_is_declared(request, known) || serve_is_stuck(hookd, request))
		return;
	if (change->url && egress_parse_url(change->url, EGRESS_HTTP, &url, why) < 0)
		hs_bus_refuse(request, HS_ERROR_INVALID, "url", NULL, "%s", why);
	else if (words_are_good(request, (const char *const *)change->events, change->events_count) &&
		 tls_is_good(request, change->tls))
		judge(hookd, request, draft_from(known, change), store_change);
}

/* ---- hook.rotate ---- */

void serve_rotate(void *context, struct hs_request *request)
{
	struct hookd *hookd = context;
	const struct hs_hook_rotate *rotate = request->body;
	struct endpoint *endpoint = serve_find(hookd, request, rotate->webhook);
	int64_t now_ms = hs_clock_wall_ms();
	struct hs_webhook webhook;
	struct hs_hook_rotate_answer answer = {&webhook};

	if (!endpoint || serve_is_declared(request, endpoint) || serve_is_stuck(hookd, request))
		return;
	if (endpoint_rotate(endpoint, hookd->house->home, rotate->secret, now_ms + rotate->keep_s * 1000, now_ms) < 0) {
		hs_bus_refuse(request, HS_ERROR_INVALID, "secret", NULL,
			      "it is not a whsec_ secret sealed to hookd for this URL");
		return;
	}
	dispatch_changed(hookd->dispatch, endpoint);
	if (dispatch_commit(hookd->dispatch) < 0) {
		hs_bus_refuse(request, HS_ERROR_UNAVAILABLE, NULL, NULL, "the endpoint cannot be stored; see health");
		return;
	}
	hs_log(INFO, "webhook.rotated", LOG_TEXT("webhook", endpoint->id), LOG_INT("keep_s", rotate->keep_s));
	endpoint_describe(endpoint, &webhook);
	hs_bus_answer(request, &answer);
}
