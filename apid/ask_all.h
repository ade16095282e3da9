/* One question to all other daemons of the suite at once.
 * Called by serve_*; calls watch (who is part of it) and the bus. Owns the answers until done has returned.
 */
#ifndef ASK_ALL_H
#define ASK_ALL_H

#include "apid.h"
#include "wire.h"

struct answers {
	struct hs_arena *arena; /* of what follows */
	size_t count;
	enum hs_role roles[HS_ROLES];
	const struct hs_json *of[HS_ROLES]; /* NULL: it did not answer in time, or refused */
};

/* body: of the message, or NULL; need not outlive the call. done is called once: with the last answer, or at the
 * deadline of the slowest. */
void ask_all(struct apid *apid, enum hs_message_id message, const void *body, int deadline_ms,
	     void (*done)(void *context, const struct answers *answers), void *context);

#endif
