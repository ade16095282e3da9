/* Match: which endpoint wants which event, and the bytes it gets.
 * Called by dispatch for every event and by serve to judge a new filter; calls wire. Pure. Owns nothing.
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

/* What an endpoint wants. words: of MATCH_STATE new states; of MATCH_EVENT event types ("call.ended"), groups of them
 * ("call.*", "*"), or new states of a line. Empty: all. */
struct match_filter {
	enum match_kind kind;
	const char *const *words;
	size_t count;
};

/* True when the filter wants the event. webhook.failed is never wanted: it would feed itself. */
bool match_wants(const struct match_filter *filter, const char *type, const struct hs_json *event);

/* True when the word can match any event that there is. */
bool match_word_valid(const char *word);

/* The body for this kind of endpoint: new text (free). text: the whole event as JSON. */
char *match_body(enum match_kind kind, const struct hs_json *event, const char *text, size_t bytes);

#endif
