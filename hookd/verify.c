/* Requests that others sign: the secrets are here, what is done is apid's business. Who is unknown, who signs wrongly
 * and who comes too late are told the same. */
#include "cleanup.h"
#include "clock.h"
#include "hookd.h"
#include "log.h"
#include "metrics.h"
#include "secret.h"
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define TOLERANCE_S 300

static const struct hs_config_incoming *find(const struct hookd *hookd, const char *id)
{
	const struct hs_config_webhooks *webhooks = hookd->house->config->webhooks;

	for (size_t i = 0; i < webhooks->incoming_count; i++)
		if (!strcmp(webhooks->incoming[i].id, id))
			return &webhooks->incoming[i];
	return NULL;
}

static bool read_timestamp(const char *text, int64_t *ret_s)
{
	char *end;

	if (strspn(text, "0123456789") != strlen(text) || !*text || strlen(text) > 12)
		return false;
	*ret_s = strtoll(text, &end, 10);
	return true;
}

static bool open_secrets(const struct hookd *hookd, const struct hs_config_incoming *hook, struct sign_secrets *ret)
{
	AUTO(free) char *destination = hs_printf("hook:%s", hook->id);
	char *secret = NULL;
	int error = hs_secret_open(hookd->house->home, HS_ROLE_HOOKD, destination, hook->secret, &secret);

	if (error == 0)
		error = sign_read_secrets(secret, ret);
	hs_secret_wipe(secret);
	if (error < 0)
		hs_log(ERROR, "hook.secret_unusable", LOG_TEXT("hook", hook->id),
		       LOG_WHY("seal it for this hook: hookctl seal hook ID"));
	return error == 0;
}

/* Whether one of the given signatures is ours. Each is compared to its end, whatever comes first. */
static bool is_among(const char *ours, const char *given)
{
	size_t length = strlen(ours);
	bool found = false;

	for (const char *at = given + strspn(given, " "); *at; at += strspn(at, " ")) {
		size_t bytes = strcspn(at, " ");

		if (bytes == length)
			found |= sodium_memcmp(at, ours, length) == 0;
		at += bytes;
	}
	return found;
}

static bool fits(const struct sign_secrets *secrets, const struct hs_hook_verify *verify, int64_t timestamp_s)
{
	bool found = false;

	for (size_t i = 0; i < secrets->count; i++) {
		struct sign_secrets one = {.secrets = {secrets->secrets[i]}, .count = 1};
		char ours[SIGN_HEADER_TEXT];

		sign_message(&one, verify->id, timestamp_s, verify->payload, strlen(verify->payload), ours);
		found |= is_among(ours, verify->signature);
		sign_wipe(&one);
	}
	return found;
}

static bool is_signed(const struct hookd *hookd, const struct hs_hook_verify *verify)
{
	const struct hs_config_incoming *hook = find(hookd, verify->hook);
	struct sign_secrets secrets = {0};
	int64_t timestamp_s = 0, now_s = hs_clock_wall_ms() / 1000;
	bool is_fresh = read_timestamp(verify->timestamp, &timestamp_s) && timestamp_s >= now_s - TOLERANCE_S &&
			timestamp_s <= now_s + TOLERANCE_S;
	bool is_good = hook && open_secrets(hookd, hook, &secrets) && fits(&secrets, verify, timestamp_s) && is_fresh;

	sign_wipe(&secrets);
	return is_good;
}

void serve_verify(void *context, struct hs_request *request)
{
	struct hookd *hookd = context;

	if (is_signed(hookd, request->body)) {
		hs_bus_answer(request, NULL);
		return;
	}
	hs_metric_add(hs_metric_counter("hookswitch_hooks_refused_total", "",
					"Requests to webhooks.incoming that were not signed by who may."),
		      1);
	hs_bus_refuse(request, HS_ERROR_UNAUTHORIZED, NULL, NULL,
		      "sign it as Standard Webhooks does, with this hook's secret and the time of now");
}
