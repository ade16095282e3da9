#include "cleanup.h"
#include "clock.h"
#include "store_inner.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define VALUES_MAX 48
#define LOOK_EVERY 10000 /* steps of SQLite's machine, about a millisecond, between looks at the deadline */

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
	sqlite3_stmt *stmt = connection_bind(&reader->connection, statement, values, count);
	struct store_row row;
	int rc;

	if (!stmt) {
		reader->error = -EIO;
		return -EIO;
	}
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		fill_row(stmt, cells, &row);
		if (!visit(context, &row)) {
			rc = SQLITE_DONE;
			break;
		}
	}
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	if (rc != SQLITE_DONE)
		reader->error = -EIO;
	return rc == SQLITE_DONE ? 0 : -EIO;
}

static int reader_open(struct store *store, struct store_reader *reader)
{
	reader->store = store;
	return reader->connection.db ? 0 : connection_open(&reader->connection, store->path, false);
}

/* True when the database lacks what was told, and cannot take it now. */
static bool is_behind(struct store *store)
{
	return store->batch.count > 0 && store_flush(store) != 0;
}

struct store_reader *store_at_start(struct store *store)
{
	if (is_behind(store))
		return NULL;
	return reader_open(store, &store->readers[0]) == 0 ? &store->readers[0] : NULL;
}

/* Also asked by SQLite while it works: true interrupts it. */
static int is_late(void *context)
{
	const struct read *read = context;

	return read->job.deadline_at && hs_clock_ms() > read->job.deadline_at;
}

static void read_in_worker(uv_work_t *work)
{
	struct read *read = work->data;
	struct store_reader *reader = read->reader;
	sqlite3 *db;

	reader->error = reader_open(read->store, reader);
	db = reader->connection.db;
	if (reader->error == 0 && sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
		reader->error = -EIO;
	if (reader->error == 0) {
		sqlite3_progress_handler(db, LOOK_EVERY, is_late, read);
		read->job.work(read->job.context, reader);
		sqlite3_progress_handler(db, 0, NULL, NULL);
		sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	}
	read->error = is_late(read) ? -ETIMEDOUT : reader->error;
}

static void end_read(struct read *read)
{
	if (read->error == -ETIMEDOUT)
		hs_metric_add(read->store->reads_late, 1);
	read->job.done(read->job.context, read->error);
	free(read);
}

static void read_done(uv_work_t *work, int status)
{
	struct read *read = work->data;
	struct store *store = read->store;

	store->jobs--;
	read->reader->busy = false;
	end_read(read);
	store_read_more(store);
}

/* The next one of a lane that somebody still waits for, or NULL. */
static struct read *take_read(struct reads *reads)
{
	struct read *read;

	while ((read = reads->first)) {
		reads->first = read->next;
		if (!reads->first)
			reads->last = &reads->first;
		if (!is_late(read))
			return read;
		read->error = -ETIMEDOUT;
		end_read(read);
	}
	return NULL;
}

/* Those that are late, taken out of a lane. */
static struct read *take_late(struct reads *reads)
{
	struct read *late = NULL, **late_last = &late, **at = &reads->first;

	while (*at) {
		struct read *read = *at;

		if (is_late(read)) {
			*at = read->next;
			*late_last = read;
			late_last = &read->next;
		} else {
			at = &read->next;
		}
	}
	*late_last = NULL;
	reads->last = at;
	return late;
}

void store_end_late_reads(struct store *store)
{
	for (size_t i = 0; i < STORE_LANES; i++) {
		struct read *read = take_late(&store->reads[i]);

		while (read) {
			struct read *next = read->next;

			read->error = -ETIMEDOUT;
			end_read(read);
			read = next;
		}
	}
}

static bool has_read(const struct store *store, bool brief)
{
	if (brief)
		return store->reads[STORE_BRIEF].first != NULL;
	return store->reads[STORE_LONG].first || store->reads[STORE_LAST].first;
}

/* What a reader does next, or NULL. */
static struct read *next_read(struct store *store, bool brief)
{
	struct read *read;

	if (brief)
		return take_read(&store->reads[STORE_BRIEF]);
	read = take_read(&store->reads[STORE_LONG]);
	return read ? read : take_read(&store->reads[STORE_LAST]);
}

void store_read_more(struct store *store)
{
	for (size_t i = 0; i < READERS; i++) {
		struct store_reader *reader = &store->readers[i];
		struct read *read;

		/* A flush begins reads too: whether this reader is busy shows after it. */
		if (!has_read(store, i == 0) || is_behind(store) || reader->busy || !(read = next_read(store, i == 0)))
			continue;
		read->reader = reader;
		reader->busy = true;
		store->jobs++;
		uv_queue_work(store->setup.loop, &read->work, read_in_worker, read_done);
	}
}

static void enqueue_read(void *context)
{
	struct read *read = context;
	struct store *store = read->store;
	struct reads *reads = &store->reads[read->job.lane];

	*reads->last = read;
	reads->last = &read->next;
	store_read_more(store);
}

void store_read(struct store *store, const struct store_job *job)
{
	struct read *read = hs_zalloc(sizeof(*read));

	*read = (struct read){.store = store, .job = *job, .work.data = read};
	store_after(store, enqueue_read, read);
}
