/* Causes: SIP status codes as words of the leg protocol, and back. Pure.
 * Called by the rooms that end legs. Owns nothing.
 */
#ifndef CAUSE_H
#define CAUSE_H

#include "hs_proto.h"

/* Why an attempt that got this final status failed. */
enum hs_cause cause_of_status(int status);

/* The final status an unanswered caller sees for a cause. */
int status_of_cause(enum hs_cause cause);

/* Of two final statuses of forks: the one that says more about the person. */
int cause_better_status(int a, int b);

/* One sentence for a person about a status, or NULL. */
const char *cause_sentence(int status);

#endif
