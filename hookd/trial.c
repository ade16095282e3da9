#include "cleanup.h"
#include "clock.h"
#include "hookd.h"
#include "id.h"
#include "ledger.h"
#include "log.h"
#include "show.h"
#include <stdlib.h>
#include <string.h>

#define TRIAL_MS 8000 /* for the answer: who pressed the button waits */
#define TRIAL_TYPE "webhook.test"

struct trial {
	struct hookd *hookd;
	struct hs_request *request;
	struct lane *lane; /* held */
	char webhook[65], id[HS_ID_BYTES];
	char *body, *url, *signed_bytes;
	struct trial *next;
};

static void free_trial(struct trial *trial)
{
	free(trial->body);
	free(trial->url);
	free(trial->signed_bytes);
	free(trial);
}

static void end_trial(struct trial *trial)
{
	struct trial **at = &trial->hookd->trials;

	while (*at != trial)
		at = &(*at)->next;
	*at = trial->next;
	free_trial(trial);
}

/* The log of attempts has it too, with the rest. */
static void keep(struct trial *trial, const struct show_what *what, const struct deliver_result *result)
{
	struct endpoint *endpoint = dispatch_find(trial->hookd->dispatch, trial->webhook);
	struct show show;

	if (!endpoint)
		return;
	show_blotted(what, result, &show);
	ledger_add(dispatch_ledger(trial->hookd->dispatch, endpoint), &show.attempt);
	show_finish(&show);
}

static void done(void *context, const struct deliver_result *result)
{
	struct trial *trial = context;
	struct show_what what = {
		.delivery = trial->id,
		.type = TRIAL_TYPE,
		.cursor = "",
		.url = trial->url,
		.body = trial->body,
		.bytes = strlen(trial->body),
		.attempt = 1,
	};
	struct show show;
	struct hs_hook_test_answer answer = {&show.attempt, trial->signed_bytes};

	keep(trial, &what, result);
	show_whole(&what, result, &show);
	hs_log(INFO, "webhook.tested", LOG_TEXT("webhook", trial->webhook), LOG_INT("status", result->status),
	       LOG_WHY(*result->why ? result->why : NULL));
	hs_bus_answer(trial->request, &answer);
	show_finish(&show);
	dispatch_let_go(trial->lane);
	end_trial(trial);
}

static void send_trial(struct trial *trial, const struct endpoint *endpoint)
{
	struct sign_lines lines;
	struct sign_request to_sign = {
		.style = endpoint->style,
		.secrets = &endpoint->secrets,
		.url = endpoint->given_url,
		.id = trial->id,
		.timestamp_s = hs_clock_wall_ms() / 1000,
		.body = trial->body,
		.bytes = strlen(trial->body),
	};
	struct deliver_request request = {
		.url = &endpoint->url,
		.tls = &endpoint->tls,
		.lines = &lines,
		.body = trial->body,
		.bytes = strlen(trial->body),
		.timeout_ms = TRIAL_MS,
		.done = done,
		.context = trial,
	};

	sign_attempt(&to_sign, &lines);
	trial->signed_bytes = sign_bytes(&to_sign);
	deliver_start(trial->hookd->deliver, &request);
}

void serve_test(void *context, struct hs_request *request)
{
	struct hookd *hookd = context;
	const struct hs_hook_test *test = request->body;
	struct endpoint *endpoint = serve_find(hookd, request, test->webhook);
	char now[HS_CLOCK_TEXT];
	struct trial *trial;

	if (!endpoint)
		return;
	if (endpoint_open_secrets(endpoint, hookd->house->home) < 0) {
		hs_bus_refuse(request, HS_ERROR_UNAVAILABLE, NULL, NULL,
			      "its secret cannot be opened: nothing is sent unsigned; the log says why");
		return;
	}
	trial = hs_zalloc(sizeof(*trial));
	*trial = (struct trial){.hookd = hookd, .request = request, .next = hookd->trials};
	hookd->trials = trial;
	trial->lane = dispatch_hold(hookd->dispatch, endpoint);
	hs_copy(trial->webhook, sizeof(trial->webhook), endpoint->id);
	hs_id_make('t', hookd->house->config->node, trial->id);
	hs_clock_format(hs_clock_wall_ms(), now);
	trial->url = hs_strdup(endpoint->url.text);
	trial->body =
		hs_printf("{\"type\":\"" TRIAL_TYPE "\",\"timestamp\":\"%s\",\"webhook\":\"%s\"}", now, endpoint->id);
	send_trial(trial, endpoint);
}

void trial_finish(struct hookd *hookd)
{
	for (struct trial *trial = TAKE(hookd->trials), *next; trial; trial = next) {
		next = trial->next;
		hs_bus_refuse(trial->request, HS_ERROR_UNAVAILABLE, NULL, NULL, "hookd ends; ask again");
		free_trial(trial);
	}
}
