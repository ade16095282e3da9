/* Overload: when to refuse new calls so that those in progress go on (architecture, principle 8).
 * Called by request and leg for each new attempt; calls wiretap, agent, dialog, tell. Owns nothing; costs nothing when
 * idle. What counts is how long messages wait, before us and for call control: whoever waits too long sends again, and
 * work that nobody waits for any more is what makes an overload last.
 */
#ifndef OVERLOAD_H
#define OVERLOAD_H

struct sipd;

#define OVERLOAD_RETRY_S 5

/* Who wants a new call, the first to be refused first. */
enum overload_who {
	OVERLOAD_STRANGER,
	OVERLOAD_PHONE, /* an address with a registered phone */
	OVERLOAD_OURS,  /* apid: often the second leg of a call whose first one costs already */
};

/* Why a new call must be refused now, as a sentence; NULL: it is welcome. */
const char *overload_refuses(const struct sipd *sipd, enum overload_who who);

#endif
