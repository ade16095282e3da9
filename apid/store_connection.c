#include "cleanup.h"
#include "log.h"
#include "store_inner.h"
#include <errno.h>
#include <string.h>

#define OPEN_ATTEMPT_MS 2000 /* the predecessor's locks go with it; somebody else's may take a moment */

int connection_run(struct connection *connection, const char *sql)
{
	char *fault = NULL;
	int rc = sqlite3_exec(connection->db, sql, NULL, NULL, &fault);

	if (rc != SQLITE_OK)
		hs_log(ERROR, "store.sql_failed", LOG_WHY(fault ? fault : sqlite3_errstr(rc)));
	sqlite3_free(fault);
	return rc == SQLITE_OK ? 0 : -EIO;
}

int connection_open(struct connection *connection, const char *path, bool writes)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (writes ? SQLITE_OPEN_CREATE : 0);

	/* unix-excl: the log's index is in our memory and not a file, for which a successor on a full disk has no room.
	 * In return the database is ours alone while we run. */
	if (sqlite3_open_v2(path, &connection->db, flags, "unix-excl") != SQLITE_OK) {
		hs_log(ERROR, "store.open_failed", LOG_TEXT("path", path), LOG_WHY(sqlite3_errmsg(connection->db)));
		return -EIO;
	}
	sqlite3_busy_timeout(connection->db, OPEN_ATTEMPT_MS);
	/* NORMAL: the log's header is synced before it is used again, without which a power cut could mix old pages
	 * into the database; commits themselves are not synced here. */
	return connection_run(connection,
			      "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
			      "PRAGMA wal_autocheckpoint=0; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-2000;");
}

void connection_close(struct connection *connection)
{
	for (size_t i = 0; i < STORE_STATEMENTS; i++)
		sqlite3_finalize(connection->statements[i]);
	memset(connection->statements, 0, sizeof(connection->statements));
	sqlite3_close(connection->db);
	connection->db = NULL;
}

static sqlite3_stmt *prepared(struct connection *connection, enum store_statement statement)
{
	sqlite3_stmt **slot = &connection->statements[statement];

	if (!*slot && sqlite3_prepare_v3(connection->db, store_sql[statement], -1, SQLITE_PREPARE_PERSISTENT, slot,
					 NULL) != SQLITE_OK)
		hs_log(ERROR, "store.prepare_failed", LOG_INT("statement", statement),
		       LOG_WHY(sqlite3_errmsg(connection->db)));
	return *slot;
}

/* length: of a text, or -1 when a NUL ends it. */
static void bind_value(sqlite3_stmt *stmt, int place, const struct store_value *value, int length)
{
	if (value->type == STORE_INT)
		sqlite3_bind_int64(stmt, place, value->number);
	else if (value->type == STORE_TEXT && value->text)
		sqlite3_bind_text(stmt, place, value->text, length, SQLITE_STATIC);
	else
		sqlite3_bind_null(stmt, place);
}

sqlite3_stmt *connection_bind(struct connection *connection, enum store_statement statement,
			      const struct store_value *values, size_t count)
{
	sqlite3_stmt *stmt = prepared(connection, statement);

	for (size_t i = 0; stmt && i < count; i++)
		bind_value(stmt, (int)i + 1, &values[i], -1);
	return stmt;
}

int connection_write(struct connection *connection, const uint8_t *write)
{
	struct store_walk walk;
	struct store_value value;
	sqlite3_stmt *stmt;
	size_t length;
	int rc;

	store_walk_begin(&walk, write);
	stmt = prepared(connection, walk.statement);
	if (!stmt)
		return SQLITE_ERROR;
	for (int i = 1; store_walk_next(&walk, &value, &length); i++)
		bind_value(stmt, i, &value, (int)length);
	rc = sqlite3_step(stmt);
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}
