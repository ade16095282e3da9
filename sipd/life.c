#include "life.h"
#include "callee.h"
#include "caller.h"
#include "ending.h"
#include "path.h"
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <stddef.h>

/* States up to RINGING are of calls we make, OFFERED to ANSWERING of calls that come in; UP and what follows are of
 * both. CLOSING exists because no BYE may follow a 200 before its ACK (RFC 3261 15): apid is told at once, the phone
 * later. */

static void far_bye(void *object, const void *request)
{
	struct dialog *dialog = object;
	dialog_forget_question(dialog);
	nta_incoming_destroy(dialog->invite); /* a BYE that overtook its ACK */
	dialog->invite = NULL;
	ending_tell(dialog, HS_CAUSE_NORMAL, true, 0, NULL);
	nta_incoming_treply((nta_incoming_t *)request, SIP_200_OK, SIPTAG_SERVER_STR("hookswitch"), TAG_END());
	ending_check(dialog);
}

static void hang_up(void *object, const void *argument)
{
	struct dialog *dialog = object;
	const struct dialog_end *end = argument;
	uv_timer_stop(&dialog->timer);
	dialog_forget_question(dialog);
	ending_say(dialog, end->cause, false, end->status, end->why);
	ending_bye(dialog); /* writes both down */
	ending_check(dialog);
}

static void close_later(void *object, const void *argument)
{
	struct dialog *dialog = object;
	const struct dialog_end *end = argument;
	dialog_forget_question(dialog);
	dialog_save(dialog);
	ending_tell(dialog, end->cause, false, end->status, end->why);
}

static void close_now(void *object, const void *argument)
{
	struct dialog *dialog = object;
	nta_incoming_destroy(dialog->invite);
	dialog->invite = NULL;
	ending_bye(dialog);
	ending_check(dialog);
}

static void ack_lost(void *object, const void *argument)
{
	struct dialog *dialog = object;
	close_now(dialog, NULL);
	ending_tell(dialog, HS_CAUSE_FAILED, false, 408, "the phone never confirmed the answer (no ACK)");
	ending_check(dialog);
}

static const char *const states[DIALOG_STATES] = {
	"new", "calling", "ringing", "offered", "alerting", "answering", "up", "closing", "ended",
};

static const char *const events[DIALOG_EVENTS] = {
	"invited", "originate", "rings",     "accepted", "refused",      "ring_timeout", "progress", "answer",
	"acked",   "ack_lost",  "cancelled", "unheard",  "media_failed", "hangup",       "bye",      "lost",
};

static const struct hs_fsm_rule rules[] = {
	/* we call */
	{DIALOG_NEW, DIALOG_ORIGINATE, NULL, caller_call, DIALOG_CALLING},
	{DIALOG_CALLING, DIALOG_RINGS, NULL, caller_rings, DIALOG_RINGING},
	{DIALOG_CALLING, DIALOG_ACCEPTED, NULL, caller_accepted, DIALOG_UP},
	{DIALOG_CALLING, DIALOG_REFUSED, NULL, caller_refused, DIALOG_ENDED},
	{DIALOG_CALLING, DIALOG_RING_TIMEOUT, NULL, caller_timeout, DIALOG_ENDED},
	{DIALOG_CALLING, DIALOG_HANGUP, NULL, caller_cancel, DIALOG_ENDED},
	{DIALOG_RINGING, DIALOG_RINGS, NULL, caller_rings, DIALOG_RINGING},
	{DIALOG_RINGING, DIALOG_ACCEPTED, NULL, caller_accepted, DIALOG_UP},
	{DIALOG_RINGING, DIALOG_REFUSED, NULL, caller_refused, DIALOG_ENDED},
	{DIALOG_RINGING, DIALOG_RING_TIMEOUT, NULL, caller_timeout, DIALOG_ENDED},
	{DIALOG_RINGING, DIALOG_HANGUP, NULL, caller_cancel, DIALOG_ENDED},
	/* a phone calls */
	{DIALOG_NEW, DIALOG_INVITED, NULL, callee_offer, DIALOG_OFFERED},
	{DIALOG_OFFERED, DIALOG_PROGRESS, callee_is_described, callee_progress, DIALOG_ALERTING},
	{DIALOG_OFFERED, DIALOG_PROGRESS, NULL, callee_note_progress, DIALOG_OFFERED},
	{DIALOG_OFFERED, DIALOG_ANSWER, callee_is_described, callee_answer, DIALOG_ANSWERING},
	{DIALOG_OFFERED, DIALOG_ANSWER, NULL, callee_note_answer, DIALOG_OFFERED},
	{DIALOG_OFFERED, DIALOG_HANGUP, NULL, callee_refuse, DIALOG_ENDED},
	{DIALOG_OFFERED, DIALOG_CANCELLED, NULL, callee_cancelled, DIALOG_ENDED},
	{DIALOG_OFFERED, DIALOG_UNHEARD, NULL, callee_unheard, DIALOG_ENDED},
	{DIALOG_OFFERED, DIALOG_MEDIA_FAILED, NULL, callee_refuse, DIALOG_ENDED},
	{DIALOG_ALERTING, DIALOG_PROGRESS, NULL, callee_progress, DIALOG_ALERTING},
	{DIALOG_ALERTING, DIALOG_ANSWER, NULL, callee_answer, DIALOG_ANSWERING},
	{DIALOG_ALERTING, DIALOG_HANGUP, NULL, callee_refuse, DIALOG_ENDED},
	{DIALOG_ALERTING, DIALOG_CANCELLED, NULL, callee_cancelled, DIALOG_ENDED},
	{DIALOG_ANSWERING, DIALOG_ACKED, NULL, callee_acked, DIALOG_UP},
	{DIALOG_ANSWERING, DIALOG_ACK_LOST, NULL, ack_lost, DIALOG_ENDED},
	{DIALOG_ANSWERING, DIALOG_BYE, NULL, far_bye, DIALOG_ENDED},
	{DIALOG_ANSWERING, DIALOG_HANGUP, NULL, close_later, DIALOG_CLOSING},
	{DIALOG_CLOSING, DIALOG_ACKED, NULL, close_now, DIALOG_ENDED},
	{DIALOG_CLOSING, DIALOG_ACK_LOST, NULL, close_now, DIALOG_ENDED},
	{DIALOG_CLOSING, DIALOG_BYE, NULL, far_bye, DIALOG_ENDED},
	/* both */
	{DIALOG_UP, DIALOG_BYE, NULL, far_bye, DIALOG_ENDED},
	{DIALOG_UP, DIALOG_HANGUP, NULL, hang_up, DIALOG_ENDED},
	{DIALOG_UP, DIALOG_MEDIA_FAILED, NULL, hang_up, DIALOG_ENDED},
	{DIALOG_UP, DIALOG_LOST, NULL, hang_up, DIALOG_ENDED},
};

static const char *id_of(const void *object)
{
	return ((const struct dialog *)object)->r.leg;
}

const struct hs_fsm life_of_dialogs = {
	.name = "dialog",
	.states = states,
	.events = events,
	.states_count = DIALOG_STATES,
	.events_count = DIALOG_EVENTS,
	.rules = rules,
	.rules_count = sizeof(rules) / sizeof(rules[0]),
	.state_offset = offsetof(struct dialog, r.state),
	.id = id_of,
};
