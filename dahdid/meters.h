/* Figures of the analog ports, made once so that no path looks one up.
 * Included by dahdid.h; bumped by the rooms. Owns nothing.
 */
#ifndef DAHDID_METERS_H
#define DAHDID_METERS_H

#include "chan.h"

struct hs_metric;

struct meters {
	struct hs_metric *events[CHAN_EVENTS];
	struct hs_metric *ports, *reachable, *off_hook;
	struct hs_metric *blocks_in, *blocks_out, *overruns, *underruns, *lost, *queue_full, *events_left, *caller_ids,
		*caller_ids_cut, *lamps, *lamps_cut, *silence;
};

void meters_create(struct meters *meters);

#endif
