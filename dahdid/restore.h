/* Going on where a predecessor was killed: its channels are open still, their events wait, and its records say what it
 * did. Called by begin; calls find, watch, ring and lift. Owns nothing.
 */
#ifndef RESTORE_H
#define RESTORE_H

struct dahdid;

/* Takes over every channel that the keeper holds. Before the survey. */
void restore_ports(struct dahdid *dahdid);

#endif
