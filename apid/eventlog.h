/* The event log: every public event, numbered, kept by the store before anybody is told.
 * Called by calls, lines, streams, hear and serve; calls the store. Owns the numbers, the generations and the
 * retention. A generation begins when numbers of the last one may have been told and lost: a boot after an unclean end,
 * a restored or older database. So no cursor ever names two events. Which number was told last is also kept in a mapped
 * file beside the database, where it costs nothing and survives kill -9.
 */
#ifndef EVENTLOG_H
#define EVENTLOG_H

#include "cursor.h"
#include "store.h"

struct eventlog;

/* An event that kill -9 cannot undo. */
struct eventlog_entry {
	enum hs_message_id event;
	int64_t seq;
	const char *body; /* JSON, as on the WebSocket */
	size_t bytes;
};

struct eventlog_setup {
	struct store *store;
	uv_loop_t *loop;
	const char *folder;  /* of the database */
	const char *node;    /* mark in cursors */
	const char *boot_id; /* of the running kernel (eventlog_boot_id) */
	int64_t retention_ms;
	/* Told for each event, in order, as store_after is. */
	void (*committed)(void *context, const struct eventlog_entry *entry);
	void *context;
};

#define EVENTLOG_BOOT_ID 64

/* The kernel's mark of this boot; "" when there is none. */
void eventlog_boot_id(char ret_id[EVENTLOG_BOOT_ID]);

/* Restores numbers and generations and commits them to the disk. NULL with a log line when the database is unusable. */
struct eventlog *eventlog_create(const struct eventlog_setup *setup);

/* Adds an event to this turn's transaction. at_ms: when it happened. line, call: or NULL. body: struct hs_<event>. */
void eventlog_add(struct eventlog *log, enum hs_message_id event, int64_t at_ms, const char *line, const char *call,
		  const void *body);

/* Cursor of the last event that was told. */
void eventlog_end(const struct eventlog *log, char ret_cursor[CURSOR_BYTES]);

/* Cursor of the last event that was added: it is told with this turn. */
void eventlog_newest(const struct eventlog *log, char ret_cursor[CURSOR_BYTES]);

/* Whether one can go on after this cursor. 0, -EINVAL: not a cursor, -ESTALE: it names events that are not (any more)
 * in this log. ret_seq: number of that event. */
int eventlog_check(const struct eventlog *log, const char *cursor, int64_t *ret_seq);

/* What eventlog_list looks for; texts are copied. */
struct eventlog_query {
	bool has_since;
	int64_t since;     /* from eventlog_check; without it the newest ones */
	const char *types; /* from cursor_types; "" or NULL: all */
	const char *line, *call;
	bool digits; /* events of the digits audience too */
	int64_t limit;
	int64_t deadline_at; /* hs_clock_ms; 0: none */
	enum store_lane lane;
};

/* Answers later with an answer to events.list, valid for the call; or with NULL and -ESTALE: the cursor has gone
 * meanwhile, or what store_read says. One call looks at a bounded number of events: "more" may come with none. */
void eventlog_list(struct eventlog *log, const struct eventlog_query *query,
		   void (*done)(void *context, int error, const struct hs_events_list_answer *answer), void *context);

/* Deletes what is older than the retention, a batch a turn, now; the log does so by itself every minute. */
void eventlog_expire(struct eventlog *log);

/* Stops the retention. clean: the store's next commit is the last, and the numbers go on from here. */
void eventlog_close(struct eventlog *log, bool clean);

/* After eventlog_close and store_destroy. NULL is fine. */
void eventlog_destroy(struct eventlog *log);

#endif
