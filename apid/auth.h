/* Who may do what: bearer tokens, their scopes, and how often and how much at a time they may ask.
 * Called by serve; calls secret. Owns the buckets. Tokens are compared by keyed hash, in constant time; which scope a
 * request needs stands in the contract.
 */
#ifndef AUTH_H
#define AUTH_H

#include "config.h"

struct auth;

struct auth *auth_create(const struct hs_config *config, const char *home);

/* The token's row of the configuration, or NULL when there is no such token. Takes the same time for all tokens. */
const struct hs_config_token *auth_find(struct auth *auth, const char *token);

/* NULL scope: none is needed. */
bool auth_has_scope(const struct hs_config_token *token, const char *scope);

/* Takes one request out of the token's bucket; false when it is empty. now_ms never steps back. */
bool auth_admit(struct auth *auth, const struct hs_config_token *token, int64_t now_ms);

#define AUTH_READS_MAX 32 /* reads of one asker at a time: together they take a fraction of a second */

/* Counts a read of the store that begins; token NULL: the daemon from asks for itself. How many the asker has in work
 * with it; or -EBUSY, counted as refused: it has AUTH_READS_MAX. Else auth_end_read follows. */
int auth_begin_read(struct auth *auth, const struct hs_config_token *token, enum hs_role from);
void auth_end_read(struct auth *auth, const struct hs_config_token *token, enum hs_role from);

void auth_destroy(struct auth *auth); /* NULL is fine */

#endif
