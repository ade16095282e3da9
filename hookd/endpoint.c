#include "endpoint.h"
#include "cleanup.h"
#include "log.h"
#include "secret.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* These two ids belong to webhooks.outgoing. */
static enum match_kind kind_of(const struct outbox_endpoint *row)
{
	if (!strcmp(row->id, "dtmf"))
		return MATCH_DTMF;
	return !strcmp(row->id, "state") ? MATCH_STATE : MATCH_EVENT;
}

static void forget_words(struct endpoint_words *words)
{
	for (size_t i = 0; i < words->count; i++)
		free(words->list[i]);
	free(words->list);
	free(words->text);
	*words = (struct endpoint_words){0};
}

void endpoint_set_words(struct endpoint_words *kind, const char *words)
{
	char *text = hs_strdup(words ? words : "");

	forget_words(kind);
	kind->text = text;
	for (const char *at = text + strspn(text, " "); *at; at += strspn(at, " ")) {
		size_t length = strcspn(at, " ");

		kind->list = hs_resize(kind->list, kind->count + 1, sizeof(char *));
		kind->list[kind->count++] = hs_printf("%.*s", (int)length, at);
		at += length;
	}
}

static char *copy_or_none(const char *text)
{
	return text && *text ? hs_strdup(text) : NULL;
}

struct endpoint *endpoint_create(const struct outbox_endpoint *row)
{
	struct endpoint *endpoint = hs_zalloc(sizeof(*endpoint));
	char why[EGRESS_WHY];

	endpoint->number = row->number;
	endpoint->id = hs_strdup(row->id);
	endpoint->given_url = hs_strdup(row->url);
	endpoint->sealed = hs_strdup(row->sealed);
	endpoint->kind = kind_of(row);
	endpoint->declared = row->declared;
	endpoint->enabled = row->enabled;
	endpoint->failing_since_ms = row->failing_since_ms;
	endpoint->delivered = row->delivered;
	endpoint->dead = row->dead;
	endpoint->last_status = row->last_status;
	hs_copy(endpoint->last_error, sizeof(endpoint->last_error), row->last_error);
	endpoint->style = row->style ? (enum hs_webhook_style)row->style : HS_WEBHOOK_STYLE_STANDARD;
	endpoint->paused = row->paused;
	endpoint->ca = copy_or_none(row->ca);
	endpoint->cert = copy_or_none(row->cert);
	endpoint->sealed_key = copy_or_none(row->sealed_key);
	endpoint->old_until_ms = row->old_until_ms;
	endpoint->skipped = row->skipped;
	hs_copy(endpoint->skipped_from, sizeof(endpoint->skipped_from), row->skipped_from);
	endpoint->tls.ca = endpoint->ca;
	endpoint->tls.cert = endpoint->cert;
	endpoint_set_words(&endpoint->words, row->words);
	endpoint_set_words(&endpoint->lines, row->lines);
	endpoint_set_words(&endpoint->calls, row->calls);
	if (egress_parse_url(row->url, EGRESS_HTTP, &endpoint->url, why) < 0) {
		hs_log(ERROR, "webhook.bad_url", LOG_TEXT("webhook", row->id), LOG_WHY(why));
		endpoint_destroy(endpoint);
		return NULL;
	}
	return endpoint;
}

int endpoint_move(struct endpoint *endpoint, const char *url, const char *sealed)
{
	struct egress_url parsed;
	char why[EGRESS_WHY];

	if (egress_parse_url(url, EGRESS_HTTP, &parsed, why) < 0) {
		hs_log(ERROR, "webhook.bad_url", LOG_TEXT("webhook", endpoint->id), LOG_WHY(why));
		return -EINVAL;
	}
	endpoint->url = parsed;
	free(endpoint->given_url);
	endpoint->given_url = hs_strdup(url);
	free(endpoint->sealed);
	endpoint->sealed = hs_strdup(sealed);
	endpoint_close_secrets(endpoint);
	endpoint->enabled = true;
	endpoint->failing_since_ms = 0;
	return 0;
}

static void swap_text(char **one, char **other)
{
	char *kept = *one;

	*one = *other;
	*other = kept;
}

static void swap_words(struct endpoint_words *one, struct endpoint_words *other)
{
	struct endpoint_words kept = *one;

	*one = *other;
	*other = kept;
}

void endpoint_become(struct endpoint *endpoint, struct endpoint *draft)
{
	if (strcmp(endpoint->given_url, draft->given_url) != 0) {
		endpoint->enabled = true;
		endpoint->failing_since_ms = 0;
	}
	endpoint_close_secrets(endpoint);
	endpoint->url = draft->url;
	endpoint->style = draft->style;
	endpoint->old_until_ms = draft->old_until_ms;
	endpoint->tls = (struct deliver_tls){.ca = draft->ca, .cert = draft->cert};
	swap_text(&endpoint->given_url, &draft->given_url);
	swap_text(&endpoint->sealed, &draft->sealed);
	swap_text(&endpoint->ca, &draft->ca);
	swap_text(&endpoint->cert, &draft->cert);
	swap_text(&endpoint->sealed_key, &draft->sealed_key);
	swap_words(&endpoint->words, &draft->words);
	swap_words(&endpoint->lines, &draft->lines);
	swap_words(&endpoint->calls, &draft->calls);
	endpoint_destroy(draft);
}

void endpoint_destroy(struct endpoint *endpoint)
{
	if (!endpoint)
		return;
	endpoint_close_secrets(endpoint);
	forget_words(&endpoint->words);
	forget_words(&endpoint->lines);
	forget_words(&endpoint->calls);
	free(endpoint->ca);
	free(endpoint->cert);
	free(endpoint->sealed_key);
	free(endpoint->id);
	free(endpoint->given_url);
	free(endpoint->sealed);
	free(endpoint);
}

static struct match_words words_of(const struct endpoint_words *words)
{
	return (struct match_words){(const char *const *)words->list, words->count};
}

struct match_filter endpoint_filter(const struct endpoint *endpoint)
{
	return (struct match_filter){endpoint->kind, words_of(&endpoint->words), words_of(&endpoint->lines),
				     words_of(&endpoint->calls)};
}

struct outbox_endpoint endpoint_row(const struct endpoint *endpoint)
{
	return (struct outbox_endpoint){
		.number = endpoint->number,
		.id = endpoint->id,
		.url = endpoint->given_url,
		.words = endpoint->words.text,
		.lines = endpoint->lines.text,
		.calls = endpoint->calls.text,
		.style = (int)endpoint->style,
		.sealed = endpoint->sealed,
		.ca = endpoint->ca,
		.cert = endpoint->cert,
		.sealed_key = endpoint->sealed_key,
		.declared = endpoint->declared,
		.enabled = endpoint->enabled,
		.paused = endpoint->paused,
		.old_until_ms = endpoint->old_until_ms,
		.failing_since_ms = endpoint->failing_since_ms,
		.delivered = endpoint->delivered,
		.dead = endpoint->dead,
		.last_status = endpoint->last_status,
		.last_error = endpoint->last_error,
		.skipped = endpoint->skipped,
		.skipped_from = endpoint->skipped_from,
	};
}

void endpoint_save(struct endpoint *endpoint, struct outbox *outbox)
{
	struct outbox_endpoint row = endpoint_row(endpoint);

	endpoint->number = outbox_save_endpoint(outbox, &row);
}

/* ---- What others see ---- */

void endpoint_describe(const struct endpoint *endpoint, struct hs_webhook *ret_webhook)
{
	*ret_webhook = (struct hs_webhook){
		.id = endpoint->id,
		.url = endpoint->given_url,
		.events_count = endpoint->words.count,
		.events = (const char **)endpoint->words.list,
		.lines_count = endpoint->lines.count,
		.lines = (const char **)endpoint->lines.list,
		.calls_count = endpoint->calls.count,
		.calls = (const char **)endpoint->calls.list,
		.style = endpoint->style,
		.declared = endpoint->declared,
		.enabled = endpoint->enabled,
		.paused = endpoint->paused,
		.failing = endpoint->failing,
		.own_ca = endpoint->tls.ca || endpoint->tls.ca_file,
		.client_cert = endpoint->tls.cert || endpoint->tls.cert_file,
		.public_key = *endpoint->public_key ? endpoint->public_key : NULL,
		.old_secret_until = endpoint->old_until_ms,
		.pending = endpoint->waiting,
		.delivered = endpoint->delivered,
		.dead = endpoint->dead,
		.has_last_status = endpoint->last_status > 0,
		.last_status = endpoint->last_status,
		.last_error = *endpoint->last_error ? endpoint->last_error : NULL,
		.skipped = endpoint->skipped,
		.skipped_from = *endpoint->skipped_from ? endpoint->skipped_from : NULL,
	};
}

const char *endpoint_label(const struct endpoint *endpoint)
{
	static const char *const labels[] = {[MATCH_STATE] = "state", [MATCH_DTMF] = "dtmf", [MATCH_EVENT] = "api"};

	return labels[endpoint->kind];
}
