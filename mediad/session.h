/* The table of ends and their joins: who hears whom.
 * Called by serve, hear and main; calls kept, and the ends through their kinds. Owns the ends, from session_add to
 * session_close.
 */
#ifndef MEDIAD_SESSION_H
#define MEDIAD_SESSION_H

#include "end.h"

struct session;

struct session *session_create(struct world *world);

/* Takes up all ends that a predecessor left, joined as they were. What cannot be taken up is told. */
void session_restore(struct session *session);

/* The end, or NULL. */
struct end *session_find(const struct session *session, const char *id);

/* Takes an end over; its id must be new. */
void session_add(struct session *session, struct end *end);

/* Ends of a kind. */
size_t session_count(const struct session *session, enum hs_media_kind kind);

/* Joins two legs, or a leg and a stream; in any order, again is fine. A stream moves from the leg it had. -EBUSY: a leg
 * has another partner; -ENOSPC: a leg has END_STREAMS streams; -EINVAL: two streams, or an end with itself. */
int session_join(struct session *session, struct end *a, struct end *b);

/* Undoes all joins of an end. */
void session_part(struct session *session, struct end *end);

/* Parts the end, reports its figures and frees it. */
void session_close(struct session *session, struct end *end);

/* Closes all ends. */
void session_close_all(struct session *session);

/* With all ends closed. NULL is fine. */
void session_destroy(struct session *session);

#endif
