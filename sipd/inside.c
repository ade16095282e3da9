#include "inside.h"
#include "auth.h"
#include "change.h"
#include "cleanup.h"
#include "info.h"
#include "log.h"
#include "path.h"
#include "refresh.h"
#include "sipd.h"
#include "tell.h"
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <string.h>

static int bye(struct dialog *dialog, nta_incoming_t *irq, const sip_t *sip)
{
	if (dialog_step(dialog, DIALOG_BYE, irq)) /* there it is answered, once it is told */
		nta_incoming_treply(irq, SIP_200_OK, SIPTAG_SERVER_STR("hookswitch"), TAG_END());
	return 200;
}

static int info(struct dialog *dialog, nta_incoming_t *irq, const sip_t *sip)
{
	struct info read;
	const char *body = sip->sip_payload ? sip->sip_payload->pl_data : "";
	size_t bytes = sip->sip_payload ? sip->sip_payload->pl_len : 0;
	if (dialog->is_repetition)
		return 200;
	info_read(sip->sip_content_type ? sip->sip_content_type->c_type : NULL, body, bytes, &read);
	if (read.kind == INFO_DIGIT) {
		struct hs_leg_digit fact = {
			.leg = dialog->r.leg,
			.digit = read.digit,
			.phase = HS_DIGIT_PHASE_END,
			.duration_ms = read.duration_ms,
			.source = HS_DIGIT_SOURCE_INFO,
		};
		tell_digit(dialog->sipd, &fact);
	} else if (read.kind == INFO_FLASH) {
		struct hs_leg_flash fact = {.leg = dialog->r.leg};
		tell_flash(dialog->sipd, &fact);
	}
	dialog_save(dialog); /* what has been told is not told again, though the phone may repeat it to a successor */
	return 200;
}

static int options(struct dialog *dialog, nta_incoming_t *irq, const sip_t *sip)
{
	nta_incoming_treply(irq, SIP_200_OK, SIPTAG_ALLOW_STR(AGENT_ALLOW), SIPTAG_ACCEPT_STR("application/sdp"),
			    SIPTAG_SERVER_STR("hookswitch"), TAG_END());
	return 200;
}

static int refuse_method(struct dialog *dialog, nta_incoming_t *irq, const sip_t *sip)
{
	nta_incoming_treply(irq, SIP_405_METHOD_NOT_ALLOWED, SIPTAG_ALLOW_STR(AGENT_ALLOW), TAG_END());
	return 405;
}

static int reinvite(struct dialog *dialog, nta_incoming_t *irq, const sip_t *sip)
{
	return dialog->r.state == DIALOG_UP ? change_arrived(dialog, irq, sip) : 491;
}

static int update(struct dialog *dialog, nta_incoming_t *irq, const sip_t *sip)
{
	if (dialog->r.state != DIALOG_UP)
		return 491;
	if (sip->sip_payload && sip->sip_payload->pl_len)
		return change_arrived(dialog, irq, sip);
	return refresh_arrived(dialog, irq, sip);
}

static const struct {
	sip_method_t method;
	int (*serve)(struct dialog *dialog, nta_incoming_t *irq, const sip_t *sip);
} rows[] = {
	{sip_method_bye, bye},         {sip_method_info, info},     {sip_method_options, options},
	{sip_method_invite, reinvite}, {sip_method_update, update},
};

/* A request from another address than the dialog's must prove who it is; then the dialog moves there. */
static bool follow(struct dialog *dialog, msg_t *msg, const sip_t *sip, const struct peer *peer)
{
	char headers[AUTH_HEADERS];
	const struct user *user;
	if (!strcmp(peer->host, dialog->r.peer.host)) {
		bool has_moved = peer->tcp == dialog->r.peer.tcp && peer->port != dialog->r.peer.port;
		if (has_moved) {
			dialog->r.peer.port = peer->port;
			dialog_save(dialog);
		}
		return true;
	}
	if (auth_check(dialog->sipd, sip, peer, &user, headers) != AUTH_OK || strcmp(user->line, dialog->r.line) != 0) {
		agent_reply(dialog->sipd->agent, msg, SIP_401_UNAUTHORIZED, headers);
		return false;
	}
	dialog->r.peer = *peer;
	dialog_save(dialog);
	hs_log(INFO, "leg.moved", LOG_CALL(dialog->r.call), LOG_LEG(dialog->r.leg), LOG_TEXT("address", peer->host));
	return true;
}

/* Kept here, once the sender is known: nta would raise it for anybody (RFC 3261 12.2.2). Repetitions reach us only when
 * their transaction died with a predecessor. */
static bool is_in_order(struct dialog *dialog, const sip_t *sip)
{
	if (sip->sip_cseq->cs_seq < dialog->r.remote_cseq)
		return false;
	dialog->is_repetition = sip->sip_cseq->cs_seq == dialog->r.remote_cseq;
	dialog->r.remote_cseq = sip->sip_cseq->cs_seq;
	return true;
}

static int serve(struct dialog *dialog, nta_incoming_t *irq, const sip_t *sip)
{
	for (size_t i = 0; i < HS_COUNT(rows); i++)
		if (rows[i].method == sip->sip_request->rq_method)
			return rows[i].serve(dialog, irq, sip);
	return refuse_method(dialog, irq, sip);
}

static void begin(struct dialog *dialog, msg_t *msg, sip_t *sip)
{
	nta_incoming_t *irq = nta_incoming_create(agent_nta(dialog->sipd->agent), dialog->leg, msg, sip, TAG_END());
	int status = irq ? serve(dialog, irq, sip) : 0;
	if (!status)
		return; /* answered later */
	if (nta_incoming_status(irq) < 200)
		nta_incoming_treply(irq, status, NULL, TAG_END());
	nta_incoming_destroy(irq);
}

bool inside_arrived(struct sipd *sipd, msg_t *msg, sip_t *sip, const struct peer *peer)
{
	nta_leg_t *leg = nta_leg_by_dialog(agent_nta(sipd->agent), NULL, sip->sip_call_id, sip->sip_from->a_tag, NULL,
					   sip->sip_to->a_tag, NULL);
	struct dialog *dialog = (struct dialog *)nta_leg_magic(leg, NULL);
	if (!dialog)
		return false;
	if (leg != dialog->leg || dialog->r.state == DIALOG_ENDED || sip->sip_request->rq_method == sip_method_cancel)
		agent_reply(sipd->agent, msg, SIP_481_NO_TRANSACTION, NULL);
	else if (!follow(dialog, msg, sip, peer))
		return true;
	else if (!is_in_order(dialog, sip))
		agent_reply(sipd->agent, msg, SIP_500_INTERNAL_SERVER_ERROR, NULL);
	else
		begin(dialog, msg, sip);
	return true;
}

static int info_answered(nta_outgoing_magic_t *magic, nta_outgoing_t *request, const sip_t *sip)
{
	struct dialog *dialog = (struct dialog *)magic;
	int status = nta_outgoing_status(request);
	if (status < 200)
		return 0;
	nta_outgoing_destroy(request);
	dialog->info = NULL;
	memmove(dialog->r.digits, dialog->r.digits + 1, strlen(dialog->r.digits));
	path_answered(dialog, sip_method_info);
	if (status == 481)
		dialog_lost(dialog, status);
	else
		inside_send_digits(dialog);
	return 0;
}

void inside_send_digits(struct dialog *dialog)
{
	struct path path;
	char body[64];
	if (dialog->info || !dialog->r.digits[0] || dialog->r.state != DIALOG_UP)
		return;
	info_write(dialog->r.digits[0], dialog->r.digit_ms, body, sizeof(body));
	path_of(dialog, &path);
	path_count(dialog, sip_method_info);
	dialog->info = nta_outgoing_tcreate(
		dialog->leg, info_answered, (nta_outgoing_magic_t *)dialog, path.route, SIP_METHOD_INFO, NULL,
		NTATAG_BRANCH_KEY(dialog->r.asked_branch), TAG_IF(path.flow, NTATAG_TPORT(path.flow)),
		SIPTAG_USER_AGENT_STR("hookswitch"), SIPTAG_CONTENT_TYPE_STR("application/dtmf-relay"),
		SIPTAG_PAYLOAD_STR(body), TAG_END());
}
