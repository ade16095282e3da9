/* Start and end of dahdid: what its keeper prepares, how its rooms are built, in which order they go.
 * Called by the skeleton through main.c's table. Owns the daemon's struct.
 */
#ifndef BEGIN_H
#define BEGIN_H

#include "daemon.h"

/* Keeper: the device's group and the limits that real-time work needs, for the child to have. */
int begin_open(const struct hs_config *config, const char *home, int (*hold)(const char *name, int fd));

int begin_start(struct hs_house *house);
void begin_stop(struct hs_house *house);
void begin_finish(struct hs_house *house);

#endif
