/* Match: which endpoint wants which event, and the bytes it gets.
 * Called by dispatch for every event; calls wire. Pure. Owns nothing.
 * The two endpoints of the configuration get exactly the members that were promised for them, in that order; endpoints
 * made by the API get the whole event.
 */
#ifndef HOOKD_MATCH_H
#define HOOKD_MATCH_H

#include "wire.h"

enum match_kind {
	MATCH_STATE, /* webhooks.outgoing.state */
	MATCH_DTMF,  /* webhooks.outgoing.dtmf */
	MATCH_EVENT, /* made by the API */
};

/* Words of a filter. Borrowed; none: all. */
struct match_words {
	const char *const *words;
	size_t count;
};

/* What an endpoint wants. types: of MATCH_STATE new states; of MATCH_EVENT event types ("call.ended"), groups of them
 * ("call.*", "*"), or new states of a line. */
struct match_filter {
	enum match_kind kind;
	struct match_words types, lines, calls;
};

/* True when the filter wants the event. webhook.failed is never wanted: it would feed itself. */
bool match_wants(const struct match_filter *filter, const struct hs_event_head *head, const struct hs_json *event);

/* The body for this kind of endpoint: new text (free). text: the whole event as JSON. */
char *match_body(enum match_kind kind, const struct hs_json *event, const char *text, size_t bytes);

#endif
