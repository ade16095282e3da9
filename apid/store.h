/* The store: what must survive the death of apid, behind one asynchronous interface; SQLite (WAL) behind it.
 * Called by eventlog, calls, lines, streams, intents and idempotency; calls nobody. Owns the database and its workers.
 * Writes of one loop turn are collected and kept, when it ends (prepare and check), as one record of a ring in a mapped
 * file: that outlives kill -9, and what waits in store_after is told. The database follows every 50 ms, with the writes
 * of many turns drawn together. Durability full has no ring: there each turn is committed and synced before it is told.
 * Checkpoints, fdatasync and reads run in libuv's workers, each with a connection of its own; the loop's connection
 * only commits.
 */
#ifndef STORE_H
#define STORE_H

#include "hs_proto.h"
#include <uv.h>

/* Every statement of the database, by name; the SQL is one table in store_sql.c. Those that write are known by their
 * number in a redo ring, which a later version may find: another one comes last among them. */
enum store_statement {
	STORE_META_PUT,
	STORE_GENERATION_ADD,
	STORE_EVENT_ADD,
	STORE_CALL_PUT,
	STORE_LEG_PUT,
	STORE_LINE_PUT,
	STORE_GRANT_PUT,
	STORE_GRANT_DROP,
	STORE_INTENT_PUT,
	STORE_INTENT_DROP,
	STORE_CURSOR_PUT,
	STORE_DAEMON_PUT,
	STORE_ANSWER_PUT,
	STORE_EARLY_PUT,
	STORE_EARLY_DROP,
	STORE_EVENTS_EXPIRE,
	STORE_LEGS_EXPIRE,
	STORE_CALLS_EXPIRE,
	STORE_ANSWERS_EXPIRE,
	STORE_WRITES, /* those below read */
	STORE_META_GET = STORE_WRITES,
	STORE_LINES_MORE,
	STORE_GENERATIONS,
	STORE_EVENTS_BOUNDS,
	STORE_EVENTS_AFTER,
	STORE_EVENTS_NEWEST,
	STORE_EVENTS_OF_CALL,
	STORE_EVENTS_OF_CALL_NEWEST,
	STORE_CALLS_LIVE,
	STORE_CALL_LEGS,
	STORE_CALL_GET,
	STORE_CALLS_LIST,
	STORE_CALLS_LAST,
	STORE_LINES,
	STORE_GRANTS,
	STORE_INTENTS,
	STORE_CURSORS,
	STORE_DAEMONS,
	STORE_ANSWER_GET,
	STORE_ANSWERS_RECENT,
	STORE_EARLY,
	STORE_STATEMENTS,
};

/* A value bound to a statement, or a cell of a row. */
struct store_value {
	enum { STORE_NULL, STORE_INT, STORE_TEXT } type;
	int64_t number;
	const char *text;
};

#define STORE_V_INT(value) ((struct store_value){STORE_INT, (value), NULL})
#define STORE_V_TEXT(value) ((struct store_value){STORE_TEXT, 0, (value)}) /* NULL text: NULL */

/* store_write(store, STORE_CURSOR_PUT, STORE_V_TEXT(source), STORE_V_INT(epoch), ...) */
#define store_write(store, statement, ...)                                                                             \
	store_write_values(store, statement, (const struct store_value[]){__VA_ARGS__},                                \
			   sizeof((const struct store_value[]){__VA_ARGS__}) / sizeof(struct store_value))

struct store;

struct store_setup {
	uv_loop_t *loop;
	const char *folder; /* apid.db and its companions are here */
	enum hs_durability durability;
	/* Told when commits begin to fail (why: disk full, ...) and when they work again (NULL). */
	void (*troubled)(void *context, const char *why);
	/* Called at the end of each turn that wrote: the last chance to add writes to it. */
	void (*turn)(void *context);
	void *context;
};

/* Opens or makes the database. NULL with a log line when that is impossible. */
struct store *store_create(const struct store_setup *setup);

/* True while commits work; else new work must be refused. What is up goes on and is told until the ring is full. */
bool store_is_well(const struct store *store);

/* Adds a write to this turn. Texts are copied. */
void store_write_values(struct store *store, enum store_statement statement, const struct store_value *values,
			size_t count);

/* Marks the turn as one that writes, so that "turn" is called before it ends. */
void store_touch(struct store *store);

/* Calls run once kill -9 cannot undo this turn (durability full: nor a power cut), in order. Never before it returns.
 */
void store_after(struct store *store, void (*run)(void *context), void *context);

/* One row of a read; cells are valid for the call. */
struct store_row {
	const struct store_value *cells;
	int count;
};

/* A number or text of a row; 0 or NULL where it is NULL. */
int64_t store_int(const struct store_row *row, int column);
const char *store_text(const struct store_row *row, int column);

/* What a reading job may do in its worker: queries, all in one snapshot. */
struct store_reader;

/* Runs a query; false from visit ends it. 0 or -EIO, which the job's done is told too. */
int store_query(struct store_reader *reader, enum store_statement statement, const struct store_value *values,
		size_t count, bool (*visit)(void *context, const struct store_row *row), void *context);

/* Who waits for whom: each lane in its order. A reader of its own runs what is brief, so that it never waits for what
 * is not. */
enum store_lane {
	STORE_BRIEF, /* a row by its key */
	STORE_LONG,
	STORE_LAST, /* of who has several in work already: when no other waits */
	STORE_LANES,
};

struct store_job {
	enum store_lane lane;
	int64_t deadline_at; /* hs_clock_ms; then it is not begun any more, and ended when it runs. 0: none */
	/* Runs in a worker and may touch only its context and the reader. */
	void (*work)(void *context, struct store_reader *reader);
	/* Runs on the loop later, always. 0; -ETIMEDOUT: the deadline passed; -EIO: something could not be read. */
	void (*done)(void *context, int error);
	void *context;
};

/* Reads what this turn and all before it have written. The job is copied. */
void store_read(struct store *store, const struct store_job *job);

/* Reads at once, on the loop: for the restore at start only. */
struct store_reader *store_at_start(struct store *store);

/* Commits what is pending now, whatever the turn; 0 or -errno. For start and stop. */
int store_commit(struct store *store);

/* The same, and waits until it is on the disk, whatever durability says. For start. */
int store_commit_to_disk(struct store *store);

/* Commits, checkpoints and waits for workers, then closes. NULL is fine. What cannot be committed stays in the ring for
 * the next start. */
void store_destroy(struct store *store);

#endif
