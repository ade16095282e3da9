#include "change.h"
#include "admission.h"
#include "ask.h"
#include "cleanup.h"
#include "log.h"
#include "path.h"
#include "refresh.h"
#include "sipd.h"
#include "tell.h"
#include <sodium.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <stdio.h>

#define GLARES_MAX 5
#define WHY_BYTES 200

static void tell_hold(struct dialog *dialog, bool held, bool by_far_end)
{
	bool *now = by_far_end ? &dialog->r.held_by_far_end : &dialog->r.held_by_us;
	if (*now == held)
		return;
	*now = held;
	dialog_save(dialog);
	struct hs_leg_held fact = {.leg = dialog->r.leg, .held = held, .by_far_end = by_far_end};
	tell_held(dialog->sipd, &fact);
}

/* ---- theirs ---- */

static void close_change_in(struct dialog *dialog)
{
	nta_incoming_destroy(dialog->change_in);
	dialog->change_in = NULL;
	dialog->offered_in_200 = false;
}

static void late_answer(void *context, const struct hs_answer *answer)
{
	struct dialog *dialog = context;
	struct ask_media media = ask_read(HS_MEDIA_DESCRIBE, answer);
	dialog->ticket = 0;
	if (!media.error)
		tell_hold(dialog, media.held, true);
}

/* ACK, CANCEL, or NULL: no ACK came. */
static int change_acked(nta_incoming_magic_t *magic, nta_incoming_t *irq, const sip_t *sip)
{
	struct dialog *dialog = (struct dialog *)magic;
	if (sip && sip->sip_request->rq_method == sip_method_cancel) {
		nta_incoming_treply(irq, SIP_487_REQUEST_CANCELLED, TAG_END());
		dialog_forget_question(dialog);
	} else if (sip && dialog->offered_in_200 && sip->sip_payload && sip->sip_payload->pl_len) {
		dialog->ticket =
			ask_describe(dialog, HS_DESCRIPTION_ROLE_ANSWER, sip->sip_payload->pl_data, late_answer);
	}
	close_change_in(dialog);
	if (!sip) {
		struct dialog_end end = {HS_CAUSE_FAILED, 0, "the phone did not confirm a change of the call"};
		dialog_step(dialog, DIALOG_LOST, &end);
	}
	return 0;
}

static void refuse_change(struct dialog *dialog, int status, const char *phrase, const char *why)
{
	hs_log(WARN, "leg.change_refused", LOG_CALL(dialog->r.call), LOG_LEG(dialog->r.leg), LOG_INT("status", status),
	       LOG_WHY(why));
	nta_incoming_treply(dialog->change_in, status, phrase, TAG_END());
	close_change_in(dialog);
}

static void answer_change(struct dialog *dialog, enum hs_message_id asked, const struct hs_answer *answer)
{
	char contact[AGENT_CONTACT], headers[REFRESH_HEADERS];
	struct ask_media media = ask_read(asked, answer);
	dialog->ticket = 0;
	if (!dialog->change_in)
		return;
	if (media.error || !media.description) {
		bool invalid = media.error == HS_ERROR_INVALID;
		refuse_change(dialog, invalid ? 488 : 500, invalid ? "Not Acceptable Here" : "Media Not Available",
			      media.why);
		return;
	}
	refresh_begin(dialog);
	dialog_save(dialog);
	refresh_write_answer(dialog, headers);
	agent_contact(dialog->sipd->agent, dialog->r.leg, &dialog->r.peer, contact);
	nta_incoming_treply(dialog->change_in, SIP_200_OK, SIPTAG_CONTACT_STR(contact), SIPTAG_ALLOW_STR(AGENT_ALLOW),
			    SIPTAG_SERVER_STR("hookswitch"), SIPTAG_HEADER_STR(headers),
			    SIPTAG_CONTENT_TYPE_STR("application/sdp"), SIPTAG_PAYLOAD_STR(media.description),
			    TAG_END());
	if (nta_incoming_method(dialog->change_in) == sip_method_update)
		close_change_in(dialog); /* no ACK will come */
	if (asked == HS_MEDIA_DESCRIBE)
		tell_hold(dialog, media.held, true);
}

static void described(void *context, const struct hs_answer *answer)
{
	answer_change(context, HS_MEDIA_DESCRIBE, answer);
}

static void offered(void *context, const struct hs_answer *answer)
{
	answer_change(context, HS_MEDIA_OFFER, answer);
}

int change_arrived(struct dialog *dialog, nta_incoming_t *irq, const sip_t *sip)
{
	char headers[REFRESH_HEADERS];
	if (dialog->change_out || dialog->hold_pending)
		return 491;
	if (dialog->change_in || dialog->invite || dialog->ticket) {
		nta_incoming_treply(irq, SIP_500_INTERNAL_SERVER_ERROR, SIPTAG_RETRY_AFTER_STR("3"), TAG_END());
		return 500;
	}
	if (!admission_has_sdp(sip))
		return 415;
	if (refresh_is_too_brief(dialog->sipd, sip, headers)) {
		nta_incoming_treply(irq, SIP_422_SESSION_TIMER_TOO_SMALL, SIPTAG_HEADER_STR(headers), TAG_END());
		return 422;
	}
	if (sip->sip_contact && !dialog_target(sip->sip_contact, dialog->r.target))
		return 400;
	if (sip->sip_contact)
		nta_leg_server_route(dialog->leg, NULL, sip->sip_contact);
	dialog->r.remote_cseq = sip->sip_cseq->cs_seq;
	refresh_wanted(dialog, sip);
	dialog_save(dialog);
	dialog->change_in = irq;
	const char *offer = sip->sip_payload && sip->sip_payload->pl_len ? sip->sip_payload->pl_data : NULL;
	dialog->offered_in_200 = !offer;
	nta_incoming_bind(irq, change_acked, (nta_incoming_magic_t *)dialog);
	enum hs_direction keep = dialog->r.held_by_us ? HS_DIRECTION_SENDONLY : HS_DIRECTION_SENDRECV;
	dialog->ticket = offer ? ask_describe(dialog, HS_DESCRIPTION_ROLE_OFFER, offer, described)
			       : ask_offer(dialog, keep, offered);
	return 0;
}

/* ---- ours ---- */

/* The wish that came meanwhile, or the present state: which is nothing to do. */
static void go_on(struct dialog *dialog)
{
	dialog->hold_pending = dialog->refreshing = false;
	change_hold(dialog, dialog->r.hold_wanted);
}

static void hold_failed(struct dialog *dialog, const char *why)
{
	char text[WHY_BYTES];
	if (dialog->refreshing) {
		refresh_failed(dialog, 0, NULL);
		go_on(dialog);
		return;
	}
	hs_copy(text, sizeof(text), why ? why : "its audio did not answer");
	struct hs_leg_hold_failed fact = {.leg = dialog->r.leg, .held = dialog->hold_asked, .why = text};
	dialog->hold_pending = false;
	dialog->r.hold_wanted = dialog->r.held_by_us; /* it is not tried again */
	hs_log(WARN, "leg.hold_failed", LOG_CALL(dialog->r.call), LOG_LEG(dialog->r.leg), LOG_WHY(text));
	tell_hold_failed(dialog->sipd, &fact);
}

static void hold_described(void *context, const struct hs_answer *answer)
{
	struct dialog *dialog = context;
	struct ask_media media = ask_read(HS_MEDIA_DESCRIBE, answer);
	dialog->ticket = 0;
	if (media.error) {
		hold_failed(dialog, media.why);
		return;
	}
	if (dialog->refreshing)
		refresh_count("by=\"us\"");
	tell_hold(dialog, dialog->hold_asked, false);
	go_on(dialog);
}

static void ack_change(struct dialog *dialog, const sip_t *sip)
{
	struct path path;
	path_of(dialog, &path);
	snprintf(path.cseq, sizeof(path.cseq), "%u ACK", sip->sip_cseq->cs_seq);
	if (sip->sip_contact)
		nta_leg_client_reroute(dialog->leg, NULL, sip->sip_contact, 0);
	nta_outgoing_t *ack =
		nta_outgoing_tcreate(dialog->leg, NULL, NULL, path.route, SIP_METHOD_ACK, NULL,
				     TAG_IF(path.flow, NTATAG_TPORT(path.flow)), SIPTAG_CSEQ_STR(path.cseq), TAG_END());
	nta_outgoing_destroy(ack);
}

static void try_hold(uv_timer_t *timer)
{
	struct dialog *dialog = timer->data;
	bool refreshing = dialog->refreshing;
	go_on(dialog);
	if (refreshing && !dialog->hold_pending)
		change_refresh(dialog);
}

/* Both sides asked at once: whoever owns the Call-ID waits longer (RFC 3261 14.1). */
static void wait_after_glare(struct dialog *dialog)
{
	int base = dialog->r.outgoing ? 2100 : 0, range = dialog->r.outgoing ? 1900 : 2000;
	if (++dialog->glares > GLARES_MAX) {
		hold_failed(dialog, "the phone wants changes of its own again and again");
		return;
	}
	int wait_ms = base + 10 * (int)randombytes_uniform((uint32_t)range / 10);
	if (dialog->refreshing)
		refresh_waits(dialog, wait_ms);
	dialog_wait(dialog, wait_ms, try_hold);
}

static int change_answered(nta_outgoing_magic_t *magic, nta_outgoing_t *request, const sip_t *sip)
{
	struct dialog *dialog = (struct dialog *)magic;
	int status = nta_outgoing_status(request);
	if (status < 200)
		return 0;
	if (status < 300 && sip) {
		ack_change(dialog, sip);
		refresh_agreed(dialog, sip, dialog->r.session.s);
	}
	nta_outgoing_destroy(request);
	dialog->change_out = NULL;
	path_answered(dialog, sip_method_invite);
	dialog->glares *= status == 491;
	if (status == 491) {
		wait_after_glare(dialog);
	} else if (status == 408 || status == 481) {
		dialog_lost(dialog, status);
	} else if (status >= 300 && dialog->refreshing) {
		dialog->refreshing = dialog->hold_pending = false;
		refresh_failed(dialog, status, sip);
		change_hold(dialog, dialog->r.hold_wanted);
	} else if (status >= 300) {
		char why[64];
		snprintf(why, sizeof(why), "the phone refused it with %d", status);
		hold_failed(dialog, why);
	} else if (!sip || !sip->sip_payload) {
		hold_failed(dialog, "the phone agreed without a description of its audio");
	} else {
		dialog->ticket =
			ask_describe(dialog, HS_DESCRIPTION_ROLE_ANSWER, sip->sip_payload->pl_data, hold_described);
	}
	return 0;
}

static void hold_offered(void *context, const struct hs_answer *answer)
{
	struct dialog *dialog = context;
	struct path path;
	char headers[REFRESH_HEADERS];
	struct ask_media media = ask_read(HS_MEDIA_OFFER, answer);
	dialog->ticket = 0;
	if (media.error || dialog->change_in) {
		hold_failed(dialog, media.error ? media.why : "the phone wants a change of its own");
		return;
	}
	path_of(dialog, &path);
	path_count(dialog, sip_method_invite);
	refresh_write_again(dialog, headers);
	dialog->change_out = nta_outgoing_tcreate(
		dialog->leg, change_answered, (nta_outgoing_magic_t *)dialog, path.route, SIP_METHOD_INVITE, NULL,
		NTATAG_BRANCH_KEY(dialog->r.asked_branch), TAG_IF(path.flow, NTATAG_TPORT(path.flow)),
		SIPTAG_CONTACT_STR(path.contact), SIPTAG_ALLOW_STR(AGENT_ALLOW), SIPTAG_USER_AGENT_STR("hookswitch"),
		SIPTAG_HEADER_STR(headers), SIPTAG_CONTENT_TYPE_STR("application/sdp"),
		SIPTAG_PAYLOAD_STR(media.description), TAG_END());
	if (!dialog->change_out)
		hold_failed(dialog, "the request could not be sent");
}

void change_hold(struct dialog *dialog, bool held)
{
	if (dialog->r.hold_wanted != held) {
		dialog->r.hold_wanted = held;
		dialog_save(dialog);
	}
	if (dialog->hold_pending || dialog->r.held_by_us == held)
		return; /* the newest wish counts when the present one is through */
	dialog->hold_pending = true;
	if (dialog->change_in || dialog->ticket) {
		dialog_wait(dialog, 500, try_hold);
		return;
	}
	dialog->hold_asked = held;
	dialog->ticket = ask_offer(dialog, held ? HS_DIRECTION_SENDONLY : HS_DIRECTION_SENDRECV, hold_offered);
}

void change_refresh(struct dialog *dialog)
{
	dialog->hold_pending = dialog->refreshing = true;
	dialog->hold_asked = dialog->r.held_by_us;
	dialog->ticket =
		ask_offer(dialog, dialog->hold_asked ? HS_DIRECTION_SENDONLY : HS_DIRECTION_SENDRECV, hold_offered);
}
