/* Users: who may log in as which line, and with what. The only room that holds SIP secrets (HA1, in locked memory).
 * Called by sipd's start (load), auth (find) and the registrar; calls common's secret.
 * Owns the users and wipes their hashes.
 */
#ifndef USERS_H
#define USERS_H

#include "digest.h"
#include "hs_proto.h"

struct user {
	char name[65];         /* SIP user */
	char line[65];         /* its line */
	char caller_name[65];  /* shown to others, or "" */
	char number[65];       /* of the line, or "" */
	enum hs_digest digest; /* what is offered */
	bool known;            /* false: made up, so that an unknown name costs and shows the same */
	const char *ha1[DIGEST_ALGORITHMS];
};

struct users;

/* Opens the sealed secrets of all SIP lines. A line whose secret is missing or was sealed for another destination is
 * logged and cannot log in. Never NULL. */
struct users *users_create(const struct hs_config *config, const char *home);

/* Lines whose secret is there and cannot be opened. */
size_t users_locked(const struct users *users);

/* The user of this name; for an unknown one a made-up user whose hashes fit nothing, valid until the next call. */
const struct user *users_find(struct users *users, const char *name);

/* The user of a line, or NULL. */
const struct user *users_of_line(const struct users *users, const char *line);

/* Visits all, in no order. */
void users_each(struct users *users, void (*visit)(void *context, const struct user *user), void *context);

/* True when the algorithm is one that the user is offered. */
bool users_offered(const struct user *user, enum digest_algorithm algorithm);

/* Reads "md5:<hex> sha256:<hex>". -EINVAL. */
int users_read_secret(const char *text, char ret_ha1[DIGEST_ALGORITHMS][DIGEST_HEX]);

void users_destroy(struct users *users); /* NULL is fine */

#endif
