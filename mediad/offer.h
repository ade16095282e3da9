/* Descriptions of audio: SDP read and written, offers answered (RFC 8866, RFC 3264). Pure, and nothing is allocated.
 * Called by leg_rtp, serve and the fuzzer; calls address. Plain records that the caller keeps.
 * The grammar is read strictly, but only the part of it that matters for G.711 over RTP/AVP. It is our own because the
 * SIP library's parser (2011, a heap overflow mended since) would bring all of that stack into the daemon that anyone's
 * descriptions reach, and does not keep refused lines as they were, which an answer must mirror.
 */
#ifndef MEDIAD_OFFER_H
#define MEDIAD_OFFER_H

#include "address.h"
#include "hs_proto.h"
#include <stddef.h>

#define OFFER_BYTES 16384 /* longest description, with NUL */
#define OFFER_LINES 16    /* most media lines */
#define OFFER_WHY 160     /* longest reason, with NUL */

/* An m= line, as far as an answer must repeat it. */
struct offer_line {
	char media[24], transport[32], format[64];
};

/* What the far end said about the one audio line that we take. */
struct offer {
	struct address rtp;          /* where it wants audio; the unspecified address: nowhere (hold of RFC 2543) */
	struct address rtcp;         /* where it wants reports */
	enum hs_direction direction; /* seen from us: recvonly = we may only listen */
	bool rtcp_mux;
	enum hs_codec codecs[2]; /* in its order of preference */
	uint8_t types[2];        /* payload types of codecs[] */
	int codecs_count;
	int event;             /* payload type of telephone-event; -1: none */
	bool event_flash;      /* it knows event 16 */
	int comfort;           /* payload type of comfort noise; -1: none */
	int ptime_ms;          /* 0: not said */
	int lines_count, line; /* all media lines; which of them we take */
	struct offer_line lines[OFFER_LINES];
};

/* Reads a description. -EINVAL: ret_why says what is wrong and how to mend it, in one sentence. */
int offer_read(const char *text, struct offer *ret_offer, char ret_why[OFFER_WHY]);

/* What we say about our end. */
struct offer_ours {
	uint32_t id, version; /* of the session; the version rises with each description */
	struct address rtp;   /* RTCP is one port above */
	enum hs_direction direction;
	enum hs_codec prefer; /* offer: first codec; answer: the only one */
};

/* Payload types of our offers. */
#define OFFER_TYPE_PCMU 0
#define OFFER_TYPE_PCMA 8
#define OFFER_TYPE_EVENT 101

/* Writes our offer: both laws and telephone-event 0-15. Returns its length, or -EMSGSIZE. */
int offer_write(const struct offer_ours *ours, char *ret_text, size_t size);

/* Writes our answer to an offer: one law, its payload types mirrored, every other line refused with port 0. */
int offer_write_answer(const struct offer_ours *ours, const struct offer *offer, char *ret_text, size_t size);

/* Where both agree: may we send, may we receive. Directions are all seen from us. */
enum hs_direction offer_meet(enum hs_direction ours, enum hs_direction theirs);
bool offer_may_send(enum hs_direction direction);
bool offer_may_receive(enum hs_direction direction);

#endif
