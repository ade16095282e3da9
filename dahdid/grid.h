/* The grid: blocks of all calls of a card begin in the same millisecond, so that one wake-up serves all of them.
 * Called by frames (who takes part) and watch (blocks are there); calls both. Owns the order of those who take part.
 * One port of each card is its clock: it alone is waited for, and the others are read when its block is there. Whoever
 * has no block then comes later, and is the clock from then on.
 */
#ifndef GRID_H
#define GRID_H

struct port;

/* The port takes part from now on. The first of its card is the clock; any other begins at the clock's next block. */
void grid_join(struct port *port);

/* Not any more; somebody else becomes the clock. One that takes no part is fine. */
void grid_leave(struct port *port);

/* Blocks of the clock are there: reads those of all ports of its card. They may leave, and be closed, meanwhile. */
void grid_turn(struct port *clock);

#endif
