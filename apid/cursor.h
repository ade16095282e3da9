/* Cursors "<node>.g<generation>.<seq>" and the event filter of a request: what clients send to the event log.
 * Called by eventlog and serve. Pure; owns nothing.
 */
#ifndef CURSOR_H
#define CURSOR_H

#include "hs_proto.h"

#define CURSOR_BYTES 65    /* with NUL; an id of the contract */
#define CURSOR_NODE_MAX 16 /* longest node mark that leaves room for the numbers */

/* Writes a cursor; a node longer than CURSOR_NODE_MAX is cut. */
void cursor_format(const char *node, int64_t generation, int64_t seq, char ret_cursor[CURSOR_BYTES]);

/* Reads one. -EINVAL: not a cursor; -ESTALE: a cursor of another node. Numbers have no leading zeros, so that a cursor
 * has one spelling. */
int cursor_parse(const char *text, const char *node, int64_t *ret_generation, int64_t *ret_seq);

#define CURSOR_TYPES_BYTES 256

/* Turns "dtmf,call.ended" into ",dtmf,call.ended,", as the store's filter wants it. -EINVAL: empty, too long, or a name
 * that is no event; ret_unknown (64 bytes) then has the name. */
int cursor_types(const char *text, char ret_types[CURSOR_TYPES_BYTES], char *ret_unknown);

/* True when an event of that name is in the list made by cursor_types; an empty list means all. */
bool cursor_has_type(const char *types, const char *name);

#endif
