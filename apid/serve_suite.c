/* Requests about the suite: health and figures, gathered from all daemons at once. */
#include "ask_all.h"
#include "cleanup.h"
#include "metrics.h"
#include "metrics_merge.h"
#include "serve.h"
#include <stdlib.h>
#include <string.h>

#define STATUS_MS 500
#define METRICS_MS 1000
#define METRICS_BYTES 240000

/* ---- health ---- */

static void read_part(const struct answers *answers, size_t i, struct hs_arena *arena, struct hs_part *ret_part)
{
	struct hs_daemon_status_answer answer = {NULL};
	struct hs_wire_fault fault;

	if (answers->of[i] &&
	    hs_wire_decode(hs_messages[HS_DAEMON_STATUS].answer, answers->of[i], false, arena, &answer, &fault) == 0)
		*ret_part = *answer.part;
	else
		*ret_part = (struct hs_part){.daemon = hs_role_names[answers->roles[i]],
					     .state = HS_HEALTH_STATE_AWAY,
					     .why = "it does not answer; its keeper starts it again"};
}

/* Without the log nothing can be done, and without any driver or mediad no phone can be rung. */
static const char *why_unable(const struct apid *apid, const struct answers *answers, const struct hs_part *parts)
{
	bool away = true;

	for (size_t i = 0; i < answers->count; i++) {
		enum hs_role role = answers->roles[i];

		if (role == HS_ROLE_SIPD || role == HS_ROLE_DAHDID || role == HS_ROLE_MEDIAD)
			away &= parts[i].state == HS_HEALTH_STATE_AWAY;
	}
	if (!store_is_well(apid->store))
		return "the event log cannot be written";
	return away ? "no driver and no audio engine answers" : NULL;
}

static void answer_health(void *context, const struct answers *answers)
{
	struct visit *visit = context;
	struct hs_arena *arena = hs_arena_create();
	struct hs_part parts[HS_ROLES + 1];
	char why[HS_DAEMON_WHY];
	struct hs_suite_health_answer answer = {HS_HEALTH_STATE_OK, HS_VERSION, answers->count + 1, parts};
	const char *unable;

	for (size_t i = 0; i < answers->count; i++)
		read_part(answers, i, arena, &parts[i]);
	hs_daemon_part(visit->apid->house, why, &parts[answers->count]);
	for (size_t i = 0; i <= answers->count; i++)
		if (parts[i].state != HS_HEALTH_STATE_OK)
			answer.state = HS_HEALTH_STATE_DEGRADED;
	unable = why_unable(visit->apid, answers, parts);
	if (unable)
		visit_refuse(visit, HS_ERROR_UNAVAILABLE, NULL, NULL, "%s", unable);
	else
		visit_answer(visit, &answer);
	hs_arena_destroy(arena);
}

static void suite_health(struct visit *visit)
{
	ask_all(visit->apid, HS_DAEMON_STATUS, NULL, STATUS_MS, answer_health, visit);
}

/* ---- figures ---- */

static void answer_metrics(void *context, const struct answers *answers)
{
	AUTO(free) char *own = hs_metrics_text("apid");
	struct metrics_merge *merge = metrics_merge_create();
	AUTO(free) char *text = NULL;
	struct hs_suite_metrics_answer answer;

	metrics_merge_add(merge, own);
	for (size_t i = 0; i < answers->count; i++) {
		const struct hs_json *part = answers->of[i];
		const char *page = part ? hs_json_text(hs_json_member(part, "text"), answers->arena) : NULL;

		if (page)
			metrics_merge_add(merge, page);
	}
	text = metrics_merge_text(merge, METRICS_BYTES);
	answer.text = text;
	visit_answer(context, &answer);
	metrics_merge_destroy(merge);
}

static void suite_metrics(struct visit *visit)
{
	ask_all(visit->apid, HS_DAEMON_METRICS, NULL, METRICS_MS, answer_metrics, visit);
}

const struct serve_row serve_suite_rows[] = {
	{.message = HS_SUITE_HEALTH, .handle = suite_health},
	{.message = HS_SUITE_METRICS, .handle = suite_metrics},
	{.handle = NULL},
};
