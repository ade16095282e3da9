/* Requests about the suite: health and figures, gathered from all daemons at once. */
#include "cleanup.h"
#include "metrics.h"
#include "metrics_merge.h"
#include "serve.h"
#include "watch.h"
#include "wire.h"
#include <stdlib.h>
#include <string.h>

#define STATUS_MS 500
#define METRICS_MS 1000
#define METRICS_BYTES 240000
#define PARTS_MAX HS_ROLES

/* One question to all daemons; ended by the last answer or deadline. */
struct gathering {
	struct visit *visit;
	int pending;
	enum hs_role roles[PARTS_MAX];
	struct hs_arena *arena;                   /* of the answers */
	const struct hs_json *answers[PARTS_MAX]; /* NULL: away */
	size_t count;
	void (*done)(struct gathering *gathering);
};

struct gathered {
	struct gathering *gathering;
	size_t i;
};

/* It is the bus's, and read again from a copy. */
static void keep_answer(struct gathering *gathering, size_t i, const struct hs_json *answer)
{
	const char *text = hs_arena_copy(gathering->arena, answer->text, answer->bytes);
	struct hs_wire_fault fault;

	hs_wire_parse(text, answer->bytes, gathering->arena, &gathering->answers[i], &fault);
}

static void one_gathered(void *context, const struct hs_answer *answer)
{
	AUTO(free) struct gathered *one = context;
	struct gathering *gathering = one->gathering;

	if (answer->error == HS_OK)
		keep_answer(gathering, one->i, answer->json);
	if (--gathering->pending > 0)
		return;
	gathering->done(gathering);
	hs_arena_destroy(gathering->arena);
	free(gathering);
}

static void gather(struct visit *visit, enum hs_message_id message, int deadline_ms,
		   void (*done)(struct gathering *gathering))
{
	struct gathering *gathering = hs_zalloc(sizeof(*gathering));

	gathering->visit = visit;
	gathering->arena = hs_arena_create();
	gathering->done = done;
	gathering->count = watch_parts(visit->apid, gathering->roles);
	gathering->pending = (int)gathering->count;
	for (size_t i = 0; i < gathering->count; i++) {
		struct gathered *one = hs_zalloc(sizeof(*one));
		struct hs_ask ask = {.to = gathering->roles[i],
				     .message = message,
				     .deadline_ms = deadline_ms,
				     .answered = one_gathered,
				     .context = one};

		*one = (struct gathered){gathering, i};
		hs_bus_ask(visit->apid->house->bus, &ask);
	}
}

/* ---- health ---- */

static void read_part(const struct gathering *gathering, size_t i, struct hs_arena *arena, struct hs_part *ret_part)
{
	struct hs_daemon_status_answer answer = {NULL};
	struct hs_wire_fault fault;

	if (gathering->answers[i] && hs_wire_decode(hs_messages[HS_DAEMON_STATUS].answer, gathering->answers[i], false,
						    arena, &answer, &fault) == 0)
		*ret_part = *answer.part;
	else
		*ret_part = (struct hs_part){.daemon = hs_role_names[gathering->roles[i]],
					     .state = HS_HEALTH_STATE_AWAY,
					     .why = "it does not answer; its keeper starts it again"};
}

/* Without the log nothing can be done, and without any driver or mediad no phone can be rung. */
static const char *why_unable(const struct gathering *gathering, const struct hs_part *parts)
{
	bool away = true;

	for (size_t i = 0; i < gathering->count; i++) {
		enum hs_role role = gathering->roles[i];

		if (role == HS_ROLE_SIPD || role == HS_ROLE_DAHDID || role == HS_ROLE_MEDIAD)
			away &= parts[i].state == HS_HEALTH_STATE_AWAY;
	}
	if (!store_is_well(gathering->visit->apid->store))
		return "the event log cannot be written";
	return away ? "no driver and no audio engine answers" : NULL;
}

static void answer_health(struct gathering *gathering)
{
	struct visit *visit = gathering->visit;
	struct hs_arena *arena = hs_arena_create();
	struct hs_part parts[PARTS_MAX + 1];
	char why[HS_DAEMON_WHY];
	struct hs_suite_health_answer answer = {HS_HEALTH_STATE_OK, HS_VERSION, gathering->count + 1, parts};
	const char *unable;

	for (size_t i = 0; i < gathering->count; i++)
		read_part(gathering, i, arena, &parts[i]);
	hs_daemon_part(visit->apid->house, why, &parts[gathering->count]);
	for (size_t i = 0; i <= gathering->count; i++)
		if (parts[i].state != HS_HEALTH_STATE_OK)
			answer.state = HS_HEALTH_STATE_DEGRADED;
	unable = why_unable(gathering, parts);
	if (unable)
		visit_refuse(visit, HS_ERROR_UNAVAILABLE, NULL, NULL, "%s", unable);
	else
		visit_answer(visit, &answer);
	hs_arena_destroy(arena);
}

static void suite_health(struct visit *visit)
{
	gather(visit, HS_DAEMON_STATUS, STATUS_MS, answer_health);
}

/* ---- figures ---- */

static void answer_metrics(struct gathering *gathering)
{
	AUTO(free) char *own = hs_metrics_text("apid");
	struct metrics_merge *merge = metrics_merge_create();
	AUTO(free) char *text = NULL;
	struct hs_suite_metrics_answer answer;

	metrics_merge_add(merge, own);
	for (size_t i = 0; i < gathering->count; i++) {
		const struct hs_json *part = gathering->answers[i];
		const char *page = part ? hs_json_text(hs_json_member(part, "text"), gathering->arena) : NULL;

		if (page)
			metrics_merge_add(merge, page);
	}
	text = metrics_merge_text(merge, METRICS_BYTES);
	answer.text = text;
	visit_answer(gathering->visit, &answer);
	metrics_merge_destroy(merge);
}

static void suite_metrics(struct visit *visit)
{
	gather(visit, HS_DAEMON_METRICS, METRICS_MS, answer_metrics);
}

const struct serve_row serve_suite_rows[] = {
	{.message = HS_SUITE_HEALTH, .handle = suite_health},
	{.message = HS_SUITE_METRICS, .handle = suite_metrics},
	{.handle = NULL},
};
