/* Early facts: what mediad tells of a leg before its driver has told of the leg. Two sources have no order between
 * them, least of all when both repeat themselves to our successor; a digit must not be lost for that. Called by hear;
 * calls the store. Owns copies of the facts, which are rows too, for half a minute.
 */
#ifndef EARLY_H
#define EARLY_H

#include "bus.h"
#include "store.h"

struct early;

/* Restores what waits. */
struct early *early_create(struct store *store, uv_loop_t *loop);

/* Keeps a fact for a leg that is not known yet. */
void early_add(struct early *early, const char *leg, const struct hs_fact *fact);

/* The leg has come: hands its facts on, in order, and forgets them. */
void early_replay(struct early *early, const char *leg, void (*hear)(void *context, const struct hs_fact *fact),
		  void *context);

/* NULL is fine; rows stay. The loop must turn once more. */
void early_destroy(struct early *early);

#endif
