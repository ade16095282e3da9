/* Ids: unguessable names, made from kernel randomness.
 * Form: <kind><node>-<26 letters and digits> (128 bits, Crockford base 32, lower case), for example c1-0hk3...
 * The node mark tells which node a call belongs to. Owns nothing.
 */
#ifndef HS_ID_H
#define HS_ID_H

#include <stdbool.h>
#include <stddef.h>

#define HS_ID_BYTES 65       /* longest id of the contract, with NUL */
#define HS_ID_GRANT_BYTES 33 /* longest id that fits an audio frame's grant, with NUL */

/* Makes an id: kind is one letter ('c' call, 'l' leg, 's' stream, 'p' play, 'w' webhook, 'i' incarnation, 'r' request);
 * node is the configured mark. Fits HS_ID_GRANT_BYTES for marks of up to 4 letters. */
void hs_id_make(char kind, const char *node, char ret_id[HS_ID_BYTES]);

/* True for 1-64 of [A-Za-z0-9_.~-]. NULL: false. */
bool hs_id_valid(const char *text);

/* Fills with random bytes that nobody can guess, cheaply: the kernel is asked for many at once. Never
 * fails: without randomness the process ends. */
void hs_random(void *ret_bytes, size_t count);

#endif
