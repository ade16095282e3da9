/* Breaks of the loop below 200 ms, which the driver counts as pulses of a dial: digits, a register recall, or nothing.
 * Called by watch; steps the port. Owns nothing.
 */
#ifndef PULSE_H
#define PULSE_H

struct port;

/* The first pulse of a digit. */
void pulse_began(struct port *port);

/* The driver counted them: one of 0-9 * #. */
void pulse_ended(struct port *port, char digit);

#endif
