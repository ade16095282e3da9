/* The outbox: endpoints, deliveries, dead letters and the place in the event log, on disk (SQLite, WAL).
 * Called by dispatch, endpoint and hear; the only code that knows SQLite here. Owns the file outbox.db in hookd's
 * folder.
 *
 * The cursor moves in the same transaction that adds the deliveries of its events: an event counts as taken exactly
 * when what must still be sent for it is on disk. Writes gather in an open transaction until outbox_commit. A failed
 * write is remembered and fails the commit, so writers return nothing. Results (done, again) may be lost by a death
 * before the commit: the message is then sent once more, with the same id.
 */
#ifndef HOOKD_OUTBOX_H
#define HOOKD_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OUTBOX_MAX_WAITING 1000000 /* deliveries; then no more events are taken */
#define OUTBOX_MAX_OF_ONE 100000   /* of one endpoint; then what happens is not kept for it, and is read from the log */
#define OUTBOX_MAX_DEAD 100000     /* dead letters; the oldest are dropped */
#define OUTBOX_ERROR 200           /* room for last_error */

struct outbox;

/* An endpoint's row. Texts are borrowed. */
struct outbox_endpoint {
	int64_t number; /* key; 0: not stored yet */
	const char *id, *url;
	const char *words, *lines, *calls;  /* filter, blanks between */
	int style;                          /* enum hs_webhook_style */
	const char *sealed;                 /* secret, sealed; "" where a file has it */
	const char *ca, *cert, *sealed_key; /* PEM, the key sealed; "" where there is none, or files have them */
	bool declared, enabled, paused;
	int64_t old_until_ms;     /* until then the secret has an older one beside it; 0: it has none */
	int64_t failing_since_ms; /* hs_clock_lasting_ms; 0: it works */
	int64_t delivered, dead;
	int last_status;
	const char *last_error;
	int64_t skipped; /* events that were not kept */
	const char *skipped_from;
};

/* A message for an endpoint: one block of memory (free). */
struct outbox_delivery {
	int64_t number; /* 0: not in the outbox */
	int64_t endpoint;
	const char *id, *type, *call, *line, *cursor, *body; /* call, line, cursor: "" when there is none */
	size_t bytes;                                        /* of the body */
	int64_t created_at_ms;                               /* the event's timestamp */
	int64_t due_at_ms;                                   /* hs_clock_lasting_ms */
	int tries;                                           /* place in the retry schedule; 0: fresh */
	int attempts;                                        /* made in all */
	int last_status;
	char last_error[OUTBOX_ERROR];
};

/* Opens or makes <folder>/outbox.db. full: every commit is on the platter before it returns. NULL with a log line. */
struct outbox *outbox_open(const char *folder, bool full);

/* Makes a delivery in memory; number 0. Texts are copied. */
struct outbox_delivery *outbox_delivery_make(int64_t endpoint, const char *id, const char *type, const char *call,
					     const char *line, const char *cursor, const char *body, size_t bytes);

/* ---- The place in the log ---- */

/* -ENOENT when it was never set. ret_seq: number of the last event taken. */
int outbox_cursor(struct outbox *outbox, char ret_cursor[65], int64_t *ret_seq);
void outbox_set_cursor(struct outbox *outbox, const char *cursor, int64_t seq);

/* ---- Endpoints ---- */

void outbox_each_endpoint(struct outbox *outbox, void (*visit)(void *context, const struct outbox_endpoint *endpoint),
			  void *context);

/* Inserts (number 0) or replaces. Returns the number. */
int64_t outbox_save_endpoint(struct outbox *outbox, const struct outbox_endpoint *endpoint);

/* Removes it with all that belongs to it. */
void outbox_drop_endpoint(struct outbox *outbox, int64_t endpoint);

/* Deliveries that wait and dead letters of an endpoint; 0: of all. */
int64_t outbox_waiting(struct outbox *outbox, int64_t endpoint);
int64_t outbox_depth(const struct outbox *outbox); /* of all, without asking the disk */
int64_t outbox_dead_letters(struct outbox *outbox, int64_t endpoint);

/* ---- Deliveries ---- */

typedef void outbox_visit(void *context, struct outbox_delivery *delivery); /* takes it over */

/* Adds a fresh delivery and sets its number; numbers only rise. */
void outbox_add(struct outbox *outbox, struct outbox_delivery *delivery);

/* Fresh ones with a number over after, in order of number. Returns how many. */
int outbox_load_fresh(struct outbox *outbox, int64_t endpoint, int64_t after, int limit, outbox_visit *visit,
		      void *context);

/* Retries that are due, the most overdue first. Returns how many. */
int outbox_load_due(struct outbox *outbox, int64_t endpoint, int64_t now_ms, int limit, outbox_visit *visit,
		    void *context);

/* When the next retry after this time is due; INT64_MAX: none. */
int64_t outbox_next_due(struct outbox *outbox, int64_t endpoint, int64_t after_ms);

/* Delivered. */
void outbox_done(struct outbox *outbox, const struct outbox_delivery *delivery);

/* To be tried again at its due_at_ms; tries, attempts and last_* are written too. */
void outbox_again(struct outbox *outbox, const struct outbox_delivery *delivery);

/* Given up. */
void outbox_bury(struct outbox *outbox, const struct outbox_delivery *delivery, int64_t now_ms);

/* Everything that waits for an endpoint is given up. */
void outbox_bury_all(struct outbox *outbox, int64_t endpoint, const char *why, int64_t now_ms);

/* All retries of an endpoint are due now: it is back. */
void outbox_hasten(struct outbox *outbox, int64_t endpoint, int64_t now_ms);

/* ---- Dead letters ---- */

/* Newest first; endpoint 0: of all. */
int outbox_each_dead(struct outbox *outbox, int64_t endpoint, int limit, outbox_visit *visit, void *context);

/* Makes a dead letter a retry that is due now, from the schedule's beginning. Its endpoint's number, or -ENOENT. */
int64_t outbox_replay(struct outbox *outbox, const char *id, int64_t now_ms);

/* The same for all of an endpoint. How many there were. */
int64_t outbox_replay_all(struct outbox *outbox, int64_t endpoint, int64_t now_ms);

/* Forgets dead letters given up before this time and those beyond OUTBOX_MAX_DEAD. Returns how many. */
int64_t outbox_prune(struct outbox *outbox, int64_t before_ms);

/* ---- The transaction ---- */

/* Whether something waits for a commit. */
bool outbox_is_dirty(const struct outbox *outbox);

/* Commits. durable: also flushed to the platter (what somebody was promised). 0, or -ENOSPC / -EIO: all since the last
 * commit is undone. */
int outbox_commit(struct outbox *outbox, bool durable);

/* Whether more may be taken in: a sentence why not, or NULL. Looks at the disk at most once a second. */
const char *outbox_is_full(struct outbox *outbox, int64_t now_ms);

void outbox_close(struct outbox *outbox); /* NULL is fine; what is not committed is undone */

#endif
