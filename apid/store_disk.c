/* The disk, never on the loop: fdatasync of the log in groups, and its copy back into the database. */
#include "log.h"
#include "store_inner.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define CHECKPOINT_PAGES 1000 /* the log of that length is copied back into the database */
#define HOLD_PAGES 4000       /* and past this length commits wait for the copy, or it would never be emptied */

/* ---- fdatasync in a worker ---- */

static void sync_in_worker(uv_work_t *work)
{
	struct store *store = work->data;

	if (fdatasync(store->wal_fd) != 0)
		hs_log(ERROR, "store.sync_failed", LOG_WHY(strerror(errno)));
}

static void sync_done(uv_work_t *work, int status)
{
	struct store *store = work->data;

	store->jobs--;
	store->syncing = false;
	afters_run(&store->telling);
	store_sync(store);
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

void store_sync(struct store *store)
{
	if (store->unsynced && store->setup.durability != HS_DURABILITY_PROCESS)
		start_sync(store);
}

void store_tell(struct store *store, struct afters *list)
{
	if (store->setup.durability == HS_DURABILITY_FULL && (store->unsynced || store->syncing)) {
		afters_move(&store->told_later, list);
		store->unsynced = true;
		start_sync(store);
	} else {
		afters_run(list);
	}
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
	store->checkpointing = false;
	if (!store->held)
		return;
	store->held = false;
	store_flush(store);
}

void store_checkpoint(struct store *store)
{
	if (store->wal_pages >= CHECKPOINT_PAGES && !store->checkpointing)
		start_checkpoint(store);
}
