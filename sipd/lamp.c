#include "lamp.h"
#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include "metrics.h"
#include "sipd.h"
#include "table.h"
#include "watcher.h"
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SWEEP_MS 5000

struct lamp {
	struct lamps *lamps;
	const struct hs_config_line *config;
	bool known; /* somebody has said how many */
	int32_t waiting;
	struct watcher *watchers; /* newest first */
};

struct lamps {
	struct sipd *sipd;
	uv_timer_t timer;
	struct hs_table *lines;
	struct hs_metric *watching;
	int64_t count;
};

static struct lamp *lamp_of(const struct lamps *lamps, const char *line)
{
	return hs_table_get(lamps->lines, line);
}

static void count_watchers(struct lamps *lamps, int more)
{
	lamps->count += more;
	hs_metric_set(lamps->watching, lamps->count);
}

/* ---- watchers of a line ---- */

static void take_out(struct watcher *watcher)
{
	struct lamp *lamp = lamp_of(watcher->sipd->lamps, watcher->r.line);
	struct watcher **at = &lamp->watchers;
	while (*at && *at != watcher)
		at = &(*at)->next;
	if (*at)
		*at = watcher->next;
	count_watchers(lamp->lamps, -1);
	watcher_destroy(watcher, false);
}

static void sweep_due(uv_timer_t *timer);

static void put_in(struct lamp *lamp, struct watcher *watcher)
{
	uv_timer_t *timer = &lamp->lamps->timer;
	watcher->next = lamp->watchers;
	lamp->watchers = watcher;
	count_watchers(lamp->lamps, 1);
	if (!uv_is_active((uv_handle_t *)timer))
		uv_timer_start(timer, sweep_due, SWEEP_MS, SWEEP_MS);
}

static bool is_expired(const struct watcher *watcher)
{
	return !watcher->over && watcher->r.expires_ms <= hs_clock_lasting_ms();
}

/* An unasked one ends with its binding; a phone that is gone is told nothing. */
static bool sweep_line(void *context, const char *line, void *object)
{
	const struct lamp *lamp = object;
	for (struct watcher *watcher = lamp->watchers, *next; watcher; watcher = next) {
		next = watcher->next;
		if (!is_expired(watcher))
			continue;
		if (watcher->r.unasked)
			take_out(watcher);
		else
			watcher_end(watcher, "timeout");
	}
	return true;
}

static void sweep_due(uv_timer_t *timer)
{
	struct lamps *lamps = timer->data;
	hs_table_each(lamps->lines, sweep_line, NULL);
	if (!lamps->count) /* nobody watches: no wake-ups */
		uv_timer_stop(timer);
}

static void tell_all(const struct lamp *lamp)
{
	for (struct watcher *watcher = lamp->watchers, *next; watcher; watcher = next) {
		next = watcher->next;
		watcher_tell(watcher, lamp->waiting, false);
	}
}

/* ---- SUBSCRIBE ---- */

struct subscription {
	struct lamp *lamp;
	const sip_t *sip;
	const struct peer *peer;
	struct watcher *watcher; /* known already, or NULL */
	int64_t seconds;
	int status;
	const char *phrase;
	char headers[128];
};

static void fail(struct subscription *subscription, int status, const char *phrase)
{
	if (subscription->status)
		return;
	subscription->status = status;
	subscription->phrase = phrase;
}

static struct watcher *find_watcher(const struct lamp *lamp, const sip_t *sip)
{
	struct watcher *watcher = lamp->watchers;
	while (watcher &&
	       (watcher->r.unasked || watcher->over || strcmp(watcher->r.call_id, sip->sip_call_id->i_id) != 0 ||
		strcmp(watcher->r.id, sip->sip_to->a_tag) != 0 ||
		strcmp(watcher->r.remote_tag, sip->sip_from->a_tag) != 0))
		watcher = watcher->next;
	return watcher;
}

static bool accepts_summary(const sip_t *sip)
{
	const sip_accept_t *accept = sip->sip_accept;
	for (; accept; accept = accept->ac_next)
		if (accept->ac_type &&
		    (!strcasecmp(accept->ac_type, "application/simple-message-summary") ||
		     !strcmp(accept->ac_type, "*/*") || !strcasecmp(accept->ac_type, "application/*")))
			return true;
	return !sip->sip_accept;
}

/* Its own messages only: by its user, or by the number of its line. */
static bool is_own(const struct user *user, const url_t *url)
{
	return url->url_user && (!strcmp(url->url_user, user->name) || !strcmp(url->url_user, user->number));
}

static void check(struct subscription *subscription, const struct sipd *sipd, const struct user *user)
{
	const sip_t *sip = subscription->sip;
	char target[DIALOG_TARGET];
	if (!sip->sip_event || !sip->sip_event->o_type || strcasecmp(sip->sip_event->o_type, "message-summary") != 0) {
		fail(subscription, SIP_489_BAD_EVENT);
		hs_copy(subscription->headers, sizeof(subscription->headers), "Allow-Events: message-summary");
	}
	if (!accepts_summary(sip))
		fail(subscription, SIP_406_NOT_ACCEPTABLE);
	if (sip->sip_to->a_tag && !subscription->watcher)
		fail(subscription, 481, "Subscription Does Not Exist");
	else if (subscription->watcher && sip->sip_cseq->cs_seq <= subscription->watcher->r.remote_cseq)
		fail(subscription, SIP_500_INTERNAL_SERVER_ERROR);
	else if (!subscription->watcher && !is_own(user, sip->sip_request->rq_url))
		fail(subscription, 403, "Not Your Messages");
	if (!sip->sip_contact || sip->sip_contact->m_url->url_type != url_sip ||
	    !dialog_target(sip->sip_contact, target) ||
	    strlen(sip->sip_call_id->i_id) >= sizeof(((struct watcher_record *)0)->call_id))
		fail(subscription, 400, "Bad Contact");
	if (subscription->seconds && subscription->seconds < sipd->config->sip->min_expires_s) {
		fail(subscription, SIP_423_INTERVAL_TOO_BRIEF);
		snprintf(subscription->headers, sizeof(subscription->headers), "Min-Expires: %d",
			 (int)sipd->config->sip->min_expires_s);
	}
}

static int64_t seconds_of(const struct sipd *sipd, const sip_t *sip)
{
	int64_t longest = sipd->config->sip->max_expires_s;
	int64_t seconds = sip->sip_expires ? (int64_t)sip->sip_expires->ex_delta : longest;
	return seconds > longest ? longest : seconds;
}

static void copy_address(char *ret_text, size_t size, const url_t *url)
{
	char plain[256];
	if (url_e(plain, sizeof(plain), url) >= (issize_t)sizeof(plain))
		plain[sizeof(plain) - 1] = 0;
	snprintf(ret_text, size, "<%s>", plain);
}

/* The oldest one that has subscribed makes room; one that was told unasked at this place needs that no more. */
static void make_room(struct lamp *lamp, const struct peer *peer)
{
	size_t count = 0;
	for (struct watcher *watcher = lamp->watchers, *next; watcher; watcher = next) {
		next = watcher->next;
		bool same_place = watcher->r.unasked && !strcmp(watcher->r.peer.host, peer->host) &&
				  watcher->r.peer.port == peer->port;
		count += !watcher->r.unasked;
		if (same_place || count >= LAMP_WATCHERS)
			take_out(watcher);
	}
}

static struct watcher *begin(const struct subscription *subscription)
{
	struct lamp *lamp = subscription->lamp;
	const sip_t *sip = subscription->sip;
	make_room(lamp, subscription->peer);
	struct watcher *watcher = watcher_create(lamp->lamps->sipd, take_out);
	struct watcher_record *r = &watcher->r;
	hs_copy(r->line, sizeof(r->line), lamp->config->id);
	hs_copy(r->call_id, sizeof(r->call_id), sip->sip_call_id->i_id);
	hs_copy(r->remote_tag, sizeof(r->remote_tag), sip->sip_from->a_tag);
	copy_address(r->local, sizeof(r->local), sip->sip_to->a_url);
	copy_address(r->remote, sizeof(r->remote), sip->sip_from->a_url);
	put_in(lamp, watcher);
	return watcher;
}

/* Into the record before the phone hears of it. */
static void renew(const struct subscription *subscription)
{
	struct watcher_record *r = &subscription->watcher->r;
	dialog_target(subscription->sip->sip_contact, r->target);
	r->peer = *subscription->peer;
	r->remote_cseq = subscription->sip->sip_cseq->cs_seq;
	r->expires_ms = hs_clock_lasting_ms() + subscription->seconds * 1000;
	watcher_save(subscription->watcher);
}

static void reply(struct lamps *lamps, nta_incoming_t *irq, const struct subscription *subscription)
{
	char contact[AGENT_CONTACT], expires[24];
	if (subscription->status) {
		nta_incoming_treply(irq, subscription->status, subscription->phrase, SIPTAG_SERVER_STR("hookswitch"),
				    TAG_IF(subscription->headers[0], SIPTAG_HEADER_STR(subscription->headers)),
				    TAG_END());
		return;
	}
	snprintf(expires, sizeof(expires), "%d", (int)subscription->seconds);
	agent_contact(lamps->sipd->agent, subscription->watcher->r.id, subscription->peer, contact);
	nta_incoming_treply(irq, SIP_200_OK, SIPTAG_CONTACT_STR(contact), SIPTAG_EXPIRES_STR(expires),
			    SIPTAG_SERVER_STR("hookswitch"), SIPTAG_ALLOW_EVENTS_STR("message-summary"), TAG_END());
}

void lamps_subscribe(struct lamps *lamps, msg_t *msg, sip_t *sip, const struct user *user, const struct peer *peer)
{
	struct subscription subscription = {
		.lamp = lamp_of(lamps, user->line),
		.sip = sip,
		.peer = peer,
		.seconds = seconds_of(lamps->sipd, sip),
	};
	nta_incoming_t *irq = nta_incoming_create(agent_nta(lamps->sipd->agent), NULL, msg, sip, TAG_END());
	if (!irq)
		return;
	if (sip->sip_to->a_tag)
		subscription.watcher = find_watcher(subscription.lamp, sip);
	check(&subscription, lamps->sipd, user);
	if (!subscription.status) {
		if (!subscription.watcher)
			subscription.watcher = begin(&subscription);
		renew(&subscription);
		nta_incoming_tag(irq, subscription.watcher->r.id);
	}
	reply(lamps, irq, &subscription);
	nta_incoming_destroy(irq);
	if (subscription.status)
		return;
	subscription.watcher->waiting = subscription.lamp->waiting;
	if (subscription.seconds)
		watcher_tell(subscription.watcher, subscription.lamp->waiting, true);
	else
		watcher_end(subscription.watcher, "timeout");
}

/* ---- what apid says ---- */

static void write_count(const struct lamp *lamp)
{
	char key[HS_JOURNAL_KEY];
	snprintf(key, sizeof(key), "lamp/%s", lamp->config->id);
	hs_journal_put(lamp->lamps->sipd->house->journal, key, &lamp->waiting, sizeof(lamp->waiting));
}

static void tell_unasked(struct lamp *lamp);

void lamps_messages(struct lamps *lamps, struct hs_request *request)
{
	const struct hs_line_messages *body = request->body;
	struct lamp *lamp = lamp_of(lamps, body->line);
	if (!lamp) {
		hs_bus_refuse(request, HS_ERROR_NOT_FOUND, "line", NULL, "no SIP line has this name");
		return;
	}
	lamp->known = true;
	lamp->waiting = (int32_t)body->waiting;
	write_count(lamp);
	tell_unasked(lamp);
	tell_all(lamp);
	hs_bus_answer(request, NULL);
}

/* ---- unasked ---- */

static void copy_place(struct watcher_record *r, const struct binding *binding)
{
	r->peer = (struct peer){.port = binding->port, .listen_port = binding->listen_port, .tcp = binding->tcp};
	hs_copy(r->peer.host, sizeof(r->peer.host), binding->host);
	r->expires_ms = binding->expires_ms;
}

static struct watcher *begin_unasked(struct lamp *lamp, const struct binding *binding)
{
	struct sipd *sipd = lamp->lamps->sipd;
	const struct user *user = users_of_line(sipd->users, lamp->config->id);
	struct watcher *watcher = watcher_create(sipd, take_out);
	struct watcher_record *r = &watcher->r;
	r->unasked = true;
	hs_copy(r->line, sizeof(r->line), lamp->config->id);
	agent_branch(r->remote_tag); /* any word that nobody can guess */
	hs_copy(r->call_id, sizeof(r->call_id), r->remote_tag + 7);
	r->remote_tag[0] = 0;
	snprintf(r->local, sizeof(r->local), "<sip:%s@%s>", user ? user->name : "", sipd->config->server->domain);
	hs_copy(r->remote, sizeof(r->remote), r->local);
	hs_copy(r->target, sizeof(r->target), binding->contact);
	put_in(lamp, watcher);
	return watcher;
}

/* Who has subscribed at this place is told anyway. */
static bool has_subscribed(const struct lamp *lamp, const struct binding *binding)
{
	const struct watcher *watcher = lamp->watchers;
	while (watcher && (watcher->r.unasked || watcher->over || strcmp(watcher->r.peer.host, binding->host) != 0 ||
			   watcher->r.peer.port != binding->port))
		watcher = watcher->next;
	return watcher != NULL;
}

static struct watcher *find_unasked(const struct lamp *lamp, const char *contact)
{
	struct watcher *watcher = lamp->watchers;
	while (watcher && (!watcher->r.unasked || strcmp(watcher->r.target, contact) != 0))
		watcher = watcher->next;
	return watcher;
}

void lamps_binding(struct lamps *lamps, const struct binding *binding, bool gone)
{
	struct lamp *lamp = lamps ? lamp_of(lamps, binding->line) : NULL;
	if (!lamp || !lamp->known || !lamp->config->unasked_messages)
		return;
	struct watcher *watcher = find_unasked(lamp, binding->contact);
	if (gone && watcher)
		take_out(watcher);
	if (gone || (!watcher && has_subscribed(lamp, binding)))
		return;
	if (!watcher)
		watcher = begin_unasked(lamp, binding);
	copy_place(&watcher->r, binding);
	watcher_tell(watcher, lamp->waiting, false);
}

static void tell_unasked(struct lamp *lamp)
{
	const struct binding *bindings[LOCATIONS_MAX];
	struct lamps *lamps = lamp->lamps;
	size_t count = locations_of_line(lamps->sipd->locations, lamp->config->id, bindings, LOCATIONS_MAX);
	for (size_t i = 0; i < count; i++)
		lamps_binding(lamps, bindings[i], false);
}

/* ---- life ---- */

struct lamps *lamps_create(struct sipd *sipd)
{
	struct lamps *lamps = hs_zalloc(sizeof(*lamps));
	lamps->sipd = sipd;
	lamps->lines = hs_table_create();
	lamps->watching = hs_metric_gauge("hookswitch_sip_watchers", "", "phones that are told of waiting messages");
	uv_timer_init(sipd->house->loop, &lamps->timer);
	lamps->timer.data = lamps;
	for (size_t i = 0; i < sipd->config->lines_count; i++) {
		const struct hs_config_line *line = &sipd->config->lines[i];
		if (line->driver != HS_DRIVER_SIP)
			continue;
		struct lamp *lamp = hs_zalloc(sizeof(*lamp));
		lamp->lamps = lamps;
		lamp->config = line;
		free(hs_table_put(lamps->lines, line->id, lamp));
	}
	return lamps;
}

static void restore_count(void *context, const char *key, const void *value, size_t bytes)
{
	struct lamp *lamp = lamp_of(context, key + strlen("lamp/"));
	if (!lamp || bytes != sizeof(lamp->waiting))
		return;
	memcpy(&lamp->waiting, value, bytes);
	lamp->known = true;
}

static void restore_watcher(void *context, const char *key, const void *value, size_t bytes)
{
	struct lamps *lamps = context;
	struct watcher *watcher = watcher_restore(lamps->sipd, value, bytes, take_out);
	struct lamp *lamp = watcher ? lamp_of(lamps, watcher->r.line) : NULL;
	if (!lamp) { /* of another version, or its line was taken out of the configuration */
		watcher_destroy(watcher, true);
		hs_journal_drop(lamps->sipd->house->journal, key);
		return;
	}
	put_in(lamp, watcher);
	watcher->waiting = lamp->waiting;
}

static bool tell_line(void *context, const char *line, void *object)
{
	tell_all(object);
	return true;
}

void lamps_restore(struct lamps *lamps)
{
	struct hs_journal *journal = lamps->sipd->house->journal;
	hs_journal_each(journal, "lamp/", restore_count, lamps);
	hs_journal_each(journal, "watch/", restore_watcher, lamps);
	if (lamps->count)
		hs_log(INFO, "lamps.restored", LOG_INT("watchers", lamps->count));
	hs_table_each(lamps->lines, sweep_line, NULL);
	hs_table_each(lamps->lines, tell_line, NULL);
}

static bool stop_line(void *context, const char *line, void *object)
{
	struct lamp *lamp = object;
	while (lamp->watchers) {
		struct watcher *watcher = lamp->watchers;
		lamp->watchers = watcher->next;
		watcher_destroy(watcher, true);
	}
	free(lamp);
	return true;
}

void lamps_stop(struct lamps *lamps)
{
	if (!lamps)
		return;
	uv_close((uv_handle_t *)&lamps->timer, NULL);
	hs_table_each(lamps->lines, stop_line, NULL);
	hs_table_destroy(lamps->lines);
	lamps->lines = NULL;
}

void lamps_destroy(struct lamps *lamps)
{
	free(lamps);
}
