/* The SQL of the store: schema and statements, as tables.
 * Read by store.c only. Owns nothing.
 * Words stand for states and causes, so that a database outlives a change of their numbers.
 */
#ifndef STORE_SQL_H
#define STORE_SQL_H

#include "store.h"

#define STORE_SCHEMA_VERSION 5

/* Makes an empty database; one string of statements. */
extern const char store_schema[];

/* Makes a database of the version [i + 1] one of the next; each a string of statements. */
extern const char *const store_upgrades[STORE_SCHEMA_VERSION - 1];

/* By enum store_statement. */
extern const char *const store_sql[STORE_STATEMENTS];

#endif
