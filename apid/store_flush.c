/* Commits: what turns have written since the last one, as one transaction. When it fails (the disk is full) nothing is
 * lost: it stays where it is, is tried again and again, and new work is refused meanwhile. */
#include "clock.h"
#include "log.h"
#include "store_inner.h"
#include <errno.h>
#include <stdlib.h>

#define FLUSH_MS 50      /* then fdatasync follows: a power cut takes hardly more than this */
#define FLUSH_WRITES 500 /* a millisecond or two of work for the loop */
#define RETRY_MS 100     /* after a commit that failed */

/* One write. A row that the rules of the database refuse is a fault of ours: it is left out, loudly, for retrying it
 * would end all work. */
static int run_write(struct store *store, const uint8_t *write)
{
	int rc = connection_write(&store->writer, write);
	struct store_walk walk;

	if ((rc & 0xff) != SQLITE_CONSTRAINT)
		return rc;
	store_walk_begin(&walk, write);
	hs_log(ERROR, "store.write_refused", LOG_INT("statement", walk.statement),
	       LOG_WHY(sqlite3_errmsg(store->writer.db)));
	return SQLITE_OK;
}

/* While there was no room for what waits, which may be much, a small transaction finds out whether there is now. */
static bool has_room(struct store *store)
{
	int rc;

	if (!store->troubled)
		return true;
	rc = sqlite3_exec(store->writer.db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = store_redo_mark(store, store->redo_committed);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(store->writer.db, "COMMIT", NULL, NULL, NULL);
	return rc == SQLITE_OK;
}

int store_run_batch(struct store *store)
{
	int rc = sqlite3_exec(store->writer.db, "BEGIN IMMEDIATE", NULL, NULL, NULL);

	for (size_t i = 0; i < store->batch.count && rc == SQLITE_OK; i++)
		if (!store->batch.writes[i].left_out)
			rc = run_write(store, store->batch.writes[i].at);
	if (rc == SQLITE_OK)
		rc = store_redo_mark(store, store->redo_seq);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(store->writer.db, "COMMIT", NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		store->redo_committed = store->redo_seq;
	return rc;
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
}

static void retry_is_due(uv_timer_t *timer)
{
	struct store *store = timer->data;

	store->well = true;
	if (store_flush(store) != 0)
		store_end_late_reads(store);
}

static void committed(struct store *store)
{
	uv_timer_stop(&store->flush_later);
	store_batch_clear(&store->batch);
	store_redo_trim(store);
	store_forget_unkept(store);
	store->unsynced = true;
	if (store->troubled)
		store->setup.troubled(store->setup.context, NULL);
	store->troubled = false;
	store_checkpoint(store);
	store_tell(store, &store->untold);
	store_sync(store);
	store_read_more(store);
}

int store_flush(struct store *store)
{
	int64_t began_us = hs_clock_us();

	if (store->batch.count == 0)
		return 0;
	if (!store->well || store->held)
		return -EAGAIN;
	if (!has_room(store) || store_run_batch(store) != SQLITE_OK) {
		commit_failed(store);
		if (!uv_is_closing((uv_handle_t *)&store->retry))
			uv_timer_start(&store->retry, retry_is_due, RETRY_MS, 0);
		return -EIO;
	}
	hs_metric_observe_us(store->commit_seconds, hs_clock_us() - began_us);
	committed(store);
	return 0;
}

static void flush_is_due(uv_timer_t *timer)
{
	store_flush(timer->data);
}

void store_flush_later(struct store *store)
{
	if (store->batch.count >= FLUSH_WRITES || store_redo_is_filling(store))
		store_flush(store);
	else if (!uv_is_active((uv_handle_t *)&store->flush_later))
		uv_timer_start(&store->flush_later, flush_is_due, FLUSH_MS, 0);
}
