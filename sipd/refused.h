/* Refused: INVITEs that got a final answer without a transaction, so that their repetitions get the same (RFC
 * 3261 16.11). Else one that was refused under load and came again a moment later would begin a call, and its caller,
 * who has read the refusal, would never know of it. Pure: takes the time as an argument. Called by request; calls
 * nobody. Owns a table of fixed size, in which a newer one takes an older one's place.
 */
#ifndef REFUSED_H
#define REFUSED_H

#include <stdint.h>

struct refused;

/* An INVITE, by what its repetitions have in common. */
struct refused_name {
	const char *call_id, *branch; /* branch NULL: none */
	uint32_t cseq;
};

struct refused *refused_create(void);

/* It was answered with this status. */
void refused_note(struct refused *refused, const struct refused_name *name, int status, int64_t now_ms);

/* What it was answered within the last 64*T1, as long as its sender may repeat it; 0: nothing. */
int refused_status(const struct refused *refused, const struct refused_name *name, int64_t now_ms);

void refused_destroy(struct refused *refused); /* NULL is fine */

#endif
