/* The picture of a call: who said what to whom, one row each, in the order in which it happened.
 * Called by follow.c and its tests. Pure: it writes only to the stream it is given.
 * Owns copies of the records.
 */
#ifndef HOOKCTL_LADDER_H
#define HOOKCTL_LADDER_H

#include "hs_proto.h"
#include <stdio.h>

struct ladder;

/* width: columns of the page, at least 60. */
struct ladder *ladder_create(int width);

/* Adds a copy of a record. One that both ends of a bus message told is drawn once. */
void ladder_add(struct ladder *ladder, const struct hs_trace *record);

size_t ladder_count(const struct ladder *ladder);

/* Draws what was added since the last time, sorted by time. A head with the columns' names comes first, and again
 * whenever somebody new appears. */
void ladder_draw(struct ladder *ladder, FILE *out);

/* Visits all records sorted by time; borrowed for the visit. */
void ladder_each(struct ladder *ladder, void (*visit)(void *context, const struct hs_trace *record), void *context);

void ladder_destroy(struct ladder *ladder); /* NULL is fine */

#endif
