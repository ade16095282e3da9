#include "dialog.h"
#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include "metrics.h"
#include "sipd.h"
#include "table.h"
#include "tell.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A record of another layout is of another version: it is ended as well as it can be, which is not at all. */
#define LAYOUT ((uint32_t)(0x44000000 + sizeof(struct dialog_record)))

#define HAD 256

struct dialogs {
	struct sipd *sipd;
	const struct hs_fsm *life;
	struct hs_table *by_leg, *by_call_id;
	struct hs_table *line_calls; /* size_t * by line */
	struct hs_metric *active;
	char had[HAD][65];      /* ring of legs that are over */
	uint32_t had_hash[HAD]; /* of each, so that looking for one reads little */
	size_t had_next;
	struct dialog *untaken_first, *untaken_last; /* oldest first */
	char scratch[sizeof(struct dialog_record) + DIALOG_REQUEST + LOCATIONS_MAX * sizeof(struct dialog_fork) +
		     DIALOG_DESCRIPTION];
};

struct dialogs *dialogs_create(struct sipd *sipd, const struct hs_fsm *life)
{
	struct dialogs *dialogs = hs_zalloc(sizeof(*dialogs));
	dialogs->sipd = sipd;
	dialogs->life = life;
	dialogs->by_leg = hs_table_create();
	dialogs->by_call_id = hs_table_create();
	dialogs->line_calls = hs_table_create();
	dialogs->active = hs_metric_gauge("hookswitch_sip_dialogs", "", "dialogs and attempts at one");
	return dialogs;
}

struct dialog *dialog_create(struct dialogs *dialogs, const char *leg, const char *call, const char *line,
			     bool outgoing)
{
	struct dialog *dialog = hs_zalloc(sizeof(*dialog));
	dialog->sipd = dialogs->sipd;
	dialog->r.layout = LAYOUT;
	dialog->r.outgoing = outgoing;
	dialog->r.begun_ms = hs_clock_lasting_ms();
	hs_copy(dialog->r.leg, sizeof(dialog->r.leg), leg);
	hs_copy(dialog->r.call, sizeof(dialog->r.call), call);
	hs_copy(dialog->r.line, sizeof(dialog->r.line), line);
	uv_timer_init(dialogs->sipd->house->loop, &dialog->timer);
	uv_timer_init(dialogs->sipd->house->loop, &dialog->session);
	dialog->timer.data = dialog->session.data = dialog;
	dialog->open_timers = 2;
	hs_table_put(dialogs->by_leg, dialog->r.leg, dialog);
	hs_metric_set(dialogs->active, (int64_t)hs_table_count(dialogs->by_leg));
	return dialog;
}

struct dialog *dialog_find(const struct dialogs *dialogs, const char *leg, bool any)
{
	struct dialog *dialog = hs_table_get(dialogs->by_leg, leg);
	return dialog && (any || dialog->r.state < DIALOG_CLOSING) ? dialog : NULL;
}

static uint32_t hash_leg(const char *leg)
{
	uint32_t hash = 2166136261U;
	for (; *leg; leg++)
		hash = (hash ^ (uint8_t)*leg) * 16777619U;
	return hash;
}

bool dialogs_had(const struct dialogs *dialogs, const char *leg)
{
	uint32_t hash = hash_leg(leg);
	for (size_t i = 0; i < HAD; i++)
		if (dialogs->had_hash[i] == hash && !strcmp(dialogs->had[i], leg))
			return true;
	return false;
}

static void note_had(struct dialogs *dialogs, const char *leg)
{
	size_t at = dialogs->had_next++ % HAD;
	dialogs->had_hash[at] = hash_leg(leg);
	hs_copy(dialogs->had[at], sizeof(dialogs->had[at]), leg);
}

struct dialog *dialog_by_call_id(const struct dialogs *dialogs, const char *call_id)
{
	return hs_table_get(dialogs->by_call_id, call_id);
}

void dialog_know(struct dialog *dialog, const char *call_id)
{
	hs_table_put(dialog->sipd->dialogs->by_call_id, call_id, dialog);
}

int dialog_step(struct dialog *dialog, enum dialog_event event, const void *argument)
{
	return hs_fsm_step(dialog->sipd->dialogs->life, dialog, (int)event, argument);
}

void dialog_lost(struct dialog *dialog, int status)
{
	struct dialog_end end = {HS_CAUSE_FAILED, status, "the phone does not know the call any more"};
	if (status == 408)
		end = (struct dialog_end){HS_CAUSE_LOST, status, "the phone answers no more"};
	dialog_step(dialog, DIALOG_LOST, &end);
}

bool dialog_target(const sip_contact_t *contact, char ret_target[DIALOG_TARGET])
{
	char target[DIALOG_TARGET];
	if (url_e(target, sizeof(target), contact->m_url) >= (issize_t)sizeof(target))
		return false;
	hs_copy(ret_target, DIALOG_TARGET, target);
	return true;
}

static void record_key(const char *leg, char ret_key[HS_JOURNAL_KEY])
{
	hs_copy(ret_key, HS_JOURNAL_KEY, "dialog/");
	hs_copy(ret_key + 7, HS_JOURNAL_KEY - 7, leg);
}

/* What follows the record: forks or request. The description comes behind it. */
static size_t tail_bytes(const struct dialog_record *record)
{
	return record->outgoing ? record->forks_kept * sizeof(struct dialog_fork) : record->request_bytes;
}

static char *append(char *at, const void *from, size_t bytes)
{
	if (bytes)
		memcpy(at, from, bytes);
	return at + bytes;
}

int dialog_save(struct dialog *dialog)
{
	struct dialogs *dialogs = dialog->sipd->dialogs;
	const void *tail = dialog->r.outgoing ? (const void *)dialog->fork_records : dialog->request;
	size_t description = dialog->description ? strlen(dialog->description) : 0;
	char key[HS_JOURNAL_KEY], *end;
	bool live = false;
	for (size_t i = 0; i < dialog->r.forks_count; i++)
		live |= dialog->fork_records[i].live;
	dialog->r.forks_kept = live ? dialog->r.forks_count : 0;
	dialog->r.description_bytes = description < DIALOG_DESCRIPTION ? (uint32_t)description : 0;
	record_key(dialog->r.leg, key);
	end = append(dialogs->scratch, &dialog->r, sizeof(dialog->r));
	end = append(end, tail, tail_bytes(&dialog->r));
	end = append(end, dialog->description, dialog->r.description_bytes);
	return hs_journal_put(dialog->sipd->house->journal, key, dialogs->scratch, (size_t)(end - dialogs->scratch));
}

void dialog_make_forks(struct dialog *dialog, size_t count)
{
	dialog->fork_records = hs_zalloc(count * sizeof(*dialog->fork_records));
	dialog->forks = hs_zalloc(count * sizeof(*dialog->forks));
	dialog->r.forks_count = (uint32_t)count;
	for (size_t i = 0; i < count; i++)
		dialog->forks[i] = (struct fork){.dialog = dialog, .r = &dialog->fork_records[i]};
}

struct dialog *dialog_restore(struct dialogs *dialogs, const struct dialog_record *record, const void *tail)
{
	struct dialog *dialog = dialog_create(dialogs, record->leg, record->call, record->line, record->outgoing);
	const char *description = (const char *)tail + tail_bytes(record);
	dialog->r = *record;
	dialog->r.forks_count = 0;
	if (record->outgoing && record->forks_kept) {
		dialog_make_forks(dialog, record->forks_kept);
		memcpy(dialog->fork_records, tail, tail_bytes(record));
	} else if (record->request_bytes) {
		dialog->request = hs_zalloc(record->request_bytes);
		memcpy(dialog->request, tail, record->request_bytes);
	}
	if (record->description_bytes) {
		dialog->description = hs_zalloc(record->description_bytes + 1U);
		memcpy(dialog->description, description, record->description_bytes);
	}
	if (record->call_id[0])
		dialog_know(dialog, dialog->r.call_id);
	for (size_t i = 0; i < dialog->r.forks_count; i++)
		dialog_know(dialog, dialog->fork_records[i].call_id);
	return dialog;
}

void dialogs_drop_record(struct dialogs *dialogs, const char *leg)
{
	char key[HS_JOURNAL_KEY];
	record_key(leg, key);
	hs_journal_drop(dialogs->sipd->house->journal, key);
}

void dialog_wait(struct dialog *dialog, int ms, void (*due)(uv_timer_t *timer))
{
	uv_timer_start(&dialog->timer, due, (uint64_t)ms, 0);
}

void dialog_untaken(struct dialog *dialog)
{
	struct dialogs *dialogs = dialog->sipd->dialogs;
	dialog->untaken_ms = hs_clock_ms();
	dialog->untaken_seq = hs_journal_newest(dialog->sipd->house->journal);
	dialog->untaken_last = dialogs->untaken_last;
	*(dialogs->untaken_last ? &dialogs->untaken_last->untaken_next : &dialogs->untaken_first) = dialog;
	dialogs->untaken_last = dialog;
}

void dialog_taken(struct dialog *dialog)
{
	struct dialogs *dialogs = dialog->sipd->dialogs;
	struct dialog *next = dialog->untaken_next, *last = dialog->untaken_last;
	if (!dialog->untaken_ms)
		return;
	*(last ? &last->untaken_next : &dialogs->untaken_first) = next;
	*(next ? &next->untaken_last : &dialogs->untaken_last) = last;
	dialog->untaken_next = dialog->untaken_last = NULL;
	dialog->untaken_ms = 0;
}

int64_t dialogs_untaken_ms(struct dialogs *dialogs)
{
	uint64_t taken = hs_journal_forgotten(dialogs->sipd->house->journal);
	while (dialogs->untaken_first && dialogs->untaken_first->untaken_seq <= taken)
		dialog_taken(dialogs->untaken_first);
	return dialogs->untaken_first ? hs_clock_ms() - dialogs->untaken_first->untaken_ms : 0;
}

void dialog_forget_question(struct dialog *dialog)
{
	if (dialog->ticket)
		hs_bus_forget(dialog->sipd->house->bus, dialog->ticket);
	dialog->ticket = 0;
}

static void timer_closed(uv_handle_t *handle)
{
	struct dialog *dialog = handle->data;
	if (--dialog->open_timers)
		return;
	free(dialog->description);
	free(dialog->fork_records);
	free(dialog->forks);
	free(dialog->request);
	free(dialog);
}

static void unknow(struct hs_table *table, const char *call_id, const struct dialog *dialog)
{
	if (hs_table_get(table, call_id) == dialog)
		hs_table_remove(table, call_id);
}

static void end_transactions(struct dialog *dialog)
{
	nta_incoming_destroy(dialog->invite);
	nta_incoming_destroy(dialog->change_in);
	nta_outgoing_destroy(dialog->change_out);
	nta_outgoing_destroy(dialog->bye);
	nta_outgoing_destroy(dialog->info);
	nta_outgoing_destroy(dialog->update);
	nta_leg_destroy(dialog->leg);
	for (size_t i = 0; i < dialog->r.forks_count; i++) {
		nta_outgoing_destroy(dialog->forks[i].invite);
		if (dialog->forks[i].leg != dialog->leg)
			nta_leg_destroy(dialog->forks[i].leg);
	}
}

static void release(struct dialog *dialog)
{
	struct dialogs *dialogs = dialog->sipd->dialogs;
	dialog->closing = true;
	dialog_taken(dialog);
	dialog_forget_question(dialog);
	end_transactions(dialog);
	unknow(dialogs->by_call_id, dialog->r.call_id, dialog);
	for (size_t i = 0; i < dialog->r.forks_count; i++)
		unknow(dialogs->by_call_id, dialog->fork_records[i].call_id, dialog);
	hs_table_remove(dialogs->by_leg, dialog->r.leg);
	note_had(dialogs, dialog->r.leg);
	hs_metric_set(dialogs->active, (int64_t)hs_table_count(dialogs->by_leg));
	if (dialog->line_calls)
		--*dialog->line_calls;
	uv_close((uv_handle_t *)&dialog->timer, timer_closed);
	uv_close((uv_handle_t *)&dialog->session, timer_closed);
}

void dialog_destroy(struct dialog *dialog)
{
	if (dialog->closing)
		return;
	dialogs_drop_record(dialog->sipd->dialogs, dialog->r.leg);
	release(dialog);
}

size_t dialogs_count(const struct dialogs *dialogs)
{
	return hs_table_count(dialogs->by_leg);
}

void dialog_count(struct dialog *dialog)
{
	struct hs_table *lines = dialog->sipd->dialogs->line_calls;
	dialog->line_calls = hs_table_get(lines, dialog->r.line);
	if (!dialog->line_calls) {
		dialog->line_calls = hs_zalloc(sizeof(*dialog->line_calls));
		hs_table_put(lines, dialog->r.line, dialog->line_calls);
	}
	++*dialog->line_calls;
}

size_t dialogs_of_line(const struct dialogs *dialogs, const char *line)
{
	const size_t *calls = hs_table_get(dialogs->line_calls, line);
	return calls ? *calls : 0;
}

struct visiting {
	void (*visit)(void *context, struct dialog *dialog);
	void *context;
};

static bool visit_one(void *context, const char *key, void *object)
{
	const struct visiting *visiting = context;
	visiting->visit(visiting->context, object);
	return true;
}

void dialogs_each(struct dialogs *dialogs, void (*visit)(void *context, struct dialog *dialog), void *context)
{
	struct visiting visiting = {visit, context};
	hs_table_each(dialogs->by_leg, visit_one, &visiting);
}

struct reading {
	struct dialogs *dialogs;
	void (*visit)(void *context, const struct dialog_record *record, const void *tail);
	void *context;
};

static bool is_sane(const struct dialog_record *record, size_t bytes)
{
	if (bytes < sizeof(*record))
		return false;
	if (record->layout != LAYOUT || record->state < 0 || record->state >= DIALOG_STATES)
		return false;
	if (record->forks_kept > LOCATIONS_MAX || record->request_bytes > DIALOG_REQUEST)
		return false;
	if (record->description_bytes >= DIALOG_DESCRIPTION)
		return false;
	return bytes == sizeof(*record) + tail_bytes(record) + record->description_bytes;
}

static void read_record(void *context, const char *key, const void *value, size_t bytes)
{
	const struct reading *reading = context;
	AUTO(free) char *copy = hs_zalloc(bytes + 1); /* aligned, and dropping the key leaves it */
	memcpy(copy, value, bytes);
	const struct dialog_record *record = (const struct dialog_record *)(const void *)copy;
	if (is_sane(record, bytes)) {
		reading->visit(reading->context, record, copy + sizeof(*record));
		return;
	}
	struct hs_leg_ended lost = {.leg = key + 7, .cause = HS_CAUSE_DRIVER_RESTARTED, .why = "its record is lost"};
	hs_log(ERROR, "dialog.unreadable", LOG_TEXT("record", key), LOG_WHY("damaged, or left by another version"));
	tell_ended(reading->dialogs->sipd, &lost);
	hs_journal_drop(reading->dialogs->sipd->house->journal, key);
}

void dialogs_left(struct dialogs *dialogs,
		  void (*visit)(void *context, const struct dialog_record *record, const void *tail), void *context)
{
	struct reading reading = {dialogs, visit, context};
	hs_journal_each(dialogs->sipd->house->journal, "dialog/", read_record, &reading);
}

static bool free_count(void *context, const char *line, void *calls)
{
	free(calls);
	return true;
}

static bool release_one(void *context, const char *key, void *object)
{
	release(object);
	return true;
}

void dialogs_destroy(struct dialogs *dialogs)
{
	if (!dialogs)
		return;
	hs_table_each(dialogs->by_leg, release_one, NULL);
	hs_table_destroy(dialogs->by_leg);
	hs_table_destroy(dialogs->by_call_id);
	hs_table_each(dialogs->line_calls, free_count, NULL);
	hs_table_destroy(dialogs->line_calls);
	free(dialogs);
}
