/* Reception figures of one RTP source: lost, duplicate, reordered, jitter (RFC 3550 A.1, A.3, A.8). Pure.
 * Called by leg_rtp; calls nobody. A plain record that the caller keeps.
 */
#ifndef MEDIAD_FIGURES_H
#define MEDIAD_FIGURES_H

#include <stdbool.h>
#include <stdint.h>

struct figures {
	bool begun;
	uint32_t ssrc;
	uint32_t base, highest; /* extended sequences */
	uint64_t window;        /* bit n: highest - n was received */
	uint32_t anew;          /* what follows the last packet far behind, plus 65536; 0: there was none */
	uint32_t received;      /* of this source, without duplicates */
	uint64_t lost_before;   /* of earlier sources of the session */
	uint32_t transit;       /* arrival minus timestamp, in units */
	bool has_transit;
	uint32_t jitter; /* in 1/16 units, as A.8 keeps it */
	uint32_t expected_prior, received_prior;
};

enum figures_arrival {
	FIGURES_NEXT,      /* newer than all before */
	FIGURES_LATE,      /* out of order, and not seen yet */
	FIGURES_DUPLICATE, /* seen already, or too old to know */
	FIGURES_RESTART,   /* another source, or the same one after a jump: its numbers begin anew */
};

/* Counts a packet. arrival_us: monotonic. is_audio false: the timestamp says nothing about transit (telephone events).
 */
enum figures_arrival figures_add(struct figures *figures, uint32_t ssrc, uint16_t sequence, uint32_t timestamp,
				 int64_t arrival_us, bool is_audio);

/* Packets that never came, over all sources of the session; late ones may lower it again. */
uint64_t figures_lost(const struct figures *figures);

/* Interarrival jitter in microseconds. */
uint64_t figures_jitter_us(const struct figures *figures);

/* Fraction lost (1/256) since the last call, for a report. */
uint8_t figures_fraction(struct figures *figures);

#endif
