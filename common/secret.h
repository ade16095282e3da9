/* Secrets: sealed values bound to a destination, token hashes. libsodium.
 * Called by hookctl (seal), apid (seal for hookd), sipd, hookd and hook-stream (open); calls keys. Owns nothing; wipes
 * what it opens on request. A sealed text is "sealed:" + base64(crypto_box_seal(destination NUL value)).
 */
#ifndef HS_SECRET_H
#define HS_SECRET_H

#include "hs_proto.h"

/* Seals value to role for one destination ("sip:realm:user", "url:https://..."). New text (free), or NULL without the
 * key. */
char *hs_secret_seal(const char *home, enum hs_role role, const char *destination, const char *value);

/* Opens a sealed text with our key. -EACCES when it was not sealed to us or is damaged, -EXDEV when it was sealed for
 * another destination: somebody redirects it, which is logged and counted. ret_value: new text (hs_secret_wipe). */
int hs_secret_open(const char *home, enum hs_role role, const char *destination, const char *sealed, char **ret_value);

/* The destination a sealed text is for, when it was sealed to us. New text (free), or NULL. */
char *hs_secret_destination(const char *home, enum hs_role role, const char *sealed);

/* The same sealed to our newest key. New text (free); NULL when the newest key opens it, or none does. */
char *hs_secret_reseal(const char *home, enum hs_role role, const char *sealed);

/* True when both were sealed to us, for the same destination and with the same value. */
bool hs_secret_same(const char *home, enum hs_role role, const char *one, const char *other);

/* True for a text that begins as sealed ones do; NULL is none. */
bool hs_secret_is_sealed(const char *text);

/* Wipes and frees. NULL is fine. */
void hs_secret_wipe(char *value);

#define HS_TOKEN_TEXT 64 /* "hs_" + 52 base 32 + checksum, with NUL */

/* A new API token: 256 random bits, prefix hs_, checksum. */
void hs_token_make(char ret_token[HS_TOKEN_TEXT]);

/* True when form and checksum fit; says nothing about rights. */
bool hs_token_plausible(const char *token);

/* Keyed BLAKE2b of a token, hex, with the key <home>/keys/token.key (0440 root, apid's group). -ENOENT: it was
 * not made yet (hs_keys_make). */
int hs_token_hash(const char *home, const char *token, char ret_hash[65]);

#endif
