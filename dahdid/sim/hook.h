/* The hook machine inside chan: timers of both directions, ringing, battery drop, pulses.
 * Called by chan alone; calls the card through it. Owns nothing.
 */
#ifndef SIM_HOOK_H
#define SIM_HOOK_H

#include "chan.h"

/* Tells the card and enters a state, to be left after ms (0: stay). */
void hook_enter(struct chan *chan, enum chan_out out, enum chan_state state, int ms);

/* Hangs up as the driver does, with a battery drop where one is due. */
void hook_hang_up(struct chan *chan);

/* One millisecond of the outgoing and of the incoming side. */
void hook_tick_out(struct chan *chan);
void hook_tick_in(struct chan *chan);

/* Begins to send a digit by pulses. */
void hook_pulse(struct chan *chan, int digit);

#endif
