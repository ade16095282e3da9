/* Watching a port's channel: its events become those of the state machine, its blocks go to frames; and the hook is
 * looked at again whenever events may have been missed. Called by find (begin, end), frames and life. Owns the poll
 * handle.
 */
#ifndef WATCH_H
#define WATCH_H

#include <stdbool.h>

struct port;

#define WATCH_BLOCKS 6        /* that the card keeps in each direction */
#define WATCH_SOUND_BLOCKS 32 /* of a sound that is known beforehand: a stall of the host must not spoil it */

/* Waits for events of the open channel. -errno. */
int watch_begin(struct port *port);

/* Not any more; before the channel is closed. */
void watch_end(struct port *port);

/* Waits for blocks too, or no longer. */
void watch_audio(struct port *port, bool is_on);

/* Reads at most so many blocks, and does what follows from them. The channel may be closed afterwards. */
void watch_blocks(struct port *port, int most);

/* Does what follows from the event that a predecessor took from the driver and told nobody of. The channel may be
 * closed afterwards. */
void watch_left(struct port *port);

/* Takes all events that wait. The channel may be closed afterwards. */
void watch_events(struct port *port);

/* Looks at the hook in so many ms, and again later when it is not what the state says: events may have been missed. */
void watch_hook(struct port *port, int ms);

/* The hook moved as far as the state goes: doubts of before are void. */
void watch_moved(struct port *port);

#endif
