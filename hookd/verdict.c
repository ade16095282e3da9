#include "cleanup.h"
#include "clock.h"
#include "dispatch_inner.h"
#include "log.h"
#include "metrics.h"
#include "outbox.h"
#include "show.h"
#include "trace.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define PAUSE_MAX_MS 60000 /* of an endpoint that answers 429 or 503: one wrong header must not stop a day's events */

static void mark_dirty(struct lane *lane)
{
	lane->dirty = true;
	dispatch_commit_later(lane->dispatch);
}

static void tell_failed(struct lane *lane, const struct outbox_delivery *delivery, const char *why, bool disabled)
{
	struct dispatch *dispatch = lane->dispatch;
	struct hs_hook_failed failure = {
		.webhook = lane->endpoint->id,
		.delivery = delivery->id,
		.attempts = delivery->attempts,
		.why = why,
		.disabled = disabled,
	};

	hs_log(ERROR, "webhook.failed", LOG_TEXT("webhook", lane->endpoint->id), LOG_TEXT("delivery", delivery->id),
	       LOG_CALL(*delivery->call ? delivery->call : NULL), LOG_INT("attempts", delivery->attempts), LOG_WHY(why),
	       LOG_TEXT("disabled", disabled ? "true" : "false"));
	dispatch->setup.failed(dispatch->setup.context, &failure);
}

void verdict_recount_waiting(struct lane *lane)
{
	lane->endpoint->waiting = outbox_waiting(lane->dispatch->outbox, lane->endpoint->number) + lane->unkept;
}

void verdict_recount(struct lane *lane)
{
	verdict_recount_waiting(lane);
	lane->endpoint->dead = outbox_dead_letters(lane->dispatch->outbox, lane->endpoint->number);
	hs_metric_set(lane->dispatch->dead, outbox_dead_letters(lane->dispatch->outbox, 0));
	mark_dirty(lane);
}

static void bury(struct lane *lane, struct outbox_delivery *delivery, const char *why)
{
	outbox_bury(lane->dispatch->outbox, delivery, hs_clock_lasting_ms());
	tell_failed(lane, delivery, why, false);
	lane->endpoint->waiting--;
	lane->endpoint->dead++;
	hs_metric_add(lane->dispatch->dead, 1);
	mark_dirty(lane);
}

/* The endpoint gets nothing more; what waited is kept as dead letters. */
static void disable(struct lane *lane, struct outbox_delivery *delivery, const char *why)
{
	int64_t now_ms = hs_clock_lasting_ms();

	outbox_bury(lane->dispatch->outbox, delivery, now_ms);
	outbox_bury_all(lane->dispatch->outbox, lane->endpoint->number, "the endpoint was disabled", now_ms);
	lane_clear(lane);
	lane->backlog = false;
	lane->next_due_ms = INT64_MAX;
	lane->endpoint->enabled = false;
	tell_failed(lane, delivery, why, true);
	verdict_recount(lane);
}

static void succeeded(struct lane *lane, const struct outbox_delivery *delivery)
{
	struct dispatch *dispatch = lane->dispatch;
	struct endpoint *endpoint = lane->endpoint;

	if (delivery->number)
		outbox_done(dispatch->outbox, delivery);
	hs_metric_observe_us(dispatch->latency, hs_clock_wall_us() - delivery->created_at_ms * 1000);
	endpoint->delivered++;
	endpoint->waiting--;
	endpoint->failing_since_ms = 0;
	endpoint->last_error[0] = '\0';
	if (!endpoint->enabled)
		hs_log(INFO, "webhook.enabled", LOG_TEXT("webhook", endpoint->id),
		       LOG_WHY("a replayed dead letter was accepted"));
	endpoint->enabled = true;
	if (breaker_succeeded(&lane->breaker)) {
		hs_log(INFO, "webhook.recovered", LOG_TEXT("webhook", endpoint->id));
		outbox_hasten(dispatch->outbox, endpoint->number, hs_clock_lasting_ms());
		if (lane->next_due_ms < INT64_MAX)
			lane->next_due_ms = 0;
	}
	mark_dirty(lane);
}

static void try_again(struct lane *lane, struct outbox_delivery *delivery, const struct deliver_result *result)
{
	const struct hs_config_retry *retry = lane->dispatch->setup.house->config->webhooks->retry;
	struct retry_rules rules = {(int)retry->count, retry->delay_ms, retry->max_delay_ms};
	int64_t now_ms = hs_clock_lasting_ms();
	int64_t after_ms = *result->retry_after ? retry_read_after(result->retry_after, hs_clock_wall_ms()) : -1;
	uint32_t random = 0;
	int64_t delay_ms;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = (uint32_t)delivery->number * 2654435761u;
	delay_ms = retry_delay_ms(&rules, ++delivery->tries, random, after_ms);
	if ((result->status == 429 || result->status == 503) && after_ms > 0)
		breaker_pause(&lane->breaker, hs_clock_ms() + (after_ms < PAUSE_MAX_MS ? after_ms : PAUSE_MAX_MS));
	if (delay_ms == RETRY_NEVER) {
		bury(lane, delivery, delivery->last_error);
		return;
	}
	delivery->due_at_ms = now_ms + delay_ms;
	outbox_again(lane->dispatch->outbox, delivery);
	if (delivery->due_at_ms < lane->next_due_ms)
		lane->next_due_ms = delivery->due_at_ms;
	hs_log(WARN, "webhook.attempt_failed", LOG_TEXT("webhook", lane->endpoint->id),
	       LOG_TEXT("delivery", delivery->id), LOG_CALL(*delivery->call ? delivery->call : NULL),
	       LOG_INT("attempt", delivery->attempts), LOG_INT("status", result->status),
	       LOG_INT("retry_in_ms", delay_ms), LOG_WHY(delivery->last_error));
	mark_dirty(lane);
}

static void failed(struct lane *lane, struct outbox_delivery *delivery, const struct deliver_result *result)
{
	struct endpoint *endpoint = lane->endpoint;
	int64_t now_ms = hs_clock_lasting_ms();

	dispatch_keep(lane);
	if (result->status)
		snprintf(delivery->last_error, sizeof(delivery->last_error), "HTTP status %d", result->status);
	else
		hs_copy(delivery->last_error, sizeof(delivery->last_error), result->why);
	hs_copy(endpoint->last_error, sizeof(endpoint->last_error), delivery->last_error);
	if (!endpoint->failing_since_ms)
		endpoint->failing_since_ms = now_ms;
	breaker_failed(&lane->breaker, hs_clock_ms());
	if (retry_judge(result->status) == RETRY_GONE)
		disable(lane, delivery, "the endpoint answered 410 Gone");
	else if (endpoint->enabled && now_ms - endpoint->failing_since_ms > RETRY_DISABLE_MS)
		disable(lane, delivery, "nothing was accepted for five days");
	else
		try_again(lane, delivery, result);
}

static void record(struct lane *lane, const struct outbox_delivery *delivery, const struct deliver_result *result)
{
	struct dispatch *dispatch = lane->dispatch;
	const char *call = *delivery->call ? delivery->call : NULL;

	hs_metric_add(dispatch->attempts[lane->endpoint->kind][deliver_class(result)], 1);
	if (result->status)
		hs_trace_add(HS_TRACE_KIND_HTTP, call, NULL, "hookd", lane->endpoint->url.host,
			     "POST %s to %s, attempt %d: %d in %" PRId64 " us", delivery->type, lane->endpoint->id,
			     delivery->attempts, result->status, result->took_us);
	else
		hs_trace_add(HS_TRACE_KIND_HTTP, call, NULL, "hookd", lane->endpoint->url.host,
			     "POST %s to %s, attempt %d: %s", delivery->type, lane->endpoint->id, delivery->attempts,
			     result->why);
}

static void keep_shown(struct lane *lane, const struct outbox_delivery *delivery, const struct deliver_result *result)
{
	struct show_what what = {
		.delivery = delivery->id,
		.type = delivery->type,
		.cursor = delivery->cursor,
		.url = lane->endpoint->url.text,
		.body = delivery->body,
		.bytes = delivery->bytes,
		.attempt = delivery->attempts,
	};
	struct show show;

	if (!lane->dispatch->setup.house->config->webhooks->log_attempts)
		return;
	show_blotted(&what, result, &show);
	ledger_add(lane->ledger, &show.attempt);
	show_finish(&show);
}

void verdict_take(struct lane *lane, struct outbox_delivery *delivery, const struct deliver_result *result)
{
	delivery->attempts++;
	delivery->last_status = lane->endpoint->last_status = result->status;
	record(lane, delivery, result);
	keep_shown(lane, delivery, result);
	if (retry_judge(result->status) == RETRY_DELIVERED)
		succeeded(lane, delivery);
	else
		failed(lane, delivery, result);
	lane->endpoint->failing = breaker_is_open(&lane->breaker);
}

void verdict_set_up(struct dispatch *dispatch)
{
	static const char *const kinds[] = {[MATCH_STATE] = "state", [MATCH_DTMF] = "dtmf", [MATCH_EVENT] = "api"};

	for (size_t kind = 0; kind < HS_COUNT(kinds); kind++)
		for (int i = 0; i < DELIVER_CLASSES; i++) {
			AUTO(free)
			char *labels = hs_printf("endpoint=\"%s\",result=\"%s\"", kinds[kind], deliver_class_names[i]);

			dispatch->attempts[kind][i] = hs_metric_counter("hookswitch_webhook_attempts_total", labels,
									"Webhook requests by how they ended.");
		}
	dispatch->latency = hs_metric_histogram("hookswitch_webhook_delivery_seconds", "",
						"From the event's timestamp to its acceptance by the receiver.");
	dispatch->depth = hs_metric_gauge("hookswitch_webhook_queue_depth", "", "Deliveries that wait.");
	dispatch->flying = hs_metric_gauge("hookswitch_webhook_requests_active", "", "Requests under way.");
	dispatch->dead = hs_metric_gauge("hookswitch_webhook_dead_letters", "", "Deliveries given up and kept.");
}
