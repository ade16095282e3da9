/* Auth: who sent this request. Digest for REGISTER and for every call; the same answers for every wrong name or
 * password. Called by request and inside; calls users, digest, sources. Owns nothing.
 */
#ifndef AUTH_H
#define AUTH_H

#include "agent.h"
#include "users.h"

struct sipd;

#define AUTH_HEADERS 768

enum auth_result {
	AUTH_OK,
	AUTH_CHALLENGE, /* answer 401 with the headers */
};

/* Checks the request's Authorization. OK: *ret_user is the line's user. Else ret_headers is the challenge. A wrong
 * password with a fresh nonce is counted against the source. */
enum auth_result auth_check(struct sipd *sipd, const sip_t *sip, const struct peer *peer, const struct user **ret_user,
			    char ret_headers[AUTH_HEADERS]);

/* Tells what failed logins wait to be told, and comes back for the rest. */
void auth_report(struct sipd *sipd);

#endif
