#include "fsm.h"
#include "log.h"
#include "metrics.h"
#include <errno.h>
#include <stdio.h>

static const char *word(const char *const *words, int count, int number)
{
	return number >= 0 && number < count && words[number] ? words[number] : "?";
}

static void refuse(const struct hs_fsm *fsm, const void *object, int state, int event)
{
	char labels[96];

	snprintf(labels, sizeof(labels), "machine=\"%s\"", fsm->name);
	hs_metric_add(hs_metric_counter("hookswitch_fsm_refused_total", labels,
					"Events that came in a state that has no row for them."),
		      1);
	hs_log(WARN, "fsm.refused", LOG_TEXT("machine", fsm->name), LOG_TEXT("id", fsm->id ? fsm->id(object) : NULL),
	       LOG_TEXT("state", word(fsm->states, fsm->states_count, state)),
	       LOG_TEXT("on", word(fsm->events, fsm->events_count, event)));
}

static void take(const struct hs_fsm *fsm, const struct hs_fsm_rule *rule, void *object, const void *argument)
{
	int *state = (int *)((char *)object + fsm->state_offset);
	int old = *state;

	hs_log(DEBUG, "fsm.step", LOG_TEXT("machine", fsm->name), LOG_TEXT("id", fsm->id ? fsm->id(object) : NULL),
	       LOG_TEXT("state", word(fsm->states, fsm->states_count, old)),
	       LOG_TEXT("on", word(fsm->events, fsm->events_count, rule->event)),
	       LOG_TEXT("next", word(fsm->states, fsm->states_count, rule->next)));
	*state = rule->next;
	if (old != rule->next && fsm->changed)
		fsm->changed(object, old);
	if (rule->action)
		rule->action(object, argument);
}

int hs_fsm_step(const struct hs_fsm *fsm, void *object, int event, const void *argument)
{
	int state = *(const int *)((const char *)object + fsm->state_offset);

	for (size_t i = 0; i < fsm->rules_count; i++) {
		const struct hs_fsm_rule *rule = &fsm->rules[i];

		if (rule->state != state || rule->event != event || (rule->guard && !rule->guard(object, argument)))
			continue;
		take(fsm, rule, object, argument);
		return 0;
	}
	refuse(fsm, object, state, event);
	return -EPROTO;
}

bool hs_fsm_allows(const struct hs_fsm *fsm, int state, int event)
{
	for (size_t i = 0; i < fsm->rules_count; i++)
		if (fsm->rules[i].state == state && fsm->rules[i].event == event)
			return true;
	return false;
}
