/* Finding channels: opening those of our lines, setting them up, noticing what keeps them from working, and trying
 * again. Called by begin (survey), life (away, alarm) and restore; calls chan, watch and the keeper. Owns the open
 * channels.
 */
#ifndef FIND_H
#define FIND_H

#include "hs_proto.h"

struct dahdid;
struct port;

/* Looks for all ports now, and every second for those that are away. */
void find_begin(struct dahdid *dahdid);

/* Takes a channel over that is open and set up, as a predecessor left it. False: it is not usable any more, and
 * closed. */
bool find_take_over(struct port *port, int fd);

/* ---- actions ---- */

void find_ready(void *object, const void *argument);
void find_lifted(void *object, const void *argument);
void find_alarmed(void *object, const void *argument);
void find_away(void *object, const void *trouble);

/* Guard: the handset is off the hook now. */
bool find_guard_lifted(const void *object, const void *argument);

#endif
