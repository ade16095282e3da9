#include "refresh.h"
#include "change.h"
#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include "metrics.h"
#include "path.h"
#include "sipd.h"
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <stdio.h>
#include <strings.h>

#define BUSY_MS 1000  /* something else is under way in the dialog */
#define AGAIN_MS 5000 /* after a refresh that was refused */
#define GRACE_MS 3000 /* so long an answer may take at least */

static const struct dialog_end unanswered = {HS_CAUSE_LOST, 0, "the phone answers no more: no refresh of the session"};
static const struct dialog_end unrefreshed = {HS_CAUSE_LOST, 0, "the phone did not refresh the session in time"};

static struct interval_rules rules_of(const struct sipd *sipd)
{
	const struct hs_config_sip *sip = sipd->config->sip;
	return (struct interval_rules){sip->session_expires_s, sip->session_min_s, sip->session_always};
}

/* ---- what messages say ---- */

static int64_t cut(unsigned long seconds)
{
	return seconds > INTERVAL_LONGEST_S ? INTERVAL_LONGEST_S : (int64_t)seconds;
}

static enum interval_refresher refresher_of(const sip_session_expires_t *expires)
{
	if (!expires || !expires->x_refresher)
		return INTERVAL_NOBODY;
	return strcasecmp(expires->x_refresher, "uac") ? INTERVAL_UAS : INTERVAL_UAC;
}

static struct interval_said read_said(const sip_t *sip)
{
	const sip_session_expires_t *expires = sip->sip_session_expires;
	return (struct interval_said){
		.supported = sip_has_feature(sip->sip_supported, "timer") || sip_has_feature(sip->sip_require, "timer"),
		.expires_s = expires ? cut(expires->x_delta) : 0,
		.min_s = refresh_least_s(sip),
		.refresher = refresher_of(expires),
	};
}

int64_t refresh_least_s(const sip_t *sip)
{
	return sip && sip->sip_min_se ? cut(sip->sip_min_se->min_delta) : 0;
}

bool refresh_is_too_brief(const struct sipd *sipd, const sip_t *sip, char ret_headers[REFRESH_HEADERS])
{
	struct interval_rules rules = rules_of(sipd);
	struct interval_said said = read_said(sip);
	if (!interval_is_too_brief(&rules, &said))
		return false;
	snprintf(ret_headers, REFRESH_HEADERS, "Min-SE: %d", (int)rules.min_s);
	return true;
}

/* What the phone can do is in the messages that begin the dialog, and perhaps in later ones. */
static void note_methods(struct dialog *dialog, const sip_t *sip)
{
	if (sip->sip_allow)
		dialog->r.knows_update = sip_is_allowed(sip->sip_allow, SIP_METHOD_UPDATE);
}

/* What the phone once named as too short stays so. */
static void take(struct dialog *dialog, struct interval agreed)
{
	int32_t least_s = dialog->r.session.min_s;
	dialog->r.session = agreed;
	if (agreed.min_s < least_s)
		dialog->r.session.min_s = least_s;
}

void refresh_wanted(struct dialog *dialog, const sip_t *sip)
{
	struct interval_rules rules = rules_of(dialog->sipd);
	struct interval_said said = read_said(sip);
	note_methods(dialog, sip);
	take(dialog, interval_of_request(&rules, &said));
}

/* ---- what we say ---- */

void refresh_write_answer(const struct dialog *dialog, char ret_headers[REFRESH_HEADERS])
{
	const struct interval *session = &dialog->r.session;
	if (session->s && session->spoken)
		snprintf(ret_headers, REFRESH_HEADERS,
			 "Supported: timer\r\nRequire: timer\r\nSession-Expires: %d;refresher=%s", (int)session->s,
			 session->ours ? "uas" : "uac");
	else
		hs_copy(ret_headers, REFRESH_HEADERS, "Supported: timer");
}

int64_t refresh_first_s(const struct sipd *sipd, int64_t least_s)
{
	int64_t wanted_s = sipd->config->sip->session_expires_s;
	return wanted_s && wanted_s < least_s ? least_s : wanted_s;
}

static void write_asked(int64_t s, int64_t least_s, const char *refresher, char ret_headers[REFRESH_HEADERS])
{
	if (s)
		snprintf(ret_headers, REFRESH_HEADERS, "Supported: timer\r\nSession-Expires: %d%s\r\nMin-SE: %d",
			 (int)s, refresher, (int)least_s);
	else
		hs_copy(ret_headers, REFRESH_HEADERS, "Supported: timer");
}

void refresh_write_first(const struct sipd *sipd, int64_t least_s, char ret_headers[REFRESH_HEADERS])
{
	int64_t min_s = sipd->config->sip->session_min_s;
	/* who refreshes is left to the phone (RFC 4028 7.1) */
	write_asked(refresh_first_s(sipd, least_s), least_s > min_s ? least_s : min_s, "", ret_headers);
}

void refresh_write_again(const struct dialog *dialog, char ret_headers[REFRESH_HEADERS])
{
	const struct interval *session = &dialog->r.session;
	int64_t min_s = dialog->sipd->config->sip->session_min_s;
	/* the roles stay as they are */
	write_asked(session->spoken ? session->s : 0, session->min_s > min_s ? session->min_s : min_s,
		    session->ours ? ";refresher=uac" : ";refresher=uas", ret_headers);
}

/* ---- time ---- */

static void session_due(uv_timer_t *timer);

static void arm(struct dialog *dialog, int64_t at_ms)
{
	int64_t wait_ms = at_ms - hs_clock_ms();
	uv_timer_start(&dialog->session, session_due, wait_ms > 1 ? (uint64_t)wait_ms : 1, 0);
}

static void arm_next(struct dialog *dialog)
{
	const struct dialog_record *r = &dialog->r;
	if (r->session.s)
		arm(dialog, r->session.ours && r->refresh_ms < r->expires_ms ? r->refresh_ms : r->expires_ms);
	else
		uv_timer_stop(&dialog->session);
}

void refresh_begin(struct dialog *dialog)
{
	int64_t now_ms = hs_clock_ms();
	dialog->r.refresh_ms = now_ms + interval_refresh_ms(&dialog->r.session);
	dialog->r.expires_ms = now_ms + interval_end_ms(&dialog->r.session);
	arm_next(dialog);
}

void refresh_agreed(struct dialog *dialog, const sip_t *sip, int64_t asked_s)
{
	struct interval_rules rules = rules_of(dialog->sipd);
	struct interval_said said = read_said(sip);
	note_methods(dialog, sip);
	take(dialog, interval_of_answer(&rules, &said, asked_s));
	refresh_begin(dialog);
}

void refresh_count(const char *labels)
{
	hs_metric_add(hs_metric_counter("hookswitch_sip_refreshes_total", labels, "sessions refreshed (RFC 4028)"), 1);
}

/* ---- ours ---- */

static void again_in(struct dialog *dialog, int ms)
{
	dialog->r.refresh_ms = hs_clock_ms() + ms;
	arm_next(dialog);
}

void refresh_failed(struct dialog *dialog, int status, const sip_t *sip)
{
	int64_t longer_s = status == 422 ? interval_after_422(refresh_least_s(sip), dialog->r.session.s) : 0;
	hs_log(INFO, "leg.refresh_failed", LOG_CALL(dialog->r.call), LOG_LEG(dialog->r.leg), LOG_INT("status", status));
	if (status == 408 || status == 481) { /* no phone, or none that knows of the call */
		dialog_lost(dialog, status);
		return;
	}
	if (longer_s)
		dialog->r.session.s = dialog->r.session.min_s = (int32_t)longer_s;
	again_in(dialog, longer_s ? 1 : AGAIN_MS);
	dialog_save(dialog);
}

static int update_answered(nta_outgoing_magic_t *magic, nta_outgoing_t *request, const sip_t *sip)
{
	struct dialog *dialog = (struct dialog *)magic;
	int status = nta_outgoing_status(request);
	if (status < 200)
		return 0;
	nta_outgoing_destroy(request);
	dialog->update = NULL;
	if (dialog->r.state != DIALOG_UP)
		return 0;
	if (status < 300 && sip) {
		refresh_agreed(dialog, sip, dialog->r.session.s);
		refresh_count("by=\"us\"");
	}
	path_answered(dialog, sip_method_update);
	if (status == 405 || status == 501) { /* whatever it said in Allow */
		dialog->r.knows_update = false;
		again_in(dialog, 1);
		dialog_save(dialog);
	} else if (status >= 300) {
		refresh_failed(dialog, status, sip);
	}
	return 0;
}

static bool send_update(struct dialog *dialog)
{
	struct path path;
	char headers[REFRESH_HEADERS];
	path_of(dialog, &path);
	path_count(dialog, sip_method_update);
	refresh_write_again(dialog, headers);
	dialog->update = nta_outgoing_tcreate(
		dialog->leg, update_answered, (nta_outgoing_magic_t *)dialog, path.route, SIP_METHOD_UPDATE, NULL,
		NTATAG_BRANCH_KEY(dialog->r.asked_branch), TAG_IF(path.flow, NTATAG_TPORT(path.flow)),
		SIPTAG_CONTACT_STR(path.contact), SIPTAG_ALLOW_STR(AGENT_ALLOW), SIPTAG_USER_AGENT_STR("hookswitch"),
		SIPTAG_HEADER_STR(headers), TAG_END());
	return dialog->update != NULL;
}

/* One request of ours at a time: a successor remembers only the last one. */
static bool is_busy(const struct dialog *dialog)
{
	return dialog->info || dialog->update || dialog->bye || dialog->change_out || dialog->change_in ||
	       dialog->hold_pending || dialog->ticket;
}

void refresh_waits(struct dialog *dialog, int ms)
{
	int64_t soonest_ms = hs_clock_ms() + ms + GRACE_MS;
	if (dialog->r.expires_ms < soonest_ms)
		dialog->r.expires_ms = soonest_ms;
	arm_next(dialog);
}

/* However late we are, what is sent gets its time to be answered. */
static void refresh(struct dialog *dialog)
{
	struct dialog_record *r = &dialog->r;
	if (is_busy(dialog)) {
		again_in(dialog, BUSY_MS);
		return;
	}
	r->refresh_ms = INT64_MAX; /* it is under way */
	refresh_waits(dialog, 0);
	if (!r->knows_update)
		change_refresh(dialog);
	else if (!send_update(dialog))
		refresh_failed(dialog, 0, NULL);
}

static void session_due(uv_timer_t *timer)
{
	struct dialog *dialog = timer->data;
	const struct dialog_record *r = &dialog->r;
	int64_t now_ms = hs_clock_ms();
	if (r->state != DIALOG_UP || !r->session.s)
		return;
	if (r->session.ours && now_ms >= r->refresh_ms && r->refresh_ms < r->expires_ms)
		refresh(dialog);
	else if (now_ms >= r->expires_ms)
		dialog_step(dialog, DIALOG_LOST, r->session.ours ? &unanswered : &unrefreshed);
	else
		arm_next(dialog);
}

bool refresh_restore(struct dialog *dialog)
{
	const struct dialog_record *r = &dialog->r;
	bool updates = r->asked == sip_method_update;
	bool reinvites = r->asked == sip_method_invite && r->session.ours && r->hold_wanted == r->held_by_us;
	refresh_waits(dialog, 0); /* what the phone said meanwhile is heard first */
	if (updates)
		send_update(dialog);
	else if (reinvites)
		change_refresh(dialog);
	return updates || reinvites;
}

/* ---- theirs ---- */

int refresh_arrived(struct dialog *dialog, nta_incoming_t *irq, const sip_t *sip)
{
	char headers[REFRESH_HEADERS], contact[AGENT_CONTACT];
	if (refresh_is_too_brief(dialog->sipd, sip, headers)) {
		nta_incoming_treply(irq, SIP_422_SESSION_TIMER_TOO_SMALL, SIPTAG_HEADER_STR(headers), TAG_END());
		return 422;
	}
	refresh_wanted(dialog, sip);
	refresh_begin(dialog);
	dialog_save(dialog);
	refresh_count("by=\"phone\"");
	refresh_write_answer(dialog, headers);
	agent_contact(dialog->sipd->agent, dialog->r.leg, &dialog->r.peer, contact);
	nta_incoming_treply(irq, SIP_200_OK, SIPTAG_CONTACT_STR(contact), SIPTAG_ALLOW_STR(AGENT_ALLOW),
			    SIPTAG_SERVER_STR("hookswitch"), SIPTAG_HEADER_STR(headers), TAG_END());
	return 200;
}
