/* Overload: when to refuse new calls so that those in progress go on (architecture, principle 8).
 * Called by request and leg for each new attempt; calls wiretap, agent, dialog, tell. Owns nothing; costs nothing when
 * idle.
 */
#ifndef OVERLOAD_H
#define OVERLOAD_H

#include <stdbool.h>

struct sipd;

#define OVERLOAD_RETRY_S 5

/* Why a new call must be refused now, as a sentence; NULL: it is welcome. registered: of a phone that we know, which is
 * served a little longer. */
const char *overload_refuses(const struct sipd *sipd, bool registered);

#endif
