/* Gathering: the keys that one party of a call presses, into one answer.
 * Called by calls (keys, sounds, ends), call_record (to keep it) and serve_parties; asks mediad and tells through
 * calls. Owns the gathering of a call, of which there is one at most.
 */
#ifndef GATHER_H
#define GATHER_H

#include "calls.h"

struct gather_order {
	struct leg *leg; /* whose keys count */
	int64_t min, max;
	const char *terminators; /* "": none */
	int64_t first_timeout_ms, digit_timeout_ms;
	const char *prompt; /* sound after which the first time-out begins, or NULL */
};

/* Begins to gather; one that is in work is stopped. Its id, valid until it ends. */
const char *gather_begin(const struct gather_order *order);

/* Ends and tells what is in work; false: nothing is. ret_id, which may be NULL, gets its id. */
bool gather_end(struct call *call, enum hs_gather_end reason, char ret_id[65]);

/* A key of a leg went down or came up. */
void gather_key_down(struct leg *leg);
void gather_key_up(struct leg *leg, char digit);

/* A sound was heard, or cut. */
void gather_played(struct leg *leg, const char *play);

/* No more keys of the leg will be told. */
void gather_leg_closed(struct leg *leg);

/* What is in work, to be kept; NULL: nothing. The caller frees it. */
char *gather_save(const struct call *call);

/* Goes on with what a predecessor kept, or NULL. */
void gather_restore(struct call *call, const char *kept);

/* Forgets it without a word: the call leaves memory. */
void gather_drop(struct call *call);

#endif
