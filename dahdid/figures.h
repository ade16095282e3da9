/* What is known of a port for those who ask: state, figures, line voltages; and the message-waiting lamp.
 * Called by serve and begin; calls chan by workers. Owns nothing.
 */
#ifndef FIGURES_H
#define FIGURES_H

#include "bus.h"

struct dahdid;

/* line.port: voltages are measured before the answer, where the card can. */
void figures_port(void *context, struct hs_request *request);

/* line.messages */
void figures_messages(void *context, struct hs_request *request);

/* Measures all ports now and then, as configured. */
void figures_begin(struct dahdid *dahdid);

#endif
