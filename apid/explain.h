/* What became of a call, in plain sentences: from its record alone, so that it can still be said years later.
 * Called by serve_explain. Pure.
 */
#ifndef EXPLAIN_H
#define EXPLAIN_H

#include "hs_proto.h"

#define EXPLAIN_FINDINGS 32
#define EXPLAIN_TEXT 400

struct explanation {
	char sentence[EXPLAIN_TEXT]; /* one: what it came to, and why */
	size_t count;
	char findings[EXPLAIN_FINDINGS][EXPLAIN_TEXT]; /* how it was led, what each party's audio was like */
};

/* now_ms: since 1970, for calls that are not over. */
void explain_call(const struct hs_call *call, int64_t now_ms, struct explanation *ret);

#endif
