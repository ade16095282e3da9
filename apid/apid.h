/* apid: call control, event log, permissions, store. What its rooms and doors share.
 * Included by the doors (main, serve*, ask, hear, feed) only; rooms know each other by their own headers.
 * Owns everything in it, from start to finish.
 */
#ifndef APID_H
#define APID_H

#include "auth.h"
#include "calls.h"
#include "daemon.h"
#include "early.h"
#include "idempotency.h"
#include "streams.h"

struct asks;
struct hearing;
struct incoming;
struct watch;

struct apid {
	struct hs_house *house;
	struct store *store;
	struct eventlog *log;
	struct lines *lines;
	struct routes *routes;
	struct calls *calls;
	struct streams *streams;
	struct auth *auth;
	struct ceiling *ceiling;
	struct idempotency *idempotency;
	struct incoming *incoming;
	struct asks *asks;
	struct early *early;
	struct hearing *hearing;
	struct watch *watch;
	bool stopping; /* nothing more is begun */
};

/* serve.c: a door for each request that serve.h's tables have. Returns how many. */
size_t apid_doors(struct hs_door ret_doors[HS_MESSAGES]);

/* hear.c: goes on after the facts our predecessor committed. */
void hear_start(struct apid *apid);

/* Acknowledges what is kept; after the store's end. Not started: fine. */
void hear_stop(struct apid *apid);

/* feed.c: publishes a committed event on the edge of its audience. */
void feed_event(void *context, const struct eventlog_entry *entry);

#endif
