/* Watching the other daemons: who is away, and the events that say so.
 * Called by main, hear (a driver started) and serve (which parts there are); calls bus, eventlog and streams. Owns what
 * is known of each daemon; that it was told to be away is stored, so that our successor does not tell it again.
 */
#ifndef WATCH_H
#define WATCH_H

#include "apid.h"

/* Begins to watch all daemons of the suite. */
struct watch *watch_create(struct apid *apid);

/* The daemons of the suite but apid: fills at most HS_ROLES, returns how many. */
size_t watch_parts(const struct apid *apid, enum hs_role ret_roles[HS_ROLES]);

/* True when the daemon can be asked: connected, or heard of a moment ago while our connection to it is being made. */
bool watch_is_there(const struct apid *apid, enum hs_role role);

/* True, too, when it went a moment ago: its successor will be asked. For calls of phones, who are told nothing of it
 * and cannot ask again. */
bool watch_is_awaited(const struct apid *apid, enum hs_role role);

/* A process of this role said that it started. */
void watch_started(struct watch *watch, enum hs_role role, bool clean, int64_t at_ms);

void watch_destroy(struct watch *watch); /* NULL is fine */

#endif
