/* The message-waiting lamp of a telephone: by voltage, which the card makes, or by data, which is played on hook.
 * Called by figures and find (news), life (actions) and watch (the sound's end); calls slow, callerid and frames.
 * Owns when a lamp is told; what it was told last is in the port's record.
 */
#ifndef LAMP_H
#define LAMP_H

struct port;

/* The lamp is to show as many messages as the record says: now, or as soon as the port is idle. */
void lamp_show(struct port *port);

/* The port entered another state. */
void lamp_moved(struct port *port);

/* The data were played. */
void lamp_sound_ended(struct port *port);

/* ---- actions ---- */

void lamp_begin(void *object, const void *argument);
void lamp_alerted(void *object, const void *argument);
void lamp_end(void *object, const void *argument);
void lamp_cut(void *object, const void *argument);
void lamp_cut_by_handset(void *object, const void *argument);

#endif
