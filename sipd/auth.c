#include "auth.h"
#include "clock.h"
#include "log.h"
#include "metrics.h"
#include "sipd.h"
#include "tell.h"
#include "wiretap.h"
#include <sofia-sip/sip_header.h>
#include <sofia-sip/url.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Who the sender says it is, for the choice of algorithms in a first challenge. */
static const char *claimed_name(const sip_t *sip)
{
	if (sip->sip_request->rq_method == sip_method_register)
		return sip->sip_to ? sip->sip_to->a_url->url_user : NULL;
	return sip->sip_from ? sip->sip_from->a_url->url_user : NULL;
}

static size_t add_challenge(const struct sipd *sipd, const char *nonce, enum digest_algorithm algorithm, bool stale,
			    char *at, size_t size)
{
	int length = snprintf(at, size,
			      "WWW-Authenticate: Digest realm=\"%s\", nonce=\"%s\", algorithm=%s, qop=\"auth\"%s\r\n",
			      sipd->config->server->domain, nonce, digest_word(algorithm), stale ? ", stale=true" : "");
	return length > 0 && (size_t)length < size ? (size_t)length : 0;
}

/* SHA-256 first, as RFC 8760 wants; only for lines that say so. */
static void challenge(struct sipd *sipd, const struct user *user, const struct peer *peer, bool stale,
		      char ret_headers[AUTH_HEADERS])
{
	char nonce[DIGEST_NONCE];
	size_t used = 0;
	nonces_make(sipd->nonces, &peer->key, hs_clock_lasting_ms(), nonce);
	ret_headers[0] = 0;
	if (users_offered(user, DIGEST_SHA256))
		used = add_challenge(sipd, nonce, DIGEST_SHA256, stale, ret_headers, AUTH_HEADERS);
	if (users_offered(user, DIGEST_MD5))
		add_challenge(sipd, nonce, DIGEST_MD5, stale, ret_headers + used, AUTH_HEADERS - used);
}

static bool same_uri(const char *text, const url_t *request_uri)
{
	char plain[513];
	if (url_e(plain, sizeof(plain), request_uri) >= (issize_t)sizeof(plain))
		return false;
	if (!strcmp(text, plain))
		return true;
	/* some phones leave parameters out, or write the host in other letters */
	su_home_t home[1] = {SU_HOME_INIT(home)};
	url_t *url = url_make(home, text);
	bool same = url && !url_cmp(url, request_uri);
	su_home_deinit(home);
	return same;
}

/* The kernel's filter forgets nobody by itself. */
static void bans_changed(uv_timer_t *timer)
{
	struct sipd *sipd = timer->data;
	int64_t next = sources_next_release(sipd->sources, hs_clock_ms());
	wiretap_refresh_bans();
	if (next >= 0)
		uv_timer_start(&sipd->bans, bans_changed, (uint64_t)next + 1, 0);
}

/* A registered phone answers for itself alone, not for its neighbours behind the same NAT. */
static struct source_key source_of(const struct sipd *sipd, const struct peer *peer)
{
	struct source_key key = peer->key;
	if (locations_has_flow(sipd->locations, peer->host, peer->port, peer->tcp))
		key.port = peer->port;
	return key;
}

bool auth_is_stranger(const struct sipd *sipd, const struct peer *peer)
{
	return !sources_is_local(sipd->sources, &peer->key) && !locations_has_host(sipd->locations, peer->host);
}

void auth_probed(struct sipd *sipd, const struct peer *peer)
{
	struct source_key key = source_of(sipd, peer);
	bool spare = locations_has_host(sipd->locations, peer->host);
	if (sources_probe(sipd->sources, &key, peer->host, spare, hs_clock_ms()))
		bans_changed(&sipd->bans);
	auth_report(sipd);
}

static void note_failure(struct sipd *sipd, const struct user *user, const struct peer *peer)
{
	struct source_key key = source_of(sipd, peer);
	bool spare = locations_has_host(sipd->locations, peer->host);
	hs_metric_add(
		hs_metric_counter("hookswitch_sip_auth_failures_total", "", "wrong credentials with a fresh nonce"), 1);
	hs_log(DEBUG, "sip.auth_failed", LOG_TEXT("address", peer->host), LOG_LINE(user->known ? user->line : NULL));
	if (sources_fail(sipd->sources, &key, peer->host, user->known ? user->line : "", spare, hs_clock_ms()))
		bans_changed(&sipd->bans);
	auth_report(sipd);
}

static void note_proof(struct sipd *sipd, const struct peer *peer)
{
	struct source_key key = source_of(sipd, peer);
	sources_prove(sipd->sources, &peer->key, hs_clock_ms());
	if (key.port)
		sources_prove(sipd->sources, &key, hs_clock_ms());
}

static const sip_authorization_t *pick_digest(const sip_t *sip, struct digest_answer *ret_answer)
{
	for (const sip_authorization_t *at = sip->sip_authorization; at; at = at->au_next)
		if (!strcasecmp(at->au_scheme, "Digest") &&
		    !digest_read((const char *const *)at->au_params, ret_answer))
			return at;
	return NULL;
}

enum auth_result auth_check(struct sipd *sipd, const sip_t *sip, const struct peer *peer, const struct user **ret_user,
			    char ret_headers[AUTH_HEADERS])
{
	struct digest_answer answer;
	int64_t now = hs_clock_lasting_ms();
	if (!pick_digest(sip, &answer)) {
		auth_probed(sipd, peer);
		challenge(sipd, users_find(sipd->users, claimed_name(sip)), peer, false, ret_headers);
		return AUTH_CHALLENGE;
	}
	const struct user *user = users_find(sipd->users, answer.username);
	bool fresh = nonces_check(sipd->nonces, &peer->key, &answer, now) == DIGEST_FRESH;
	/* computed whatever else is wrong: the time tells nothing */
	bool fits = digest_fits(&answer, sip->sip_request->rq_method_name, user->ha1[answer.algorithm]);
	bool formal = !strcmp(answer.realm, sipd->config->server->domain) && users_offered(user, answer.algorithm) &&
		      same_uri(answer.uri, sip->sip_request->rq_url);
	if (fresh && fits && formal && user->known) {
		nonces_use(sipd->nonces, &answer, now);
		note_proof(sipd, peer);
		*ret_user = user;
		return AUTH_OK;
	}
	if (fresh)
		note_failure(sipd, user, peer);
	else
		auth_probed(sipd, peer);
	challenge(sipd, user, peer, !fresh, ret_headers);
	return AUTH_CHALLENGE;
}

static void report_one(void *context, const struct sources_report *report)
{
	struct sipd *sipd = context;
	struct hs_line_suspected fact = {
		.line = report->line[0] ? report->line : NULL,
		.address = report->host,
		.failures = report->failures,
		.banned = report->banned,
	};
	tell_suspected(sipd, &fact);
	hs_log(WARN, report->banned ? "sip.banned" : "sip.logins_failed", LOG_TEXT("address", report->host),
	       LOG_LINE(fact.line), LOG_INT("failures", report->failures));
}

static void report_due(uv_timer_t *timer)
{
	auth_report(timer->data);
}

void auth_report(struct sipd *sipd)
{
	int64_t next = sources_report(sipd->sources, hs_clock_ms(), report_one, sipd);
	if (next >= 0)
		uv_timer_start(&sipd->suspects, report_due, (uint64_t)next + 1, 0);
}
