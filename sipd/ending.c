#include "ending.h"
#include "log.h"
#include "metrics.h"
#include "path.h"
#include "sipd.h"
#include "tell.h"
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <stdio.h>

#define AGAIN_MS 1000
#define BYES_MAX 32 /* as long as a BYE is repeated that gets no answer */

/* The phone's connection is gone: it will open another one and register (path_of). */
static void bye_again(uv_timer_t *timer)
{
	struct dialog *dialog = timer->data;
	dialog->bye_waits = false;
	ending_bye(dialog);
	ending_check(dialog);
}

static int bye_answered(nta_outgoing_magic_t *magic, nta_outgoing_t *request, const sip_t *sip)
{
	struct dialog *dialog = (struct dialog *)magic;
	if (nta_outgoing_status(request) < 200)
		return 0;
	bool is_unsent =
		dialog->r.peer.tcp && nta_outgoing_status(request) == 503 && (!sip || nta_sip_is_internal(sip));
	nta_outgoing_destroy(request);
	dialog->bye = NULL; /* a challenge is not answered: it would leak a digest (security model 6.7) */
	if (is_unsent && dialog->r.told_end && ++dialog->byes < BYES_MAX) {
		dialog->bye_waits = true;
		dialog_wait(dialog, AGAIN_MS, bye_again);
	}
	ending_check(dialog);
	return 0;
}

void ending_bye(struct dialog *dialog)
{
	struct path path;
	if (!dialog->leg || dialog->bye)
		return;
	path_of(dialog, &path);
	path_count(dialog, sip_method_bye);
	dialog->bye = nta_outgoing_tcreate(dialog->leg, bye_answered, (nta_outgoing_magic_t *)dialog, path.route,
					   SIP_METHOD_BYE, NULL, NTATAG_BRANCH_KEY(dialog->r.asked_branch),
					   TAG_IF(path.flow, NTATAG_TPORT(path.flow)),
					   SIPTAG_USER_AGENT_STR("hookswitch"), TAG_END());
}

void ending_ack_bye(struct dialog *dialog, nta_leg_t *leg, const struct peer *peer, const sip_t *sip)
{
	struct path path;
	path_to(dialog->sipd->agent, peer, dialog->r.leg, &path);
	snprintf(path.cseq, sizeof(path.cseq), "%u ACK", sip->sip_cseq->cs_seq);
	nta_leg_rtag(leg, sip->sip_to->a_tag);
	nta_leg_client_reroute(leg, sip->sip_record_route, sip->sip_contact, 1);
	nta_outgoing_t *ack = nta_outgoing_tcreate(
		leg, NULL, NULL, path.route, SIP_METHOD_ACK, NULL, TAG_IF(path.flow, NTATAG_TPORT(path.flow)),
		SIPTAG_CSEQ_STR(path.cseq), NTATAG_ACK_BRANCH(sip->sip_via->v_branch), TAG_END());
	nta_outgoing_destroy(ack);
	nta_outgoing_t *bye = nta_outgoing_tcreate(leg, NULL, NULL, path.route, SIP_METHOD_BYE, NULL,
						   TAG_IF(path.flow, NTATAG_TPORT(path.flow)),
						   SIPTAG_USER_AGENT_STR("hookswitch"), TAG_END());
	nta_outgoing_destroy(bye); /* it is repeated until answered all the same */
}

static void tell_again(uv_timer_t *timer)
{
	struct dialog *dialog = timer->data;
	ending_tell(dialog, HS_CAUSE_FAILED, false, 0, "told late: the journal was full");
	ending_check(dialog);
}

static void count_end(const struct dialog *dialog, enum hs_cause cause)
{
	static struct hs_metric *counters[HS_CAUSE_COUNT][2];
	struct hs_metric **counter = &counters[cause][dialog->r.outgoing];
	char labels[96];
	if (!*counter) {
		snprintf(labels, sizeof(labels), "direction=\"%s\",cause=\"%s\"",
			 dialog->r.outgoing ? "outgoing" : "incoming", hs_enum_cause.names[cause]);
		*counter = hs_metric_counter("hookswitch_sip_legs_ended_total", labels, "legs by how they ended");
	}
	hs_metric_add(*counter, 1);
}

/* Nothing is left to be done: its record goes at once. */
static bool is_over(const struct dialog *dialog)
{
	bool busy = dialog->bye || dialog->bye_waits || !dialog->r.told_end;
	for (size_t i = 0; i < dialog->r.forks_count; i++)
		busy |= dialog->forks[i].invite != NULL;
	return dialog->r.state == DIALOG_ENDED && !busy;
}

void ending_say(struct dialog *dialog, enum hs_cause cause, bool by_far_end, int status, const char *why)
{
	struct hs_leg_ended fact = {
		.leg = dialog->r.leg,
		.cause = cause,
		.by_far_end = by_far_end,
		.has_status = status > 0,
		.status = status,
		.why = why,
	};
	if (dialog->r.told_end)
		return;
	if (tell_ended(dialog->sipd, &fact)) {
		dialog_wait(dialog, AGAIN_MS, tell_again);
		return;
	}
	dialog->r.told_end = true;
	count_end(dialog, cause);
	hs_log(INFO, "leg.ended", LOG_LINE(dialog->r.line), LOG_CALL(dialog->r.call), LOG_LEG(dialog->r.leg),
	       LOG_TEXT("cause", hs_enum_cause.names[cause]), LOG_INT("status", status), LOG_WHY(why));
}

void ending_tell(struct dialog *dialog, enum hs_cause cause, bool by_far_end, int status, const char *why)
{
	if (dialog->r.told_end)
		return;
	ending_say(dialog, cause, by_far_end, status, why);
	if (dialog->r.told_end && !is_over(dialog))
		dialog_save(dialog);
}

void ending_check(struct dialog *dialog)
{
	if (is_over(dialog))
		dialog_destroy(dialog);
}
