/* Names to addresses, asynchronously (c-ares), with a small cache that keeps to the answers' time to live.
 * Called by deliver and hook-stream, which check every address (egress) and pin the connection to them. The only code
 * that knows c-ares. Owns the channel and the cache; on the loop's thread only.
 */
#ifndef HOOKD_RESOLVE_H
#define HOOKD_RESOLVE_H

#include "egress.h"
#include <uv.h>

struct resolve;
struct resolve_question;

/* Starts on the loop. NULL with a log line. */
struct resolve *resolve_create(uv_loop_t *loop);

/* Addresses of a host from the cache, at most EGRESS_MAX_ADDRESSES. How many; 0: not known now. */
size_t resolve_known(struct resolve *resolve, const char *host, struct egress_address *ret_addresses);

/* Asks. answered is called once, later: count 0 and why (a sentence) when there is no answer. Several questions for one
 * name become one. The question is gone after the answer. */
struct resolve_question *resolve_ask(struct resolve *resolve, const char *host,
				     void (*answered)(void *context, const struct egress_address *addresses,
						      size_t count, const char *why),
				     void *context);

/* answered will not be called. NULL is fine. */
void resolve_forget(struct resolve_question *question);

/* Ends; open questions are dropped without a word. Handles close on the loop's next turns. NULL is fine. */
void resolve_destroy(struct resolve *resolve);

#endif
