#include "leg.h"
#include "call.h"
#include "cleanup.h"
#include "fsm.h"
#include "trace.h"
#include <stdlib.h>

const char *const leg_state_names[LEG_STATES] = {"new", "progressing", "ringing", "up", "ended"};
const char *const leg_media_names[LEG_MEDIAS] = {"none", "opening", "open", "closing", "closed"};
static const char *const event_names[LEG_EVENTS] = {"progresses", "rings", "answers", "ends"};

static const struct hs_fsm_rule rules[] = {
	{LEG_NEW, LEG_PROGRESSES, NULL, NULL, LEG_PROGRESSING},
	{LEG_NEW, LEG_RINGS, NULL, NULL, LEG_RINGING},
	{LEG_NEW, LEG_ANSWERS, NULL, NULL, LEG_UP},
	{LEG_NEW, LEG_ENDS, NULL, NULL, LEG_ENDED},
	{LEG_PROGRESSING, LEG_PROGRESSES, NULL, NULL, LEG_PROGRESSING},
	{LEG_PROGRESSING, LEG_RINGS, NULL, NULL, LEG_RINGING},
	{LEG_PROGRESSING, LEG_ANSWERS, NULL, NULL, LEG_UP},
	{LEG_PROGRESSING, LEG_ENDS, NULL, NULL, LEG_ENDED},
	{LEG_RINGING, LEG_PROGRESSES, NULL, NULL, LEG_RINGING},
	{LEG_RINGING, LEG_RINGS, NULL, NULL, LEG_RINGING}, /* a forked or repeated 180 */
	{LEG_RINGING, LEG_ANSWERS, NULL, NULL, LEG_UP},
	{LEG_RINGING, LEG_ENDS, NULL, NULL, LEG_ENDED},
	{LEG_UP, LEG_ENDS, NULL, NULL, LEG_ENDED},
};

static const char *leg_id(const void *object)
{
	return ((const struct leg *)object)->id;
}

static void leg_changed(void *object, int old_state)
{
	const struct leg *leg = object;

	hs_trace_add(HS_TRACE_KIND_STATE, leg->call->id, leg->id, "apid", "apid", "leg: %s -> %s",
		     leg_state_names[old_state], leg_state_names[leg->state]);
}

const struct hs_fsm leg_fsm = {
	.name = "leg",
	.states = leg_state_names,
	.events = event_names,
	.states_count = LEG_STATES,
	.events_count = LEG_EVENTS,
	.rules = rules,
	.rules_count = HS_COUNT(rules),
	.state_offset = offsetof(struct leg, state),
	.id = leg_id,
	.changed = leg_changed,
};

/* What it means for the line of the leg. An exchange line has no bell: it is taken from its first progress on. */
static void step_line(const struct leg *leg, enum leg_event event, bool measured, int64_t at_ms)
{
	struct line *line = leg->line;

	if (event == LEG_ENDS) {
		line_disengage(line, leg->call->id, at_ms);
		return;
	}
	if (event == LEG_ANSWERS)
		line->source = measured ? HS_STATE_SOURCE_MEASURED : HS_STATE_SOURCE_INFERRED;
	if (event == LEG_ANSWERS || (event == LEG_PROGRESSES && line_is_exchange(line)))
		line_step(line, LINE_LIFTED, at_ms, leg->call->id);
	else if (event == LEG_RINGS && !line_is_exchange(line))
		line_step(line, LINE_RINGS, at_ms, leg->call->id);
}

int leg_step(struct leg *leg, enum leg_event event, bool measured, int64_t at_ms)
{
	int error = hs_fsm_step(&leg_fsm, leg, event, NULL);

	if (error != 0)
		return error;
	if (event == LEG_ANSWERS)
		leg->answered_at = at_ms;
	if (event == LEG_ENDS)
		leg->ended_at = at_ms;
	if (leg->line)
		step_line(leg, event, measured, at_ms);
	return 0;
}

bool leg_lives(const struct leg *leg)
{
	return leg->state != LEG_ENDED;
}

void leg_finish(struct leg *leg)
{
	free(leg->why);
	free(leg->number);
	free(leg->figures);
}
