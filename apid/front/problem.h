/* Problem documents (RFC 9457) and the header fields that go with an error.
 * Called by rest, upload and ws. Pure; owns nothing.
 */
#ifndef FRONT_PROBLEM_H
#define FRONT_PROBLEM_H

#include "hs_proto.h"
#include <stddef.h>

#define PROBLEM_TYPE "application/problem+json"

struct problem {
	enum hs_error error;
	int status;         /* 0: the error's own */
	const char *detail; /* what is wrong here and how to mend it; or NULL */
	const char *field, *state;
	const char *request_id;
	const char *scope; /* of the request, for WWW-Authenticate */
	bool had_token;
	bool apid_is_away; /* parts says so */
};

int problem_status(const struct problem *problem);

/* The document. The caller frees it. */
char *problem_text(const struct problem *problem);

/* Value of WWW-Authenticate, or "" where none is due; at most size-1 bytes. */
void problem_challenge(const struct problem *problem, char *ret_value, size_t size);

/* Value of Retry-After in seconds, 0 where none is due. */
int problem_retry_after(const struct problem *problem);

/* Copies a text that a client sent, without what JSON or a log could not hold: at most size-1 bytes. */
void problem_clean(const char *text, char *ret_text, size_t size);

#endif
