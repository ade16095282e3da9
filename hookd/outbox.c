#include "outbox.h"
#include "cleanup.h"
#include "log.h"
#include <errno.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

/* What is left for results and the log when intake stops: this much, or an eighth of a small disk. */
#define RESERVE_BYTES (64ull << 20)
#define DISK_LOOK_MS 1000

#define INCREMENTAL 2 /* what PRAGMA auto_vacuum says of it */

enum state {
	STATE_FRESH, /* first attempt was not made */
	STATE_RETRY,
	STATE_DEAD,
};

static const char schema[] =
	"PRAGMA journal_mode=WAL;"
	"CREATE TABLE IF NOT EXISTS place(one INTEGER PRIMARY KEY CHECK(one=1), cursor TEXT NOT NULL, seq INTEGER NOT "
	"NULL);"
	"CREATE TABLE IF NOT EXISTS endpoint(number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
	" url TEXT NOT NULL, words TEXT NOT NULL, sealed TEXT NOT NULL, declared INTEGER NOT NULL,"
	" enabled INTEGER NOT NULL, failing_since INTEGER NOT NULL, delivered INTEGER NOT NULL, dead INTEGER NOT NULL,"
	" last_status INTEGER NOT NULL, last_error TEXT NOT NULL);"
	"CREATE TABLE IF NOT EXISTS delivery(endpoint INTEGER NOT NULL, number INTEGER NOT NULL, state INTEGER NOT "
	"NULL,"
	" id TEXT NOT NULL, type TEXT NOT NULL, call TEXT NOT NULL, line TEXT NOT NULL, body BLOB NOT NULL,"
	" created_at INTEGER NOT NULL, due_at INTEGER NOT NULL, tries INTEGER NOT NULL, attempts INTEGER NOT NULL,"
	" last_status INTEGER NOT NULL, last_error TEXT NOT NULL, PRIMARY KEY(endpoint, number)) WITHOUT ROWID;"
	"CREATE INDEX IF NOT EXISTS retry ON delivery(endpoint, due_at) WHERE state=1;"
	"CREATE INDEX IF NOT EXISTS waiting ON delivery(endpoint, state) WHERE state<2;" /* to be counted at a start */
	"CREATE INDEX IF NOT EXISTS dead ON delivery(due_at) WHERE state=2;"
	"CREATE INDEX IF NOT EXISTS dead_id ON delivery(id) WHERE state=2;";

/* What was added to the tables since; user_version says how many of these a file has. */
static const char *const additions[] = {
	"ALTER TABLE endpoint ADD COLUMN lines TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE endpoint ADD COLUMN calls TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE endpoint ADD COLUMN style INTEGER NOT NULL DEFAULT 1;"
	"ALTER TABLE endpoint ADD COLUMN ca TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE endpoint ADD COLUMN cert TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE endpoint ADD COLUMN sealed_key TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE endpoint ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE endpoint ADD COLUMN old_until INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE endpoint ADD COLUMN skipped INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE endpoint ADD COLUMN skipped_from TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE delivery ADD COLUMN cursor TEXT NOT NULL DEFAULT '';",
};

#define COLUMNS                                                                                                        \
	"number, endpoint, id, type, call, line, body, created_at, due_at, tries, attempts, last_status, last_error, " \
	"cursor"

#define ENDPOINT_COLUMNS                                                                                               \
	"id, url, words, sealed, declared, enabled, failing_since, delivered, dead, last_status, last_error, lines,"   \
	" calls, style, ca, cert, sealed_key, paused, old_until, skipped, skipped_from"

enum statement {
	BEGIN,
	COMMIT,
	ROLLBACK,
	GET_CURSOR,
	SET_CURSOR,
	EACH_ENDPOINT,
	ADD_ENDPOINT,
	SAVE_ENDPOINT,
	DROP_ENDPOINT,
	DROP_DELIVERIES,
	COUNT_WAITING,
	COUNT_ALL_WAITING,
	COUNT_DEAD,
	ADD,
	LOAD_FRESH,
	LOAD_DUE,
	NEXT_DUE,
	DONE,
	AGAIN,
	BURY,
	BURY_ALL,
	HASTEN,
	EACH_DEAD,
	FIND_DEAD,
	REPLAY,
	REPLAY_ALL,
	PRUNE_OLD,
	PRUNE_MANY,
	STATEMENTS,
};

/* Dead letters keep the time of their death in due_at. */
static const char *const texts[STATEMENTS] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
	[GET_CURSOR] = "SELECT cursor, seq FROM place",
	[SET_CURSOR] = "INSERT INTO place VALUES(1,?1,?2) ON CONFLICT(one) DO UPDATE SET cursor=?1, seq=?2",
	[EACH_ENDPOINT] = "SELECT " ENDPOINT_COLUMNS ", number FROM endpoint ORDER BY id",
	[ADD_ENDPOINT] = "INSERT INTO endpoint(" ENDPOINT_COLUMNS ") VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,"
			 "?14,?15,?16,?17,?18,?19,?20,?21)",
	[SAVE_ENDPOINT] =
		"UPDATE endpoint SET (" ENDPOINT_COLUMNS ")=(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,"
		"?16,?17,?18,?19,?20,?21) WHERE number=?22",
	[DROP_ENDPOINT] = "DELETE FROM endpoint WHERE number=?1",
	[DROP_DELIVERIES] = "DELETE FROM delivery WHERE endpoint=?1",
	[COUNT_WAITING] = "SELECT count(*) FROM delivery WHERE state<2 AND endpoint=?1",
	[COUNT_ALL_WAITING] = "SELECT count(*) FROM delivery WHERE state<2",
	[COUNT_DEAD] = "SELECT count(*) FROM delivery WHERE state=2 AND (?1=0 OR endpoint=?1)",
	[ADD] = "INSERT INTO delivery(" COLUMNS ", state) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,0)",
	[LOAD_FRESH] = "SELECT " COLUMNS " FROM delivery WHERE state=0 AND endpoint=?1 AND number>?2"
		       " ORDER BY number LIMIT ?3",
	[LOAD_DUE] = "SELECT " COLUMNS " FROM delivery WHERE state=1 AND endpoint=?1 AND due_at<=?2"
		     " ORDER BY due_at LIMIT ?3",
	[NEXT_DUE] = "SELECT due_at FROM delivery WHERE state=1 AND endpoint=?1 AND due_at>?2 ORDER BY due_at LIMIT 1",
	[DONE] = "DELETE FROM delivery WHERE endpoint=?1 AND number=?2",
	[AGAIN] = "UPDATE delivery SET state=1, due_at=?2, tries=?3, attempts=?4, last_status=?5, last_error=?6"
		  " WHERE number=?1 AND endpoint=?7",
	[BURY] = "UPDATE delivery SET state=2, due_at=?2, tries=?3, attempts=?4, last_status=?5, last_error=?6"
		 " WHERE number=?1 AND endpoint=?7",
	[BURY_ALL] = "UPDATE delivery SET state=2, due_at=?2, last_error=?3 WHERE endpoint=?1 AND state<2",
	[HASTEN] = "UPDATE delivery INDEXED BY retry SET due_at=?2 WHERE endpoint=?1 AND state=1 AND due_at>?2",
	[EACH_DEAD] = "SELECT " COLUMNS " FROM delivery WHERE state=2 AND (?1=0 OR endpoint=?1)"
		      " ORDER BY due_at DESC, number DESC LIMIT ?2",
	[FIND_DEAD] = "SELECT number, endpoint FROM delivery WHERE state=2 AND id=?1",
	[REPLAY] = "UPDATE delivery SET state=1, tries=0, due_at=?2 WHERE number=?1 AND endpoint=?3",
	[REPLAY_ALL] = "UPDATE delivery SET state=1, tries=0, due_at=?2 WHERE endpoint=?1 AND state=2",
	[PRUNE_OLD] = "DELETE FROM delivery WHERE state=2 AND due_at<?1",
	[PRUNE_MANY] = "DELETE FROM delivery WHERE (endpoint, number) IN (SELECT endpoint, number FROM delivery"
		       " WHERE state=2 ORDER BY due_at DESC, number DESC LIMIT -1 OFFSET ?1)",
};

struct outbox {
	sqlite3 *db;
	sqlite3_stmt *statements[STATEMENTS];
	char *folder;
	bool full;    /* synchronous=FULL always */
	bool began;   /* a transaction is open */
	int error;    /* of a write in it */
	int64_t last; /* number given last */
	int64_t waiting, waiting_committed;
	int64_t looked_at_ms;
	bool disk_low;
};

/* ---- Statements ---- */

static int failed(struct outbox *outbox, const char *what)
{
	int code = sqlite3_errcode(outbox->db);

	hs_log(ERROR, "outbox.failed", LOG_TEXT("what", what), LOG_INT("code", sqlite3_extended_errcode(outbox->db)),
	       LOG_WHY(sqlite3_errmsg(outbox->db)));
	return code == SQLITE_FULL ? -ENOSPC : -EIO;
}

static void bind_text(sqlite3_stmt *statement, int at, const char *text)
{
	sqlite3_bind_text(statement, at, text ? text : "", -1, SQLITE_STATIC);
}

static void begin(struct outbox *outbox)
{
	if (outbox->began)
		return;
	outbox->began = true;
	if (sqlite3_step(outbox->statements[BEGIN]) != SQLITE_DONE)
		outbox->error = failed(outbox, "begin");
	sqlite3_reset(outbox->statements[BEGIN]);
}

/* A statement that writes: begins the transaction when it is the first. */
static sqlite3_stmt *writer(struct outbox *outbox, enum statement which)
{
	begin(outbox);
	return outbox->statements[which];
}

/* Runs it and returns how many rows it changed. After a failure nothing more is tried until the rollback. */
static int64_t run(struct outbox *outbox, sqlite3_stmt *statement)
{
	int64_t changed = 0;

	if (!outbox->error) {
		if (sqlite3_step(statement) == SQLITE_DONE)
			changed = sqlite3_changes64(outbox->db);
		else
			outbox->error = failed(outbox, "write");
	}
	sqlite3_reset(statement);
	return changed;
}

static int64_t read_number(struct outbox *outbox, sqlite3_stmt *statement, int64_t otherwise)
{
	int64_t number = otherwise;
	int code = sqlite3_step(statement);

	if (code == SQLITE_ROW)
		number = sqlite3_column_int64(statement, 0);
	else if (code != SQLITE_DONE)
		failed(outbox, "read");
	sqlite3_reset(statement);
	return number;
}

/* ---- Opening ---- */

static int prepare(struct outbox *outbox)
{
	for (int i = 0; i < STATEMENTS; i++)
		if (sqlite3_prepare_v3(outbox->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &outbox->statements[i],
				       NULL) != SQLITE_OK)
			return failed(outbox, texts[i]);
	return 0;
}

static int64_t read_last(struct outbox *outbox)
{
	sqlite3_stmt *statement = NULL;
	int64_t last = 0;

	if (sqlite3_prepare_v2(
		    outbox->db,
		    "SELECT max(last) FROM (SELECT (SELECT max(number) FROM delivery WHERE endpoint=e.number)"
		    " AS last FROM endpoint AS e)",
		    -1, &statement, NULL) == SQLITE_OK)
		last = read_number(outbox, statement, 0);
	sqlite3_finalize(statement);
	return last;
}

static int64_t read_setting(struct outbox *outbox, const char *text)
{
	sqlite3_stmt *statement = NULL;
	int64_t value = 0;

	if (sqlite3_prepare_v2(outbox->db, text, -1, &statement, NULL) == SQLITE_OK)
		value = read_number(outbox, statement, 0);
	sqlite3_finalize(statement);
	return value;
}

/* Each addition whole or not at all. */
static int extend(struct outbox *outbox)
{
	for (int i = (int)read_setting(outbox, "PRAGMA user_version"); i < (int)HS_COUNT(additions); i++) {
		AUTO(free) char *text = hs_printf("BEGIN;%sPRAGMA user_version=%d;COMMIT", additions[i], i + 1);

		if (sqlite3_exec(outbox->db, text, NULL, NULL, NULL) != SQLITE_OK)
			return failed(outbox, "addition");
	}
	return 0;
}

/* Pages that get free are given back piece by piece. Said once: it is written each time, and a full disk takes nothing.
 */
static bool shrinks(struct outbox *outbox)
{
	return read_setting(outbox, "PRAGMA auto_vacuum") == INCREMENTAL ||
	       sqlite3_exec(outbox->db, "PRAGMA auto_vacuum=INCREMENTAL", NULL, NULL, NULL) == SQLITE_OK;
}

static int set_up(struct outbox *outbox)
{
	sqlite3_extended_result_codes(outbox->db, 0);
	sqlite3_busy_timeout(outbox->db, 2000);
	if (sqlite3_exec(outbox->db, outbox->full ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL", NULL, NULL,
			 NULL) != SQLITE_OK ||
	    !shrinks(outbox) || sqlite3_exec(outbox->db, schema, NULL, NULL, NULL) != SQLITE_OK)
		return failed(outbox, "schema");
	if (extend(outbox) < 0)
		return -EIO;
	return prepare(outbox);
}

struct outbox *outbox_open(const char *folder, bool full)
{
	struct outbox *outbox = hs_zalloc(sizeof(*outbox));
	AUTO(free) char *path = hs_printf("%s/outbox.db", folder);

	outbox->folder = hs_strdup(folder);
	outbox->full = full;
	/* unix-excl: the log's index is no file, for which a successor on a full disk would have no room. */
	if (sqlite3_open_v2(path, &outbox->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
			    "unix-excl") != SQLITE_OK ||
	    set_up(outbox) < 0) {
		hs_log(ERROR, "outbox.cannot_open", LOG_TEXT("path", path),
		       LOG_WHY(outbox->db ? sqlite3_errmsg(outbox->db) : "no memory"));
		outbox_close(outbox);
		return NULL;
	}
	outbox->last = read_last(outbox);
	outbox->waiting = outbox->waiting_committed = outbox_waiting(outbox, 0);
	return outbox;
}

void outbox_close(struct outbox *outbox)
{
	if (!outbox)
		return;
	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(outbox->statements[i]);
	sqlite3_close(outbox->db);
	free(outbox->folder);
	free(outbox);
}

/* ---- The place in the log ---- */

int outbox_cursor(struct outbox *outbox, char ret_cursor[65], int64_t *ret_seq)
{
	sqlite3_stmt *statement = outbox->statements[GET_CURSOR];
	int error = -ENOENT;

	if (sqlite3_step(statement) == SQLITE_ROW) {
		hs_copy(ret_cursor, 65, (const char *)sqlite3_column_text(statement, 0));
		*ret_seq = sqlite3_column_int64(statement, 1);
		error = 0;
	}
	sqlite3_reset(statement);
	return error;
}

void outbox_set_cursor(struct outbox *outbox, const char *cursor, int64_t seq)
{
	sqlite3_stmt *statement = writer(outbox, SET_CURSOR);

	bind_text(statement, 1, cursor);
	sqlite3_bind_int64(statement, 2, seq);
	run(outbox, statement);
}

/* ---- Endpoints ---- */

static const char *column(sqlite3_stmt *statement, int at)
{
	const char *text = (const char *)sqlite3_column_text(statement, at);

	return text ? text : "";
}

void outbox_each_endpoint(struct outbox *outbox, void (*visit)(void *context, const struct outbox_endpoint *endpoint),
			  void *context)
{
	sqlite3_stmt *statement = outbox->statements[EACH_ENDPOINT];

	while (sqlite3_step(statement) == SQLITE_ROW) {
		struct outbox_endpoint endpoint = {
			.id = column(statement, 0),
			.url = column(statement, 1),
			.words = column(statement, 2),
			.sealed = column(statement, 3),
			.declared = sqlite3_column_int(statement, 4),
			.enabled = sqlite3_column_int(statement, 5),
			.failing_since_ms = sqlite3_column_int64(statement, 6),
			.delivered = sqlite3_column_int64(statement, 7),
			.dead = sqlite3_column_int64(statement, 8),
			.last_status = sqlite3_column_int(statement, 9),
			.last_error = column(statement, 10),
			.lines = column(statement, 11),
			.calls = column(statement, 12),
			.style = sqlite3_column_int(statement, 13),
			.ca = column(statement, 14),
			.cert = column(statement, 15),
			.sealed_key = column(statement, 16),
			.paused = sqlite3_column_int(statement, 17),
			.old_until_ms = sqlite3_column_int64(statement, 18),
			.skipped = sqlite3_column_int64(statement, 19),
			.skipped_from = column(statement, 20),
			.number = sqlite3_column_int64(statement, 21),
		};

		visit(context, &endpoint);
	}
	sqlite3_reset(statement);
}

int64_t outbox_save_endpoint(struct outbox *outbox, const struct outbox_endpoint *endpoint)
{
	sqlite3_stmt *statement = writer(outbox, endpoint->number ? SAVE_ENDPOINT : ADD_ENDPOINT);

	bind_text(statement, 1, endpoint->id);
	bind_text(statement, 2, endpoint->url);
	bind_text(statement, 3, endpoint->words);
	bind_text(statement, 4, endpoint->sealed);
	sqlite3_bind_int(statement, 5, endpoint->declared);
	sqlite3_bind_int(statement, 6, endpoint->enabled);
	sqlite3_bind_int64(statement, 7, endpoint->failing_since_ms);
	sqlite3_bind_int64(statement, 8, endpoint->delivered);
	sqlite3_bind_int64(statement, 9, endpoint->dead);
	sqlite3_bind_int(statement, 10, endpoint->last_status);
	bind_text(statement, 11, endpoint->last_error);
	bind_text(statement, 12, endpoint->lines);
	bind_text(statement, 13, endpoint->calls);
	sqlite3_bind_int(statement, 14, endpoint->style);
	bind_text(statement, 15, endpoint->ca);
	bind_text(statement, 16, endpoint->cert);
	bind_text(statement, 17, endpoint->sealed_key);
	sqlite3_bind_int(statement, 18, endpoint->paused);
	sqlite3_bind_int64(statement, 19, endpoint->old_until_ms);
	sqlite3_bind_int64(statement, 20, endpoint->skipped);
	bind_text(statement, 21, endpoint->skipped_from);
	if (endpoint->number)
		sqlite3_bind_int64(statement, 22, endpoint->number);
	run(outbox, statement);
	return endpoint->number ? endpoint->number : sqlite3_last_insert_rowid(outbox->db);
}

/* Runs a statement whose first argument is an endpoint or a delivery. */
static int64_t run_for(struct outbox *outbox, enum statement which, int64_t number)
{
	sqlite3_stmt *statement = writer(outbox, which);

	sqlite3_bind_int64(statement, 1, number);
	return run(outbox, statement);
}

void outbox_drop_endpoint(struct outbox *outbox, int64_t endpoint)
{
	outbox->waiting -= outbox_waiting(outbox, endpoint);
	run_for(outbox, DROP_DELIVERIES, endpoint);
	run_for(outbox, DROP_ENDPOINT, endpoint);
}

static int64_t count(struct outbox *outbox, enum statement which, int64_t endpoint)
{
	sqlite3_stmt *statement = outbox->statements[which];

	sqlite3_bind_int64(statement, 1, endpoint);
	return read_number(outbox, statement, 0);
}

int64_t outbox_waiting(struct outbox *outbox, int64_t endpoint)
{
	if (!endpoint)
		return read_number(outbox, outbox->statements[COUNT_ALL_WAITING], 0);
	return count(outbox, COUNT_WAITING, endpoint);
}

int64_t outbox_depth(const struct outbox *outbox)
{
	return outbox->waiting;
}

int64_t outbox_dead_letters(struct outbox *outbox, int64_t endpoint)
{
	return count(outbox, COUNT_DEAD, endpoint);
}

/* ---- Deliveries ---- */

static const char *append(char **at, const char *text, size_t bytes)
{
	char *copy = *at;

	memcpy(copy, text, bytes);
	copy[bytes] = '\0';
	*at += bytes + 1;
	return copy;
}

struct outbox_delivery *outbox_delivery_make(int64_t endpoint, const char *id, const char *type, const char *call,
					     const char *line, const char *cursor, const char *body, size_t bytes)
{
	size_t lengths = strlen(id) + strlen(type) + strlen(call) + strlen(line) + strlen(cursor) + bytes + 6;
	struct outbox_delivery *delivery = hs_zalloc(sizeof(*delivery) + lengths);
	char *at = (char *)(delivery + 1);

	delivery->endpoint = endpoint;
	delivery->id = append(&at, id, strlen(id));
	delivery->type = append(&at, type, strlen(type));
	delivery->call = append(&at, call, strlen(call));
	delivery->line = append(&at, line, strlen(line));
	delivery->cursor = append(&at, cursor, strlen(cursor));
	delivery->body = append(&at, body, bytes);
	delivery->bytes = bytes;
	return delivery;
}

static struct outbox_delivery *read_delivery(sqlite3_stmt *statement)
{
	const char *body = sqlite3_column_blob(statement, 6);
	size_t bytes = (size_t)sqlite3_column_bytes(statement, 6);
	struct outbox_delivery *delivery = outbox_delivery_make(
		sqlite3_column_int64(statement, 1), column(statement, 2), column(statement, 3), column(statement, 4),
		column(statement, 5), column(statement, 13), body ? body : "", bytes);

	delivery->number = sqlite3_column_int64(statement, 0);
	delivery->created_at_ms = sqlite3_column_int64(statement, 7);
	delivery->due_at_ms = sqlite3_column_int64(statement, 8);
	delivery->tries = sqlite3_column_int(statement, 9);
	delivery->attempts = sqlite3_column_int(statement, 10);
	delivery->last_status = sqlite3_column_int(statement, 11);
	hs_copy(delivery->last_error, sizeof(delivery->last_error), column(statement, 12));
	return delivery;
}

static int visit_all(struct outbox *outbox, sqlite3_stmt *statement, outbox_visit *visit, void *context)
{
	int code, count_seen = 0;

	while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
		visit(context, read_delivery(statement));
		count_seen++;
	}
	if (code != SQLITE_DONE)
		failed(outbox, "load");
	sqlite3_reset(statement);
	return count_seen;
}

void outbox_add(struct outbox *outbox, struct outbox_delivery *delivery)
{
	sqlite3_stmt *statement = writer(outbox, ADD);

	delivery->number = ++outbox->last;
	sqlite3_bind_int64(statement, 1, delivery->number);
	sqlite3_bind_int64(statement, 2, delivery->endpoint);
	bind_text(statement, 3, delivery->id);
	bind_text(statement, 4, delivery->type);
	bind_text(statement, 5, delivery->call);
	bind_text(statement, 6, delivery->line);
	sqlite3_bind_blob64(statement, 7, delivery->body, delivery->bytes, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 8, delivery->created_at_ms);
	sqlite3_bind_int64(statement, 9, delivery->due_at_ms);
	sqlite3_bind_int(statement, 10, delivery->tries);
	sqlite3_bind_int(statement, 11, delivery->attempts);
	sqlite3_bind_int(statement, 12, delivery->last_status);
	bind_text(statement, 13, delivery->last_error);
	bind_text(statement, 14, delivery->cursor);
	outbox->waiting += run(outbox, statement);
}

int outbox_load_fresh(struct outbox *outbox, int64_t endpoint, int64_t after, int limit, outbox_visit *visit,
		      void *context)
{
	sqlite3_stmt *statement = outbox->statements[LOAD_FRESH];

	sqlite3_bind_int64(statement, 1, endpoint);
	sqlite3_bind_int64(statement, 2, after);
	sqlite3_bind_int(statement, 3, limit);
	return visit_all(outbox, statement, visit, context);
}

int outbox_load_due(struct outbox *outbox, int64_t endpoint, int64_t now_ms, int limit, outbox_visit *visit,
		    void *context)
{
	sqlite3_stmt *statement = outbox->statements[LOAD_DUE];

	sqlite3_bind_int64(statement, 1, endpoint);
	sqlite3_bind_int64(statement, 2, now_ms);
	sqlite3_bind_int(statement, 3, limit);
	return visit_all(outbox, statement, visit, context);
}

int64_t outbox_next_due(struct outbox *outbox, int64_t endpoint, int64_t after_ms)
{
	sqlite3_stmt *statement = outbox->statements[NEXT_DUE];

	sqlite3_bind_int64(statement, 1, endpoint);
	sqlite3_bind_int64(statement, 2, after_ms);
	return read_number(outbox, statement, INT64_MAX);
}

void outbox_done(struct outbox *outbox, const struct outbox_delivery *delivery)
{
	sqlite3_stmt *statement = writer(outbox, DONE);

	sqlite3_bind_int64(statement, 1, delivery->endpoint);
	sqlite3_bind_int64(statement, 2, delivery->number);
	outbox->waiting -= run(outbox, statement);
}

static int64_t write_result(struct outbox *outbox, enum statement which, const struct outbox_delivery *delivery,
			    int64_t due_at_ms)
{
	sqlite3_stmt *statement = writer(outbox, which);

	sqlite3_bind_int64(statement, 1, delivery->number);
	sqlite3_bind_int64(statement, 2, due_at_ms);
	sqlite3_bind_int(statement, 3, delivery->tries);
	sqlite3_bind_int(statement, 4, delivery->attempts);
	sqlite3_bind_int(statement, 5, delivery->last_status);
	bind_text(statement, 6, delivery->last_error);
	sqlite3_bind_int64(statement, 7, delivery->endpoint);
	return run(outbox, statement);
}

void outbox_again(struct outbox *outbox, const struct outbox_delivery *delivery)
{
	write_result(outbox, AGAIN, delivery, delivery->due_at_ms);
}

void outbox_bury(struct outbox *outbox, const struct outbox_delivery *delivery, int64_t now_ms)
{
	outbox->waiting -= write_result(outbox, BURY, delivery, now_ms);
}

void outbox_bury_all(struct outbox *outbox, int64_t endpoint, const char *why, int64_t now_ms)
{
	sqlite3_stmt *statement = writer(outbox, BURY_ALL);

	sqlite3_bind_int64(statement, 1, endpoint);
	sqlite3_bind_int64(statement, 2, now_ms);
	bind_text(statement, 3, why);
	outbox->waiting -= run(outbox, statement);
}

void outbox_hasten(struct outbox *outbox, int64_t endpoint, int64_t now_ms)
{
	sqlite3_stmt *statement = writer(outbox, HASTEN);

	sqlite3_bind_int64(statement, 1, endpoint);
	sqlite3_bind_int64(statement, 2, now_ms);
	run(outbox, statement);
}

/* ---- Dead letters ---- */

int outbox_each_dead(struct outbox *outbox, int64_t endpoint, int limit, outbox_visit *visit, void *context)
{
	sqlite3_stmt *statement = outbox->statements[EACH_DEAD];

	sqlite3_bind_int64(statement, 1, endpoint);
	sqlite3_bind_int(statement, 2, limit);
	return visit_all(outbox, statement, visit, context);
}

int64_t outbox_replay(struct outbox *outbox, const char *id, int64_t now_ms)
{
	sqlite3_stmt *statement = outbox->statements[FIND_DEAD];
	int64_t number, endpoint;

	bind_text(statement, 1, id);
	if (sqlite3_step(statement) != SQLITE_ROW) {
		sqlite3_reset(statement);
		return -ENOENT;
	}
	number = sqlite3_column_int64(statement, 0);
	endpoint = sqlite3_column_int64(statement, 1);
	sqlite3_reset(statement);
	statement = writer(outbox, REPLAY);
	sqlite3_bind_int64(statement, 1, number);
	sqlite3_bind_int64(statement, 2, now_ms);
	sqlite3_bind_int64(statement, 3, endpoint);
	outbox->waiting += run(outbox, statement);
	return endpoint;
}

int64_t outbox_replay_all(struct outbox *outbox, int64_t endpoint, int64_t now_ms)
{
	sqlite3_stmt *statement = writer(outbox, REPLAY_ALL);
	int64_t revived;

	sqlite3_bind_int64(statement, 1, endpoint);
	sqlite3_bind_int64(statement, 2, now_ms);
	revived = run(outbox, statement);
	outbox->waiting += revived;
	return revived;
}

int64_t outbox_prune(struct outbox *outbox, int64_t before_ms)
{
	int64_t gone = run_for(outbox, PRUNE_OLD, before_ms);

	gone += run_for(outbox, PRUNE_MANY, OUTBOX_MAX_DEAD);
	sqlite3_exec(outbox->db, "PRAGMA incremental_vacuum(1000)", NULL, NULL, NULL);
	return gone;
}

/* ---- The transaction ---- */

bool outbox_is_dirty(const struct outbox *outbox)
{
	return outbox->began;
}

/* A checkpoint flushes the log before it copies, at any level of "synchronous": what was committed survives a power
 * cut. */
static void flush(struct outbox *outbox)
{
	sqlite3_wal_checkpoint_v2(outbox->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

int outbox_commit(struct outbox *outbox, bool durable)
{
	int error = outbox->error;

	if (!outbox->began)
		return 0;
	if (!error && sqlite3_step(outbox->statements[COMMIT]) != SQLITE_DONE)
		error = failed(outbox, "commit");
	sqlite3_reset(outbox->statements[COMMIT]);
	outbox->began = false;
	outbox->error = 0;
	if (!error) {
		outbox->waiting_committed = outbox->waiting;
		/* On a disk that is almost full the log must not grow: after a checkpoint it begins anew. */
		if ((durable && !outbox->full) || outbox->disk_low)
			flush(outbox);
		return 0;
	}
	if (!sqlite3_get_autocommit(outbox->db)) {
		sqlite3_step(outbox->statements[ROLLBACK]);
		sqlite3_reset(outbox->statements[ROLLBACK]);
	}
	outbox->waiting = outbox->waiting_committed;
	return error;
}

static bool disk_is_low(struct outbox *outbox)
{
	struct statvfs disk;
	uint64_t reserve, eighth;

	if (statvfs(outbox->folder, &disk) < 0)
		return false;
	eighth = (uint64_t)disk.f_blocks * disk.f_frsize / 8;
	reserve = eighth < RESERVE_BYTES ? eighth : RESERVE_BYTES;
	return (uint64_t)disk.f_bavail * disk.f_frsize < reserve;
}

const char *outbox_is_full(struct outbox *outbox, int64_t now_ms)
{
	if (now_ms - outbox->looked_at_ms >= DISK_LOOK_MS || !outbox->looked_at_ms) {
		outbox->looked_at_ms = now_ms;
		outbox->disk_low = disk_is_low(outbox);
	}
	if (outbox->waiting >= OUTBOX_MAX_WAITING)
		return "a million deliveries wait; no more events are taken until some are delivered (they stay in the "
		       "event log)";
	if (outbox->disk_low)
		return "the disk is almost full; no more events are taken until there is room (they stay in the event "
		       "log)";
	return NULL;
}
