/* Hearing: what drivers, mediad and hookd tell. Each fact is worked into the calls, lines and streams; its events, what
 * it changes and the number up to which its source was heard are one turn of the store; after that it is acknowledged.
 */
#include "apid.h"
#include "cleanup.h"
#include "gather.h"
#include "log.h"
#include "serve.h"
#include "watch.h"
#include <stdlib.h>
#include <string.h>

#define ACK_MS 10
#define ACK_FACTS 256 /* a quarter of what a source sends without a word of ours */

/* A leg that is told of by who may: its own driver, or mediad for what it hears in the audio. */
static struct leg *leg_of(struct apid *apid, const struct hs_fact *fact, const char *id)
{
	struct leg *leg = calls_find_leg(apid->calls, id);

	if (leg && (leg->driver == fact->from || fact->from == HS_ROLE_MEDIAD))
		return leg;
	if (!leg && fact->from == HS_ROLE_MEDIAD)
		early_add(apid->early, id, fact);
	else if (leg)
		hs_log(WARN, "fact.foreign_leg", LOG_LEG(id), LOG_TEXT("message", hs_messages[fact->message].name),
		       LOG_TEXT("from", hs_role_names[fact->from]));
	return NULL;
}

static void hear(void *context, const struct hs_fact *fact);

static void leg_incoming(struct apid *apid, const struct hs_fact *fact)
{
	const struct hs_leg_incoming *body = fact->body;

	calls_incoming(apid->calls, fact->from, body, fact->at_ms);
	if (calls_find_leg(apid->calls, body->leg))
		early_replay(apid->early, body->leg, hear, apid);
}

static void leg_progressing(struct apid *apid, const struct hs_fact *fact)
{
	const struct hs_leg_progressing *body = fact->body;
	struct leg *leg = leg_of(apid, fact, body->leg);

	if (leg)
		calls_leg_progresses(leg, body->early_media, fact->at_ms);
}

static void leg_ringing(struct apid *apid, const struct hs_fact *fact)
{
	const struct hs_leg_ringing *body = fact->body;
	struct leg *leg = leg_of(apid, fact, body->leg);

	if (leg)
		calls_leg_rings(leg, fact->at_ms);
}

static void leg_answered(struct apid *apid, const struct hs_fact *fact)
{
	const struct hs_leg_answered *body = fact->body;
	struct leg *leg = leg_of(apid, fact, body->leg);

	if (leg)
		calls_leg_answered(leg, body->measured, fact->at_ms);
}

static void leg_digit(struct apid *apid, const struct hs_fact *fact)
{
	const struct hs_leg_digit *body = fact->body;
	struct leg *leg = leg_of(apid, fact, body->leg);

	if (leg)
		calls_leg_digit(leg, body, fact->at_ms);
}

static void leg_flash(struct apid *apid, const struct hs_fact *fact)
{
	const struct hs_leg_flash *body = fact->body;
	struct leg *leg = leg_of(apid, fact, body->leg);

	if (leg)
		calls_leg_flashed(leg, fact->at_ms);
}

static void leg_held(struct apid *apid, const struct hs_fact *fact)
{
	const struct hs_leg_held *body = fact->body;
	struct leg *leg = leg_of(apid, fact, body->leg);

	if (leg)
		calls_leg_held(leg, body, fact->at_ms);
}

static void leg_not_held(struct apid *apid, const struct hs_fact *fact)
{
	const struct hs_leg_hold_failed *body = fact->body;
	struct leg *leg = leg_of(apid, fact, body->leg);

	if (leg)
		calls_leg_not_held(leg, body->held, body->why, fact->at_ms);
}

static void leg_ended(struct apid *apid, const struct hs_fact *fact)
{
	const struct hs_leg_ended *body = fact->body;
	struct leg *leg = leg_of(apid, fact, body->leg);

	if (leg)
		calls_leg_ended(leg, body, fact->at_ms);
}

static void line_changed(struct apid *apid, const struct hs_fact *fact)
{
	const struct hs_line_changed *body = fact->body;
	struct line *line = lines_find(apid->lines, body->line);

	if (line && line_driver(line) == fact->from)
		line_heard(line, body, fact->at_ms);
	else
		hs_log(WARN, "fact.unknown_line", LOG_LINE(body->line), LOG_TEXT("from", hs_role_names[fact->from]));
}

static void line_suspected(struct apid *apid, const struct hs_fact *fact)
{
	const struct hs_line_suspected *body = fact->body;
	struct hs_line_suspicious event = {body->address, body->failures, body->banned};

	eventlog_add(apid->log, HS_LINE_SUSPICIOUS, fact->at_ms, body->line, NULL, &event);
}

static void driver_started(struct apid *apid, const struct hs_fact *fact)
{
	const struct hs_driver_started *body = fact->body;

	watch_started(apid->watch, fact->from, body->clean, fact->at_ms);
	if ((fact->from == HS_ROLE_SIPD || fact->from == HS_ROLE_DAHDID) && !body->keeps)
		calls_driver_restarted(apid->calls, fact->from, fact->at_ms);
	serve_lines_driver_started(apid, fact->from);
	if (fact->from != HS_ROLE_MEDIAD || body->keeps)
		return;
	calls_media_restarted(apid->calls, fact->at_ms);
	streams_media_restarted(apid->streams);
}

static void media_started(struct apid *apid, const struct hs_fact *fact)
{
	const struct hs_media_started *body = fact->body;
	struct leg *leg = leg_of(apid, fact, body->leg);

	if (leg)
		calls_media_started(leg, body, fact->at_ms);
}

static void media_silent(struct apid *apid, const struct hs_fact *fact)
{
	const struct hs_media_silent *body = fact->body;
	struct leg *leg = leg_of(apid, fact, body->leg);

	if (leg)
		calls_media_silent(leg, body, fact->at_ms);
}

static void media_played(struct apid *apid, const struct hs_fact *fact)
{
	const struct hs_media_played *body = fact->body;
	struct leg *leg = calls_find_leg(apid->calls, body->leg);
	struct hs_audio_played event = {body->play, body->played_ms, body->completed};

	eventlog_add(apid->log, HS_AUDIO_PLAYED, fact->at_ms, leg ? leg->line_id : NULL, leg ? leg->call->id : NULL,
		     &event);
	if (leg)
		gather_played(leg, body->play);
}

static void media_detached(struct apid *apid, const struct hs_fact *fact)
{
	const struct hs_media_detached *body = fact->body;

	streams_lost(apid->streams, body->stream, "the connection to the operator's front was lost");
}

/* A stream's figures belong to no record; they are forgotten like those of a leg that never came. */
static void media_closed(struct apid *apid, const struct hs_fact *fact)
{
	const struct hs_media_closed *body = fact->body;
	struct leg *leg = leg_of(apid, fact, body->leg);

	if (!leg)
		return;
	apid->calls->at = fact->at_ms;
	if (body->lost)
		calls_media_lost(leg);
	else
		calls_media_closed(leg, body->figures);
}

static void hook_failed(struct apid *apid, const struct hs_fact *fact)
{
	const struct hs_hook_failed *body = fact->body;
	struct hs_webhook_failed event = {body->webhook, body->delivery, body->attempts, body->why, body->disabled};

	eventlog_add(apid->log, HS_WEBHOOK_FAILED, fact->at_ms, NULL, NULL, &event);
}

static const struct {
	enum hs_message_id message;
	void (*heard)(struct apid *apid, const struct hs_fact *fact);
} facts[] = {
	{HS_LEG_INCOMING, leg_incoming},
	{HS_LEG_PROGRESSING, leg_progressing},
	{HS_LEG_RINGING, leg_ringing},
	{HS_LEG_ANSWERED, leg_answered},
	{HS_LEG_DIGIT, leg_digit},
	{HS_LEG_FLASH, leg_flash},
	{HS_LEG_HELD, leg_held},
	{HS_LEG_HOLD_FAILED, leg_not_held},
	{HS_LEG_ENDED, leg_ended},
	{HS_LINE_CHANGED, line_changed},
	{HS_LINE_SUSPECTED, line_suspected},
	{HS_DRIVER_STARTED, driver_started},
	{HS_MEDIA_STARTED, media_started},
	{HS_MEDIA_SILENT, media_silent},
	{HS_MEDIA_PLAYED, media_played},
	{HS_MEDIA_DETACHED, media_detached},
	{HS_MEDIA_CLOSED, media_closed},
	{HS_HOOK_FAILED, hook_failed},
};

static void hear(void *context, const struct hs_fact *fact)
{
	struct apid *apid = context;

	if (apid->stopping)
		return; /* not acknowledged: our successor hears it */
	for (size_t i = 0; i < HS_COUNT(facts); i++)
		if (facts[i].message == fact->message) {
			facts[i].heard(apid, fact);
			return;
		}
	hs_log(WARN, "fact.unknown", LOG_TEXT("message", hs_messages[fact->message].name));
}

/* ---- acknowledging: a source keeps its facts a little longer, so that one word does for many ---- */

struct hearing {
	struct hs_bus *bus;
	uv_timer_t later;
	struct heard {
		uint64_t epoch, seq, acknowledged;
	} of[HS_ROLES];
};

static void acknowledge(struct hearing *hearing, enum hs_role from)
{
	struct heard *heard = &hearing->of[from];

	if (heard->seq == heard->acknowledged)
		return;
	hs_bus_acknowledge(hearing->bus, from, heard->epoch, heard->seq);
	heard->acknowledged = heard->seq;
}

static void acknowledge_all(struct hearing *hearing)
{
	for (int role = 1; role < HS_ROLES; role++)
		acknowledge(hearing, role);
}

static void is_due(uv_timer_t *timer)
{
	acknowledge_all(timer->data);
}

/* A batch on its way through the store. */
struct batch {
	struct hearing *hearing;
	enum hs_role from;
	uint64_t epoch, seq;
};

static void batch_kept(void *context)
{
	AUTO(free) struct batch *batch = context;
	struct hearing *hearing = batch->hearing;
	struct heard *heard = &hearing->of[batch->from];

	if (heard->epoch != batch->epoch) { /* another journal: its numbers begin again */
		acknowledge(hearing, batch->from);
		*heard = (struct heard){.epoch = batch->epoch};
	}
	heard->seq = batch->seq;
	if (heard->seq - heard->acknowledged >= ACK_FACTS)
		acknowledge(hearing, batch->from);
	else if (!uv_is_active((uv_handle_t *)&hearing->later))
		uv_timer_start(&hearing->later, is_due, ACK_MS, 0);
}

static void heard_batch(void *context, enum hs_role from, uint64_t epoch, uint64_t seq)
{
	struct apid *apid = context;
	struct batch *batch;

	if (apid->stopping)
		return;
	batch = hs_zalloc(sizeof(*batch));
	*batch = (struct batch){apid->hearing, from, epoch, seq};
	store_write(apid->store, STORE_CURSOR_PUT, STORE_V_TEXT(hs_role_names[from]), STORE_V_INT((int64_t)epoch),
		    STORE_V_INT((int64_t)seq));
	store_after(apid->store, batch_kept, batch);
}

/* ---- life ---- */

static bool see_cursor(void *context, const struct store_row *row)
{
	struct apid *apid = context;
	const char *source = store_text(row, 0);

	for (int role = 1; source && role < HS_ROLES; role++)
		if (strcmp(hs_role_names[role], source) == 0)
			hs_bus_heard(apid->house->bus, role, (uint64_t)store_int(row, 1), (uint64_t)store_int(row, 2));
	return true;
}

void hear_start(struct apid *apid)
{
	struct hearing *hearing = apid->hearing = hs_zalloc(sizeof(*hearing));

	hearing->bus = apid->house->bus;
	uv_timer_init(apid->house->loop, &hearing->later);
	hearing->later.data = hearing;
	store_query(store_at_start(apid->store), STORE_CURSORS, NULL, 0, see_cursor, apid);
	hs_bus_hear(apid->house->bus, hear, heard_batch, apid);
}

static void hearing_closed(uv_handle_t *timer)
{
	free(timer->data);
}

void hear_stop(struct apid *apid)
{
	if (!apid->hearing)
		return;
	acknowledge_all(apid->hearing);
	uv_close((uv_handle_t *)&apid->hearing->later, hearing_closed);
	apid->hearing = NULL;
}
