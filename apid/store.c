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
	if (!uv_is_closing((uv_handle_t *)&store->idle))
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
	store_encode(&store->turn, statement, values, count);
	store_wake(store);
}

/* ---- the end of a turn ---- */

void store_forget_unkept(struct store *store)
{
	struct unkept *one = store->unkept;

	store->unkept = NULL;
	store->unkept_last = &store->unkept;
	while (one) {
		struct unkept *next = one->next;

		free(one->bytes.at);
		free(one);
		one = next;
	}
}

/* No room in the ring, or none at all: what is told must be committed before, and what comes after waits for it. */
static void commit_turn(struct store *store)
{
	struct unkept *one = hs_zalloc(sizeof(*one));

	one->bytes = store->turn;
	store->turn = (struct store_bytes){0};
	*store->unkept_last = one;
	store->unkept_last = &one->next;
	store_batch_add(&store->batch, one->bytes.at, one->bytes.used);
	afters_move(&store->untold, &store->afters);
	store_flush(store);
}

static void end_turn(struct store *store)
{
	if (store->touched) {
		store->touched = false;
		store->setup.turn(store->setup.context);
	}
	if (store->turn.used == 0 && store->unkept) {
		afters_move(&store->untold, &store->afters);
	} else if (store->turn.used == 0) {
		store_tell(store, &store->afters);
	} else if (store_redo_keep(store)) {
		store_tell(store, &store->afters);
		store_flush_later(store);
	} else {
		commit_turn(store);
	}
}

int store_commit(struct store *store)
{
	end_turn(store);
	return store_flush(store);
}

int store_commit_to_disk(struct store *store)
{
	int error = store_commit(store);

	if (error != 0)
		return error;
	return fdatasync(store->wal_fd) == 0 ? 0 : -errno;
}

static bool has_work(const struct store *store)
{
	return store->touched || store->turn.used > 0 || store->afters.first;
}

/* Work that the turn's end itself made keeps the loop awake for one more turn. */
static void turn_ends(struct store *store)
{
	if (has_work(store))
		end_turn(store);
	if (!has_work(store))
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

/* Step by step, in one transaction. */
static int upgrade(struct store *store, int64_t version)
{
	int error = connection_run(&store->writer, "BEGIN IMMEDIATE");

	for (int64_t i = version; error == 0 && i < STORE_SCHEMA_VERSION; i++)
		error = connection_run(&store->writer, store_upgrades[i - 1]);
	if (error == 0)
		error = connection_run(&store->writer, "COMMIT");
	hs_log(INFO, "store.upgraded", LOG_INT("from", version), LOG_INT("to", STORE_SCHEMA_VERSION),
	       LOG_WHY(error ? "it failed" : NULL));
	return error == 0 ? 0 : -EIO;
}

static int make_schema(struct store *store)
{
	int64_t version = pragma_number(store, "PRAGMA user_version");

	if (version == STORE_SCHEMA_VERSION)
		return 0;
	if (version > 0 && version < STORE_SCHEMA_VERSION)
		return upgrade(store, version);
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

#define WAL_RESERVED (4 << 20) /* the log before it is copied back, and HOLD_PAGES would be four times that */

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
	sqlite3_wal_hook(store->writer.db, wal_grew, store);
	store->wal_fd = open(wal, O_RDWR | O_CLOEXEC);
	if (store->wal_fd < 0)
		return -errno;
	/* Room for what a full disk lets neither us nor our successors write; without it we try all the same. */
	if (fallocate(store->wal_fd, FALLOC_FL_KEEP_SIZE, 0, WAL_RESERVED) < 0)
		hs_log(WARN, "store.no_reserve", LOG_WHY(strerror(errno)));
	return 0;
}

static void start_handles(struct store *store)
{
	uv_loop_t *loop = store->setup.loop;

	uv_prepare_init(loop, &store->prepare);
	uv_check_init(loop, &store->check);
	uv_idle_init(loop, &store->idle);
	uv_timer_init(loop, &store->flush_later);
	uv_timer_init(loop, &store->retry);
	store->prepare.data = store->check.data = store->idle.data = store->flush_later.data = store->retry.data =
		store;
	store->handles = 5;
	uv_prepare_start(&store->prepare, prepare_turn);
	uv_check_start(&store->check, check_turn);
}

struct store *store_create(const struct store_setup *setup)
{
	struct store *store = hs_zalloc(sizeof(*store));

	/* SQLite counts no memory, which costs two locks each time. Said before its first use; later it is refused. */
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	store->setup = *setup;
	store->path = hs_printf("%s/apid.db", setup->folder);
	store->wal_fd = -1;
	store->unkept_last = &store->unkept;
	for (size_t i = 0; i < STORE_LANES; i++)
		store->reads[i].last = &store->reads[i].first;
	store->well = true;
	afters_init(&store->afters);
	afters_init(&store->untold);
	afters_init(&store->told_later);
	afters_init(&store->telling);
	store->commit_seconds = hs_metric_histogram("hookswitch_event_commit_seconds", "",
						    "Time of a transaction: all that was written since the last one.");
	store->reads_late = hs_metric_counter("hookswitch_reads_late_total", "",
					      "Reads that were not begun or ended, for who asked had given up.");
	store->redo_used = hs_metric_gauge("hookswitch_store_redo_used_bytes", "",
					   "What is told and not yet committed, in the redo ring.");
	start_handles(store);
	if (open_database(store) != 0 || store_redo_open(store) != 0) {
		store_destroy(store);
		return NULL;
	}
	sqlite3_busy_timeout(store->writer.db, 0); /* from here on nobody waits: a failed commit is tried again */
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
	uv_close((uv_handle_t *)&store->flush_later, handle_closed);
	uv_close((uv_handle_t *)&store->retry, handle_closed);
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
	store->well = true; /* one last attempt, whatever was */
	store->held = false;
	if (store->writer.db)
		store_commit(store);
	close_handles(store);
	while (store->handles > 0 || store->jobs > 0)
		uv_run(store->setup.loop, UV_RUN_ONCE);
	afters_forget(&store->afters);
	afters_forget(&store->untold);
	afters_forget(&store->told_later);
	store_redo_close(store);
	store_forget_unkept(store);
	free(store->turn.at);
	store_batch_finish(&store->batch);
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
