/* Dispatch: which delivery leaves when. The middle of hookd: match, outbox, sign, deliver and retry meet here.
 * Called by hear (events), serve (requests) and declare (endpoints of the configuration). Owns lanes and endpoints.
 *
 * An event is safe in apid's log until the cursor has moved behind it, and the cursor moves in the transaction that
 * writes all deliveries that still wait or are under way. So first attempts leave at once, that transaction comes a few
 * milliseconds later for all events and results together, and what was accepted meanwhile never costs a row. Dying
 * before it repeats messages with the same ids. When the disk refuses, nothing more leaves until it takes writes again,
 * and what was not committed is read anew.
 */
#ifndef HOOKD_DISPATCH_H
#define HOOKD_DISPATCH_H

#include "daemon.h"
#include "deliver.h"
#include "endpoint.h"
#include "follow.h"
#include "retry.h"

#define DISPATCH_MAX_ENDPOINTS 1000

struct dispatch;
struct lane;
struct ledger;

struct dispatch_setup {
	struct hs_house *house;
	struct outbox *outbox;
	struct deliver *deliver;
	const struct egress_rules *rules;
	/* A transaction was undone: go back to the outbox's cursor. */
	void (*undone)(void *context);
	/* A delivery was given up, or its endpoint disabled. */
	void (*failed)(void *context, const struct hs_hook_failed *failure);
	void *context;
};

/* Makes lanes for all endpoints in the outbox. Nothing leaves before dispatch_start. */
struct dispatch *dispatch_create(const struct dispatch_setup *setup);
void dispatch_start(struct dispatch *dispatch);

/* Queues an event for whoever wants it, and moves the cursor behind it. */
void dispatch_take(struct dispatch *dispatch, const struct follow_event *event);

/* Moves the cursor without an event. */
void dispatch_place(struct dispatch *dispatch, const char *cursor, int64_t seq);

/* Whether the disk refuses writes: nothing can be promised now. */
bool dispatch_is_stuck(const struct dispatch *dispatch);

/* Commits now what somebody was promised. 0 or -errno; then it is undone. */
int dispatch_commit(struct dispatch *dispatch);

/* An endpoint by id, or NULL; borrowed until the next call that removes one. */
struct endpoint *dispatch_find(struct dispatch *dispatch, const char *id);

/* The log of its attempts. */
struct ledger *dispatch_ledger(struct dispatch *dispatch, const struct endpoint *endpoint);

/* Until it is let go, an endpoint is not freed, though it may be removed. Returns what names it. */
struct lane *dispatch_hold(struct dispatch *dispatch, const struct endpoint *endpoint);
void dispatch_let_go(struct lane *lane);

/* Takes over an endpoint that is not known yet and writes it. -ENOSPC at DISPATCH_MAX_ENDPOINTS. */
int dispatch_add(struct dispatch *dispatch, struct endpoint *endpoint);

/* Its settings were changed: writes it, tries again what waits. */
void dispatch_changed(struct dispatch *dispatch, struct endpoint *endpoint);

/* Seals the secrets of all endpoints to our newest key: how many there were, or -errno. */
int dispatch_reseal(struct dispatch *dispatch);

/* Removes an endpoint and what waits for it. */
void dispatch_remove(struct dispatch *dispatch, struct endpoint *endpoint);

/* Visits all endpoints in order of id. */
void dispatch_each(struct dispatch *dispatch, void (*visit)(void *context, struct endpoint *endpoint), void *context);
size_t dispatch_count(const struct dispatch *dispatch);

/* Tries a dead letter again. -ENOENT. */
int dispatch_replay(struct dispatch *dispatch, const char *delivery);

/* Tries all dead letters of an endpoint again, or of all (NULL). How many there were. */
int64_t dispatch_replay_all(struct dispatch *dispatch, const struct endpoint *endpoint);

/* Sends an event again to an endpoint, if its filter wants it; as a dead letter where it is one. 1: it is queued, 0:
 * not wanted, -EBUSY: too many wait. */
int dispatch_repeat(struct dispatch *dispatch, struct endpoint *endpoint, const struct follow_event *event);

/* Id of an endpoint by its number; "gone" when it was removed. */
const char *dispatch_name(const struct dispatch *dispatch, int64_t number);

/* No new attempts from now on. */
void dispatch_stop(struct dispatch *dispatch);

/* Frees everything; after deliver_destroy. NULL is fine. */
void dispatch_destroy(struct dispatch *dispatch);

#endif
