#include "callee.h"
#include "ask.h"
#include "cause.h"
#include "cleanup.h"
#include "ending.h"
#include "id.h"
#include "log.h"
#include "overload.h"
#include "refresh.h"
#include "sipd.h"
#include "tell.h"
#include <sofia-sip/msg_parser.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_parser.h>
#include <sofia-sip/sip_status.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PATIENCE_MS 4000      /* an INVITE waits this long for a call control that is away */
#define LONGEST_WAIT_MS 60000 /* and this long for one that is there */
#define TRYING_MS 200         /* without an answer in this time a 100 must go out (RFC 3261 17.2.1) */

/* ---- begin ---- */

static void copy_address(char *ret_text, size_t size, const char *display, const url_t *url)
{
	char plain[320];
	if (url_e(plain, sizeof(plain), url) >= (issize_t)sizeof(plain))
		plain[sizeof(plain) - 1] = 0;
	snprintf(ret_text, size, "%s%s<%s>", display ? display : "", display ? " " : "", plain);
}

/* A header line that an answer repeats. Credentials never go to the journal. */
static bool is_for_answers(const char *line, size_t bytes)
{
	static const char *const names[] = {
		"Via:", "v:", "From:", "f:", "To:", "t:", "Call-ID:", "i:", "CSeq:", "Record-Route:"};
	for (size_t i = 0; i < HS_COUNT(names); i++)
		if (bytes > strlen(names[i]) && !strncasecmp(line, names[i], strlen(names[i])))
			return true;
	return false;
}

static bool append(struct dialog *dialog, size_t size, const char *text, size_t bytes)
{
	if (dialog->r.request_bytes + bytes > size)
		return false;
	memcpy(dialog->request + dialog->r.request_bytes, text, bytes);
	dialog->r.request_bytes += (uint32_t)bytes;
	return true;
}

/* The INVITE as the library sees it now (with received and rport) and its offer, for a successor. An offer that is too
 * long stays out: then a successor can only refuse. */
static void keep_request(struct dialog *dialog, msg_t *msg, const sip_t *sip)
{
	char ending[96];
	size_t bytes = 0, body = sip->sip_payload->pl_len;
	char *text = msg_as_string(msg_home(msg), msg, NULL, 0, &bytes);
	if (bytes > DIALOG_REQUEST - sizeof(ending))
		body = 0;
	int length = snprintf(ending, sizeof(ending),
			      "Max-Forwards: 70\r\nContent-Type: application/sdp\r\nContent-Length: %zu\r\n\r\n", body);
	size_t size = bytes + sizeof(ending) < DIALOG_REQUEST ? bytes + sizeof(ending) : DIALOG_REQUEST;
	bool fits = text != NULL;
	dialog->request = hs_zalloc(size);
	for (char *at = text, *lf; fits && (lf = strchr(at, '\n')) && lf > at + 1; at = lf + 1)
		if (at == text || is_for_answers(at, (size_t)(lf - at)))
			fits = append(dialog, size, at, (size_t)(lf + 1 - at));
	if (!fits || !append(dialog, size, ending, (size_t)length) ||
	    !append(dialog, size, sip->sip_payload->pl_data, body))
		dialog->r.request_bytes = 0;
	if (text)
		su_free(msg_home(msg), text);
}

static void keep_routes(struct dialog *dialog, const sip_record_route_t *route)
{
	size_t used = 0;
	for (; route; route = route->r_next) {
		char plain[256];
		if (url_e(plain, sizeof(plain), route->r_url) >= (issize_t)sizeof(plain))
			continue;
		int added = snprintf(dialog->r.routes + used, sizeof(dialog->r.routes) - used, "%s<%s>",
				     used ? ", " : "", plain);
		if (added < 0 || used + (size_t)added >= sizeof(dialog->r.routes))
			break;
		used += (size_t)added;
	}
	dialog->r.routes[used] = 0;
}

static int acked_or_cancelled(nta_incoming_magic_t *magic, nta_incoming_t *irq, const sip_t *sip)
{
	struct dialog *dialog = (struct dialog *)magic;
	sip_method_t method = sip ? sip->sip_request->rq_method : sip_method_invalid;
	/* an ACK for something else, an earlier refusal perhaps: its sender does not know of this dialog */
	bool fits = sip && sip->sip_to->a_tag && !strcmp(sip->sip_to->a_tag, dialog->r.local_tag);
	if (method == sip_method_cancel)
		dialog_step(dialog, DIALOG_CANCELLED, NULL);
	else
		dialog_step(dialog, fits ? DIALOG_ACKED : DIALOG_ACK_LOST, NULL);
	return 0;
}

/* The INVITE did not come from where its Via and Contact say. */
static bool is_behind_nat(const sip_t *sip, const struct peer *peer)
{
	char plain[SOURCES_HOST + 2];
	snprintf(plain, sizeof(plain), strchr(peer->host, ':') ? "[%s]" : "%s", peer->host);
	const char *host = sip->sip_contact->m_url->url_host;
	return sip->sip_via->v_received || !host || strcasecmp(host, plain) != 0;
}

static uint16_t port_of(const url_t *url)
{
	unsigned long port = url->url_port ? strtoul(url->url_port, NULL, 10) : 5060;
	return port <= 65535 ? (uint16_t)port : 0;
}

static void fill_record(struct dialog *dialog, msg_t *msg, const sip_t *sip, const struct peer *peer,
			const char *dialled)
{
	struct dialog_record *r = &dialog->r;
	hs_copy(r->dialled, sizeof(r->dialled), dialled);
	const sip_contact_t *contact = sip->sip_contact;
	hs_copy(r->call_id, sizeof(r->call_id), sip->sip_call_id->i_id);
	snprintf(r->local_tag, sizeof(r->local_tag), "%s", strrchr(r->leg, '-') + 1);
	hs_copy(r->remote_tag, sizeof(r->remote_tag), sip->sip_from->a_tag);
	copy_address(r->local, sizeof(r->local), NULL, sip->sip_to->a_url);
	copy_address(r->remote, sizeof(r->remote), NULL, sip->sip_from->a_url);
	dialog_target(contact, r->target);
	keep_routes(dialog, sip->sip_record_route);
	r->local_cseq = 100;
	r->remote_cseq = sip->sip_cseq->cs_seq;
	r->peer = *peer;
	r->nat = is_behind_nat(sip, peer);
	refresh_wanted(dialog, sip);
	if (!r->nat && peer->tcp)
		r->peer.listen_port = port_of(contact->m_url);
	keep_request(dialog, msg, sip);
}

static bool open_leg(struct dialog *dialog, const sip_t *sip)
{
	nta_agent_t *nta = agent_nta(dialog->sipd->agent);
	dialog->leg = nta_leg_tcreate(nta, NULL, (nta_leg_magic_t *)dialog, SIPTAG_CALL_ID(sip->sip_call_id),
				      SIPTAG_FROM(sip->sip_to), SIPTAG_TO(sip->sip_from), SIPTAG_CSEQ_STR("100 INVITE"),
				      URLTAG_URL(agent_nowhere(dialog->sipd->agent)), TAG_END());
	if (!dialog->leg || !nta_leg_tag(dialog->leg, dialog->r.local_tag))
		return false;
	nta_leg_server_route(dialog->leg, sip->sip_record_route, sip->sip_contact);
	return true;
}

static void take_invite(struct dialog *dialog, msg_t *msg, sip_t *sip, tport_t *tport)
{
	dialog->invite = nta_incoming_create(agent_nta(dialog->sipd->agent), dialog->leg, msg, sip,
					     TAG_IF(tport, NTATAG_TPORT(tport)), TAG_END());
	if (!dialog->invite)
		return;
	nta_incoming_tag(dialog->invite, dialog->r.local_tag);
	nta_incoming_bind(dialog->invite, acked_or_cancelled, (nta_incoming_magic_t *)dialog);
}

void callee_begin(struct sipd *sipd, msg_t *msg, sip_t *sip, const struct user *user, const struct peer *peer,
		  const char *dialled)
{
	char leg[HS_ID_BYTES], call[HS_ID_BYTES], *offer;
	hs_id_make('l', sipd->config->node, leg);
	hs_id_make('c', sipd->config->node, call);
	struct dialog *dialog = dialog_create(sipd->dialogs, leg, call, user->line, false);
	dialog_count(dialog);
	fill_record(dialog, msg, sip, peer, dialled);
	dialog_know(dialog, dialog->r.call_id);
	if (!open_leg(dialog, sip) || dialog_save(dialog)) {
		agent_reply(sipd->agent, msg, SIP_503_SERVICE_UNAVAILABLE, "Retry-After: 5");
		dialog_destroy(dialog);
		return;
	}
	offer = hs_strdup(sip->sip_payload->pl_data);
	take_invite(dialog, msg, sip, NULL);
	hs_log(INFO, "leg.incoming", LOG_LINE(dialog->r.line), LOG_CALL(call), LOG_LEG(leg),
	       LOG_TEXT("address", peer->host), LOG_NUMBER("dialled", dialled));
	dialog_step(dialog, DIALOG_INVITED, offer);
	free(offer);
}

/* ---- what apid and mediad say ---- */

static void refuse(struct dialog *dialog, int status, const char *phrase)
{
	if (!dialog->invite)
		return;
	nta_incoming_treply(dialog->invite, status, phrase, SIPTAG_SERVER_STR("hookswitch"),
			    TAG_IF(status == 503, SIPTAG_RETRY_AFTER_STR("5")), TAG_END());
	nta_incoming_destroy(dialog->invite);
	dialog->invite = NULL;
}

/* apid has decided, or nobody waits for it any more. */
static void stop_waiting(struct dialog *dialog)
{
	uv_timer_stop(&dialog->timer);
	dialog_taken(dialog);
}

static void patience_over(uv_timer_t *timer)
{
	struct dialog *dialog = timer->data;
	dialog->waited_ms += PATIENCE_MS;
	if (hs_bus_is_up(dialog->sipd->house->bus, HS_ROLE_APID) && dialog->waited_ms < LONGEST_WAIT_MS)
		dialog_wait(dialog, PATIENCE_MS, patience_over);
	else
		dialog_step(dialog, DIALOG_UNHEARD, NULL);
}

static void send_trying(struct dialog *dialog)
{
	if (dialog->is_answered)
		return;
	dialog->is_answered = true;
	nta_incoming_treply(dialog->invite, SIP_100_TRYING, TAG_END());
}

static void trying_due(uv_timer_t *timer)
{
	struct dialog *dialog = timer->data;
	send_trying(dialog);
	dialog_wait(dialog, PATIENCE_MS - TRYING_MS, patience_over);
}

static void described(void *context, const struct hs_answer *answer)
{
	struct dialog *dialog = context;
	struct ask_media media = ask_read(HS_MEDIA_DESCRIBE, answer);
	dialog->ticket = 0;
	if (media.error || !media.description) {
		bool invalid = media.error == HS_ERROR_INVALID;
		struct dialog_end end = {HS_CAUSE_MEDIA_FAILED, invalid ? 488 : 503,
					 media.why ? media.why : "mediad gave no description"};
		dialog_step(dialog, DIALOG_MEDIA_FAILED, &end);
		return;
	}
	free(dialog->description); /* a predecessor's */
	dialog->description = hs_strdup(media.description);
	bool early = dialog->r.early;
	if (dialog->r.wants_answer)
		dialog_step(dialog, DIALOG_ANSWER, NULL);
	else if (dialog->r.wants_progress)
		dialog_step(dialog, DIALOG_PROGRESS, &early);
}

bool callee_is_described(const void *object, const void *argument)
{
	return ((const struct dialog *)object)->description != NULL;
}

void callee_offer(void *object, const void *argument)
{
	struct dialog *dialog = object;
	struct hs_leg_incoming fact = {
		.leg = dialog->r.leg,
		.call = dialog->r.call,
		.line = dialog->r.line,
		.dialled = dialog->r.dialled[0] ? dialog->r.dialled : NULL,
	};
	dialog->ticket = ask_describe(dialog, HS_DESCRIPTION_ROLE_OFFER, argument, described);
	if (tell_incoming(dialog->sipd, &fact)) { /* nobody knows of it: it never was */
		dialog->r.told_end = true;
		dialog_step(dialog, DIALOG_UNHEARD, NULL);
		return;
	}
	dialog_untaken(dialog);
	dialog_wait(dialog, TRYING_MS, trying_due);
}

void callee_note_progress(void *object, const void *early_media)
{
	struct dialog *dialog = object;
	stop_waiting(dialog);
	send_trying(dialog); /* mediad may take its time */
	dialog->r.wants_progress = true;
	dialog->r.early = *(const bool *)early_media;
	dialog_save(dialog);
}

void callee_progress(void *object, const void *early_media)
{
	struct dialog *dialog = object;
	bool early = *(const bool *)early_media;
	char contact[AGENT_CONTACT];
	stop_waiting(dialog);
	dialog->r.wants_progress = false;
	dialog->r.early = early;
	dialog->is_answered = true;
	dialog_save(dialog);
	agent_contact(dialog->sipd->agent, dialog->r.leg, &dialog->r.peer, contact);
	nta_incoming_treply(dialog->invite, early ? 183 : 180, early ? sip_183_Session_progress : sip_180_Ringing,
			    SIPTAG_CONTACT_STR(contact), SIPTAG_SERVER_STR("hookswitch"),
			    TAG_IF(early, SIPTAG_CONTENT_TYPE_STR("application/sdp")),
			    TAG_IF(early, SIPTAG_PAYLOAD_STR(dialog->description)), TAG_END());
}

void callee_note_answer(void *object, const void *argument)
{
	struct dialog *dialog = object;
	stop_waiting(dialog);
	send_trying(dialog);
	dialog->r.wants_answer = true;
	dialog_save(dialog);
}

static void send_answer(struct dialog *dialog)
{
	char contact[AGENT_CONTACT], headers[REFRESH_HEADERS];
	refresh_write_answer(dialog, headers);
	agent_contact(dialog->sipd->agent, dialog->r.leg, &dialog->r.peer, contact);
	nta_incoming_treply(dialog->invite, SIP_200_OK, SIPTAG_CONTACT_STR(contact), SIPTAG_ALLOW_STR(AGENT_ALLOW),
			    SIPTAG_SERVER_STR("hookswitch"), SIPTAG_HEADER_STR(headers),
			    SIPTAG_CONTENT_TYPE_STR("application/sdp"), SIPTAG_PAYLOAD_STR(dialog->description),
			    TAG_END());
}

void callee_answer(void *object, const void *argument)
{
	struct dialog *dialog = object;
	stop_waiting(dialog);
	dialog->r.wants_answer = dialog->r.wants_progress = false;
	dialog_save(dialog); /* before the network hears of it */
	send_answer(dialog);
}

void callee_acked(void *object, const void *argument)
{
	struct dialog *dialog = object;
	struct hs_leg_answered fact = {.leg = dialog->r.leg};
	nta_incoming_destroy(dialog->invite);
	dialog->invite = NULL;
	free(TAKE(dialog->description));
	free(TAKE(dialog->request));
	dialog->r.request_bytes = 0;
	tell_answered(dialog->sipd, &fact);
	refresh_begin(dialog);
	dialog_save(dialog);
}

void callee_refuse(void *object, const void *argument)
{
	struct dialog *dialog = object;
	const struct dialog_end *end = argument;
	int status = end->status ? end->status : status_of_cause(end->cause);
	stop_waiting(dialog);
	dialog_forget_question(dialog);
	refuse(dialog, status, NULL);
	ending_tell(dialog, end->cause, false, status, end->why);
	ending_check(dialog);
}

void callee_cancelled(void *object, const void *argument)
{
	struct dialog *dialog = object;
	stop_waiting(dialog);
	dialog_forget_question(dialog);
	ending_tell(dialog, HS_CAUSE_CANCELLED, true, 487, "the caller hung up before the answer");
	refuse(dialog, SIP_487_REQUEST_CANCELLED);
	ending_check(dialog);
}

void callee_unheard(void *object, const void *argument)
{
	static const struct dialog_end end = {HS_CAUSE_OVERLOADED, 503, "call control did not decide in time"};
	callee_refuse(object, &end);
}

/* ---- after a death ---- */

/* What apid has decided it decided for good; what it has not, it is asked again, and ignores what it knows. */
static void go_on_deciding(struct dialog *dialog, const char *offer)
{
	bool is_decided = dialog->r.state == DIALOG_ALERTING || dialog->r.wants_answer || dialog->r.wants_progress;
	dialog->r.wants_progress |= dialog->r.state == DIALOG_ALERTING;
	dialog->r.state = is_decided ? DIALOG_OFFERED : DIALOG_NEW;
	send_trying(dialog);
	if (is_decided)
		dialog->ticket = ask_describe(dialog, HS_DESCRIPTION_ROLE_OFFER, offer, described);
	else
		dialog_step(dialog, DIALOG_INVITED, offer);
}

bool callee_restore(struct dialog *dialog)
{
	const struct dialog_record *r = &dialog->r;
	bool is_answered = r->state >= DIALOG_ANSWERING;
	msg_t *msg =
		r->request_bytes ? msg_make(sip_default_mclass(), 0, dialog->request, (ssize_t)r->request_bytes) : NULL;
	sip_t *sip = msg ? sip_object(msg) : NULL;
	bool is_whole = sip && sip->sip_request && sip->sip_via && sip->sip_cseq && sip->sip_payload &&
			(!is_answered || dialog->description);
	if (!is_whole || !dialog->leg) {
		msg_destroy(msg);
		return false;
	}
	AUTO(free) char *offer = hs_strdup(sip->sip_payload->pl_data);
	tport_t *flow = agent_flow(dialog->sipd->agent, &r->peer);
	take_invite(dialog, msg, sip, flow ? flow : agent_listener(dialog->sipd->agent, r->peer.tcp));
	if (!dialog->invite)
		return false;
	if (is_answered)
		send_answer(dialog);
	else
		go_on_deciding(dialog, offer);
	return true;
}
