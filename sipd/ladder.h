/* Ladder: every SIP message as a trace record and as a figure.
 * Called by wiretap for each message either way; calls trace, metrics, dialog. Owns nothing.
 */
#ifndef LADDER_H
#define LADDER_H

#include "wiretap.h"

/* context is the struct sipd. */
void ladder_seen(void *context, const struct wiretap_message *message);

#endif
