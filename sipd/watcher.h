/* Watcher: one phone that is told how many messages wait for its line (RFC 3842): by a subscription of its own (RFC
 * 6665), or unasked where its line says so. The record is plain and in the journal before the phone hears of it.
 * Called by lamp; calls path, journal. Owns itself, its request under way, and its record.
 */
#ifndef WATCHER_H
#define WATCHER_H

#include "agent.h"
#include "dialog.h"

#define WATCHER_UNTOLD (-1)

/* All that a successor needs to know. Plain. */
struct watcher_record {
	uint32_t layout;
	bool unasked; /* no subscription: it lives as long as the binding */
	char id[40];  /* our tag, and its name in the journal */
	char line[65];
	char call_id[256];
	char remote_tag[128];         /* "" when unasked */
	char local[320], remote[320]; /* From and To without tags, seen from us */
	char target[DIALOG_TARGET];   /* Request-URI of what we send */
	struct peer peer;
	uint32_t local_cseq, remote_cseq;
	int64_t expires_ms; /* hs_clock_lasting_ms */
	int told;           /* what the phone was told last and confirmed, or WATCHER_UNTOLD */
};

struct watcher {
	struct watcher_record r;
	struct sipd *sipd;
	struct watcher *next; /* of the line; lamp's */
	nta_leg_t *leg;
	nta_outgoing_t *notify;
	int waiting;                           /* what it should be told */
	int sent;                              /* what the request under way says */
	bool over;                             /* the request under way is the last one; then it goes */
	void (*gone)(struct watcher *watcher); /* the phone wants no more of it */
};

/* A new one with an id of its own, or NULL for a record of another version. */
struct watcher *watcher_create(struct sipd *sipd, void (*gone)(struct watcher *watcher));
struct watcher *watcher_restore(struct sipd *sipd, const void *record, size_t bytes,
				void (*gone)(struct watcher *watcher));

/* Writes the record. -ENOSPC: the journal is full. */
int watcher_save(struct watcher *watcher);

/* Tells the phone, now or when it has answered what is under way. always: though it knows already. */
void watcher_tell(struct watcher *watcher, int waiting, bool always);

/* Says that it is over and why ("timeout", "noresource"); gone is called when that was answered. */
void watcher_end(struct watcher *watcher, const char *why);

/* The record goes too, unless a successor shall go on with it. NULL is fine. */
void watcher_destroy(struct watcher *watcher, bool keeps_record);

#endif
