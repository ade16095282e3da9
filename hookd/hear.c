#include "cleanup.h"
#include "clock.h"
#include "hookd.h"
#include "log.h"
#include <stdlib.h>

#define LOOK_MS 1000 /* while the queue is full */

struct hear {
	struct hookd *hookd;
	struct follow *follow;
	uv_timer_t timer;
};

static void on_look(uv_timer_t *timer)
{
	struct hear *hear = timer->data;
	struct hookd *hookd = hear->hookd;

	if (outbox_is_full(hookd->outbox, hs_clock_ms()))
		return;
	hs_log(INFO, "queue.has_room");
	hs_daemon_degraded(hookd->house, "queue", NULL);
	uv_timer_stop(timer);
	follow_resume(hear->follow);
}

/* The cursor stays where it is: what is not taken now is in the log, and is read when there is room. */
static void pause_when_full(struct hear *hear)
{
	const char *why = outbox_is_full(hear->hookd->outbox, hs_clock_ms());

	if (!why)
		return;
	hs_log(ERROR, "queue.full", LOG_WHY(why));
	hs_daemon_degraded(hear->hookd->house, "queue", why);
	follow_pause(hear->follow);
	uv_timer_start(&hear->timer, on_look, LOOK_MS, LOOK_MS);
}

static void happened(void *context, const struct follow_event *event)
{
	struct hear *hear = context;

	dispatch_take(hear->hookd->dispatch, event);
	pause_when_full(hear);
}

static void began(void *context, const char *cursor, int64_t seq)
{
	struct hear *hear = context;

	hs_log(INFO, "events.begun", LOG_TEXT("cursor", cursor));
	dispatch_place(hear->hookd->dispatch, cursor, seq);
}

struct hear *hear_create(struct hookd *hookd)
{
	struct hear *hear = hs_zalloc(sizeof(*hear));
	struct follow_setup setup = {.bus = hookd->house->bus,
				     .loop = hookd->house->loop,
				     .happened = happened,
				     .began = began,
				     .context = hear};
	char cursor[65];

	if (!outbox_cursor(hookd->outbox, cursor, &setup.seq))
		setup.cursor = cursor;
	hear->hookd = hookd;
	uv_timer_init(hookd->house->loop, &hear->timer);
	hear->timer.data = hear;
	hear->follow = follow_create(&setup);
	return hear;
}

void hear_rewind(struct hear *hear)
{
	char cursor[65];
	int64_t seq;

	if (!outbox_cursor(hear->hookd->outbox, cursor, &seq))
		follow_rewind(hear->follow, cursor, seq);
}

static void free_hear(uv_handle_t *handle)
{
	free(handle->data);
}

void hear_destroy(struct hear *hear)
{
	if (!hear)
		return;
	follow_destroy(hear->follow);
	uv_close((uv_handle_t *)&hear->timer, free_hear);
}
