/* Keep-alive: OPTIONS to contacts behind NAT, so that the hole stays open and a dead phone is noticed.
 * Called by main; calls agent, locations, registrar. Owns its timer, the round under way and how many each contact
 * missed.
 */
#ifndef KEEPALIVE_H
#define KEEPALIVE_H

struct sipd;
struct keepalive;

/* Begins; sleeps while no contact is behind NAT. NULL when sip.keepalive_s is 0. */
struct keepalive *keepalive_create(struct sipd *sipd);

/* A binding changed: there may be work now. NULL is fine. */
void keepalive_wake(struct keepalive *keepalive);

void keepalive_stop(struct keepalive *keepalive);
void keepalive_destroy(struct keepalive *keepalive); /* NULL is fine */

#endif
