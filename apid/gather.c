#include "gather.h"
#include "cleanup.h"
#include "clock.h"
#include "id.h"
#include <stdlib.h>
#include <string.h>

#define PROMPT_MS 60000 /* mediad lets no more than this wait to be heard */

struct gather {
	struct call *call;
	char id[65], leg[65];
	int64_t min, max, first_timeout_ms, digit_timeout_ms;
	char terminators[17];
	char prompt[65]; /* not heard yet; or "" */
	char digits[DIGITS_MAX + 1];
	int64_t deadline_at; /* wall clock; 0: a key is down */
	uv_timer_t timer;
};

static bool is_of(const struct gather *gather, const struct leg *leg)
{
	return gather && strcmp(gather->leg, leg->id) == 0;
}

/* ---- life ---- */

static void closed(uv_handle_t *timer)
{
	free(timer->data);
}

static struct gather *make(struct call *call)
{
	struct gather *gather = hs_zalloc(sizeof(*gather));

	gather->call = call;
	uv_timer_init(call->calls->setup.loop, &gather->timer);
	gather->timer.data = gather;
	call->gather = gather;
	return gather;
}

void gather_drop(struct call *call)
{
	if (call->gather)
		uv_close((uv_handle_t *)&call->gather->timer, closed);
	call->gather = NULL;
}

bool gather_end(struct call *call, enum hs_gather_end reason, char ret_id[65])
{
	const struct gather *gather = call->gather;
	const struct leg *leg = gather ? calls_find_leg(call->calls, gather->leg) : NULL;
	struct hs_call_gathered event;

	if (!gather)
		return false;
	event = (struct hs_call_gathered){gather->id, gather->leg, gather->digits, reason};
	calls_tell(call, HS_CALL_GATHERED, leg ? leg->line_id : call->line_id, &event);
	if (ret_id)
		hs_copy(ret_id, 65, gather->id);
	gather_drop(call);
	calls_changed(call);
	return true;
}

/* ---- time ---- */

static void waited(uv_timer_t *timer)
{
	const struct gather *gather = timer->data;
	bool enough = (int64_t)strlen(gather->digits) >= gather->min;

	gather->call->calls->at = hs_clock_wall_ms();
	gather_end(gather->call, enough ? HS_GATHER_END_TIMEOUT : HS_GATHER_END_TOO_FEW, NULL);
}

static void arm(struct gather *gather, int64_t ms)
{
	gather->deadline_at = hs_clock_lasting_ms() + ms;
	uv_timer_start(&gather->timer, waited, (uint64_t)ms, 0);
	calls_changed(gather->call);
}

const char *gather_begin(const struct gather_order *order)
{
	struct call *call = order->leg->call;
	struct gather *gather;

	call->calls->at = hs_clock_wall_ms();
	gather_end(call, HS_GATHER_END_STOPPED, NULL);
	gather = make(call);
	hs_id_make('g', call->calls->setup.config->node, gather->id);
	hs_copy(gather->leg, sizeof(gather->leg), order->leg->id);
	gather->min = order->min;
	gather->max = order->max;
	gather->first_timeout_ms = order->first_timeout_ms;
	gather->digit_timeout_ms = order->digit_timeout_ms;
	hs_copy(gather->terminators, sizeof(gather->terminators), order->terminators);
	hs_copy(gather->prompt, sizeof(gather->prompt), order->prompt ? order->prompt : "");
	arm(gather, gather->first_timeout_ms + (order->prompt ? PROMPT_MS : 0));
	return gather->id;
}

/* ---- what happens meanwhile ---- */

void gather_key_down(struct leg *leg)
{
	struct gather *gather = leg->call->gather;
	struct hs_media_stop stop = {leg->id};

	if (!is_of(gather, leg))
		return;
	uv_timer_stop(&gather->timer);
	gather->deadline_at = 0;
	if (gather->prompt[0])
		calls_ask_media(leg, HS_MEDIA_STOP, &stop);
	gather->prompt[0] = '\0';
	calls_changed(leg->call);
}

void gather_key_up(struct leg *leg, char digit)
{
	struct gather *gather = leg->call->gather;
	size_t length;

	if (!is_of(gather, leg))
		return;
	gather_key_down(leg);
	length = strlen(gather->digits);
	if (strchr(gather->terminators, digit)) {
		bool enough = (int64_t)length >= gather->min;

		gather_end(leg->call, enough ? HS_GATHER_END_TERMINATOR : HS_GATHER_END_TOO_FEW, NULL);
		return;
	}
	gather->digits[length] = digit;
	gather->digits[length + 1] = '\0';
	if ((int64_t)length + 1 >= gather->max)
		gather_end(leg->call, HS_GATHER_END_COMPLETE, NULL);
	else
		arm(gather, gather->digit_timeout_ms);
}

void gather_played(struct leg *leg, const char *play)
{
	struct gather *gather = leg->call->gather;

	if (!is_of(gather, leg) || strcmp(gather->prompt, play) != 0)
		return;
	gather->prompt[0] = '\0';
	arm(gather, gather->first_timeout_ms);
}

void gather_leg_closed(struct leg *leg)
{
	if (is_of(leg->call->gather, leg))
		gather_end(leg->call, HS_GATHER_END_ENDED, NULL);
}

/* ---- over the death of apid ---- */

char *gather_save(const struct call *call)
{
	const struct gather *gather = call->gather;
	struct hs_kept_gather kept;
	size_t bytes;

	if (!gather)
		return NULL;
	kept = (struct hs_kept_gather){
		.id = gather->id,
		.leg = gather->leg,
		.min = gather->min,
		.max = gather->max,
		.terminators = gather->terminators,
		.first_timeout_ms = gather->first_timeout_ms,
		.digit_timeout_ms = gather->digit_timeout_ms,
		.prompt = gather->prompt[0] ? gather->prompt : NULL,
		.digits = gather->digits,
		.deadline_at = gather->deadline_at,
	};
	return hs_wire_text(&hs_shape_kept_gather, &kept, &bytes);
}

static void take_up(struct gather *gather, const struct hs_kept_gather *kept)
{
	int64_t left = kept->deadline_at - hs_clock_lasting_ms();

	hs_copy(gather->id, sizeof(gather->id), kept->id);
	hs_copy(gather->leg, sizeof(gather->leg), kept->leg);
	gather->min = kept->min;
	gather->max = kept->max;
	hs_copy(gather->terminators, sizeof(gather->terminators), kept->terminators);
	gather->first_timeout_ms = kept->first_timeout_ms;
	gather->digit_timeout_ms = kept->digit_timeout_ms;
	hs_copy(gather->prompt, sizeof(gather->prompt), kept->prompt ? kept->prompt : "");
	hs_copy(gather->digits, sizeof(gather->digits), kept->digits);
	gather->deadline_at = kept->deadline_at;
	if (kept->deadline_at)
		uv_timer_start(&gather->timer, waited, left > 0 ? (uint64_t)left : 0, 0);
}

void gather_restore(struct call *call, const char *kept)
{
	struct hs_arena *arena = hs_arena_create();
	struct hs_kept_gather one;
	struct hs_wire_fault fault;
	const struct hs_json *json;

	if (kept && hs_wire_parse(kept, strlen(kept), arena, &json, &fault) == 0 &&
	    hs_wire_decode(&hs_shape_kept_gather, json, false, arena, &one, &fault) == 0)
		take_up(make(call), &one);
	hs_arena_destroy(arena);
}
