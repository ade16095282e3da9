/* Questions we ask mediad about our own legs, with deadlines.
 * Called by lift and ring; calls the bus. Owns nothing; a ticket can be forgotten with port_forget_question.
 */
#ifndef ASK_H
#define ASK_H

#include "bus.h"

struct port;

typedef void ask_answered(void *context, const struct hs_answer *answer);

/* Describes the port's audio: as an offer when its telephone begins, as the answer when it was rung. Its ticket is the
 * port's. */
void ask_describe(struct port *port, enum hs_description_role role, ask_answered *answered);

#endif
