/* Begin: how sipd comes up and goes down: one can read the whole wiring here.
 * Called by common's daemon through main.c's table. Owns struct sipd.
 */
#ifndef BEGIN_H
#define BEGIN_H

#include "daemon.h"

/* Keeper: binds the SIP sockets, so that they outlive every child and an address in use is told at once. */
int begin_open(const struct hs_config *config, const char *home, int (*hold)(const char *name, int fd));

int begin_start(struct hs_house *house);
void begin_stop(struct hs_house *house);
void begin_finish(struct hs_house *house);

#endif
