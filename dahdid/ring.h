/* Calls to a telephone: caller identification, cadence, answer.
 * Called by leg (begin), life (actions) and watch; calls chan, frames and callerid. Owns each port's ring.
 */
#ifndef RING_H
#define RING_H

#include "hs_proto.h"

struct dahdid;
struct port;

/* Takes the leg over and rings. The port is idle. -EINVAL: the description or cadence is not one; -ENOSPC: the journal
 * is full. */
int ring_begin(struct port *port, const struct hs_leg_originate *request);

/* The caller identification was played. */
void ring_sound_ended(struct port *port);

/* Goes on with the ring of a predecessor. */
void ring_restore(struct port *port);

/* ---- guards and actions ---- */

bool ring_announces(const void *object, const void *argument);
void ring_announce(void *object, const void *argument);
void ring_start(void *object, const void *argument);
void ring_burst_on(void *object, const void *argument);
void ring_burst_off(void *object, const void *argument);
void ring_answered(void *object, const void *argument);
void ring_timeout(void *object, const void *argument);
void ring_cancel(void *object, const void *end);
void ring_failed(void *object, const void *end);

#endif
