/* The driver's ioctls: a table number -> what it does, for the control file and for channels.
 * Called by files; calls chan and port. The only room besides chan's that reads <dahdi/user.h> for structures.
 * Owns nothing. Arguments are copies of _IOC_SIZE(command) bytes, suitably aligned.
 */
#ifndef SIM_IOCTLS_H
#define SIM_IOCTLS_H

#include "bank.h"

#define IOCTLS_ARGUMENT 640 /* bytes; all that a known command needs */
#define IOCTLS_SLEEP 1      /* the caller waits: ask ioctls_resume when something happened */

/* Whether there is an ioctl of this name, such as GETEVENT. */
bool ioctls_is_named(const char *name);

/* On the control file. 0 or negative errno; -ENOTTY: no such ioctl here. */
int ioctls_control(struct bank *bank, unsigned int command, void *argument);

/* On a channel. 0, IOCTLS_SLEEP or negative errno. */
int ioctls_channel(struct bank *bank, struct port *port, unsigned int command, void *argument);

/* On a timer. 0 or negative errno. */
int ioctls_timer(struct bank_timer *timer, unsigned int command, void *argument);

/* Looks again after IOCTLS_SLEEP, with the argument as it came first. 0, IOCTLS_SLEEP or negative errno. */
int ioctls_resume(struct port *port, unsigned int command, void *argument);

/* What faults call a command: its name without DAHDI_; "" when it is unknown. */
const char *ioctls_name(unsigned int command);

#endif
