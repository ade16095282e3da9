/* Who may do what: bearer tokens, their scopes, and how often they may ask.
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

void auth_destroy(struct auth *auth); /* NULL is fine */

#endif
