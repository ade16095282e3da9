/* Calls that a telephone begins, and what both kinds of call have in common once the handset is up: answer, flash,
 * digits, the end, and what becomes of a handset that stays up. Called by life (actions) and restore; calls chan,
 * frames, ask and tell. Owns nothing.
 */
#ifndef LIFT_H
#define LIFT_H

#include "hs_proto.h"

struct port;

/* Goes on with what a predecessor had begun. */
void lift_restore_offered(struct port *port);
void lift_restore_up(struct port *port);
void lift_restore_releasing(struct port *port);
void lift_restore_parked(struct port *port);

/* ---- guards and actions ---- */

bool lift_is_described(const void *object, const void *argument);

void lift_offer(void *object, const void *argument);
void lift_offer_parked(void *object, const void *argument);
void lift_note_answer(void *object, const void *argument);
void lift_answer(void *object, const void *argument);
void lift_unheard(void *object, const void *argument);
void lift_media_failed(void *object, const void *end);
void lift_abandoned(void *object, const void *argument); /* put down before the answer */

void lift_flash(void *object, const void *argument);
void lift_digit(void *object, const void *digit);
void lift_put_down(void *object, const void *argument);
void lift_hang_up(void *object, const void *end);

void lift_park(void *object, const void *argument);
void lift_unpark(void *object, const void *argument);
void lift_rest(void *object, const void *argument); /* the handset is down, and so are we */

#endif
