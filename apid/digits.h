/* Digits: which report of a key counts, its number in the call, and the collection of a dialled number.
 * Called by calls. Pure; the structs live in the call and its legs and are stored with them.
 * A phone may report a key twice, in RTP (RFC 4733) and by SIP INFO. What was heard in the audio path wins: once a leg
 * has told digits that way, INFO digits of it are ignored; INFO digits that came before it are matched with their RTP.
 */
#ifndef DIGITS_H
#define DIGITS_H

#include "hs_proto.h"

#define DIGITS_MAX 40        /* a number of that length is complete */
#define DIGITS_TWICE_MS 1500 /* an INFO digit and the same in RTP within this time are one key */
#define DIGITS_INFO 16       /* INFO digits that are remembered for that */

/* What is remembered of a leg's keys. */
struct digits_leg {
	bool audio;                 /* digits came in the audio path */
	char open;                  /* key that is down, or 0 */
	int64_t open_sequence;      /* its number */
	char info[DIGITS_INFO + 1]; /* digits that came by INFO before any in the audio path */
	int64_t info_at;            /* when the last of them came (ms) */
	char skipped;               /* key that is down in the audio and was told by INFO, or 0 */
};

enum digits_verdict {
	DIGITS_IGNORED, /* a second report of the same key */
	DIGITS_BEGAN,
	DIGITS_ENDED,
};

/* Takes a report. count: keys of the call so far, raised for a new one. at_ms: when it was told. ret_sequence: number
 * of the key, untouched when ignored. */
enum digits_verdict digits_take(struct digits_leg *leg, const struct hs_leg_digit *report, int64_t at_ms,
				int64_t *count, int64_t *ret_sequence);

/* Adds a key to a number being dialled (DIGITS_MAX + 1 bytes). True when it is complete: '#' after at least one digit,
 * or no room. A leading '#' is dropped. */
bool digits_collect(char number[DIGITS_MAX + 1], char digit);

#endif
