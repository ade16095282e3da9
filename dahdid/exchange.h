/* A line to an exchange (FXO port): its ring and who calls, seizing, dialling, answer and end.
 * Called by leg (begin), life_exchange (actions), frames and watch; calls chan, frames, ask and tell. Owns what it
 * hears.
 */
#ifndef EXCHANGE_H
#define EXCHANGE_H

#include "hs_proto.h"

struct exchange;
struct port;

/* Takes the leg over and seizes the line. The port is idle. -EINVAL: the description or number is not one; -ENOSPC. */
int exchange_begin(struct port *port, const struct hs_leg_originate *request);

/* Opens the loop for a moment: a register recall. -EPROTO: nothing is dialled or answered; -EBUSY and what else the
 * driver says. */
int exchange_recall(struct port *port);

/* A block came; only noted: nothing happens to the port in the middle of a block. */
void exchange_hear(struct port *port, const uint8_t *block, size_t bytes);

/* What was heard has its effect. */
void exchange_act(struct port *port);

/* Goes on with a call of a predecessor; what was no call yet is given up. */
void exchange_restore(struct port *port);

void exchange_create(struct port *port);
void exchange_destroy(struct exchange *exchange); /* NULL is fine */

/* ---- guards and actions ---- */

bool exchange_answers_at_once(const void *object, const void *argument);
bool exchange_answers_by_polarity(const void *object, const void *argument);
bool exchange_answers_by_voice(const void *object, const void *sound);
bool exchange_heard_busy(const void *object, const void *sound);
bool exchange_heard_tone(const void *object, const void *sound);
bool exchange_has_number(const void *object, const void *argument);

void exchange_ready(void *object, const void *argument);
void exchange_rung(void *object, const void *argument);
void exchange_offer(void *object, const void *argument);
void exchange_rings_on(void *object, const void *argument);
void exchange_caller_gone(void *object, const void *argument);
void exchange_refuse(void *object, const void *end);
void exchange_unheard(void *object, const void *argument);
void exchange_answer(void *object, const void *argument);
void exchange_seize(void *object, const void *argument);
void exchange_collided(void *object, const void *argument);
void exchange_dial(void *object, const void *argument);
void exchange_dialled(void *object, const void *argument);
void exchange_answered(void *object, const void *argument);
void exchange_busy(void *object, const void *sound);
void exchange_undialled(void *object, const void *argument);
void exchange_no_answer(void *object, const void *argument);
void exchange_dropped(void *object, const void *argument);
void exchange_turned_back(void *object, const void *argument);
void exchange_hang_up(void *object, const void *end);

#endif
