/* What goes out over exchange lines, held below the ceilings whoever asks for it: numbers, calls at once and in an
 * hour. Called by leg; calls common's ceilings. Owns them, and how often each line was taken: a record of the journal.
 */
#ifndef OUTGOING_H
#define OUTGOING_H

#include <stdbool.h>

struct dahdid;
struct outgoing;
struct port;

struct outgoing *outgoing_create(struct dahdid *dahdid);

/* Whether a call may go out on this line with this number; emergency numbers always may. If not, it is counted and told
 * in the log, and ret_why (HS_CEILING_WHY bytes) says why. */
bool outgoing_may(struct outgoing *outgoing, const struct port *port, const char *number, char *ret_why);

/* The line was taken. */
void outgoing_taken(struct outgoing *outgoing, const struct port *port);

void outgoing_destroy(struct outgoing *outgoing); /* NULL is fine */

#endif
