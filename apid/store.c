#include "store.h"
#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include "metrics.h"
#include "store_sql.h"
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READERS 2
#define VALUES_MAX 32
#define SYNC_MS 50            /* durability group: a power cut takes at most this much */
#define RETRY_MS 100          /* after a commit that failed */
#define CHECKPOINT_PAGES 1000 /* the log of that length is copied back into the database */
#define HOLD_PAGES 4000       /* and past this length commits wait for the copy, or it would never be emptied */
#define OPEN_ATTEMPT_MS 2000  /* the predecessor's locks go with it; somebody else's may take a moment */

struct write {
	struct write *next;
	enum store_statement statement;
	size_t count;
	struct store_value values[];
};

struct after {
	struct after *next;
	void (*run)(void *context);
	void *context;
};

/* A list with its end, so that order is kept. */
struct afters {
	struct after *first, **last;
};

/* A connection and its prepared statements; used by one thread at a time. */
struct connection {
	sqlite3 *db;
	sqlite3_stmt *statements[STORE_STATEMENTS];
};

struct store_reader {
	struct connection connection;
	struct store *store;
	bool busy;
};

struct read {
	struct read *next;
	uv_work_t work;
	struct store *store;
	struct store_reader *reader;
	void (*read)(void *context, struct store_reader *reader);
	void (*done)(void *context);
	void *context;
};

struct store {
	struct store_setup setup;
	char *path;
	int wal_fd;
	struct connection writer, keeper; /* keeper: checkpoints, in a worker */
	struct store_reader readers[READERS];
	uv_prepare_t prepare;
	uv_check_t check;
	uv_idle_t idle;
	uv_timer_t retry, sync_later;
	int handles; /* not yet closed */
	int jobs;    /* in workers */

	struct write *first, **last; /* this turn's writes */
	bool touched;
	struct afters afters;

	bool well;     /* false: a commit failed, the next attempt waits for retry */
	bool troubled; /* and that was told */
	bool held;     /* commits wait for the second pass of a checkpoint */
	bool unsynced, syncing, checkpointing;
	int wal_pages;
	int checkpoint_left;               /* frames the last pass could not copy */
	struct afters told_later, telling; /* durability full: wait for the next fdatasync, for the present one */
	uv_work_t sync_work, checkpoint_work;
	struct read *reads, **reads_last;
	struct hs_metric *commit_seconds;
};

/* ---- connections ---- */

static int run_sql(sqlite3 *db, const char *sql)
{
	char *fault = NULL;
	int rc = sqlite3_exec(db, sql, NULL, NULL, &fault);

	if (rc != SQLITE_OK)
		hs_log(ERROR, "store.sql_failed", LOG_WHY(fault ? fault : sqlite3_errstr(rc)));
	sqlite3_free(fault);
	return rc == SQLITE_OK ? 0 : -EIO;
}

static int connection_open(struct connection *connection, const char *path, bool writes)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (writes ? SQLITE_OPEN_CREATE : 0);

	if (sqlite3_open_v2(path, &connection->db, flags, NULL) != SQLITE_OK) {
		hs_log(ERROR, "store.open_failed", LOG_TEXT("path", path), LOG_WHY(sqlite3_errmsg(connection->db)));
		return -EIO;
	}
	sqlite3_busy_timeout(connection->db, OPEN_ATTEMPT_MS);
	/* NORMAL: the log's header is synced before it is used again, without which a power cut could mix old pages
	 * into the database; commits themselves are not synced here. */
	return run_sql(connection->db,
		       "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
		       "PRAGMA wal_autocheckpoint=0; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-2000;");
}

static void connection_close(struct connection *connection)
{
	for (size_t i = 0; i < STORE_STATEMENTS; i++)
		sqlite3_finalize(connection->statements[i]);
	memset(connection->statements, 0, sizeof(connection->statements));
	sqlite3_close(connection->db);
	connection->db = NULL;
}

static sqlite3_stmt *prepared(struct connection *connection, enum store_statement statement)
{
	sqlite3_stmt **slot = &connection->statements[statement];

	if (!*slot && sqlite3_prepare_v3(connection->db, store_sql[statement], -1, SQLITE_PREPARE_PERSISTENT, slot,
					 NULL) != SQLITE_OK)
		hs_log(ERROR, "store.prepare_failed", LOG_INT("statement", statement),
		       LOG_WHY(sqlite3_errmsg(connection->db)));
	return *slot;
}

static void bind_values(sqlite3_stmt *stmt, const struct store_value *values, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (values[i].type == STORE_INT)
			sqlite3_bind_int64(stmt, (int)i + 1, values[i].number);
		else if (values[i].type == STORE_TEXT && values[i].text)
			sqlite3_bind_text(stmt, (int)i + 1, values[i].text, -1, SQLITE_STATIC);
		else
			sqlite3_bind_null(stmt, (int)i + 1);
	}
}

static int execute(struct connection *connection, enum store_statement statement, const struct store_value *values,
		   size_t count)
{
	sqlite3_stmt *stmt = prepared(connection, statement);
	int rc;

	if (!stmt)
		return SQLITE_ERROR;
	bind_values(stmt, values, count);
	rc = sqlite3_step(stmt);
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* ---- reading ---- */

int64_t store_int(const struct store_row *row, int column)
{
	return column < row->count ? row->cells[column].number : 0;
}

const char *store_text(const struct store_row *row, int column)
{
	return column < row->count ? row->cells[column].text : NULL;
}

static void fill_row(sqlite3_stmt *stmt, struct store_value *cells, struct store_row *ret_row)
{
	ret_row->cells = cells;
	ret_row->count = sqlite3_column_count(stmt);
	for (int i = 0; i < ret_row->count; i++) {
		int type = sqlite3_column_type(stmt, i);

		memset(&cells[i], 0, sizeof(cells[i]));
		if (type == SQLITE_INTEGER)
			cells[i] = STORE_V_INT(sqlite3_column_int64(stmt, i));
		else if (type == SQLITE_TEXT)
			cells[i] = STORE_V_TEXT((const char *)sqlite3_column_text(stmt, i));
	}
}

int store_query(struct store_reader *reader, enum store_statement statement, const struct store_value *values,
		size_t count, bool (*visit)(void *context, const struct store_row *row), void *context)
{
	struct store_value cells[VALUES_MAX];
	sqlite3_stmt *stmt = prepared(&reader->connection, statement);
	struct store_row row;
	int rc;

	if (!stmt)
		return -EIO;
	bind_values(stmt, values, count);
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		fill_row(stmt, cells, &row);
		if (!visit(context, &row)) {
			rc = SQLITE_DONE;
			break;
		}
	}
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	return rc == SQLITE_DONE ? 0 : -EIO;
}

static int reader_open(struct store *store, struct store_reader *reader)
{
	reader->store = store;
	return reader->connection.db ? 0 : connection_open(&reader->connection, store->path, false);
}

struct store_reader *store_at_start(struct store *store)
{
	return reader_open(store, &store->readers[0]) == 0 ? &store->readers[0] : NULL;
}

static void read_in_worker(uv_work_t *work)
{
	struct read *read = work->data;
	struct store_reader *reader = read->reader;

	if (reader_open(read->store, reader) != 0 || sqlite3_exec(reader->connection.db, "BEGIN", NULL, NULL, NULL))
		return;
	read->read(read->context, reader);
	sqlite3_exec(reader->connection.db, "COMMIT", NULL, NULL, NULL);
}

static void start_reads(struct store *store);

static void read_done(uv_work_t *work, int status)
{
	struct read *read = work->data;
	struct store *store = read->store;

	store->jobs--;
	read->reader->busy = false;
	read->done(read->context);
	free(read);
	start_reads(store);
}

static void start_reads(struct store *store)
{
	for (size_t i = 0; i < READERS && store->reads; i++) {
		struct read *read = store->reads;

		if (store->readers[i].busy)
			continue;
		store->reads = read->next;
		if (!store->reads)
			store->reads_last = &store->reads;
		read->reader = &store->readers[i];
		read->reader->busy = true;
		store->jobs++;
		uv_queue_work(store->setup.loop, &read->work, read_in_worker, read_done);
	}
}

static void enqueue_read(void *context)
{
	struct read *read = context;
	struct store *store = read->store;

	*store->reads_last = read;
	store->reads_last = &read->next;
	start_reads(store);
}

void store_read(struct store *store, void (*work)(void *context, struct store_reader *reader),
		void (*done)(void *context), void *context)
{
	struct read *read = hs_zalloc(sizeof(*read));

	*read = (struct read){.store = store, .read = work, .done = done, .context = context, .work.data = read};
	store_after(store, enqueue_read, read);
}

/* ---- afters ---- */

static void afters_init(struct afters *list)
{
	list->first = NULL;
	list->last = &list->first;
}

static void afters_move(struct afters *to, struct afters *from)
{
	if (!from->first)
		return;
	*to->last = from->first;
	to->last = from->last;
	afters_init(from);
}

static void afters_run(struct afters *list)
{
	struct after *after = list->first;

	afters_init(list);
	while (after) {
		struct after *next = after->next;

		after->run(after->context);
		free(after);
		after = next;
	}
}

static void wake(struct store *store);

void store_after(struct store *store, void (*run)(void *context), void *context)
{
	struct after *after = hs_zalloc(sizeof(*after));

	*after = (struct after){.run = run, .context = context};
	*store->afters.last = after;
	store->afters.last = &after->next;
	wake(store);
}

/* ---- fdatasync in a worker ---- */

static void sync_in_worker(uv_work_t *work)
{
	struct store *store = work->data;

	if (fdatasync(store->wal_fd) != 0)
		hs_log(ERROR, "store.sync_failed", LOG_WHY(strerror(errno)));
}

static void start_sync(struct store *store);

static void sync_done(uv_work_t *work, int status)
{
	struct store *store = work->data;

	store->jobs--;
	store->syncing = false;
	afters_run(&store->telling);
	if (store->setup.durability == HS_DURABILITY_FULL && store->unsynced)
		start_sync(store);
}

static void start_sync(struct store *store)
{
	if (store->syncing)
		return;
	store->syncing = true;
	store->unsynced = false;
	afters_move(&store->telling, &store->told_later);
	store->sync_work.data = store;
	store->jobs++;
	uv_queue_work(store->setup.loop, &store->sync_work, sync_in_worker, sync_done);
}

static void sync_is_due(uv_timer_t *timer)
{
	struct store *store = timer->data;

	if (store->syncing)
		uv_timer_start(timer, sync_is_due, 1, 0);
	else if (store->unsynced)
		start_sync(store);
}

/* What is committed may be told now, or after the next fdatasync. */
static void tell(struct store *store)
{
	if (store->setup.durability == HS_DURABILITY_FULL && (store->unsynced || store->syncing)) {
		afters_move(&store->told_later, &store->afters);
		store->unsynced = true;
		start_sync(store);
		return;
	}
	if (store->setup.durability == HS_DURABILITY_GROUP && store->unsynced &&
	    !uv_is_active((uv_handle_t *)&store->sync_later))
		uv_timer_start(&store->sync_later, sync_is_due, SYNC_MS, 0);
	afters_run(&store->afters);
}

/* ---- checkpoints in a worker ---- */

static void checkpoint_in_worker(uv_work_t *work)
{
	struct store *store = work->data;
	int log = 0, copied = 0;
	int rc;

	if (!store->keeper.db && connection_open(&store->keeper, store->path, false) != 0)
		return;
	rc = sqlite3_wal_checkpoint_v2(store->keeper.db, NULL, SQLITE_CHECKPOINT_PASSIVE, &log, &copied);
	if (rc != SQLITE_OK && rc != SQLITE_BUSY)
		hs_log(WARN, "store.checkpoint_failed", LOG_WHY(sqlite3_errmsg(store->keeper.db)));
	store->checkpoint_left = rc == SQLITE_OK ? log - copied : 0;
}

static void checkpoint_done(uv_work_t *work, int status);

static void start_checkpoint(struct store *store)
{
	store->checkpointing = true;
	store->checkpoint_work.data = store;
	store->jobs++;
	uv_queue_work(store->setup.loop, &store->checkpoint_work, checkpoint_in_worker, checkpoint_done);
}

/* Under a steady load a pass never sees the log's end. Then commits wait (not the loop) for one short second pass. */
static void checkpoint_done(uv_work_t *work, int status)
{
	struct store *store = work->data;

	store->jobs--;
	if (!store->held && store->wal_pages > HOLD_PAGES) {
		store->held = true;
		start_checkpoint(store);
		return;
	}
	store->held = false;
	store->checkpointing = false;
	wake(store);
}

static int wal_grew(void *context, sqlite3 *db, const char *name, int pages)
{
	((struct store *)context)->wal_pages = pages;
	return SQLITE_OK;
}

/* ---- writing ---- */

static void stay_awake(uv_idle_t *idle)
{
}

/* The turn has something to commit: no sleep before it has ended. */
static void wake(struct store *store)
{
	if (store->well && !store->held && !uv_is_closing((uv_handle_t *)&store->idle))
		uv_idle_start(&store->idle, stay_awake);
}

void store_touch(struct store *store)
{
	store->touched = true;
	wake(store);
}

void store_write_values(struct store *store, enum store_statement statement, const struct store_value *values,
			size_t count)
{
	size_t bytes = sizeof(struct write) + count * sizeof(*values);
	struct write *write;
	char *at;

	for (size_t i = 0; i < count; i++)
		bytes += values[i].text ? strlen(values[i].text) + 1 : 0;
	write = hs_zalloc(bytes);
	at = (char *)&write->values[count];
	write->statement = statement;
	write->count = count;
	for (size_t i = 0; i < count; i++) {
		write->values[i] = values[i];
		if (!values[i].text)
			continue;
		write->values[i].text = at;
		at = stpcpy(at, values[i].text) + 1;
	}
	*store->last = write;
	store->last = &write->next;
	wake(store);
}

/* One write. A row that the rules of the database refuse is a fault of ours: it is left out, loudly, for retrying it
 * would end all work. */
static int run_write(struct store *store, const struct write *write)
{
	int rc = execute(&store->writer, write->statement, write->values, write->count);

	if ((rc & 0xff) != SQLITE_CONSTRAINT)
		return rc;
	hs_log(ERROR, "store.write_refused", LOG_INT("statement", write->statement),
	       LOG_WHY(sqlite3_errmsg(store->writer.db)));
	return SQLITE_OK;
}

static int run_writes(struct store *store)
{
	int rc = sqlite3_exec(store->writer.db, "BEGIN IMMEDIATE", NULL, NULL, NULL);

	for (const struct write *write = store->first; write && rc == SQLITE_OK; write = write->next)
		rc = run_write(store, write);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(store->writer.db, "COMMIT", NULL, NULL, NULL);
	return rc;
}

static void forget_writes(struct store *store)
{
	struct write *write = store->first;

	store->first = NULL;
	store->last = &store->first;
	while (write) {
		struct write *next = write->next;

		free(write);
		write = next;
	}
}

static void retry_is_due(uv_timer_t *timer)
{
	struct store *store = timer->data;

	store->well = true;
	wake(store);
}

static void commit_failed(struct store *store)
{
	const char *why = sqlite3_errmsg(store->writer.db);

	hs_log(ERROR, "store.commit_failed", LOG_WHY(why));
	store->troubled = true;
	store->setup.troubled(store->setup.context, why);
	if (!sqlite3_get_autocommit(store->writer.db))
		sqlite3_exec(store->writer.db, "ROLLBACK", NULL, NULL, NULL);
	store->well = false;
	uv_idle_stop(&store->idle);
	uv_timer_start(&store->retry, retry_is_due, RETRY_MS, 0);
}

static int commit_writes(struct store *store)
{
	int64_t began_us = hs_clock_us();

	if (run_writes(store) != SQLITE_OK) {
		commit_failed(store);
		return -EIO;
	}
	hs_metric_observe_us(store->commit_seconds, hs_clock_us() - began_us);
	forget_writes(store);
	store->unsynced = true;
	if (store->troubled)
		store->setup.troubled(store->setup.context, NULL);
	store->troubled = false;
	if (store->wal_pages >= CHECKPOINT_PAGES && !store->checkpointing)
		start_checkpoint(store);
	return 0;
}

int store_commit(struct store *store)
{
	if (store->touched) {
		store->touched = false;
		store->setup.turn(store->setup.context);
	}
	if (store->first && commit_writes(store) != 0)
		return -EIO;
	tell(store);
	return 0;
}

static bool has_work(const struct store *store)
{
	return store->touched || store->first || store->afters.first;
}

/* Work that the commit itself made keeps the loop awake for one more turn. */
static void turn_ends(struct store *store)
{
	if (store->well && !store->held && has_work(store))
		store_commit(store);
	if (!store->well || store->held || !has_work(store))
		uv_idle_stop(&store->idle);
}

static void prepare_turn(uv_prepare_t *prepare)
{
	turn_ends(prepare->data);
}

static void check_turn(uv_check_t *check)
{
	turn_ends(check->data);
}

bool store_is_well(const struct store *store)
{
	return store->well && !store->troubled;
}

/* ---- opening and closing ---- */

static int64_t pragma_number(struct store *store, const char *sql)
{
	sqlite3_stmt *stmt = NULL;
	int64_t number = -1;

	if (sqlite3_prepare_v2(store->writer.db, sql, -1, &stmt, NULL) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
		number = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return number;
}

static int make_schema(struct store *store)
{
	int64_t version = pragma_number(store, "PRAGMA user_version");

	if (version == STORE_SCHEMA_VERSION)
		return 0;
	if (version != 0) {
		hs_log(ERROR, "store.version", LOG_INT("version", version),
		       LOG_WHY("the database is of another version of hookswitch; start that one, or move apid.db "
			       "away"));
		return -EPROTO;
	}
	if (run_sql(store->writer.db, "BEGIN IMMEDIATE") != 0 || run_sql(store->writer.db, store_schema) != 0)
		return -EIO;
	return run_sql(store->writer.db, "COMMIT");
}

static int open_database(struct store *store)
{
	AUTO(free) char *wal = hs_printf("%s-wal", store->path);
	mode_t before = umask(0077);
	int error = connection_open(&store->writer, store->path, true);

	if (error == 0)
		error = make_schema(store);
	umask(before);
	if (error != 0)
		return error;
	sqlite3_busy_timeout(store->writer.db, 0); /* the loop never waits: a failed commit is tried again */
	sqlite3_wal_hook(store->writer.db, wal_grew, store);
	store->wal_fd = open(wal, O_RDWR | O_CLOEXEC);
	return store->wal_fd >= 0 ? 0 : -errno;
}

static void start_handles(struct store *store)
{
	uv_loop_t *loop = store->setup.loop;

	uv_prepare_init(loop, &store->prepare);
	uv_check_init(loop, &store->check);
	uv_idle_init(loop, &store->idle);
	uv_timer_init(loop, &store->retry);
	uv_timer_init(loop, &store->sync_later);
	store->prepare.data = store->check.data = store->idle.data = store->retry.data = store->sync_later.data = store;
	store->handles = 5;
	uv_prepare_start(&store->prepare, prepare_turn);
	uv_check_start(&store->check, check_turn);
}

struct store *store_create(const struct store_setup *setup)
{
	struct store *store = hs_zalloc(sizeof(*store));

	store->setup = *setup;
	store->path = hs_printf("%s/apid.db", setup->folder);
	store->wal_fd = -1;
	store->last = &store->first;
	store->reads_last = &store->reads;
	store->well = true;
	afters_init(&store->afters);
	afters_init(&store->told_later);
	afters_init(&store->telling);
	store->commit_seconds =
		hs_metric_histogram("hookswitch_event_commit_seconds", "",
				    "Time of a transaction: events, calls and cursors of one loop turn.");
	start_handles(store);
	if (open_database(store) != 0) {
		store_destroy(store);
		return NULL;
	}
	return store;
}

static void handle_closed(uv_handle_t *handle)
{
	struct store *store = handle->data;

	store->handles--;
}

static void close_handles(struct store *store)
{
	uv_close((uv_handle_t *)&store->prepare, handle_closed);
	uv_close((uv_handle_t *)&store->check, handle_closed);
	uv_close((uv_handle_t *)&store->idle, handle_closed);
	uv_close((uv_handle_t *)&store->retry, handle_closed);
	uv_close((uv_handle_t *)&store->sync_later, handle_closed);
}

static void afters_forget(struct afters *list)
{
	struct after *after = list->first;

	while (after) {
		struct after *next = after->next;

		free(after);
		after = next;
	}
}

void store_destroy(struct store *store)
{
	if (!store)
		return;
	if (store->writer.db)
		store_commit(store);
	close_handles(store);
	while (store->handles > 0 || store->jobs > 0)
		uv_run(store->setup.loop, UV_RUN_ONCE);
	afters_forget(&store->afters);
	afters_forget(&store->told_later);
	forget_writes(store);
	for (size_t i = 0; i < READERS; i++)
		connection_close(&store->readers[i].connection);
	connection_close(&store->keeper);
	if (store->writer.db && store->wal_fd >= 0)
		sqlite3_wal_checkpoint_v2(store->writer.db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	connection_close(&store->writer);
	if (store->wal_fd >= 0)
		close(store->wal_fd);
	free(store->path);
	free(store);
}
