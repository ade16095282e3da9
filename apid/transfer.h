/* Transfer: a party of a call is connected with somebody else: a new second party (blind), or the party of another call
 * (bridged: both stay calls of their own, and end together).
 * Called by serve_transfer and, when a call ends, by call; calls call and calls. Owns nothing.
 */
#ifndef TRANSFER_H
#define TRANSFER_H

#include "calls.h"

/* Who is to be called. */
struct transfer_order {
	struct line *line;                   /* or NULL: */
	const struct hs_config_group *group; /* or NULL: */
	const struct hs_config_route *route; /* leads out to the number */
	const char *number;                  /* outside; or NULL */
	int64_t ring_ms;
};

/* All others of its call leave, and it is connected to who is called. The call is up, or offered to the operator. */
void transfer_blind(struct leg *stays, const struct transfer_order *order);

/* Connects the parties of two calls that are up; all others of both leave. */
void transfer_bridge(struct leg *one, struct leg *other);

/* Parts a call from the one it is bridged with; both go on. false: it is bridged with none. */
bool transfer_part(struct call *call);

/* The call ends: so does the one it is bridged with. */
void transfer_ends(struct call *call, const struct call_step *step);

/* Living legs of a call that nobody has asked to leave; found (CALL_LEGS of them) may be NULL. */
size_t transfer_parties(struct call *call, struct leg **ret_found);

#endif
