/* What somebody at the exchange does to the line of an FXO port.
 * Called by commands. Owns nothing; the state is in struct port.
 */
#ifndef SIM_FXO_H
#define SIM_FXO_H

#include "port.h"

/* Rings, with caller identity after the first burst unless both texts are "". -EBUSY: the line is in use. */
int fxo_ring(struct port *port, const char *number, const char *name);
void fxo_stop_ringing(struct port *port);

/* Battery there or not; with drop_ms it comes back by itself after that time. */
void fxo_battery(struct port *port, bool battery, int drop_ms);

/* Turns the polarity. */
void fxo_reverse(struct port *port);

/* A tone on the seized line, until another one. */
void fxo_play(struct port *port, enum fxo_sound sound);

#endif
