#include "restore.h"
#include "callee.h"
#include "caller.h"
#include "change.h"
#include "cleanup.h"
#include "ending.h"
#include "inside.h"
#include "life.h"
#include "log.h"
#include "path.h"
#include "refresh.h"
#include "sipd.h"
#include "tell.h"
#include <sofia-sip/nta_stateless.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_parser.h>
#include <sofia-sip/sip_status.h>
#include <stdio.h>
#include <string.h>

#define LINGER_MS 34000 /* a phone repeats itself for 32 s */

static const char sentence[] = "sipd died and could not keep the call";

/* An answer of ours or theirs was written down. */
static bool was_established(const struct dialog_record *r)
{
	return r->outgoing ? r->local_tag[0] != 0 : r->state >= DIALOG_ANSWERING;
}

/* The last request of ours that has no answer gets its CSeq again. */
static nta_leg_t *open_established(struct dialog *dialog)
{
	const struct dialog_record *r = &dialog->r;
	char local[600], remote[680], target[520], cseq[24];
	snprintf(local, sizeof(local), "%s;tag=%s", r->local, r->local_tag);
	snprintf(remote, sizeof(remote), "%s%s%s", r->remote, r->remote_tag[0] ? ";tag=" : "", r->remote_tag);
	snprintf(target, sizeof(target), "<%s>", r->target);
	snprintf(cseq, sizeof(cseq), "%u BYE", r->asked ? r->local_cseq - 1 : r->local_cseq);
	su_home_t home[1] = {SU_HOME_INIT(home)};
	sip_route_t *route = r->routes[0] ? sip_route_make(home, r->routes) : NULL;
	sip_contact_t *contact = r->target[0] ? sip_contact_make(home, target) : NULL;
	nta_leg_t *leg = nta_leg_tcreate(agent_nta(dialog->sipd->agent), NULL, (nta_leg_magic_t *)dialog,
					 SIPTAG_CALL_ID_STR(r->call_id), SIPTAG_FROM_STR(local), SIPTAG_TO_STR(remote),
					 SIPTAG_CSEQ_STR(cseq), URLTAG_URL(agent_nowhere(dialog->sipd->agent)),
					 TAG_IF(contact, NTATAG_TARGET(contact)), TAG_END());
	/* in the record they are in the order in which they are used */
	if (leg && (route || contact))
		nta_leg_server_route(leg, (sip_record_route_t *)route, contact);
	su_home_deinit(home);
	return leg;
}

static nta_leg_t *open_fork(struct dialog *dialog, const struct dialog_fork *fork)
{
	char local[600], cseq[24];
	snprintf(local, sizeof(local), "%s;tag=%s", dialog->r.local, fork->tag);
	snprintf(cseq, sizeof(cseq), "%u INVITE", fork->cseq);
	return nta_leg_tcreate(agent_nta(dialog->sipd->agent), NULL, (nta_leg_magic_t *)dialog,
			       SIPTAG_CALL_ID_STR(fork->call_id), SIPTAG_FROM_STR(local),
			       SIPTAG_TO_STR(dialog->r.remote), SIPTAG_CSEQ_STR(cseq),
			       URLTAG_URL(agent_nowhere(dialog->sipd->agent)), TAG_END());
}

static void send_cancel(struct dialog *dialog, struct fork *fork)
{
	struct path path;
	path_to(dialog->sipd->agent, &fork->r->peer, dialog->r.leg, &path);
	snprintf(path.cseq, sizeof(path.cseq), "%u CANCEL", fork->r->cseq);
	nta_outgoing_t *cancel = nta_outgoing_tcreate(
		fork->leg, NULL, NULL, path.route, SIP_METHOD_CANCEL, URL_STRING_MAKE(fork->r->contact),
		NTATAG_BRANCH_KEY(fork->r->branch), SIPTAG_CSEQ_STR(path.cseq), TAG_END());
	nta_outgoing_destroy(cancel);
}

/* The first answer may have been on its way when we died; a phone that rings hears CANCEL, one that lifted BYE. */
static void end_forks(struct dialog *dialog)
{
	for (size_t i = 0; i < dialog->r.forks_count; i++) {
		struct fork *fork = &dialog->forks[i];
		if (!fork->r->live)
			continue;
		fork->leg = open_fork(dialog, fork->r);
		if (fork->leg)
			send_cancel(dialog, fork);
	}
}

/* The phone's INVITE is answered from what we kept of it. */
static void refuse_invite(struct dialog *dialog)
{
	const struct dialog_record *r = &dialog->r;
	char to[600];
	msg_t *msg = NULL;
	if (r->request_bytes)
		msg = msg_make(sip_default_mclass(), 0, dialog->request, (ssize_t)r->request_bytes);
	sip_t *sip = msg ? sip_object(msg) : NULL;
	if (!sip || !sip->sip_request || !sip->sip_via) {
		msg_destroy(msg);
		return;
	}
	snprintf(to, sizeof(to), "%s;tag=%s", r->local, r->local_tag);
	nta_msg_treply(agent_nta(dialog->sipd->agent), msg, SIP_503_SERVICE_UNAVAILABLE, SIPTAG_TO_STR(to),
		       SIPTAG_SERVER_STR("hookswitch"), SIPTAG_RETRY_AFTER_STR("1"), TAG_END());
}

static void linger_over(uv_timer_t *timer)
{
	struct dialog *dialog = timer->data;
	dialog->r.told_end = true;
	dialog_destroy(dialog);
}

/* What cannot be gone on with is ended politely: BYE; CANCEL; a final answer. */
static void end_one(struct dialog *dialog)
{
	bool is_established = was_established(&dialog->r);
	dialog->r.state = DIALOG_ENDED;
	if (is_established) {
		if (!dialog->leg)
			dialog->leg = open_established(dialog);
		ending_bye(dialog);
	}
	if (dialog->r.outgoing)
		end_forks(dialog);
	else if (!is_established)
		refuse_invite(dialog);
	ending_say(dialog, HS_CAUSE_DRIVER_RESTARTED, false, 0, sentence);
	dialog_save(dialog);
	if (dialog->r.told_end)
		dialog_wait(dialog, LINGER_MS, linger_over);
}

static bool go_on_calling(struct dialog *dialog)
{
	dialog->r.state = DIALOG_CALLING;
	return caller_restore(dialog);
}

static bool go_on_being_called(struct dialog *dialog)
{
	dialog->leg = open_established(dialog);
	return callee_restore(dialog);
}

/* Where the record does not know yet that it was told, it is told once more. */
static bool go_on_talking(struct dialog *dialog)
{
	struct hs_leg_answered answered = {.leg = dialog->r.leg};
	dialog->leg = open_established(dialog);
	if (!dialog->leg)
		return false;
	if (dialog->r.state != DIALOG_UP) {
		tell_answered(dialog->sipd, &answered);
		dialog->r.state = DIALOG_UP;
		dialog_save(dialog);
	}
	end_forks(dialog); /* those that were too late */
	if (dialog->r.undescribed && dialog->description)
		caller_describe(dialog);
	if (!refresh_restore(dialog))
		inside_send_digits(dialog);
	change_hold(dialog, dialog->r.hold_wanted);
	return true;
}

/* How a dialog goes on, by what its record says; NULL: it is over. */
static bool (*way_of(const struct dialog_record *r))(struct dialog *dialog)
{
	if (r->state >= DIALOG_CLOSING && r->outgoing)
		return NULL;
	if (r->state == DIALOG_ENDED)
		return NULL;
	if (r->outgoing)
		return was_established(r) ? go_on_talking : go_on_calling;
	return r->state == DIALOG_UP ? go_on_talking : go_on_being_called;
}

static void restore_one(void *context, const struct dialog_record *record, const void *tail)
{
	struct sipd *sipd = context;
	struct dialog *dialog = dialog_restore(sipd->dialogs, record, tail);
	bool (*go_on)(struct dialog * dialog) = way_of(record);
	if (go_on && go_on(dialog)) {
		dialog_count(dialog);
		hs_log(INFO, "leg.restored", LOG_LINE(record->line), LOG_CALL(record->call), LOG_LEG(record->leg),
		       LOG_TEXT("state", life_of_dialogs.states[dialog->r.state]));
		return;
	}
	end_one(dialog);
}

void restore_dialogs(struct sipd *sipd)
{
	dialogs_left(sipd->dialogs, restore_one, sipd);
}

bool restore_refuses(const struct sipd *sipd, const sip_t *sip)
{
	const struct dialog *dialog = dialog_by_call_id(sipd->dialogs, sip->sip_call_id->i_id);
	return dialog && sip->sip_request->rq_method == sip_method_invite && !dialog->r.outgoing &&
	       dialog->r.state == DIALOG_ENDED && dialog->r.remote_cseq == sip->sip_cseq->cs_seq;
}

static void ack_failure(struct dialog *dialog, struct fork *fork, const sip_t *sip)
{
	struct path path;
	path_to(dialog->sipd->agent, &fork->r->peer, dialog->r.leg, &path);
	snprintf(path.cseq, sizeof(path.cseq), "%u ACK", fork->r->cseq);
	nta_outgoing_t *ack = nta_outgoing_tcreate(
		fork->leg, NULL, NULL, path.route, SIP_METHOD_ACK, URL_STRING_MAKE(fork->r->contact),
		NTATAG_BRANCH_KEY(fork->r->branch), NTATAG_ACK_BRANCH(fork->r->branch), SIPTAG_TO(sip->sip_to),
		SIPTAG_CSEQ_STR(path.cseq), TAG_END());
	nta_outgoing_destroy(ack);
}

static void fork_answered(struct dialog *dialog, struct fork *fork, const sip_t *sip)
{
	int status = sip->sip_status->st_status;
	if (status < 200) {
		if (status > 100)
			send_cancel(dialog, fork); /* the first one may have come too early */
	} else if (status < 300) {
		ending_ack_bye(dialog, fork->leg, &fork->r->peer, sip);
	} else {
		ack_failure(dialog, fork, sip);
	}
}

/* The answer to our 2xx acknowledgement got lost and the phone says 200 again. */
static void ack_again(struct dialog *dialog, const sip_t *sip)
{
	struct path path;
	path_of(dialog, &path);
	snprintf(path.cseq, sizeof(path.cseq), "%u ACK", sip->sip_cseq->cs_seq);
	nta_outgoing_t *ack = nta_outgoing_tcreate(
		dialog->leg, NULL, NULL, path.route, SIP_METHOD_ACK, NULL, TAG_IF(path.flow, NTATAG_TPORT(path.flow)),
		SIPTAG_CSEQ_STR(path.cseq), NTATAG_ACK_BRANCH(sip->sip_via->v_branch), TAG_END());
	nta_outgoing_destroy(ack);
}

static void serve_response(struct dialog *dialog, const sip_t *sip)
{
	bool is_of_dialog = dialog->leg && sip->sip_to->a_tag && !strcmp(sip->sip_call_id->i_id, dialog->r.call_id) &&
			    !strcmp(sip->sip_to->a_tag, dialog->r.remote_tag);
	if (is_of_dialog && sip->sip_status->st_status / 100 == 2)
		ack_again(dialog, sip);
	for (size_t i = 0; !is_of_dialog && i < dialog->r.forks_count; i++) {
		struct fork *fork = &dialog->forks[i];
		if (!fork->r || strcmp(fork->r->call_id, sip->sip_call_id->i_id) != 0)
			continue;
		if (fork->leg && !fork->invite)
			fork_answered(dialog, fork, sip);
		break;
	}
}

void restore_response(void *context, msg_t *msg, sip_t *sip)
{
	struct sipd *sipd = context;
	struct dialog *dialog = dialog_by_call_id(sipd->dialogs, sip->sip_call_id->i_id);
	if (dialog && sip->sip_cseq->cs_method == sip_method_invite && sip->sip_via)
		serve_response(dialog, sip);
	msg_destroy(msg);
}
