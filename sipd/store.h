/* The store: bindings on disk, so that a restart of the whole suite finds the phones. SQLite, written behind.
 * Called by sipd's start and locations' watch; calls a worker thread. The only room that knows SQLite.
 * Owns <home>/sipd/locations.db and the changes that wait for it. The journal covers a death of the process meanwhile.
 */
#ifndef STORE_H
#define STORE_H

#include "locations.h"
#include <uv.h>

struct store;

/* Opens or makes the database. NULL with a log line when the folder cannot be written. */
struct store *store_create(uv_loop_t *loop, const char *folder);

/* Visits every binding kept, before the first change. Rows of another layout are left out. */
void store_load(struct store *store, void (*visit)(void *context, const struct binding *binding), void *context);

/* Forgets all of them at once: what follows is the whole truth. */
void store_clear(struct store *store);

/* Notes a change; it is on disk at most about a second later. */
void store_put(struct store *store, const char *key, const struct binding *binding, bool gone);

/* Writes what waits and closes; done is called later on the loop. */
void store_close(struct store *store, void (*done)(void *context), void *context);

/* After the loop has ended. NULL is fine. */
void store_destroy(struct store *store);

#endif
