/* doctor: what stands in the way of the first call, and of a night's sleep; each finding with its mend.
 * Called by main. Each part of the examination lives in a file of its own and reports by doctor_find. Changes nothing.
 * Works before the first start, while the suite runs, and with less than root's rights: what it may not see, it says.
 */
#ifndef HOOKCTL_DOCTOR_H
#define HOOKCTL_DOCTOR_H

#include "hookctl.h"
#include <json-c/json.h>

enum finding {
	FINDING_OK,    /* examined, and in order */
	FINDING_NOTE,  /* works, and may surprise somebody */
	FINDING_FAULT, /* calls fail for it */
	FINDINGS,
};

struct doctor {
	struct hookctl *ctl;
	bool is_up; /* the suite answers on the bus */
	int counts[FINDINGS];
	struct json_object *list; /* {level, about, finding, mend} in order */
};

/* Reports: what was examined, in a word or two, what was found, and how it is mended (NULL: nothing to do). */
void doctor_find(struct doctor *doctor, enum finding finding, const char *about, const char *mend, const char *format,
		 ...) __attribute__((format(printf, 5, 6)));

void doctor_daemons(struct doctor *doctor);   /* first: sets is_up */
void doctor_ports(struct doctor *doctor);     /* listeners: free, ours, or whose; SIP answers */
void doctor_addresses(struct doctor *doctor); /* what phones can reach */
void doctor_host(struct doctor *doctor);      /* clock, disk, descriptors, kernel's settings */
void doctor_keys(struct doctor *doctor);      /* there, finished, recoverable */
void doctor_dahdi(struct doctor *doctor);     /* the host of analog cards */
void doctor_lines(struct doctor *doctor);     /* registered, or what the driver misses */
void doctor_reach(struct doctor *doctor);     /* where operator and webhooks are said to be */
void doctor_webhooks(struct doctor *doctor);  /* how deliveries fare */

#endif
