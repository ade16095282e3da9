/* Audio between a port's channel and mediad: blocks of the card, paced by its clock, each answered by one of mediad's.
 * Called by watch (blocks), ring and lift (begin, end); calls chan and the audio edge. Owns each port's audio.
 * Nothing is allocated, logged or waited for on the way of a block.
 */
#ifndef FRAMES_H
#define FRAMES_H

#include "hs_proto.h"

struct dahdid;
struct port;

/* Connects the audio edge, and finds when the predecessor of each port was heard last. -EADDRNOTAVAIL. */
int frames_open(struct dahdid *dahdid);

/* After ports were restored: calls that did not go on will not be heard again. */
void frames_restored(struct dahdid *dahdid);

/* Takes hold of the port's grant at mediad, as soon as there is a connection. Without a grant: nothing. */
void frames_attach(struct port *port);

/* Blocks go both ways from now on. What stood in the card is dropped. */
void frames_begin(struct port *port);

/* Plays a sound instead, alone; frames_sound_ended is true once all of it was heard. The sound is the port's from now
 * on. */
void frames_play(struct port *port, uint8_t *sound, size_t bytes);

/* The whole sound was played: it is gone, and no blocks go any more. */
bool frames_sound_ended(struct port *port);

/* Blocks come up for exchange_hear only: nobody is told, nothing is played. */
void frames_listen(struct port *port);

/* Nothing is written to the card from now on, or again: what is written goes before what the driver plays or dials. */
void frames_mute(struct port *port, bool is_mute);

/* No blocks any more. Off is fine. */
void frames_end(struct port *port);

/* Lets go of the grant. None is fine. */
void frames_detach(struct port *port);

/* Events were taken: what they kept out goes to the card now. */
void frames_put_kept(struct port *port);

/* The block that is being collected begins anew, and so does what waits to be heard: both were silence. */
void frames_align(struct port *port);

/* Blocks that the card should have by its clock, at least 1: asking for one more would be in vain, mostly. */
int frames_due(const struct port *port);

/* Reads at most so many of the blocks that wait. 0, or -CHAN_ELAST: look for events first; -ENODEV: the card is gone.
 */
int frames_read(struct port *port, int most);

#endif
