/* The event that is being taken from the driver, in memory that outlives us: the driver writes it there itself, so that
 * nobody's death can lose it between the driver and the journal. Called by watch, made by ports; calls the journal.
 * Owns nothing: the memory is the journal's.
 */
#ifndef TAKING_H
#define TAKING_H

#include <stdint.h>

struct hs_journal;

struct taking_memory {
	uint64_t told; /* newest fact before the event */
	int number;    /* the driver's; 0: none is in hand */
	int is_left;   /* found by a successor: whatever is told meanwhile was not about it */
};

struct taking {
	struct hs_journal *journal;
	struct taking_memory *memory, own; /* own: when the journal has no room */
};

/* That of a line. Before any fact is told. */
void taking_open(struct taking *taking, struct hs_journal *journal, const char *line);

/* Before an event is taken: where the driver shall write its number. Until taking_end no fact may be told that does not
 * follow from it. */
int *taking_begin(struct taking *taking);

/* All that follows from it was told. */
void taking_end(struct taking *taking);

/* The event that a predecessor took and told nobody of: it is in hand again, until taking_end. 0: none. */
int taking_left(struct taking *taking);

#endif
