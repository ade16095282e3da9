#include "digest.h"
#include "cleanup.h"
#include "id.h"
#include <errno.h>
#include <sodium.h>
#include <sofia-sip/su_md5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LIFE_MS 60000
#define USED_MAX 65536
#define USED_BUCKETS 16384 /* power of two */

/* A nonce is 48 hex digits: ms since 1970 (12), random (12), keyed hash (24). */
#define TIME_DIGITS 12
#define RANDOM_DIGITS 12
#define MAC_DIGITS 24

static const char *const words[] = {[DIGEST_MD5] = "MD5", [DIGEST_SHA256] = "SHA-256"};

const char *digest_word(enum digest_algorithm algorithm)
{
	return words[algorithm];
}

enum field { USERNAME, REALM, NONCE, URI, RESPONSE, CNONCE, NC, ALGORITHM, QOP, FIELDS };

struct field_row {
	const char *name;
	size_t offset, size;
};

struct reading {
	struct digest_answer answer;
	char algorithm[16], qop[16];
	unsigned seen;
};

#define ROW(name, member)                                                                                              \
	{                                                                                                              \
		name, offsetof(struct reading, member), sizeof(((struct reading *)0)->member)                          \
	}
static const struct field_row field_rows[FIELDS] = {
	[USERNAME] = ROW("username", answer.username),
	[REALM] = ROW("realm", answer.realm),
	[NONCE] = ROW("nonce", answer.nonce),
	[URI] = ROW("uri", answer.uri),
	[RESPONSE] = ROW("response", answer.response),
	[CNONCE] = ROW("cnonce", answer.cnonce),
	[NC] = ROW("nc", answer.nc),
	[ALGORITHM] = ROW("algorithm", algorithm),
	[QOP] = ROW("qop", qop),
};

/* Copies a token or a quoted string, without quotes and escapes. */
static int copy_value(const char *from, char *ret_text, size_t size)
{
	bool quoted = *from == '"';
	size_t used = 0;
	from += quoted;
	for (; *from && !(quoted && *from == '"'); from++) {
		if (quoted && *from == '\\' && from[1])
			from++;
		if ((unsigned char)*from < 0x20 || *from == 0x7f || used + 1 >= size)
			return -EINVAL;
		ret_text[used++] = *from;
	}
	ret_text[used] = 0;
	return quoted && (*from != '"' || from[1]) ? -EINVAL : 0;
}

static int read_param(struct reading *reading, const char *param)
{
	const char *equals = strchr(param, '=');
	size_t length = equals ? (size_t)(equals - param) : strlen(param);
	while (length && (param[length - 1] == ' ' || param[length - 1] == '\t'))
		length--;
	for (int i = 0; i < FIELDS; i++) {
		const struct field_row *row = &field_rows[i];
		if (strlen(row->name) != length || strncasecmp(row->name, param, length) != 0)
			continue;
		if (!equals || reading->seen & 1u << i)
			return -EINVAL;
		reading->seen |= 1u << i;
		for (equals++; *equals == ' ' || *equals == '\t';)
			equals++;
		return copy_value(equals, (char *)reading + row->offset, row->size);
	}
	return 0; /* opaque and the unknown mean nothing to us */
}

static bool is_hex(const char *text, size_t digits)
{
	return strlen(text) == digits && strspn(text, "0123456789abcdefABCDEF") == digits;
}

int digest_read(const char *const *params, struct digest_answer *ret_answer)
{
	struct reading reading = {0};
	for (; params && *params; params++)
		if (read_param(&reading, *params))
			return -EINVAL;
	unsigned needed = (1u << FIELDS) - 1 - (1u << ALGORITHM);
	if ((reading.seen & needed) != needed || strcasecmp(reading.qop, "auth") != 0)
		return -EINVAL;
	if (!(reading.seen & 1u << ALGORITHM) || !strcasecmp(reading.algorithm, "MD5"))
		reading.answer.algorithm = DIGEST_MD5;
	else if (!strcasecmp(reading.algorithm, "SHA-256"))
		reading.answer.algorithm = DIGEST_SHA256;
	else
		return -EINVAL;
	if (!is_hex(reading.answer.nc, 8) || !*reading.answer.cnonce || !*reading.answer.username)
		return -EINVAL;
	reading.answer.count = (uint32_t)strtoul(reading.answer.nc, NULL, 16);
	if (!reading.answer.count)
		return -EINVAL;
	*ret_answer = reading.answer;
	return 0;
}

void digest_hash(enum digest_algorithm algorithm, const void *data, size_t bytes, char ret_hex[DIGEST_HEX])
{
	if (algorithm == DIGEST_SHA256) {
		uint8_t hash[crypto_hash_sha256_BYTES];
		crypto_hash_sha256(hash, data, bytes);
		sodium_bin2hex(ret_hex, DIGEST_HEX, hash, sizeof(hash));
		return;
	}
	su_md5_t context[1];
	su_md5_init(context);
	su_md5_update(context, data, (usize_t)bytes);
	su_md5_hexdigest(context, ret_hex);
	su_md5_deinit(context);
}

bool digest_fits(const struct digest_answer *answer, const char *method, const char *ha1)
{
	char text[1024], ha2[DIGEST_HEX], right[DIGEST_HEX], given[DIGEST_HEX] = "";
	int length = snprintf(text, sizeof(text), "%s:%s", method, answer->uri);
	if (length < 0 || (size_t)length >= sizeof(text))
		return false;
	digest_hash(answer->algorithm, text, (size_t)length, ha2);
	length = snprintf(text, sizeof(text), "%s:%s:%s:%s:auth:%s", ha1, answer->nonce, answer->nc, answer->cnonce,
			  ha2);
	if (length < 0 || (size_t)length >= sizeof(text))
		return false;
	digest_hash(answer->algorithm, text, (size_t)length, right);
	size_t digits = strlen(right);
	for (size_t i = 0; answer->response[i]; i++)
		given[i] = answer->response[i] >= 'A' && answer->response[i] <= 'F' ? (char)(answer->response[i] | 0x20)
										    : answer->response[i];
	bool fits = sodium_memcmp(given, right, digits + 1) == 0;
	sodium_memzero(text, sizeof(text));
	return fits;
}

/* ---- nonces ---- */

struct used {
	struct used *next;
	char nonce[DIGEST_NONCE];
	uint32_t count;
	int64_t made_ms;
};

struct nonces {
	uint8_t key[crypto_generichash_KEYBYTES];
	struct used *buckets[USED_BUCKETS];
	size_t used_count;
	size_t sweep;     /* next bucket to clean */
	int64_t floor_ms; /* older ones are stale: their counts had to be forgotten */
};

struct nonces *nonces_create(const uint8_t key_seed[32])
{
	struct nonces *nonces = hs_zalloc(sizeof(*nonces));
	memcpy(nonces->key, key_seed, sizeof(nonces->key));
	return nonces;
}

static void seal(const struct nonces *nonces, const struct source_key *source, char nonce[DIGEST_NONCE])
{
	uint8_t mac[MAC_DIGITS / 2 > crypto_generichash_BYTES_MIN ? MAC_DIGITS / 2 : crypto_generichash_BYTES_MIN];
	crypto_generichash_state state;
	crypto_generichash_init(&state, nonces->key, sizeof(nonces->key), sizeof(mac));
	crypto_generichash_update(&state, (const uint8_t *)nonce, TIME_DIGITS + RANDOM_DIGITS);
	crypto_generichash_update(&state, source->bytes, sizeof(source->bytes));
	crypto_generichash_final(&state, mac, sizeof(mac));
	sodium_bin2hex(nonce + TIME_DIGITS + RANDOM_DIGITS, MAC_DIGITS + 1, mac, MAC_DIGITS / 2);
}

void nonces_make(const struct nonces *nonces, const struct source_key *source, int64_t now_ms,
		 char ret_nonce[DIGEST_NONCE])
{
	uint8_t random[RANDOM_DIGITS / 2];
	hs_random(random, sizeof(random));
	snprintf(ret_nonce, TIME_DIGITS + 1, "%012llx", (unsigned long long)now_ms & 0xffffffffffffULL);
	sodium_bin2hex(ret_nonce + TIME_DIGITS, RANDOM_DIGITS + 1, random, sizeof(random));
	seal(nonces, source, ret_nonce);
}

static int64_t made_at(const char *nonce)
{
	char digits[TIME_DIGITS + 1];
	hs_copy(digits, sizeof(digits), nonce);
	return (int64_t)strtoull(digits, NULL, 16);
}

static size_t bucket_of(const char *nonce)
{
	/* the sealed part is as good as random */
	char digits[9];
	hs_copy(digits, sizeof(digits), nonce + TIME_DIGITS + RANDOM_DIGITS);
	return strtoul(digits, NULL, 16) & (USED_BUCKETS - 1);
}

static struct used *find_used(const struct nonces *nonces, const char *nonce)
{
	struct used *used = nonces->buckets[bucket_of(nonce)];
	while (used && strcmp(used->nonce, nonce) != 0)
		used = used->next;
	return used;
}

enum digest_nonce nonces_check(const struct nonces *nonces, const struct source_key *source,
			       const struct digest_answer *answer, int64_t now_ms)
{
	char sealed[DIGEST_NONCE];
	if (!is_hex(answer->nonce, DIGEST_NONCE - 1))
		return DIGEST_STALE;
	hs_copy(sealed, sizeof(sealed), answer->nonce);
	seal(nonces, source, sealed);
	if (sodium_memcmp(sealed, answer->nonce, DIGEST_NONCE))
		return DIGEST_STALE;
	int64_t age = now_ms - made_at(answer->nonce);
	if (age > LIFE_MS || age < -1000 || made_at(answer->nonce) < nonces->floor_ms)
		return DIGEST_STALE;
	const struct used *used = find_used(nonces, answer->nonce);
	return used && answer->count <= used->count ? DIGEST_STALE : DIGEST_FRESH;
}

static void clean_bucket(struct nonces *nonces, size_t bucket, int64_t older_ms)
{
	for (struct used **at = &nonces->buckets[bucket]; *at;) {
		struct used *used = *at;
		if (used->made_ms >= older_ms) {
			at = &used->next;
			continue;
		}
		*at = used->next;
		nonces->used_count--;
		free(used);
	}
}

/* Each use cleans two buckets; a full table gives up its older half, whose nonces are stale from then on. */
static void make_room(struct nonces *nonces, int64_t now_ms)
{
	for (int i = 0; i < 2; i++) {
		clean_bucket(nonces, nonces->sweep, now_ms - LIFE_MS - 1000);
		nonces->sweep = (nonces->sweep + 1) & (USED_BUCKETS - 1);
	}
	for (int64_t life = LIFE_MS / 2; nonces->used_count >= USED_MAX; life /= 2) {
		nonces->floor_ms = now_ms - life + (life == 0);
		for (size_t i = 0; i < USED_BUCKETS; i++)
			clean_bucket(nonces, i, nonces->floor_ms);
	}
}

void nonces_use(struct nonces *nonces, const struct digest_answer *answer, int64_t now_ms)
{
	struct used *used = find_used(nonces, answer->nonce);
	if (used) {
		used->count = answer->count;
		return;
	}
	make_room(nonces, now_ms);
	used = hs_zalloc(sizeof(*used));
	hs_copy(used->nonce, sizeof(used->nonce), answer->nonce);
	used->count = answer->count;
	used->made_ms = made_at(answer->nonce);
	size_t bucket = bucket_of(answer->nonce);
	used->next = nonces->buckets[bucket];
	nonces->buckets[bucket] = used;
	nonces->used_count++;
}

void nonces_destroy(struct nonces *nonces)
{
	if (!nonces)
		return;
	for (size_t i = 0; i < USED_BUCKETS; i++)
		clean_bucket(nonces, i, INT64_MAX);
	sodium_memzero(nonces->key, sizeof(nonces->key));
	free(nonces);
}
