/* Lamp: how many messages wait for each line, and which phones are told: SUBSCRIBE and NOTIFY of message-summary (RFC
 * 3842, RFC 6665), and NOTIFY unasked where the line says so. Both outlive us: counts and watchers are journal records.
 * Called by request (SUBSCRIBE), serve (line.messages), begin (bindings that change); calls watcher.
 * Owns the counts, the watchers by line, and one timer.
 */
#ifndef LAMP_H
#define LAMP_H

#include "agent.h"
#include "locations.h"
#include "users.h"

#define LAMP_WATCHERS 10 /* of a line that have subscribed; the oldest one makes room */

struct sipd;
struct lamps;
struct hs_request;

struct lamps *lamps_create(struct sipd *sipd);

/* Takes what a predecessor left; after the bindings are there. */
void lamps_restore(struct lamps *lamps);

/* Takes an admitted SUBSCRIBE whose sender has proven who it is; msg is its own from now on. */
void lamps_subscribe(struct lamps *lamps, msg_t *msg, sip_t *sip, const struct user *user, const struct peer *peer);

/* line.messages */
void lamps_messages(struct lamps *lamps, struct hs_request *request);

/* A phone registered, refreshed, or went. */
void lamps_binding(struct lamps *lamps, const struct binding *binding, bool gone);

/* Closes its timer and ends its requests; the records stay. */
void lamps_stop(struct lamps *lamps);
void lamps_destroy(struct lamps *lamps); /* after the loop. NULL is fine */

#endif
