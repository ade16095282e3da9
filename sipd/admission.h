/* Admission: what a request must be before anybody thinks about it: method, scheme, extensions, hops, content.
 * Called by request and inside for every request; calls nobody. Owns nothing.
 */
#ifndef ADMISSION_H
#define ADMISSION_H

#include <sofia-sip/sip.h>

/* A refusal: status 0 means welcome, -1 drop without an answer. */
struct admission {
	int status;
	const char *phrase;
	char headers[256]; /* lines for the answer, or "" */
};

/* Judges a request (RFC 3261 8.2, security model 6.8, 6.9). */
struct admission admission_judge(const sip_t *sip);

/* True when the body is SDP, or there is none. */
_Bool admission_has_sdp(const sip_t *sip);

#endif
