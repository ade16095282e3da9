#include "leg.h"
#include "caller.h"
#include "change.h"
#include "cleanup.h"
#include "inside.h"
#include "life.h"
#include "overload.h"
#include "sipd.h"
#include <errno.h>
#include <string.h>

static struct dialog *find(struct sipd *sipd, struct hs_request *request, const char *leg)
{
	struct dialog *dialog = dialog_find(sipd->dialogs, leg, false);
	if (!dialog)
		hs_bus_refuse(request, HS_ERROR_NOT_FOUND, "leg", NULL, "no such leg here: it has ended");
	return dialog;
}

static void refuse_state(struct hs_request *request, const struct dialog *dialog, const char *wanted)
{
	const char *state = life_of_dialogs.states[dialog->r.state];
	hs_bus_refuse(request, HS_ERROR_WRONG_STATE, NULL, state, "%s is not possible while the leg is %s", wanted,
		      state);
}

/* Lets the event happen and answers. */
static void step(struct sipd *sipd, struct hs_request *request, const char *leg, enum dialog_event event,
		 const void *argument)
{
	struct dialog *dialog = find(sipd, request, leg);
	if (!dialog)
		return;
	if (!hs_fsm_allows(&life_of_dialogs, dialog->r.state, (int)event)) {
		refuse_state(request, dialog, life_of_dialogs.events[event]);
		return;
	}
	dialog_step(dialog, event, argument);
	hs_bus_answer(request, NULL);
}

void leg_originate(struct sipd *sipd, struct hs_request *request)
{
	const struct hs_leg_originate *body = request->body;
	const char *why = overload_refuses(sipd, OVERLOAD_OURS);
	/* asked again: it is under way, or over and told */
	if (dialog_find(sipd->dialogs, body->leg, true) || dialogs_had(sipd->dialogs, body->leg)) {
		hs_bus_answer(request, NULL);
		return;
	}
	if (!users_of_line(sipd->users, body->line)) {
		hs_bus_refuse(request, HS_ERROR_NOT_FOUND, "line", NULL, "no SIP line of this name can log in");
		return;
	}
	if (!body->description) {
		hs_bus_refuse(request, HS_ERROR_INVALID, "description", NULL,
			      "a SIP phone needs an offer (media.open)");
		return;
	}
	int result = why ? -EBUSY : caller_begin(sipd, body);
	if (result == -EHOSTUNREACH)
		hs_bus_refuse(request, HS_ERROR_WRONG_STATE, "line", "offline", "no phone is registered for this line");
	else if (result)
		hs_bus_refuse(request, HS_ERROR_OVERLOADED, NULL, NULL, "%s", why ? why : "the journal is full");
	else
		hs_bus_answer(request, NULL);
}

void leg_progress(struct sipd *sipd, struct hs_request *request)
{
	const struct hs_leg_progress *body = request->body;
	step(sipd, request, body->leg, DIALOG_PROGRESS, &body->early_media);
}

void leg_answer(struct sipd *sipd, struct hs_request *request)
{
	const struct hs_leg_answer *body = request->body;
	struct dialog *dialog = dialog_find(sipd->dialogs, body->leg, false);
	bool done = dialog && !dialog->r.outgoing && dialog->r.state >= DIALOG_ANSWERING;
	if (done) /* asked again */
		hs_bus_answer(request, NULL);
	else
		step(sipd, request, body->leg, DIALOG_ANSWER, NULL);
}

void leg_hangup(struct sipd *sipd, struct hs_request *request)
{
	const struct hs_leg_hangup *body = request->body;
	struct dialog *dialog = dialog_find(sipd->dialogs, body->leg, false);
	struct dialog_end end = {.cause = body->cause};
	if (dialog)
		dialog_step(dialog, DIALOG_HANGUP, &end);
	hs_bus_answer(request, NULL);
}

void leg_hold(struct sipd *sipd, struct hs_request *request)
{
	const struct hs_leg_hold *body = request->body;
	struct dialog *dialog = find(sipd, request, body->leg);
	if (!dialog)
		return;
	if (dialog->r.state != DIALOG_UP) {
		refuse_state(request, dialog, "hold");
		return;
	}
	change_hold(dialog, body->held);
	hs_bus_answer(request, NULL);
}

void leg_digits(struct sipd *sipd, struct hs_request *request)
{
	const struct hs_leg_digits *body = request->body;
	struct dialog *dialog = find(sipd, request, body->leg);
	if (!dialog)
		return;
	struct dialog_record *r = &dialog->r;
	size_t waiting = strlen(r->digits);
	if (!strcmp(r->digits_request, request->id)) { /* asked again over a death */
		hs_bus_answer(request, NULL);
		return;
	}
	if (r->state != DIALOG_UP || waiting + strlen(body->digits) >= sizeof(r->digits)) {
		refuse_state(request, dialog, "sending digits");
		return;
	}
	hs_copy(r->digits + waiting, sizeof(r->digits) - waiting, body->digits);
	hs_copy(r->digits_request, sizeof(r->digits_request), request->id);
	r->digit_ms = (int)body->duration_ms;
	dialog_save(dialog);
	inside_send_digits(dialog);
	hs_bus_answer(request, NULL);
}

void leg_recall(struct sipd *sipd, struct hs_request *request)
{
	const struct hs_leg_recall *body = request->body;
	const struct dialog *dialog = find(sipd, request, body->leg);
	if (dialog)
		refuse_state(request, dialog, "a recall, which is for exchange lines,");
}
