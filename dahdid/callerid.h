/* Caller identification as sound: FSK (Bellcore, ETSI, BT) and DTMF, made before the port rings; and the FSK that tells
 * a telephone's lamp of messages. Called by ring and lamp; knows spandsp's modulators. Pure but for the clock that its
 * caller reads. Owns nothing; the sound is its caller's.
 */
#ifndef CALLERID_H
#define CALLERID_H

#include "hs_proto.h"
#include <stddef.h>
#include <time.h>

/* When and how a variant is sent. */
struct callerid_way {
	bool before_ring; /* else after the first burst */
	bool is_reversed; /* the line is reversed meanwhile */
	int ring_ms;      /* a short ring comes first; lamps */
};

/* The way of a variant; that of none is all false. */
const struct callerid_way *callerid_way(enum hs_caller_id kind);

/* That of a lamp; NULL: this kind takes no data. */
const struct callerid_way *callerid_lamp_way(enum hs_lamp kind);

struct callerid {
	enum hs_caller_id kind;
	const char *number, *name; /* NULL: not known */
	struct tm now;             /* local time, shown by the telephone */
};

/* Makes the sound in a law, with the pause before it that its standard wants. NULL: nothing is to be sent. The caller
 * frees it. At most 6 s. */
uint8_t *callerid_make(const struct callerid *callerid, enum hs_codec law, size_t *ret_samples);

/* The same for a message-waiting indication: lit with messages, dark with 0. NULL: this kind of lamp takes no data. */
uint8_t *callerid_make_lamp(enum hs_lamp kind, int messages, enum hs_codec law, size_t *ret_samples);

#endif
