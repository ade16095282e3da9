/* Twilio's names for ids of ours: two letters and 32 hexadecimal digits, both ways.
 * Called by talk, apid and api-front; calls id. Pure, owns nothing.
 */
#ifndef HS_SID_H
#define HS_SID_H

#include <stdbool.h>

#define HS_SID_BYTES 68 /* of a name, with NUL */

/* The name of an id: prefix ("CA", "MZ") and the id's 128 bits; the id itself where it is not made of so many. */
void hs_sid_make(const char *prefix, const char *id, char ret_sid[HS_SID_BYTES]);

/* And back: the id, of this kind and node. False: it cannot be one. */
bool hs_sid_read(const char *sid, char kind, const char *node, char ret_id[HS_SID_BYTES]);

/* The one account that a node has. */
void hs_sid_account(const char *node, char ret_sid[HS_SID_BYTES]);

#endif
