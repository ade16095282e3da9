/* The socket on which commands come: one a line, one JSON object a line back.
 * Called by main; calls commands.
 * Owns the socket and its connections, bounded in number and in what they may send.
 */
#ifndef SIM_CONTROL_H
#define SIM_CONTROL_H

#include "bank.h"
#include <sys/types.h>
#include <uv.h>

struct control;

/* Listens on a socket file, which is made for owner and group with mode 0660, and is there only when somebody listens.
 * Negative errno; the reason is logged. *ret_control is to be stopped and destroyed all the same. */
int control_create(uv_loop_t *loop, struct bank *bank, const char *path, uid_t owner, gid_t group,
		   struct control **ret_control);

/* Lets those who wait look again; call it after each tick. */
void control_settle(struct control *control);

/* Closes everything and removes the file. The loop must run once more before control_destroy. */
void control_stop(struct control *control);
void control_destroy(struct control *control);

#endif
