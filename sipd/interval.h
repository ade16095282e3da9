/* Interval: how long a session lasts unless it is refreshed, and who does that (RFC 4028).
 * Called by refresh; calls nobody. Pure: what the headers said goes in, what is agreed comes out.
 * Owns nothing.
 */
#ifndef INTERVAL_H
#define INTERVAL_H

#include <stdbool.h>
#include <stdint.h>

#define INTERVAL_LONGEST_S 86400 /* whatever a phone asks for: longer counts as this */

/* Our own wishes. */
struct interval_rules {
	int64_t wanted_s; /* what we ask for; 0: nothing, though a phone may */
	int64_t min_s;    /* shorter is refused */
	bool always;      /* phones that cannot do it are refreshed by us all the same */
};

enum interval_refresher { INTERVAL_NOBODY, INTERVAL_UAC, INTERVAL_UAS };

/* What a message said. */
struct interval_said {
	bool supported;    /* Supported or Require: timer */
	int64_t expires_s; /* Session-Expires; 0: none */
	int64_t min_s;     /* Min-SE; 0: none */
	enum interval_refresher refresher;
};

/* What is agreed. Plain: in the record of a dialog. */
struct interval {
	int32_t s;     /* 0: the session does not expire */
	int32_t min_s; /* the least that the peer has agreed to so far; 0: not known */
	bool ours;     /* we refresh it */
	bool spoken;   /* the peer knows of it */
};

/* True: the request must be answered with 422. Never one of who could not understand that. */
bool interval_is_too_brief(const struct interval_rules *rules, const struct interval_said *said);

/* What we agree to in the answer to a request. */
struct interval interval_of_request(const struct interval_rules *rules, const struct interval_said *said);

/* What holds after the answer to a request of ours that asked for asked_s (0: for nothing). */
struct interval interval_of_answer(const struct interval_rules *rules, const struct interval_said *said,
				   int64_t asked_s);

/* What to ask for after a 422 that named min_s. 0: not again, for it names nothing longer than asked_s. */
int64_t interval_after_422(int64_t min_s, int64_t asked_s);

/* After so long it is refreshed by us: half of it. */
int64_t interval_refresh_ms(const struct interval *interval);

/* After so long without a refresh it is over: a third before its end, at most 32 s (RFC 4028 10). */
int64_t interval_end_ms(const struct interval *interval);

#endif
