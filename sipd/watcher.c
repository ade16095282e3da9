#include "watcher.h"
#include "cleanup.h"
#include "clock.h"
#include "id.h"
#include "log.h"
#include "metrics.h"
#include "path.h"
#include "sipd.h"
#include <sodium.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LAYOUT ((uint32_t)(0x4c000000 + sizeof(struct watcher_record)))

static void record_key(const char *id, char ret_key[HS_JOURNAL_KEY])
{
	snprintf(ret_key, HS_JOURNAL_KEY, "watch/%s", id);
}

struct watcher *watcher_create(struct sipd *sipd, void (*gone)(struct watcher *watcher))
{
	struct watcher *watcher = hs_zalloc(sizeof(*watcher));
	uint8_t random[12];
	hs_random(random, sizeof(random));
	sodium_bin2hex(watcher->r.id, sizeof(watcher->r.id), random, sizeof(random));
	watcher->r.layout = LAYOUT;
	watcher->r.told = WATCHER_UNTOLD;
	watcher->sipd = sipd;
	watcher->gone = gone;
	return watcher;
}

struct watcher *watcher_restore(struct sipd *sipd, const void *record, size_t bytes,
				void (*gone)(struct watcher *watcher))
{
	struct watcher_record r;
	if (bytes != sizeof(r))
		return NULL;
	memcpy(&r, record, sizeof(r));
	if (r.layout != LAYOUT)
		return NULL;
	struct watcher *watcher = watcher_create(sipd, gone);
	watcher->r = r;
	return watcher;
}

int watcher_save(struct watcher *watcher)
{
	char key[HS_JOURNAL_KEY];
	record_key(watcher->r.id, key);
	return hs_journal_put(watcher->sipd->house->journal, key, &watcher->r, sizeof(watcher->r));
}

static void count_notify(bool well)
{
	hs_metric_add(hs_metric_counter("hookswitch_sip_notifies_total", well ? "result=\"ok\"" : "result=\"failed\"",
					"how many messages wait: told to phones"),
		      1);
}

/* The phone says that there is no such subscription, or that it cannot be told. Silence is no such thing: it is told
 * when there is news again, or when it registers. */
static bool is_unwanted(int status)
{
	return status == 481 || status == 489 || status == 404 || status == 405 || status == 501 || status == 603;
}

static int notified(nta_outgoing_magic_t *magic, nta_outgoing_t *request, const sip_t *sip)
{
	struct watcher *watcher = (struct watcher *)magic;
	int status = nta_outgoing_status(request);
	if (status < 200)
		return 0;
	nta_outgoing_destroy(request);
	watcher->notify = NULL;
	count_notify(status < 300);
	if (status >= 300)
		hs_log(INFO, "line.notify_failed", LOG_LINE(watcher->r.line), LOG_TEXT("address", watcher->r.peer.host),
		       LOG_INT("status", status));
	if (watcher->over || is_unwanted(status)) {
		watcher->gone(watcher);
		return 0;
	}
	watcher->r.told = status < 300 ? watcher->sent : WATCHER_UNTOLD;
	watcher_save(watcher);
	if (watcher->waiting != watcher->sent)
		watcher_tell(watcher, watcher->waiting, false);
	return 0;
}

static bool open_leg(struct watcher *watcher)
{
	const struct watcher_record *r = &watcher->r;
	char local[400], remote[500];
	snprintf(local, sizeof(local), "%s;tag=%s", r->local, r->id);
	snprintf(remote, sizeof(remote), "%s%s%s", r->remote, r->remote_tag[0] ? ";tag=" : "", r->remote_tag);
	nta_leg_destroy(watcher->leg); /* lives as long as its last request: no request of a phone may find it */
	watcher->leg = nta_leg_tcreate(agent_nta(watcher->sipd->agent), NULL, NULL, SIPTAG_CALL_ID_STR(r->call_id),
				       SIPTAG_FROM_STR(local), SIPTAG_TO_STR(remote),
				       URLTAG_URL(agent_nowhere(watcher->sipd->agent)), TAG_END());
	return watcher->leg != NULL;
}

static void write_body(const struct watcher *watcher, char *ret_text, size_t size)
{
	int waiting = watcher->waiting > 0 ? watcher->waiting : 0;
	const char *account = strchr(watcher->r.local, '<');
	size_t length = account ? strcspn(account + 1, ">") : 0;
	snprintf(ret_text, size, "Messages-Waiting: %s\r\nMessage-Account: %.*s\r\nVoice-Message: %d/0 (0/0)\r\n",
		 waiting ? "yes" : "no", (int)length, account ? account + 1 : "", waiting);
}

/* why: it is the last one; NULL: it goes on. */
static void send_notify(struct watcher *watcher, const char *why)
{
	struct watcher_record *r = &watcher->r;
	struct path path;
	char body[512], state[64], cseq[24];
	int64_t left_s = (r->expires_ms - hs_clock_lasting_ms()) / 1000;
	path_to(watcher->sipd->agent, &r->peer, r->id, &path);
	snprintf(cseq, sizeof(cseq), "%u NOTIFY", ++r->local_cseq);
	if (why)
		snprintf(state, sizeof(state), "terminated;reason=%s", why);
	else
		snprintf(state, sizeof(state), "active;expires=%d", (int)(left_s > 0 ? left_s : 0));
	write_body(watcher, body, sizeof(body));
	watcher->sent = watcher->waiting;
	r->told = WATCHER_UNTOLD; /* a successor cannot know whether it came: it says it again */
	if (watcher_save(watcher) || !open_leg(watcher))
		return;
	watcher->notify = nta_outgoing_tcreate(
		watcher->leg, notified, (nta_outgoing_magic_t *)watcher, path.route, SIP_METHOD_NOTIFY,
		URL_STRING_MAKE(r->target), TAG_IF(path.flow, NTATAG_TPORT(path.flow)), SIPTAG_CSEQ_STR(cseq),
		SIPTAG_CONTACT_STR(path.contact), SIPTAG_USER_AGENT_STR("hookswitch"),
		SIPTAG_EVENT_STR("message-summary"), SIPTAG_SUBSCRIPTION_STATE_STR(state),
		SIPTAG_CONTENT_TYPE_STR("application/simple-message-summary"), SIPTAG_PAYLOAD_STR(body), TAG_END());
}

void watcher_tell(struct watcher *watcher, int waiting, bool always)
{
	watcher->waiting = waiting;
	if (watcher->notify || watcher->over || (!always && watcher->r.told == waiting))
		return;
	send_notify(watcher, NULL);
}

void watcher_end(struct watcher *watcher, const char *why)
{
	if (watcher->over)
		return;
	watcher->over = true;
	nta_outgoing_destroy(watcher->notify);
	watcher->notify = NULL;
	send_notify(watcher, why);
	if (!watcher->notify)
		watcher->gone(watcher);
}

void watcher_destroy(struct watcher *watcher, bool keeps_record)
{
	char key[HS_JOURNAL_KEY];
	if (!watcher)
		return;
	record_key(watcher->r.id, key);
	if (!keeps_record)
		hs_journal_drop(watcher->sipd->house->journal, key);
	nta_outgoing_destroy(watcher->notify);
	nta_leg_destroy(watcher->leg);
	free(watcher);
}
