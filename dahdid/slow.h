/* Calls of the driver that may sleep on a card: made by a worker, so that audio never waits for them.
 * Called by ring, lift and figures; calls chan. Owns a duplicate of the channel for each call in progress.
 */
#ifndef SLOW_H
#define SLOW_H

#include "chan.h"

struct port;

struct slow_call {
	int (*work)(struct chan *chan, struct slow_call *call); /* in the worker: touches only these two */
	int value;                                              /* for it */
	int result;                                             /* of it */
	int mv[3];
};

typedef void slow_done(void *context, struct port *port, const struct slow_call *call);

/* Makes a call for the port's open channel; done (may be NULL) comes later on the loop. -errno when it cannot begin. */
int slow_begin(struct port *port, const struct slow_call *call, slow_done *done, void *context);

/* The usual ones. */
int slow_polarity(struct port *port, bool is_reversed, slow_done *done);
int slow_on_hook_transfer(struct port *port, int ms, slow_done *done);
int slow_lamp(struct port *port);

#endif
