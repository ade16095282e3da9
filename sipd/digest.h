/* Digest access authentication, server side (RFC 7616, 8760): reading the header, the arithmetic, nonces. Pure.
 * Called by auth; calls nobody; takes the time as an argument. Knows the hash functions of libsodium and Sofia's MD5.
 * Owns the nonce key and, for 60 s, the highest count used with each nonce.
 */
#ifndef DIGEST_H
#define DIGEST_H

#include "sources.h"

enum digest_algorithm {
	DIGEST_MD5,
	DIGEST_SHA256,
	DIGEST_ALGORITHMS,
};

#define DIGEST_NONCE 49 /* with NUL */
#define DIGEST_HEX 65   /* longest hash, with NUL */

/* What a client answered; each text NUL-terminated and bounded. */
struct digest_answer {
	char username[65], realm[129], nonce[129], uri[513], response[DIGEST_HEX], cnonce[129], nc[9];
	enum digest_algorithm algorithm; /* MD5 where none was named */
	uint32_t count;                  /* nc as a number, > 0 */
};

/* Reads the parameters of an Authorization header ("name=value" each, NULL at the end). -EINVAL when one of ours comes
 * twice, is missing, too long or malformed; qop must be auth. */
int digest_read(const char *const *params, struct digest_answer *ret_answer);

/* The word of an algorithm. */
const char *digest_word(enum digest_algorithm algorithm);

/* True when the response fits HA1 (lower-case hex) for this method; compared in constant time. */
bool digest_fits(const struct digest_answer *answer, const char *method, const char *ha1);

/* A hash as lower-case hex. */
void digest_hash(enum digest_algorithm algorithm, const void *data, size_t bytes, char ret_hex[DIGEST_HEX]);

enum digest_nonce {
	DIGEST_FRESH, /* ours, for this address, younger than 60 s, this count unused */
	DIGEST_STALE, /* ours once, or of a predecessor: say stale=true; tells nothing about the password */
};

struct nonces;

/* key_seed: 32 random bytes of this process. */
struct nonces *nonces_create(const uint8_t key_seed[32]);

/* A new nonce for an address: time, randomness and a keyed hash over both and the address. */
void nonces_make(const struct nonces *nonces, const struct source_key *source, int64_t now_ms,
		 char ret_nonce[DIGEST_NONCE]);

/* How fresh an echoed nonce is, with this count. Changes nothing. */
enum digest_nonce nonces_check(const struct nonces *nonces, const struct source_key *source,
			       const struct digest_answer *answer, int64_t now_ms);

/* Marks the count (and all below) as used, after the response was found right. */
void nonces_use(struct nonces *nonces, const struct digest_answer *answer, int64_t now_ms);

void nonces_destroy(struct nonces *nonces); /* NULL is fine */

#endif
