#include "pace.h"
#include "cleanup.h"
#include "clock.h"
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { SLOT_NS = 20000000, CATCH_UP = 5 };

struct pace {
	uv_poll_t poll;
	int timer;
	struct beat *first;
	struct beat *next; /* after the one whose slot runs: a removed beat must not be stepped on */
};

static void arm(struct pace *pace, long period_ns)
{
	struct itimerspec period = {{0, period_ns}, {0, period_ns}};
	timerfd_settime(pace->timer, 0, &period, NULL);
}

static void run_slot(struct pace *pace, int64_t now_us)
{
	for (struct beat *beat = pace->first; beat; beat = pace->next) {
		pace->next = beat->next;
		beat->slot(beat, now_us);
	}
	pace->next = NULL;
}

static void expired(uv_poll_t *poll, int status, int events)
{
	struct pace *pace = poll->data;
	uint64_t slots = 0;
	if (read(pace->timer, &slots, sizeof slots) != sizeof slots)
		return;
	if (slots > CATCH_UP)
		slots = CATCH_UP;
	int64_t now_us = hs_clock_us();
	while (slots--)
		run_slot(pace, now_us);
}

struct pace *pace_create(uv_loop_t *loop)
{
	AUTO(close) int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (timer < 0)
		return NULL;
	struct pace *pace = hs_zalloc(sizeof *pace);
	pace->timer = timer;
	timer = -1;
	uv_poll_init(loop, &pace->poll, pace->timer);
	pace->poll.data = pace;
	return pace;
}

void pace_add(struct pace *pace, struct beat *beat)
{
	if (beat->is_on)
		return;
	if (!pace->first) {
		arm(pace, SLOT_NS);
		uv_poll_start(&pace->poll, UV_READABLE, expired);
	}
	beat->is_on = true;
	beat->previous = NULL;
	beat->next = pace->first;
	if (beat->next)
		beat->next->previous = beat;
	pace->first = beat;
}

void pace_remove(struct pace *pace, struct beat *beat)
{
	if (!beat->is_on)
		return;
	if (pace->next == beat)
		pace->next = beat->next;
	if (beat->previous)
		beat->previous->next = beat->next;
	else
		pace->first = beat->next;
	if (beat->next)
		beat->next->previous = beat->previous;
	beat->is_on = false;
	if (!pace->first) {
		arm(pace, 0);
		uv_poll_stop(&pace->poll);
	}
}

static void closed(uv_handle_t *handle)
{
	free(handle->data);
}

void pace_destroy(struct pace *pace)
{
	if (!pace)
		return;
	uv_poll_stop(&pace->poll);
	close(pace->timer);
	uv_close((uv_handle_t *)&pace->poll, closed);
}
