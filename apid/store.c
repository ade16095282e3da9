#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include "store_inner.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RETRY_MS 100 /* after a commit that failed */

/* ---- afters ---- */

void afters_init(struct afters *list)
{
	list->first = NULL;
	list->last = &list->first;
}

void afters_move(struct afters *to, struct afters *from)
{
	if (!from->first)
		return;
	*to->last = from->first;
	to->last = from->last;
	afters_init(from);
}

void afters_run(struct afters *list)
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

void store_after(struct store *store, void (*run)(void *context), void *context)
{
	struct after *after = hs_zalloc(sizeof(*after));

	*after = (struct after){.run = run, .context = context};
	*store->afters.last = after;
	store->afters.last = &after->next;
	store_wake(store);
}

/* ---- writing ---- */

static void stay_awake(uv_idle_t *idle)
{
}

void store_wake(struct store *store)
{
	if (store->well && !store->held && !uv_is_closing((uv_handle_t *)&store->idle))
		uv_idle_start(&store->idle, stay_awake);
}

void store_touch(struct store *store)
{
	store->touched = true;
	store_wake(store);
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
	store_wake(store);
}

/* One write. A row that the rules of the database refuse is a fault of ours: it is left out, loudly, for retrying it
 * would end all work. */
static int run_write(struct store *store, const struct write *write)
{
	int rc = connection_execute(&store->writer, write->statement, write->values, write->count);

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
	store_wake(store);
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
	store_checkpoint(store);
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
	store_tell(store);
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
	if (connection_run(&store->writer, "BEGIN IMMEDIATE") != 0 || connection_run(&store->writer, store_schema) != 0)
		return -EIO;
	return connection_run(&store->writer, "COMMIT");
}

static int wal_grew(void *context, sqlite3 *db, const char *name, int pages)
{
	((struct store *)context)->wal_pages = pages;
	return SQLITE_OK;
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
	for (size_t i = 0; i < STORE_LANES; i++)
		store->reads[i].last = &store->reads[i].first;
	store->well = true;
	afters_init(&store->afters);
	afters_init(&store->told_later);
	afters_init(&store->telling);
	store->commit_seconds =
		hs_metric_histogram("hookswitch_event_commit_seconds", "",
				    "Time of a transaction: events, calls and cursors of one loop turn.");
	store->reads_late = hs_metric_counter("hookswitch_reads_late_total", "",
					      "Reads that were not begun or ended, for who asked had given up.");
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
