/* Port pairs for RTP and RTCP: chosen at random, resting after use. Pure: time and randomness are arguments.
 * Called by leg_rtp, which opens the sockets; calls nobody. Owns the list of free and resting pairs.
 * A pair that was used rests for 30 s, so that late packets of a dead session meet no new one, and then goes to the end
 * of the free list; when nothing else is left the one that rested longest is taken.
 */
#ifndef MEDIAD_PORTS_H
#define MEDIAD_PORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PORTS_REST_MS 30000

struct ports;

/* Pairs of an even port and the odd one above it, both within first..last. NULL when there is none. */
struct ports *ports_create(uint16_t first, uint16_t last);

/* Takes a pair; random chooses among the rested ones. Returns the even port; 0: all are in use. */
uint16_t ports_take(struct ports *ports, int64_t now_ms, uint32_t random);

/* Takes the pair that begins with this port, and no other. False: it is in use, or none of ours. */
bool ports_claim(struct ports *ports, uint16_t port);

/* Gives a pair back, to rest. Ports that were not taken are ignored. */
void ports_give(struct ports *ports, uint16_t port, int64_t now_ms);

/* Whether a port lies in the range. */
bool ports_has(const struct ports *ports, uint16_t port);

/* Whether a leg has it now. Others in the range may be a phone's on this machine. */
bool ports_is_taken(const struct ports *ports, uint16_t port);

/* Pairs in use. */
size_t ports_used(const struct ports *ports);

void ports_destroy(struct ports *ports); /* NULL is fine */

#endif
