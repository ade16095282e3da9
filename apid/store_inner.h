/* What the files of store share: connections, lists, the store itself.
 * store.c collects the writes of a turn; store_redo.c keeps them where kill -9 does not reach; store_flush.c commits
 * them; store_connection.c opens and runs statements; store_read.c reads in workers; store_disk.c syncs and checkpoints
 * in workers. Included by these only; they alone know SQLite.
 */
#ifndef STORE_INNER_H
#define STORE_INNER_H

#include "journal.h"
#include "metrics.h"
#include "store_batch.h"
#include "store_sql.h"
#include <sqlite3.h>

#define READERS 3 /* the first one for what is brief */

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
	int error; /* of the present job */
};

struct read {
	struct read *next;
	uv_work_t work;
	struct store *store;
	struct store_reader *reader;
	struct store_job job;
	int error;
};

/* A list with its end, of reads that wait. */
struct reads {
	struct read *first, **last;
};

/* The writes of a turn that only memory holds. */
struct unkept {
	struct unkept *next;
	struct store_bytes bytes;
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
	uv_timer_t flush_later, retry;
	int handles; /* not yet closed */
	int jobs;    /* in workers */

	struct store_bytes turn; /* this turn's writes */
	bool touched;
	struct afters afters;

	struct store_batch batch;             /* what is not in the database yet: of the ring, then of unkept */
	struct hs_journal *redo;              /* NULL: what is told must be committed before */
	uint64_t redo_seq;                    /* of its last record */
	uint64_t redo_committed;              /* and of the last that is in the database */
	struct unkept *unkept, **unkept_last; /* turns that found no room in the ring, in order */
	struct afters untold;                 /* and what waits for their commit */

	bool well;     /* false: a commit failed, the next attempt waits for retry */
	bool troubled; /* and that was told */
	bool held;     /* commits wait for the second pass of a checkpoint */
	bool unsynced, syncing, checkpointing;
	int wal_pages;
	int checkpoint_left;               /* frames the last pass could not copy */
	struct afters told_later, telling; /* durability full: wait for the next fdatasync, for the present one */
	uv_work_t sync_work, checkpoint_work;
	struct reads reads[STORE_LANES];
	struct hs_metric *commit_seconds, *reads_late, *redo_used;
};

/* ---- store_connection.c ---- */

/* Opens a database; writes: makes it when it is not there. 0 or -EIO with a log line. */
int connection_open(struct connection *connection, const char *path, bool writes);
void connection_close(struct connection *connection); /* a closed one is fine */

/* Runs several statements without values. 0 or -EIO with a log line. */
int connection_run(struct connection *connection, const char *sql);

/* A statement with its values bound, or NULL with a log line. The caller resets it. */
sqlite3_stmt *connection_bind(struct connection *connection, enum store_statement statement,
			      const struct store_value *values, size_t count);

/* Runs a write. SQLITE_OK or SQLite's error. */
int connection_write(struct connection *connection, const uint8_t *write);

/* ---- store.c: lists of what waits ---- */

void afters_init(struct afters *list);

/* Moves all of from behind those of to. */
void afters_move(struct afters *to, struct afters *from);

/* Empties the list, then runs what was in it. */
void afters_run(struct afters *list);

/* The turn has something to commit: no sleep before it has ended. */
void store_wake(struct store *store);

/* The turns that found no room in the ring are committed. */
void store_forget_unkept(struct store *store);

/* ---- store_redo.c ---- */

/* Commits what the predecessor told and had not committed, and begins a ring of our own, unless durability is full. 0
 * or -errno with a log line. */
int store_redo_open(struct store *store);

/* Keeps this turn's writes in the ring. false: there is no room, or no ring. */
bool store_redo_keep(struct store *store);

/* All that the ring holds is committed. */
void store_redo_trim(struct store *store);

/* More than half of the ring is full. */
bool store_redo_is_filling(const struct store *store);

/* Adds to a transaction up to which record the ring is in the database. SQLITE_OK or SQLite's error. */
int store_redo_mark(struct store *store, uint64_t seq);

void store_redo_close(struct store *store);

/* ---- store_flush.c ---- */

/* The batch as one transaction; SQLITE_OK or SQLite's error. */
int store_run_batch(struct store *store);

/* Commits the batch and tells what waited for that. 0, also when there was nothing; -EAGAIN: not now; -EIO. */
int store_flush(struct store *store);

/* Soon enough, or at once when much waits. */
void store_flush_later(struct store *store);

/* ---- store_read.c ---- */

/* Begins what waits for a reader, as far as the database knows all that was told. */
void store_read_more(struct store *store);

/* While the database takes nothing, none is begun; those that nobody waits for any more are ended. */
void store_end_late_reads(struct store *store);

/* ---- store_disk.c ---- */

/* What is committed may be told now, or after the next fdatasync. */
void store_tell(struct store *store, struct afters *list);

/* Puts what was committed on the disk in the background, unless durability leaves that to the kernel. */
void store_sync(struct store *store);

/* Copies the log back into the database when it is long. */
void store_checkpoint(struct store *store);

#endif
