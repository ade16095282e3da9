#include "caller.h"
#include "ask.h"
#include "cause.h"
#include "cleanup.h"
#include "clock.h"
#include "ending.h"
#include "id.h"
#include "log.h"
#include "names.h"
#include "path.h"
#include "refresh.h"
#include "sipd.h"
#include "tell.h"
#include "wiretap.h"
#include <errno.h>
#include <sodium.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LONGER_MAX 3 /* so often is a 422 followed */

static bool send_fork(struct dialog *dialog, struct fork *fork);

/* ---- begin ---- */

static void random_hex(char *ret_text, size_t bytes)
{
	uint8_t random[16];
	hs_random(random, sizeof(random));
	sodium_bin2hex(ret_text, 2 * bytes + 1, random, bytes);
}

static void fill_fork(struct dialog *dialog, struct dialog_fork *fork, const struct binding *binding)
{
	hs_copy(fork->contact, sizeof(fork->contact), binding->contact);
	agent_branch(fork->branch);
	random_hex(fork->call_id, 16);
	random_hex(fork->tag, 8);
	hs_copy(fork->peer.host, sizeof(fork->peer.host), binding->host);
	fork->peer.port = binding->port;
	fork->peer.listen_port = binding->listen_port;
	fork->peer.tcp = binding->tcp;
	fork->nat = binding->nat;
	fork->live = true;
	fork->cseq = 1;
	dialog_know(dialog, fork->call_id);
}

/* Who the phone sees; its host is ours, so that calling back reaches us. */
static void write_from(struct dialog *dialog, const struct hs_leg_originate *request)
{
	const struct hs_config *config = dialog->sipd->config;
	char name[160], user[200];
	names_quoted(request->caller_name, name, sizeof(name));
	names_uri_user(request->caller_number, user, sizeof(user));
	if (!user[0])
		names_uri_user(config->calls->operator_number, user, sizeof(user));
	snprintf(dialog->r.local, sizeof(dialog->r.local), "%s%s<sip:%s@%s>", name, name[0] ? " " : "",
		 user[0] ? user : "anonymous", config->server->domain);
}

int caller_begin(struct sipd *sipd, const struct hs_leg_originate *request)
{
	const struct binding *bindings[LOCATIONS_MAX];
	const struct user *user = users_of_line(sipd->users, request->line);
	size_t count = locations_of_line(sipd->locations, request->line, bindings, LOCATIONS_MAX);
	if (!user || !count)
		return -EHOSTUNREACH;
	struct dialog *dialog = dialog_create(sipd->dialogs, request->leg, request->call, request->line, true);
	dialog_count(dialog);
	dialog_make_forks(dialog, count);
	for (size_t i = 0; i < count; i++)
		fill_fork(dialog, &dialog->fork_records[i], bindings[i]);
	write_from(dialog, request);
	snprintf(dialog->r.remote, sizeof(dialog->r.remote), "<sip:%s@%s>", user->name, sipd->config->server->domain);
	dialog->r.local_cseq = 1;
	dialog->r.ring_until_ms = hs_clock_ms() + request->ring_timeout_ms;
	dialog->description = hs_strdup(request->description);
	if (dialog_save(dialog)) {
		dialog_destroy(dialog);
		return -ENOSPC;
	}
	return dialog_step(dialog, DIALOG_ORIGINATE, request);
}

/* ---- forks ---- */

static void close_fork(struct fork *fork)
{
	nta_outgoing_destroy(fork->invite);
	fork->invite = NULL;
	fork->r->live = false;
	if (fork->leg != fork->dialog->leg)
		nta_leg_destroy(fork->leg);
	fork->leg = NULL;
}

static size_t live_forks(const struct dialog *dialog)
{
	size_t live = 0;
	for (size_t i = 0; i < dialog->r.forks_count; i++)
		live += dialog->forks[i].invite != NULL;
	return live;
}

static void cancel_forks(struct dialog *dialog, const struct fork *but, const char *reason)
{
	for (size_t i = 0; i < dialog->r.forks_count; i++) {
		struct fork *fork = &dialog->forks[i];
		if (fork == but || !fork->invite || fork->cancelled)
			continue;
		fork->cancelled = true;
		nta_outgoing_t *cancel = nta_outgoing_tcancel(fork->invite, NULL, NULL,
							      TAG_IF(reason, SIPTAG_REASON_STR(reason)), TAG_END());
		nta_outgoing_destroy(cancel);
	}
}

static bool is_sdp(const sip_t *sip)
{
	return sip && sip->sip_payload && sip->sip_payload->pl_len && sip->sip_content_type &&
	       !strcasecmp(sip->sip_content_type->c_type, "application/sdp");
}

static void early_described(void *context, const struct hs_answer *answer)
{
	((struct dialog *)context)->ticket = 0; /* the 200 says it again, and decides */
}

static void fork_rings(struct fork *fork, const sip_t *sip, int status)
{
	struct dialog *dialog = fork->dialog;
	struct dialog_rings rings = {.alert = status == 180};
	if (!sip || status == 100 || dialog->r.state > DIALOG_RINGING || fork->cancelled)
		return;
	if (is_sdp(sip) && dialog->r.forks_count == 1 && !dialog->r.early) {
		dialog->r.early = rings.early_media = true;
		dialog->r.peer = fork->r->peer;
		dialog->r.nat = fork->r->nat;
		dialog->ticket =
			ask_describe(dialog, HS_DESCRIPTION_ROLE_ANSWER, sip->sip_payload->pl_data, early_described);
	}
	if (rings.alert || rings.early_media)
		dialog_step(dialog, DIALOG_RINGS, &rings);
}

static void answer_described(void *context, const struct hs_answer *answer)
{
	struct dialog *dialog = context;
	struct ask_media media = ask_read(HS_MEDIA_DESCRIBE, answer);
	dialog->ticket = 0;
	free(TAKE(dialog->description)); /* the record forgets it when it is written for another reason */
	dialog->r.undescribed = false;
	if (media.error) {
		struct dialog_end end = {HS_CAUSE_MEDIA_FAILED, 0, media.why ? media.why : "mediad is away"};
		dialog_step(dialog, DIALOG_MEDIA_FAILED, &end);
	}
}

void caller_describe(struct dialog *dialog)
{
	dialog_forget_question(dialog);
	dialog->ticket = ask_describe(dialog, HS_DESCRIPTION_ROLE_ANSWER, dialog->description, answer_described);
}

static void acknowledge(struct dialog *dialog, const sip_t *sip)
{
	struct path path;
	path_of(dialog, &path);
	snprintf(path.cseq, sizeof(path.cseq), "%u ACK", sip->sip_cseq->cs_seq);
	nta_outgoing_t *ack =
		nta_outgoing_tcreate(dialog->leg, NULL, NULL, path.route, SIP_METHOD_ACK, NULL,
				     TAG_IF(path.flow, NTATAG_TPORT(path.flow)), SIPTAG_CSEQ_STR(path.cseq), TAG_END());
	nta_outgoing_destroy(ack);
}

/* The record becomes that of an established dialog before the ACK goes out. False: its Contact is too long for us. */
static bool take_fork(struct fork *fork, const sip_t *sip)
{
	struct dialog *dialog = fork->dialog;
	struct dialog_record *r = &dialog->r;
	hs_copy(r->target, sizeof(r->target), fork->r->contact);
	if (sip->sip_contact && !dialog_target(sip->sip_contact, r->target))
		return false;
	dialog->leg = fork->leg;
	nta_leg_rtag(fork->leg, sip->sip_to->a_tag);
	nta_leg_client_reroute(fork->leg, sip->sip_record_route, sip->sip_contact, 1);
	hs_copy(r->call_id, sizeof(r->call_id), fork->r->call_id);
	hs_copy(r->local_tag, sizeof(r->local_tag), fork->r->tag);
	hs_copy(r->remote_tag, sizeof(r->remote_tag), sip->sip_to->a_tag);
	const sip_route_t *route = NULL;
	nta_leg_get_route(fork->leg, &route, NULL);
	r->routes[0] = 0;
	if (route && sip_header_field_e(r->routes, sizeof(r->routes), (const sip_header_t *)route, 0) >=
			     (issize_t)sizeof(r->routes))
		r->routes[0] = 0;
	r->peer = fork->r->peer;
	r->nat = fork->r->nat;
	r->local_cseq = fork->r->cseq;
	refresh_agreed(dialog, sip, refresh_first_s(dialog->sipd, fork->r->least_s));
	return true;
}

static void fork_failed(struct fork *fork, int status)
{
	struct dialog *dialog = fork->dialog;
	close_fork(fork);
	if (dialog->r.state > DIALOG_RINGING) {
		ending_check(dialog);
		return;
	}
	dialog->best_status = cause_better_status(dialog->best_status, status);
	dialog_save(dialog);
	if (status >= 600)
		cancel_forks(dialog, NULL, NULL);
	if (!live_forks(dialog) || status >= 600) {
		struct dialog_end end = {cause_of_status(dialog->best_status), dialog->best_status,
					 cause_sentence(dialog->best_status)};
		dialog_step(dialog, DIALOG_REFUSED, &end);
	}
}

static void fork_accepted(struct fork *fork, const sip_t *sip)
{
	struct dialog *dialog = fork->dialog;
	bool late = fork->cancelled || dialog->r.state > DIALOG_RINGING || !sip->sip_to->a_tag;
	if (late) {
		ending_ack_bye(dialog, fork->leg, &fork->r->peer, sip);
		close_fork(fork);
		ending_check(dialog);
		return;
	}
	if (!take_fork(fork, sip)) {
		hs_log(WARN, "leg.bad_contact", LOG_CALL(dialog->r.call), LOG_LEG(dialog->r.leg),
		       LOG_WHY("the Contact of the answer is too long"));
		ending_ack_bye(dialog, fork->leg, &fork->r->peer, sip);
		fork_failed(fork, 500);
		return;
	}
	fork->r->live = false;
	free(TAKE(dialog->description));
	dialog->r.undescribed = is_sdp(sip);
	if (is_sdp(sip))
		dialog->description = hs_strdup(sip->sip_payload->pl_data);
	dialog_save(dialog);
	acknowledge(dialog, sip);
	nta_outgoing_destroy(fork->invite);
	fork->invite = NULL;
	cancel_forks(dialog, fork, "SIP;cause=200;text=\"Call completed elsewhere\"");
	if (is_sdp(sip))
		caller_describe(dialog);
	dialog_step(dialog, DIALOG_ACCEPTED, NULL);
	if (!is_sdp(sip)) {
		struct dialog_end end = {HS_CAUSE_FAILED, 0, "the phone answered without a description of its audio"};
		dialog_step(dialog, DIALOG_MEDIA_FAILED, &end);
	}
}

/* RFC 4028 7.3: the same call once more, as a request of its own. */
static bool try_longer(struct fork *fork, const sip_t *sip)
{
	struct dialog *dialog = fork->dialog;
	int64_t asked_s = refresh_first_s(dialog->sipd, fork->r->least_s);
	int64_t least_s = interval_after_422(refresh_least_s(sip), asked_s);
	if (!least_s || fork->cancelled || dialog->r.state > DIALOG_RINGING || fork->r->cseq > LONGER_MAX)
		return false;
	fork->r->least_s = (int32_t)least_s;
	fork->r->cseq++;
	agent_branch(fork->r->branch);
	nta_outgoing_destroy(fork->invite);
	nta_leg_destroy(fork->leg);
	fork->invite = NULL;
	fork->leg = NULL;
	dialog_save(dialog);
	return send_fork(dialog, fork);
}

static int invite_answered(nta_outgoing_magic_t *magic, nta_outgoing_t *request, const sip_t *sip)
{
	struct fork *fork = (struct fork *)magic;
	int status = sip && sip->sip_status ? sip->sip_status->st_status : nta_outgoing_status(request);
	if (status < 200)
		fork_rings(fork, sip, status);
	else if (status < 300 && sip)
		fork_accepted(fork, sip);
	else if (status != 422 || !try_longer(fork, sip))
		fork_failed(fork, status);
	return 0;
}

static bool send_fork(struct dialog *dialog, struct fork *fork)
{
	struct path path;
	char from[576], cseq[24], headers[REFRESH_HEADERS];
	snprintf(cseq, sizeof(cseq), "%u INVITE", fork->r->cseq);
	refresh_write_first(dialog->sipd, fork->r->least_s, headers);
	snprintf(from, sizeof(from), "%s;tag=%s", dialog->r.local, fork->r->tag);
	path_to(dialog->sipd->agent, &fork->r->peer, dialog->r.leg, &path);
	fork->leg = nta_leg_tcreate(agent_nta(dialog->sipd->agent), NULL, (nta_leg_magic_t *)dialog,
				    SIPTAG_CALL_ID_STR(fork->r->call_id), SIPTAG_FROM_STR(from),
				    SIPTAG_TO_STR(dialog->r.remote), URLTAG_URL(agent_nowhere(dialog->sipd->agent)),
				    TAG_END());
	if (!fork->leg)
		return false;
	fork->invite = nta_outgoing_tcreate(
		fork->leg, invite_answered, (nta_outgoing_magic_t *)fork, path.route, SIP_METHOD_INVITE,
		URL_STRING_MAKE(fork->r->contact), NTATAG_BRANCH_KEY(fork->r->branch),
		TAG_IF(path.flow, NTATAG_TPORT(path.flow)), SIPTAG_CSEQ_STR(cseq), SIPTAG_CONTACT_STR(path.contact),
		SIPTAG_ALLOW_STR(AGENT_ALLOW), SIPTAG_USER_AGENT_STR("hookswitch"), SIPTAG_HEADER_STR(headers),
		TAG_IF(dialog->description, SIPTAG_CONTENT_TYPE_STR("application/sdp")),
		TAG_IF(dialog->description, SIPTAG_PAYLOAD_STR(dialog->description)), TAG_END());
	return fork->invite != NULL;
}

/* ---- after a death ---- */

static void ring_over(uv_timer_t *timer)
{
	dialog_step(timer->data, DIALOG_RING_TIMEOUT, NULL);
}

/* The transaction that a predecessor began goes on: its INVITE is out already, so the first copy is not sent, and one
 * is due after half a second unless the phone says something first. Over a connection nothing is repeated, so it is
 * sent again at once: the phone knows it by its branch. Where the connection is gone, what the phone says on another
 * one is heard without a transaction (restore_response). */
static void go_on(struct dialog *dialog, struct fork *fork)
{
	bool tcp = fork->r->peer.tcp;
	if (!fork->r->live || (tcp && !agent_flow(dialog->sipd->agent, &fork->r->peer)))
		return;
	wiretap_mute(!tcp);
	if (!send_fork(dialog, fork))
		close_fork(fork);
	wiretap_mute(false);
}

bool caller_restore(struct dialog *dialog)
{
	int64_t left_ms = dialog->r.ring_until_ms - hs_clock_ms();
	for (size_t i = 0; i < dialog->r.forks_count; i++)
		go_on(dialog, &dialog->forks[i]);
	dialog_wait(dialog, left_ms > 0 && left_ms < INT32_MAX ? (int)left_ms : 0, ring_over);
	return live_forks(dialog) > 0;
}

/* ---- actions ---- */

void caller_call(void *object, const void *argument)
{
	struct dialog *dialog = object;
	const struct hs_leg_originate *request = argument;
	hs_log(INFO, "leg.outgoing", LOG_LINE(dialog->r.line), LOG_CALL(dialog->r.call), LOG_LEG(dialog->r.leg),
	       LOG_INT("contacts", dialog->r.forks_count));
	dialog_wait(dialog, (int)request->ring_timeout_ms, ring_over);
	for (size_t i = 0; i < dialog->r.forks_count; i++)
		if (!send_fork(dialog, &dialog->forks[i]))
			close_fork(&dialog->forks[i]);
	if (!live_forks(dialog)) {
		struct dialog_end end = {HS_CAUSE_UNREACHABLE, 503, "no contact of the line can be reached"};
		dialog_step(dialog, DIALOG_REFUSED, &end);
	}
}

void caller_rings(void *object, const void *argument)
{
	struct dialog *dialog = object;
	const struct dialog_rings *rings = argument;
	if (rings->alert && !dialog->r.told_ring) {
		struct hs_leg_ringing fact = {.leg = dialog->r.leg};
		dialog->r.told_ring = true;
		tell_ringing(dialog->sipd, &fact);
	}
	if (rings->early_media) {
		struct hs_leg_progressing fact = {.leg = dialog->r.leg, .early_media = true};
		tell_progressing(dialog->sipd, &fact);
	}
}

void caller_accepted(void *object, const void *argument)
{
	struct dialog *dialog = object;
	struct hs_leg_answered fact = {.leg = dialog->r.leg};
	uv_timer_stop(&dialog->timer);
	tell_answered(dialog->sipd, &fact);
}

void caller_refused(void *object, const void *argument)
{
	struct dialog *dialog = object;
	const struct dialog_end *end = argument;
	uv_timer_stop(&dialog->timer);
	ending_tell(dialog, end->cause, true, end->status, end->why);
	ending_check(dialog);
}

void caller_timeout(void *object, const void *argument)
{
	struct dialog *dialog = object;
	cancel_forks(dialog, NULL, "Q.850;cause=19;text=\"No answer\"");
	dialog_save(dialog);
	ending_tell(dialog, HS_CAUSE_NO_ANSWER, false, 0, "nobody lifted in time");
	ending_check(dialog);
}

void caller_cancel(void *object, const void *argument)
{
	struct dialog *dialog = object;
	const struct dialog_end *end = argument;
	uv_timer_stop(&dialog->timer);
	cancel_forks(dialog, NULL, NULL);
	dialog_save(dialog);
	ending_tell(dialog, end->cause == HS_CAUSE_NORMAL ? HS_CAUSE_CANCELLED : end->cause, false, 0, end->why);
	ending_check(dialog);
}
