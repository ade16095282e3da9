/* The steps of a call between us and a channel, as trace records: commands that go down, events that come up.
 * Called by watch (events) and by whoever works the hook of a port; calls chan. Owns nothing.
 */
#ifndef LADDER_H
#define LADDER_H

#include "chan.h"

struct port;

/* Works the hook of the port (chan_hook), with its step in the ladder. */
int ladder_hook(struct port *port, enum chan_hook hook);

/* Something else that goes down the line. */
void ladder_sent(const struct port *port, const char *what);

/* An event that came up. */
void ladder_came(const struct port *port, const struct chan_event *event);

#endif
