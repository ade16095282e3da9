/* The redo ring: what a turn wrote is kept in a mapped file before it is told, at the price of a copy in memory, and
 * comes into the database later, many turns at a time. Such pages are the kernel's: they outlive child and keeper.
 * A record is a turn. The database says in the same transaction up to which record of which ring it has been brought,
 * so that a death between commit and trimming changes nothing. Each start begins a ring with a number of its own: what
 * lies in another than the database names is over and done with. */
#include "cleanup.h"
#include "log.h"
#include "store_inner.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RING_BYTES (4U << 20) /* 300 calls a second fill half of it in as long as a checkpoint takes at worst */
#define MARK "redo"

_Static_assert(STORE_META_PUT == 0 && STORE_EVENT_ADD == 2 && STORE_INTENT_PUT == 8 && STORE_ANSWERS_EXPIRE == 18,
	       "the rings of earlier versions have these numbers");

/* ---- the predecessor's ---- */

/* Where the database is: number of a ring, and of its last record that is in. SQLITE_OK or SQLite's error: not to know
 * is not the same as to have none. */
static int read_mark(struct store *store, uint64_t *ret_epoch, uint64_t *ret_seq)
{
	const struct store_value key = STORE_V_TEXT(MARK);
	sqlite3_stmt *stmt = connection_bind(&store->writer, STORE_META_GET, &key, 1);
	int rc = stmt ? sqlite3_step(stmt) : SQLITE_ERROR;
	const char *text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;

	*ret_epoch = *ret_seq = 0;
	if (text)
		sscanf(text, "%" SCNu64 " %" SCNu64, ret_epoch, ret_seq);
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Takes into the batch what follows on the database without a gap. SQLITE_OK or SQLite's error. */
static int take_over(struct store *store, struct hs_journal *old)
{
	uint64_t epoch, seq, found;
	const void *data;
	size_t bytes, count = 0;
	int rc;

	if ((rc = read_mark(store, &epoch, &seq)) != SQLITE_OK || epoch != hs_journal_epoch(old))
		return rc;
	for (; hs_journal_next(old, seq, &found, &data, &bytes); seq = found, count++) {
		if (found != seq + 1 || !store_bytes_whole(data, bytes)) {
			hs_log(ERROR, "store.redo_damaged", LOG_INT("after", (int64_t)seq),
			       LOG_WHY("what follows is left out"));
			break;
		}
		store_batch_add(&store->batch, data, bytes);
	}
	if (count > 0)
		hs_log(INFO, "store.redone", LOG_INT("turns", (int64_t)count),
		       LOG_INT("writes", (int64_t)store->batch.count));
	return SQLITE_OK;
}

/* ---- ours ---- */

int store_redo_mark(struct store *store, uint64_t seq)
{
	uint64_t epoch = store->redo ? hs_journal_epoch(store->redo) : 0;
	AUTO(free) char *text = hs_printf("%" PRIu64 " %" PRIu64, epoch, seq);
	const struct store_value values[] = {STORE_V_TEXT(MARK), STORE_V_TEXT(text)};
	sqlite3_stmt *stmt = connection_bind(&store->writer, STORE_META_PUT, values, HS_COUNT(values));
	int rc = stmt ? sqlite3_step(stmt) : SQLITE_ERROR;

	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static void begin_ring(struct store *store, const char *path)
{
	if (store->setup.durability == HS_DURABILITY_FULL)
		return;
	store->redo = hs_journal_make_file(path, RING_BYTES);
	if (!store->redo)
		hs_log(WARN, "store.no_redo", LOG_TEXT("path", path), LOG_TEXT("error", strerror(errno)),
		       LOG_WHY("every turn is committed before it is told"));
}

/* The successor must find what we keep. */
static void install_ring(struct store *store, const char *fresh, const char *path)
{
	if (!store->redo) {
		unlink(path);
		return;
	}
	if (rename(fresh, path) == 0)
		return;
	hs_log(WARN, "store.no_redo", LOG_TEXT("path", path), LOG_TEXT("error", strerror(errno)));
	hs_journal_close(store->redo);
	store->redo = NULL;
}

static void drop_ring(struct store *store, const char *fresh)
{
	hs_journal_close(store->redo);
	store->redo = NULL;
	unlink(fresh);
}

/* The writes of the old ring come before a new one: on a full disk they get its room. */
static int commit_old(struct store *store, const char *fresh)
{
	int rc = store_run_batch(store);

	if (!store->redo || (rc != SQLITE_FULL && (rc & 0xff) != SQLITE_IOERR))
		return rc;
	hs_log(WARN, "store.no_redo", LOG_TEXT("path", fresh), LOG_TEXT("error", sqlite3_errmsg(store->writer.db)),
	       LOG_WHY("its room is needed; every turn is committed before it is told"));
	if (!sqlite3_get_autocommit(store->writer.db))
		sqlite3_exec(store->writer.db, "ROLLBACK", NULL, NULL, NULL);
	drop_ring(store, fresh);
	return store_run_batch(store);
}

/* One transaction brings the database to the end of the old ring and the beginning of the new one. */
int store_redo_open(struct store *store)
{
	AUTO(free) char *path = hs_printf("%s/redo", store->setup.folder);
	AUTO(free) char *fresh = hs_printf("%s.new", path);
	struct hs_journal *old = hs_journal_find_file(path);
	int rc = SQLITE_OK;

	if (old)
		rc = take_over(store, old);
	else if (errno != ENOENT)
		hs_log(ERROR, "store.redo_unreadable", LOG_TEXT("path", path), LOG_TEXT("error", strerror(errno)));
	begin_ring(store, fresh);
	if (rc == SQLITE_OK)
		rc = commit_old(store, fresh);
	store_batch_clear(&store->batch);
	hs_journal_close(old);
	if (rc == SQLITE_OK) {
		install_ring(store, fresh, path);
		return 0;
	}
	hs_log(ERROR, "store.redo_failed", LOG_WHY(sqlite3_errmsg(store->writer.db)));
	drop_ring(store, fresh);
	return -EIO;
}

static void show_fill(const struct store *store)
{
	size_t used, size;

	hs_journal_fill(store->redo, &used, &size);
	hs_metric_set(store->redo_used, (int64_t)used);
}

bool store_redo_keep(struct store *store)
{
	const void *data;
	uint64_t seq;
	size_t bytes;

	if (!store->redo || store->unkept ||
	    hs_journal_append(store->redo, store->turn.at, store->turn.used, &seq) != 0 ||
	    !hs_journal_next(store->redo, store->redo_seq, &store->redo_seq, &data, &bytes))
		return false;
	store_batch_add(&store->batch, data, bytes);
	store->turn.used = 0;
	show_fill(store);
	return true;
}

void store_redo_trim(struct store *store)
{
	if (!store->redo)
		return;
	hs_journal_trim(store->redo, store->redo_seq);
	show_fill(store);
}

bool store_redo_is_filling(const struct store *store)
{
	size_t used = 0, size = 0;

	if (store->redo)
		hs_journal_fill(store->redo, &used, &size);
	return used > size / 2;
}

void store_redo_close(struct store *store)
{
	AUTO(free) char *path = hs_printf("%s/redo", store->setup.folder);

	if (store->redo && hs_journal_waiting(store->redo) == 0)
		unlink(path);
	hs_journal_close(store->redo);
	store->redo = NULL;
}
