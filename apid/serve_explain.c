/* calls.explain: a call's record, what it means, and the steps that the daemons still remember. */
#include "ask_all.h"
#include "cleanup.h"
#include "clock.h"
#include "explain.h"
#include "serve.h"
#include "trace.h"
#include <stdlib.h>
#include <string.h>

#define TRACE_MS 1000
#define STEPS 1000
#define STEPS_BYTES 200000 /* the bus carries 256 KiB */
#define STEP_BYTES 160     /* what JSON adds to a step's texts */

struct inquiry {
	struct visit *visit;
	struct hs_call call;
	struct hs_arena *arena; /* of what call points to */
	struct hs_trace steps[STEPS];
	size_t count, bytes;
	bool is_cut;
	const char *silent[HS_ROLES];
	size_t silent_count;
};

/* Messages between daemons are for us: hookctl follow draws them. */
static void add_step(struct inquiry *inquiry, const struct hs_trace *step)
{
	size_t bytes = STEP_BYTES + strlen(step->what) + strlen(step->from) + strlen(step->to);

	if (step->kind == HS_TRACE_KIND_BUS)
		return;
	if (inquiry->count == STEPS || inquiry->bytes + bytes > STEPS_BYTES) {
		inquiry->is_cut = true;
		return;
	}
	inquiry->bytes += bytes;
	inquiry->steps[inquiry->count++] = *step;
}

static void add_own(struct inquiry *inquiry, struct hs_trace *records)
{
	size_t count = hs_trace_read(inquiry->call.id, records, STEPS);

	for (size_t i = 0; i < count; i++)
		add_step(inquiry, &records[i]);
}

static void add_answer(struct inquiry *inquiry, const struct answers *answers, size_t i)
{
	struct hs_daemon_trace_answer trace;
	struct hs_wire_fault fault;

	if (!answers->of[i] || hs_wire_decode(hs_messages[HS_DAEMON_TRACE].answer, answers->of[i], false,
					      answers->arena, &trace, &fault)) {
		inquiry->silent[inquiry->silent_count++] = hs_role_names[answers->roles[i]];
		return;
	}
	for (size_t k = 0; k < trace.records_count; k++)
		add_step(inquiry, &trace.records[k]);
}

static int by_time(const void *a, const void *b)
{
	const struct hs_trace *one = a, *other = b;

	return (one->at_us > other->at_us) - (one->at_us < other->at_us);
}

static void answer(struct inquiry *inquiry)
{
	AUTO(free) struct explanation *explanation = hs_zalloc(sizeof(*explanation));
	const char *findings[EXPLAIN_FINDINGS];

	explain_call(&inquiry->call, hs_clock_wall_ms(), explanation);
	for (size_t i = 0; i < explanation->count; i++)
		findings[i] = explanation->findings[i];
	visit_answer(inquiry->visit, &(struct hs_calls_explain_answer){
					     .sentence = explanation->sentence,
					     .findings_count = explanation->count,
					     .findings = findings,
					     .call = &inquiry->call,
					     .steps_count = inquiry->count,
					     .steps = inquiry->steps,
					     .cut = inquiry->is_cut,
					     .silent_count = inquiry->silent_count,
					     .silent = inquiry->silent,
				     });
}

static void traces_came(void *context, const struct answers *answers)
{
	AUTO(free) struct inquiry *inquiry = context;
	AUTO(free) struct hs_trace *own = hs_zalloc(STEPS * sizeof(*own));

	add_own(inquiry, own);
	for (size_t i = 0; i < answers->count; i++)
		add_answer(inquiry, answers, i);
	qsort(inquiry->steps, inquiry->count, sizeof(inquiry->steps[0]), by_time);
	answer(inquiry);
	hs_arena_destroy(inquiry->arena);
}

static void found(struct visit *visit, const struct hs_call *call, struct hs_arena *arena)
{
	struct inquiry *inquiry = hs_zalloc(sizeof(*inquiry));
	struct hs_daemon_trace trace = {.call = call->id};

	inquiry->visit = visit;
	inquiry->call = *call;
	inquiry->arena = arena;
	ask_all(visit->apid, HS_DAEMON_TRACE, &trace, TRACE_MS, traces_came, inquiry);
}

static void calls_explain(struct visit *visit)
{
	const struct hs_calls_explain *body = visit->request->body;

	visit_record(visit, body->call, found);
}

const struct serve_row serve_explain_rows[] = {
	{.message = HS_CALLS_EXPLAIN, .handle = calls_explain},
	{.handle = NULL},
};
