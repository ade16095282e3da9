#include "keepalive.h"
#include "cleanup.h"
#include "log.h"
#include "path.h"
#include "registrar.h"
#include "sipd.h"
#include "table.h"
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLICES 10 /* a round is spread over the interval, so that thousands of phones are no burst */
#define MISSED_MAX 3

/* One contact that is asked. */
struct asked {
	struct keepalive *keepalive;
	char key[HS_JOURNAL_KEY];
	char line[65], contact[384];
	nta_leg_t *leg;
	nta_outgoing_t *options;
	int missed;
	bool seen; /* in this round */
};

struct keepalive {
	struct sipd *sipd;
	uv_timer_t timer;
	struct hs_table *asked; /* by the binding's key */
	unsigned slice;
	size_t nated;
	bool stopped;
};

static void forget(struct asked *asked)
{
	nta_outgoing_destroy(asked->options);
	nta_leg_destroy(asked->leg);
	free(asked);
}

static int answered(nta_outgoing_magic_t *magic, nta_outgoing_t *request, const sip_t *sip)
{
	struct asked *asked = (struct asked *)magic;
	int status = nta_outgoing_status(request);
	if (status < 200)
		return 0;
	nta_outgoing_destroy(request);
	asked->options = NULL;
	/* the library itself says 408 and 503 for silence and a refused port; whatever a phone says, it lives */
	bool silent = !sip || nta_sip_is_internal(sip);
	asked->missed = silent ? asked->missed + 1 : 0;
	if (asked->missed < MISSED_MAX)
		return 0;
	struct keepalive *keepalive = asked->keepalive;
	hs_table_remove(keepalive->asked, asked->key);
	registrar_lost(keepalive->sipd->registrar, asked->line, asked->contact, "the phone stopped answering");
	forget(asked);
	return 0;
}

static void ask(struct asked *asked, const struct binding *binding)
{
	struct sipd *sipd = asked->keepalive->sipd;
	struct peer peer = {.port = binding->port, .listen_port = binding->listen_port, .tcp = binding->tcp};
	struct path path;
	char to[400], from[200];
	hs_copy(peer.host, sizeof(peer.host), binding->host);
	path_to(sipd->agent, &peer, "keepalive", &path);
	snprintf(to, sizeof(to), "<%s>", binding->contact);
	snprintf(from, sizeof(from), "<sip:keepalive@%s>", sipd->config->server->domain);
	nta_leg_destroy(asked->leg);
	asked->leg = nta_leg_tcreate(agent_nta(sipd->agent), NULL, NULL, SIPTAG_FROM_STR(from), SIPTAG_TO_STR(to),
				     TAG_END());
	asked->options =
		nta_outgoing_tcreate(asked->leg, answered, (nta_outgoing_magic_t *)asked, path.route,
				     SIP_METHOD_OPTIONS, URL_STRING_MAKE(binding->contact),
				     TAG_IF(path.flow, NTATAG_TPORT(path.flow)), SIPTAG_CSEQ_STR("1 OPTIONS"),
				     SIPTAG_CONTACT_STR(path.contact), SIPTAG_USER_AGENT_STR("hookswitch"), TAG_END());
}

static unsigned slice_of(const char *key)
{
	unsigned hash = 5381;
	for (; *key; key++)
		hash = hash * 33 + (unsigned char)*key;
	return hash % SLICES;
}

static void look_at(void *context, const char *key, const struct binding *binding)
{
	struct keepalive *keepalive = context;
	if (!binding->nat)
		return;
	keepalive->nated++;
	struct asked *asked = hs_table_get(keepalive->asked, key);
	if (!asked) {
		asked = hs_zalloc(sizeof(*asked));
		asked->keepalive = keepalive;
		hs_copy(asked->key, sizeof(asked->key), key);
		hs_copy(asked->line, sizeof(asked->line), binding->line);
		hs_copy(asked->contact, sizeof(asked->contact), binding->contact);
		hs_table_put(keepalive->asked, key, asked);
	}
	asked->seen = true;
	if (slice_of(key) == keepalive->slice && !asked->options)
		ask(asked, binding);
}

/* Those whose binding is gone. */
static bool sweep(void *context, const char *key, void *object)
{
	struct asked *asked = object;
	if (!asked->seen) {
		hs_table_remove(((struct keepalive *)context)->asked, key);
		forget(asked);
	} else {
		asked->seen = false;
	}
	return true;
}

static void due(uv_timer_t *timer)
{
	struct keepalive *keepalive = timer->data;
	keepalive->nated = 0;
	locations_each(keepalive->sipd->locations, look_at, keepalive);
	hs_table_each(keepalive->asked, sweep, keepalive);
	keepalive->slice = (keepalive->slice + 1) % SLICES;
	if (!keepalive->nated) /* nobody to keep alive: no wake-ups */
		uv_timer_stop(&keepalive->timer);
}

struct keepalive *keepalive_create(struct sipd *sipd)
{
	if (!sipd->config->sip->keepalive_s)
		return NULL;
	struct keepalive *keepalive = hs_zalloc(sizeof(*keepalive));
	keepalive->sipd = sipd;
	keepalive->asked = hs_table_create();
	uv_timer_init(sipd->house->loop, &keepalive->timer);
	keepalive->timer.data = keepalive;
	return keepalive;
}

void keepalive_wake(struct keepalive *keepalive)
{
	if (!keepalive || keepalive->stopped || uv_is_active((uv_handle_t *)&keepalive->timer))
		return;
	uint64_t slice_ms = (uint64_t)keepalive->sipd->config->sip->keepalive_s * 1000 / SLICES;
	uv_timer_start(&keepalive->timer, due, slice_ms, slice_ms);
}

static bool free_asked(void *context, const char *key, void *object)
{
	forget(object);
	return true;
}

void keepalive_stop(struct keepalive *keepalive)
{
	if (!keepalive)
		return;
	keepalive->stopped = true;
	uv_close((uv_handle_t *)&keepalive->timer, NULL);
	hs_table_each(keepalive->asked, free_asked, NULL);
	hs_table_destroy(keepalive->asked);
	keepalive->asked = NULL;
}

void keepalive_destroy(struct keepalive *keepalive)
{
	free(keepalive);
}
