/* Tones that the driver makes by itself: the zone's sounds, and dial strings by keys or pulses.
 * Called by chan and hook; calls hook for pulses. Owns nothing.
 */
#ifndef SIM_DIALLING_H
#define SIM_DIALLING_H

#include "chan.h"

/* Stops tone and dialling. */
void dialling_stop(struct chan *chan);

/* Goes on with the dial string; DIALCOMPLETE when it is used up. */
void dialling_next(struct chan *chan);

#endif
