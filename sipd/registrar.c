#include "registrar.h"
#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include "metrics.h"
#include "names.h"
#include "sipd.h"
#include "table.h"
#include "tell.h"
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CONTACTS_TEXT 6000

/* What apid knows of a line. */
struct told {
	size_t contacts;
	char address[80];
	char device[128];
};

struct registrar {
	struct sipd *sipd;
	uv_timer_t timer; /* next expiry */
	struct hs_table *told;
	struct hs_metric *bindings;
};

/* ---- telling ---- */

static void write_address(const struct binding *binding, char *ret_text, size_t size)
{
	snprintf(ret_text, size, strchr(binding->host, ':') ? "[%s]:%u" : "%s:%u", binding->host, binding->port);
}

/* Not each refresh is news: only a change of number, place or device. */
static void tell_changed(struct registrar *registrar, const char *line, const char *why, bool always)
{
	const struct binding *bindings[LOCATIONS_MAX];
	size_t count = locations_of_line(registrar->sipd->locations, line, bindings, LOCATIONS_MAX);
	struct told *told = hs_table_get(registrar->told, line), now = {.contacts = count};
	if (count) {
		write_address(bindings[0], now.address, sizeof(now.address));
		hs_copy(now.device, sizeof(now.device), bindings[0]->device);
	}
	hs_metric_set(registrar->bindings, (int64_t)locations_count(registrar->sipd->locations));
	if (!told)
		hs_table_put(registrar->told, line, told = hs_zalloc(sizeof(*told)));
	if (!always && !memcmp(told, &now, sizeof(now)))
		return;
	struct hs_line_changed fact = {
		.line = line,
		.reachable = count > 0,
		.contacts = (int64_t)count,
		.address = count ? now.address : NULL,
		.device = now.device[0] ? now.device : NULL,
		.why = why,
	};
	if (!tell_line(registrar->sipd, &fact))
		*told = now;
	hs_log(INFO, "line.changed", LOG_LINE(line), LOG_INT("contacts", (int64_t)count),
	       LOG_TEXT("address", count ? now.address : NULL), LOG_TEXT("device", fact.device), LOG_WHY(why));
}

/* ---- expiry ---- */

static void expiry_due(uv_timer_t *timer);

static void arm(struct registrar *registrar, int64_t ms)
{
	uint64_t wait = ms < 1 ? 1 : (uint64_t)ms;
	bool sooner = !uv_is_active((uv_handle_t *)&registrar->timer) || uv_timer_get_due_in(&registrar->timer) > wait;
	if (ms >= 0 && sooner)
		uv_timer_start(&registrar->timer, expiry_due, wait, 0);
}

static void line_lost(void *context, const char *line)
{
	tell_changed(context, line, "the registration ran out", false);
}

static void expiry_due(uv_timer_t *timer)
{
	struct registrar *registrar = timer->data;
	arm(registrar, locations_expire(registrar->sipd->locations, hs_clock_lasting_ms(), line_lost, registrar));
}

void registrar_lost(struct registrar *registrar, const char *line, const char *contact, const char *why)
{
	if (locations_remove(registrar->sipd->locations, line, contact))
		tell_changed(registrar, line, why, false);
}

/* ---- REGISTER ---- */

struct registration {
	const sip_t *sip;
	const struct user *user;
	const struct peer *peer;
	bool nat;
	int64_t now_ms;
	int status; /* 0: good */
	const char *phrase, *headers;
	char text[64];
};

static void fail(struct registration *registration, int status, const char *phrase)
{
	if (!registration->status) {
		registration->status = status;
		registration->phrase = phrase;
	}
}

/* Without NAT the topmost Via says where the request really came from. */
static bool is_behind_nat(const sip_t *sip, const struct peer *peer)
{
	const sip_via_t *via = sip->sip_via;
	const char *port = via->v_port;
	if (via->v_received)
		return true;
	return !peer->tcp && (port ? (unsigned)strtoul(port, NULL, 10) : 5060) != peer->port;
}

static int64_t expires_of(const sip_t *sip, const sip_contact_t *contact, const struct hs_config *config)
{
	int64_t seconds = config->sip->max_expires_s;
	if (contact && contact->m_expires)
		seconds = strtol(contact->m_expires, NULL, 10);
	else if (sip->sip_expires)
		seconds = (int64_t)sip->sip_expires->ex_delta;
	return seconds > config->sip->max_expires_s ? config->sip->max_expires_s : seconds;
}

static void check_contact(struct sipd *sipd, struct registration *registration, const sip_contact_t *contact)
{
	char plain[384];
	int64_t seconds = expires_of(registration->sip, contact, sipd->config);
	if (contact->m_url->url_type != url_sip || !contact->m_url->url_host) {
		fail(registration, 400, "Bad Contact URI");
	} else if (contact->m_url->url_headers ||
		   url_e(plain, sizeof(plain), contact->m_url) >= (issize_t)sizeof(plain)) {
		fail(registration, 400, "Contact Too Complicated");
	} else if (seconds && seconds < sipd->config->sip->min_expires_s) {
		snprintf(registration->text, sizeof(registration->text), "Min-Expires: %d",
			 (int)sipd->config->sip->min_expires_s);
		registration->headers = registration->text;
		fail(registration, SIP_423_INTERVAL_TOO_BRIEF);
	}
}

/* RFC 3261 10.3 step 6 and 7: "*" stands alone and only ends; an old request changes nothing. */
static void check_contacts(struct sipd *sipd, struct registration *registration)
{
	const sip_contact_t *first = registration->sip->sip_contact;
	size_t count = 0;
	for (const sip_contact_t *contact = first; contact; contact = contact->m_next, count++)
		if (contact->m_url->url_type != url_any)
			check_contact(sipd, registration, contact);
		else if (first->m_next || expires_of(registration->sip, NULL, sipd->config))
			fail(registration, 400, "Bad Use Of *");
	if (count > (size_t)sipd->config->sip->max_contacts)
		fail(registration, 400, "Too Many Contacts");
	const struct binding *bindings[LOCATIONS_MAX];
	size_t known = locations_of_line(sipd->locations, registration->user->line, bindings, LOCATIONS_MAX);
	for (size_t i = 0; i < known && first; i++)
		if (!strcmp(bindings[i]->call_id, registration->sip->sip_call_id->i_id) &&
		    registration->sip->sip_cseq->cs_seq <= bindings[i]->cseq)
			fail(registration, 500, "Old CSeq");
}

static void read_instance(const sip_contact_t *contact, char *ret_text, size_t size)
{
	const char *value = msg_header_find_param(contact->m_common, "+sip.instance=");
	ret_text[0] = 0;
	if (value && strlen(value) < size)
		names_clean(value, ret_text, size);
}

/* Where to send what is for this contact: never anywhere but to the source, or the contact's own port there. */
static void place_binding(const struct registration *registration, const sip_contact_t *contact,
			  struct binding *binding)
{
	const char *host = contact->m_url->url_host, *port = contact->m_url->url_port;
	const struct peer *peer = registration->peer;
	char plain[SOURCES_HOST + 2];
	snprintf(plain, sizeof(plain), strchr(peer->host, ':') ? "[%s]" : "%s", peer->host);
	binding->nat = registration->nat || strcasecmp(host, plain) != 0;
	binding->tcp = peer->tcp;
	hs_copy(binding->host, sizeof(binding->host), peer->host);
	binding->port = peer->port;
	if (binding->nat)
		return;
	unsigned long named = port ? strtoul(port, NULL, 10) : 5060;
	if (named && named <= 65535)
		*(peer->tcp ? &binding->listen_port : &binding->port) = (uint16_t)named;
}

static void bind_contact(struct sipd *sipd, const struct registration *registration, const sip_contact_t *contact)
{
	const sip_t *sip = registration->sip;
	int64_t seconds = expires_of(sip, contact, sipd->config);
	struct binding binding = {
		.cseq = sip->sip_cseq->cs_seq,
		.registered_ms = registration->now_ms,
		.expires_ms = registration->now_ms + seconds * 1000,
	};
	hs_copy(binding.line, sizeof(binding.line), registration->user->line);
	url_e(binding.contact, sizeof(binding.contact), contact->m_url);
	hs_copy(binding.call_id, sizeof(binding.call_id), sip->sip_call_id->i_id);
	names_clean(sip->sip_user_agent ? sip->sip_user_agent->g_string : NULL, binding.device, sizeof(binding.device));
	read_instance(contact, binding.instance, sizeof(binding.instance));
	place_binding(registration, contact, &binding);
	if (seconds)
		locations_put(sipd->locations, &binding, (size_t)sipd->config->sip->max_contacts);
	else
		locations_remove(sipd->locations, binding.line, binding.contact);
}

/* The 200 lists every binding and what is left of it. */
static void list_contacts(struct sipd *sipd, const struct registration *registration, char *ret_text, size_t size)
{
	const struct binding *bindings[LOCATIONS_MAX];
	size_t count = locations_of_line(sipd->locations, registration->user->line, bindings, LOCATIONS_MAX), used = 0;
	ret_text[0] = 0;
	for (size_t i = 0; i < count; i++) {
		int64_t left = (bindings[i]->expires_ms - registration->now_ms) / 1000;
		int added = snprintf(ret_text + used, size - used, "Contact: <%s>;expires=%d\r\n", bindings[i]->contact,
				     (int)(left < 0 ? 0 : left));
		if (added < 0 || used + (size_t)added >= size)
			break;
		used += (size_t)added;
	}
}

static void reply(struct registrar *registrar, nta_incoming_t *irq, const struct registration *registration)
{
	char contacts[CONTACTS_TEXT];
	if (registration->status) {
		nta_incoming_treply(irq, registration->status, registration->phrase, SIPTAG_SERVER_STR("hookswitch"),
				    TAG_IF(registration->headers, SIPTAG_HEADER_STR(registration->headers)), TAG_END());
		return;
	}
	list_contacts(registrar->sipd, registration, contacts, sizeof(contacts));
	nta_incoming_treply(irq, SIP_200_OK, SIPTAG_SERVER_STR("hookswitch"),
			    TAG_IF(contacts[0], SIPTAG_HEADER_STR(contacts)), TAG_END());
}

static void change_bindings(struct registrar *registrar, const struct registration *registration)
{
	struct sipd *sipd = registrar->sipd;
	const sip_contact_t *contact = registration->sip->sip_contact;
	if (contact && contact->m_url->url_type == url_any)
		locations_remove(sipd->locations, registration->user->line, NULL);
	else
		for (; contact; contact = contact->m_next)
			bind_contact(sipd, registration, contact);
}

void registrar_serve(struct registrar *registrar, msg_t *msg, sip_t *sip, const struct user *user,
		     const struct peer *peer)
{
	struct sipd *sipd = registrar->sipd;
	struct registration registration = {
		.sip = sip,
		.user = user,
		.peer = peer,
		.nat = is_behind_nat(sip, peer),
		.now_ms = hs_clock_lasting_ms(),
	};
	nta_incoming_t *irq = nta_incoming_create(agent_nta(sipd->agent), NULL, msg, sip, TAG_END());
	if (!irq)
		return;
	if (!sip->sip_to->a_url->url_user || strcmp(sip->sip_to->a_url->url_user, user->name) != 0)
		fail(&registration, 403, "Not Your Address");
	check_contacts(sipd, &registration);
	if (!registration.status) {
		change_bindings(registrar, &registration); /* in the journal before the 200 */
		arm(registrar, locations_next(sipd->locations, registration.now_ms));
	}
	reply(registrar, irq, &registration);
	nta_incoming_destroy(irq);
	if (!registration.status)
		tell_changed(registrar, user->line, NULL, false);
	else
		hs_log(INFO, "line.register_refused", LOG_LINE(user->line), LOG_TEXT("address", peer->host),
		       LOG_INT("status", registration.status), LOG_WHY(registration.phrase));
}

/* ---- life ---- */

struct registrar *registrar_create(struct sipd *sipd)
{
	struct registrar *registrar = hs_zalloc(sizeof(*registrar));
	registrar->sipd = sipd;
	registrar->told = hs_table_create();
	registrar->bindings = hs_metric_gauge("hookswitch_sip_bindings", "", "registered contacts");
	uv_timer_init(sipd->house->loop, &registrar->timer);
	registrar->timer.data = registrar;
	return registrar;
}

struct restoring {
	struct registrar *registrar;
	bool all;
};

static void tell_restored(void *context, const struct user *user)
{
	const struct restoring *restoring = context;
	const struct binding *binding;
	bool any = locations_of_line(restoring->registrar->sipd->locations, user->line, &binding, 1) > 0;
	if (any || restoring->all)
		tell_changed(restoring->registrar, user->line, "sipd started", true);
}

void registrar_restored(struct registrar *registrar, bool all)
{
	struct restoring restoring = {registrar, all};
	users_each(registrar->sipd->users, tell_restored, &restoring);
	arm(registrar, locations_expire(registrar->sipd->locations, hs_clock_lasting_ms(), line_lost, registrar));
}

void registrar_stop(struct registrar *registrar)
{
	if (registrar)
		uv_close((uv_handle_t *)&registrar->timer, NULL);
}

static bool free_told(void *context, const char *key, void *object)
{
	free(object);
	return true;
}

void registrar_destroy(struct registrar *registrar)
{
	if (!registrar)
		return;
	hs_table_each(registrar->told, free_told, NULL);
	hs_table_destroy(registrar->told);
	free(registrar);
}
