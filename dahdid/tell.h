/* Facts we tell apid.
 * Called by the rooms; calls the bus. Owns nothing but the ends that are still owed, in the ports' records.
 */
#ifndef TELL_H
#define TELL_H

#include "hs_proto.h"

struct dahdid;
struct port;

/* 0, or -ENOSPC when the journal is full: nothing was told then. */
int tell_fact(struct dahdid *dahdid, enum hs_message_id fact, const void *body);

/* True when this fact of the leg waits in the journal. What apid has acknowledged waits no more; but by then we had
 * long saved what it was about. */
bool tell_was_told(const struct dahdid *dahdid, enum hs_message_id fact, const char *leg);

/* True while there is room for a new call: the ends of those in progress must always find theirs. */
bool tell_has_room(const struct dahdid *dahdid);

/* The port's leg is over: told now, or later when there is no room; the port has no leg any more. No leg is fine. */
void tell_ended(struct port *port, enum hs_cause cause, bool by_far_end, const char *why);

/* An end that a predecessor owed. */
void tell_owed(struct port *port);

/* Whether the line can be rung, if that is not what was told last. */
void tell_line(struct port *port);

#endif
