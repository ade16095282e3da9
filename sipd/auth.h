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

/* True when an address is none of ours: neither of a local network nor of a registered phone. */
bool auth_is_stranger(const struct sipd *sipd, const struct peer *peer);

/* Counts a request that proved nothing against its source. */
void auth_probed(struct sipd *sipd, const struct peer *peer);

/* Tells what failed logins wait to be told, and comes back for the rest. */
void auth_report(struct sipd *sipd);

#endif
