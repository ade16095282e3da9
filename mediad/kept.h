/* What a successor finds of the ends: a record each, written in place, and descriptors and larger memory that the
 * keeper holds. Called by session, the ends' rooms and rtp_socket; calls journal and keeper. Owns nothing: a record is
 * its end's from kept_make to kept_drop, memory its room's.
 */
#ifndef MEDIAD_KEPT_H
#define MEDIAD_KEPT_H

#include "end.h"

/* A new record of so many bytes, zeroed, that begins with struct end_record. It counts from the first kept_note on.
 * NULL: the journal is full. */
void *kept_make(struct world *world, const char *id, enum hs_media_kind kind, size_t bytes);

/* Writes down what the end knows of itself: call, owner, codec and whom it is joined to. */
void kept_note(struct end *end);

/* The end is no more, or cannot be taken up again. */
void kept_drop(struct world *world, const char *id);

/* Reads what kept_note wrote. */
void kept_read(struct end *end, struct end_record *record);

/* Visits the records that a predecessor left and that were complete; the visitor may drop its one. */
void kept_each(struct world *world,
	       void (*visit)(void *context, const char *id, struct end_record *record, size_t bytes), void *context);

/* Memory of so many bytes under a name: what a predecessor left there, or zeroed; ret_is_found tells which. Never NULL;
 * where the keeper cannot hold it, it ends with us. */
void *kept_map(struct world *world, const char *name, size_t bytes, bool *ret_is_found);

/* Visits the memory that a predecessor left under names with this prefix; the visitor keeps it, or gives it up. */
void kept_each_map(struct world *world, const char *prefix,
		   void (*visit)(void *context, const char *name, void *memory, size_t bytes), void *context);

/* Gives it up; nobody finds it any more. */
void kept_unmap(struct world *world, const char *name, void *memory, size_t bytes);

/* The keeper holds the descriptor; where it cannot, that is logged and all goes on. */
void kept_hold(struct world *world, const char *name, int fd);

#endif
