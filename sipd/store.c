#include "store.h"
#include "cleanup.h"
#include "log.h"
#include "table.h"
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 1000

/* Layout of the blob: a change of struct binding changes its size or must change the number. */
#define LAYOUT (1000000 + (int)sizeof(struct binding))

struct change {
	char key[HS_JOURNAL_KEY];
	struct binding binding;
	bool gone;
};

struct store {
	sqlite3 *db;
	struct hs_table *waiting; /* key -> struct change: only the newest of each */
	struct hs_table *writing; /* the worker's, while it runs */
	uv_loop_t *loop;
	uv_timer_t timer;
	uv_work_t work;
	bool busy, closing, failed;
	void (*done)(void *context);
	void *context;
};

static int run(sqlite3 *db, const char *sql)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static int prepare_database(sqlite3 *db)
{
	return run(db, "PRAGMA journal_mode=WAL") || run(db, "PRAGMA synchronous=NORMAL") ||
	       run(db, "CREATE TABLE IF NOT EXISTS bindings (key TEXT PRIMARY KEY, layout INTEGER NOT NULL,"
		       " expires_ms INTEGER NOT NULL, binding BLOB NOT NULL) WITHOUT ROWID, STRICT");
}

struct store *store_create(uv_loop_t *loop, const char *folder)
{
	struct store *store = hs_zalloc(sizeof(*store));
	AUTO(free) char *path = hs_printf("%s/locations.db", folder);
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX;
	/* unix-excl: the log's index is no file, for which a successor on a full disk would have no room */
	if (sqlite3_open_v2(path, &store->db, flags, "unix-excl") || prepare_database(store->db)) {
		hs_log(ERROR, "locations.store_failed", LOG_TEXT("path", path), LOG_WHY(sqlite3_errmsg(store->db)));
		sqlite3_close(store->db);
		free(store);
		return NULL;
	}
	store->loop = loop;
	store->waiting = hs_table_create();
	uv_timer_init(loop, &store->timer);
	uv_unref((uv_handle_t *)&store->timer);
	store->timer.data = store;
	store->work.data = store;
	return store;
}

void store_load(struct store *store, void (*visit)(void *context, const struct binding *binding), void *context)
{
	sqlite3_stmt *query = NULL;
	if (sqlite3_prepare_v2(store->db, "SELECT binding FROM bindings WHERE layout=?1", -1, &query, NULL))
		return;
	sqlite3_bind_int(query, 1, LAYOUT);
	while (sqlite3_step(query) == SQLITE_ROW) {
		struct binding binding;
		const void *blob = sqlite3_column_blob(query, 0);
		if (!blob || sqlite3_column_bytes(query, 0) != sizeof(binding))
			continue;
		memcpy(&binding, blob, sizeof(binding));
		visit(context, &binding);
	}
	sqlite3_finalize(query);
}

void store_clear(struct store *store)
{
	run(store->db, "DELETE FROM bindings");
}

struct writing {
	sqlite3_stmt *put, *drop;
};

static bool write_change(void *context, const char *key, void *object)
{
	struct writing *writing = context;
	const struct change *change = object;
	sqlite3_stmt *statement = change->gone ? writing->drop : writing->put;
	sqlite3_bind_text(statement, 1, change->key, -1, SQLITE_STATIC);
	if (!change->gone) {
		sqlite3_bind_int(statement, 2, LAYOUT);
		sqlite3_bind_int64(statement, 3, change->binding.expires_ms);
		sqlite3_bind_blob(statement, 4, &change->binding, sizeof(change->binding), SQLITE_STATIC);
	}
	sqlite3_step(statement);
	sqlite3_reset(statement);
	return true;
}

/* On a worker thread: the only one that uses the database meanwhile. */
static void write_all(uv_work_t *work)
{
	struct store *store = work->data;
	struct writing writing = {NULL, NULL};
	sqlite3_prepare_v2(store->db, "INSERT OR REPLACE INTO bindings VALUES (?1, ?2, ?3, ?4)", -1, &writing.put,
			   NULL);
	sqlite3_prepare_v2(store->db, "DELETE FROM bindings WHERE key=?1", -1, &writing.drop, NULL);
	bool good = writing.put && writing.drop && !run(store->db, "BEGIN IMMEDIATE");
	if (good) {
		hs_table_each(store->writing, write_change, &writing);
		good = !run(store->db, "COMMIT");
	}
	if (!good)
		run(store->db, "ROLLBACK");
	sqlite3_finalize(writing.put);
	sqlite3_finalize(writing.drop);
	store->failed = !good;
}

static bool free_change(void *context, const char *key, void *object)
{
	free(object);
	return true;
}

static void free_changes(struct hs_table *table)
{
	if (!table)
		return;
	hs_table_each(table, free_change, NULL);
	hs_table_destroy(table);
}

static void begin_write(struct store *store);

/* What could not be written waits on, unless something newer is known. */
static bool keep_change(void *context, const char *key, void *object)
{
	struct store *store = context;
	if (hs_table_get(store->waiting, key))
		free(object);
	else
		hs_table_put(store->waiting, key, object);
	return true;
}

static void closed(uv_handle_t *handle)
{
	struct store *store = handle->data;
	if (store->done)
		store->done(store->context);
}

static void due(uv_timer_t *timer)
{
	begin_write(timer->data);
}

static void written(uv_work_t *work, int status)
{
	struct store *store = work->data;
	store->busy = false;
	if (store->failed) {
		hs_log(ERROR, "locations.not_written", LOG_WHY(sqlite3_errmsg(store->db)));
		hs_table_each(store->writing, keep_change, store);
		hs_table_destroy(store->writing);
	} else {
		free_changes(store->writing);
	}
	store->writing = NULL;
	if (store->closing && (store->failed || !hs_table_count(store->waiting)))
		uv_close((uv_handle_t *)&store->timer, closed);
	else if (store->closing)
		begin_write(store);
	else if (hs_table_count(store->waiting))
		uv_timer_start(&store->timer, due, WAIT_MS, 0);
}

static void begin_write(struct store *store)
{
	if (store->busy)
		return;
	store->busy = true;
	store->writing = store->waiting;
	store->waiting = hs_table_create();
	uv_queue_work(store->loop, &store->work, write_all, written);
}

void store_put(struct store *store, const char *key, const struct binding *binding, bool gone)
{
	if (store->closing)
		return;
	struct change *change = hs_table_get(store->waiting, key);
	if (!change) {
		change = hs_zalloc(sizeof(*change));
		hs_copy(change->key, sizeof(change->key), key);
		hs_table_put(store->waiting, key, change);
	}
	change->binding = *binding;
	change->gone = gone;
	if (!store->busy && !uv_is_active((uv_handle_t *)&store->timer))
		uv_timer_start(&store->timer, due, WAIT_MS, 0);
}

void store_close(struct store *store, void (*done)(void *context), void *context)
{
	store->closing = true;
	store->done = done;
	store->context = context;
	uv_timer_stop(&store->timer);
	begin_write(store);
}

void store_destroy(struct store *store)
{
	if (!store)
		return;
	free_changes(store->waiting);
	free_changes(store->writing);
	sqlite3_close(store->db);
	free(store);
}
