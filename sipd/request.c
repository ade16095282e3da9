#include "request.h"
#include "admission.h"
#include "auth.h"
#include "callee.h"
#include "cleanup.h"
#include "clock.h"
#include "dialog.h"
#include "inside.h"
#include "lamp.h"
#include "log.h"
#include "metrics.h"
#include "names.h"
#include "overload.h"
#include "refresh.h"
#include "registrar.h"
#include "restore.h"
#include "sipd.h"
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <stdio.h>
#include <string.h>

/* A request on its way through the room. */
struct arrival {
	struct sipd *sipd;
	msg_t *msg;
	sip_t *sip;
	struct peer peer;
	const struct user *user; /* once it proved who it is */
};

static void answer(const struct arrival *arrival, int status, const char *phrase, const char *headers)
{
	agent_reply(arrival->sipd->agent, arrival->msg, status, phrase, headers);
}

static struct refused_name name_of(const sip_t *sip)
{
	return (struct refused_name){sip->sip_call_id->i_id, sip->sip_via->v_branch, sip->sip_cseq->cs_seq};
}

/* The final answer to an INVITE, and to each of its repetitions. */
static void refuse(const struct arrival *arrival, int status)
{
	struct refused_name name = name_of(arrival->sip);
	char retry[32];
	snprintf(retry, sizeof(retry), "Retry-After: %d", OVERLOAD_RETRY_S);
	refused_note(arrival->sipd->refused, &name, status, hs_clock_ms());
	answer(arrival, status, NULL, status == 503 ? retry : NULL);
}

static int refused_before(const struct arrival *arrival)
{
	struct refused_name name = name_of(arrival->sip);
	return refused_status(arrival->sipd->refused, &name, hs_clock_ms());
}

/* Who looks for telephones on the Internet finds none here. */
static void options(const struct arrival *arrival)
{
	if (auth_is_stranger(arrival->sipd, &arrival->peer)) {
		auth_probed(arrival->sipd, &arrival->peer);
		msg_destroy(arrival->msg);
		return;
	}
	answer(arrival, SIP_200_OK,
	       "Allow: " AGENT_ALLOW
	       "\r\nAccept: application/sdp\r\nSupported: timer\r\nAllow-Events: message-summary");
}

static void no_dialog(const struct arrival *arrival)
{
	answer(arrival, SIP_481_NO_TRANSACTION, NULL);
}

static void not_here(const struct arrival *arrival)
{
	answer(arrival, SIP_405_METHOD_NOT_ALLOWED, "Allow: " AGENT_ALLOW);
}

static void subscribe(const struct arrival *arrival)
{
	lamps_subscribe(arrival->sipd->lamps, arrival->msg, arrival->sip, arrival->user, &arrival->peer);
}

static void enroll(const struct arrival *arrival)
{
	registrar_serve(arrival->sipd->registrar, arrival->msg, arrival->sip, arrival->user, &arrival->peer);
}

static void refuse_overload(const struct arrival *arrival, const char *why)
{
	static struct hs_metric *refused;
	if (!refused)
		refused = hs_metric_counter("hookswitch_sip_overload_total", "", "calls refused because of the load");
	hs_metric_add(refused, 1);
	hs_log(DEBUG, "sip.overload", LOG_WHY(why));
	refuse(arrival, 503);
}

static enum overload_who who_calls(const struct arrival *arrival)
{
	return locations_has_host(arrival->sipd->locations, arrival->peer.host) ? OVERLOAD_PHONE : OVERLOAD_STRANGER;
}

static bool line_is_full(const struct arrival *arrival)
{
	const struct sipd *sipd = arrival->sipd;
	return dialogs_of_line(sipd->dialogs, arrival->user->line) >= (size_t)sipd->config->sip->max_calls;
}

static void refuse_full(const struct arrival *arrival)
{
	hs_metric_add(hs_metric_counter("hookswitch_sip_line_full_total", "", "calls refused because of sip.max_calls"),
		      1);
	hs_log(WARN, "line.full", LOG_LINE(arrival->user->line), LOG_TEXT("address", arrival->peer.host),
	       LOG_WHY("the line has sip.max_calls calls"));
	refuse(arrival, 486);
}

static void invite(const struct arrival *arrival)
{
	char dialled[65], target[DIALOG_TARGET], headers[REFRESH_HEADERS];
	const sip_t *sip = arrival->sip;
	if (!admission_has_sdp(sip))
		answer(arrival, SIP_415_UNSUPPORTED_MEDIA, "Accept: application/sdp");
	else if (!sip->sip_payload || !sip->sip_payload->pl_len)
		answer(arrival, SIP_488_NOT_ACCEPTABLE, "Warning: 399 hookswitch \"an offer is needed in the INVITE\"");
	else if (!sip->sip_contact || sip->sip_contact->m_url->url_type != url_sip ||
		 !dialog_target(sip->sip_contact, target))
		answer(arrival, 400, "Bad Contact", NULL);
	else if (sip->sip_request->rq_url->url_user &&
		 names_dialled(sip->sip_request->rq_url->url_user, dialled, sizeof(dialled)))
		answer(arrival, SIP_404_NOT_FOUND, NULL);
	else if (refresh_is_too_brief(arrival->sipd, sip, headers))
		answer(arrival, SIP_422_SESSION_TIMER_TOO_SMALL, headers);
	else if (line_is_full(arrival))
		refuse_full(arrival);
	else
		callee_begin(arrival->sipd, arrival->msg, arrival->sip, arrival->user, &arrival->peer,
			     sip->sip_request->rq_url->url_user ? dialled : "");
}

/* Methods outside a dialog. proven: the sender must prove who it is first, so that no answer tells who exists. */
static const struct row {
	sip_method_t method;
	bool proven, is_new_call;
	void (*serve)(const struct arrival *arrival);
} rows[] = {
	{sip_method_options, false, false, options},    {sip_method_register, true, false, enroll},
	{sip_method_invite, true, true, invite},        {sip_method_bye, false, false, no_dialog},
	{sip_method_cancel, false, false, no_dialog},   {sip_method_info, false, false, no_dialog},
	{sip_method_prack, false, false, no_dialog},    {sip_method_update, false, false, no_dialog},
	{sip_method_subscribe, true, false, subscribe}, {sip_method_message, true, false, not_here},
	{sip_method_notify, true, false, not_here},     {sip_method_refer, true, false, not_here},
	{sip_method_publish, true, false, not_here},
};

static const struct row *row_of(sip_method_t method)
{
	for (size_t i = 0; i < HS_COUNT(rows); i++)
		if (rows[i].method == method)
			return &rows[i];
	return NULL;
}

static bool is_admitted(const struct arrival *arrival)
{
	struct admission admission = admission_judge(arrival->sip);
	if (!admission.status)
		return true;
	if (admission.status < 0)
		msg_destroy(arrival->msg);
	else
		answer(arrival, admission.status, admission.phrase, admission.headers[0] ? admission.headers : NULL);
	return false;
}

static bool is_proven(struct arrival *arrival)
{
	char headers[AUTH_HEADERS];
	if (auth_check(arrival->sipd, arrival->sip, &arrival->peer, &arrival->user, headers) == AUTH_OK)
		return true;
	answer(arrival, SIP_401_UNAUTHORIZED, headers);
	return false;
}

void request_arrived(void *context, msg_t *msg, sip_t *sip)
{
	struct arrival arrival = {.sipd = context, .msg = msg, .sip = sip};
	const char *why = NULL;
	int status;
	if (sip->sip_request->rq_method == sip_method_ack) {
		msg_destroy(msg); /* of an answer that had no transaction */
		return;
	}
	if (!is_admitted(&arrival))
		return;
	const struct row *row = row_of(sip->sip_request->rq_method);
	agent_peer(arrival.sipd->agent, msg, &arrival.peer);
	if (!row) {
		answer(&arrival, SIP_501_NOT_IMPLEMENTED, "Allow: " AGENT_ALLOW);
	} else if (inside_arrived(arrival.sipd, msg, sip, &arrival.peer)) {
		return;
	} else if (sip->sip_to->a_tag && row->serve != subscribe) {
		no_dialog(&arrival);
	} else if (restore_refuses(arrival.sipd, sip)) {
		answer(&arrival, SIP_503_SERVICE_UNAVAILABLE, "Retry-After: 1");
	} else if (row->is_new_call && (status = refused_before(&arrival))) {
		refuse(&arrival, status);
	} else if (row->is_new_call && (why = overload_refuses(arrival.sipd, who_calls(&arrival)))) {
		refuse_overload(&arrival, why);
	} else if (!row->proven || is_proven(&arrival)) {
		row->serve(&arrival);
	}
}
