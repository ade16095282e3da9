#include "cleanup.h"
#include "store_inner.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define VALUES_MAX 32

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

	if (!stmt)
		return -EIO;
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
