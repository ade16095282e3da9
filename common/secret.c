#include "secret.h"
#include "cleanup.h"
#include "keys.h"
#include "log.h"
#include "metrics.h"
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define SEALED "sealed:"
#define SEALED_MAX 65536
#define TOKEN_RANDOM 32
#define TOKEN_DIGITS 52 /* 256 bits, 5 a letter */
#define TOKEN_CHECK 7   /* 35 bits of a hash over what stands before */
#define TOKEN_PREFIX "hs_"

static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

/* ---- sealed texts ---- */

/* destination NUL value */
static unsigned char *join(const char *destination, const char *value, size_t *ret_bytes)
{
	size_t first = strlen(destination) + 1, second = strlen(value);
	unsigned char *plain = hs_zalloc(first + second + 1);

	memcpy(plain, destination, first);
	memcpy(plain + first, value, second + 1);
	*ret_bytes = first + second;
	return plain;
}

static char *to_text(const unsigned char *sealed, size_t bytes)
{
	size_t prefix = strlen(SEALED), size = sodium_base64_ENCODED_LEN(bytes, sodium_base64_VARIANT_ORIGINAL);
	char *text = hs_zalloc(prefix + size);

	hs_copy(text, prefix + size, SEALED);
	sodium_bin2base64(text + prefix, size, sealed, bytes, sodium_base64_VARIANT_ORIGINAL);
	return text;
}

static char *seal(const char *home, enum hs_role role, const unsigned char *plain, size_t bytes)
{
	AUTO(free) char *name = hs_printf("%s.pub", hs_role_names[role]);
	AUTO(free) unsigned char *sealed = NULL;
	struct hs_keys public;

	if (hs_keys_read(home, name, &public) < 0)
		return NULL;
	sealed = hs_zalloc(bytes + crypto_box_SEALBYTES);
	crypto_box_seal(sealed, plain, bytes, public.keys[0]);
	return to_text(sealed, bytes + crypto_box_SEALBYTES);
}

static void wipe(unsigned char *plain, size_t bytes)
{
	sodium_memzero(plain, bytes);
	free(plain);
}

char *hs_secret_seal(const char *home, enum hs_role role, const char *destination, const char *value)
{
	size_t bytes;
	unsigned char *plain = join(destination, value, &bytes);
	char *sealed = seal(home, role, plain, bytes);

	wipe(plain, bytes);
	return sealed;
}

/* Bytes of a sealed text; NULL when it is none. The caller frees them. */
static unsigned char *from_text(const char *text, size_t *ret_bytes)
{
	size_t prefix = strlen(SEALED), length = strnlen(text, SEALED_MAX);
	unsigned char *sealed;

	if (length == SEALED_MAX || strncmp(text, SEALED, prefix) != 0)
		return NULL;
	sealed = hs_zalloc(length);
	if (sodium_base642bin(sealed, length, text + prefix, length - prefix, NULL, ret_bytes, NULL,
			      sodium_base64_VARIANT_ORIGINAL) == 0 &&
	    *ret_bytes > crypto_box_SEALBYTES)
		return sealed;
	free(sealed);
	return NULL;
}

/* Which of the role's keys opens it, 0: the newest; -EACCES: none. */
static int open_box(const char *home, enum hs_role role, const unsigned char *sealed, size_t bytes,
		    unsigned char *ret_plain)
{
	AUTO(free) char *name = hs_printf("%s.key", hs_role_names[role]);
	unsigned char public[HS_KEY_BYTES];
	struct hs_keys private;
	int result = hs_keys_read(home, name, &private);

	if (result < 0)
		return result;
	result = -EACCES;
	for (size_t i = 0; i < private.count && result < 0; i++) {
		crypto_scalarmult_base(public, private.keys[i]);
		if (crypto_box_seal_open(ret_plain, sealed, bytes, public, private.keys[i]) == 0)
			result = (int)i;
	}
	sodium_memzero(&private, sizeof(private));
	return result;
}

/* destination NUL value of a sealed text, to be wiped; which key opened it, or -errno. */
static int open_text(const char *home, enum hs_role role, const char *sealed, unsigned char **ret_plain,
		     size_t *ret_bytes)
{
	AUTO(free) unsigned char *box = NULL;
	unsigned char *plain;
	size_t bytes = 0;
	int result;

	if (sodium_init() < 0)
		return -ENOTSUP;
	box = from_text(sealed, &bytes);
	if (!box)
		return -EACCES;
	plain = hs_zalloc(bytes + 1);
	result = open_box(home, role, box, bytes, plain);
	bytes -= crypto_box_SEALBYTES;
	if (result >= 0 && memchr(plain, 0, bytes)) {
		*ret_plain = plain;
		*ret_bytes = bytes;
		return result;
	}
	wipe(plain, bytes);
	return result < 0 ? result : -EACCES;
}

static void tell_redirected(enum hs_role role)
{
	hs_metric_add(hs_metric_counter("hookswitch_secrets_redirected_total", "",
					"Sealed secrets that came with another destination than their own."),
		      1);
	hs_log(ERROR, "secret.redirected", LOG_TEXT("sealed_to", hs_role_names[role]),
	       LOG_WHY("a sealed secret came with another destination than the one it was sealed for, and stays "
		       "closed: "
		       "an edited configuration, or somebody who wants it sent to himself"));
}

int hs_secret_open(const char *home, enum hs_role role, const char *destination, const char *sealed, char **ret_value)
{
	unsigned char *plain;
	size_t bytes, prefix = strlen(destination) + 1;
	int result = open_text(home, role, sealed, &plain, &bytes);

	if (result < 0)
		return result;
	if (bytes >= prefix && sodium_memcmp(plain, destination, prefix) == 0) {
		*ret_value = hs_zalloc(bytes - prefix + 1);
		memcpy(*ret_value, plain + prefix, bytes - prefix);
		result = 0;
	} else {
		tell_redirected(role);
		result = -EXDEV;
	}
	wipe(plain, bytes);
	return result;
}

char *hs_secret_destination(const char *home, enum hs_role role, const char *sealed)
{
	unsigned char *plain;
	size_t bytes;
	char *destination;

	if (open_text(home, role, sealed, &plain, &bytes) < 0)
		return NULL;
	destination = hs_strdup((char *)plain);
	wipe(plain, bytes);
	return destination;
}

char *hs_secret_reseal(const char *home, enum hs_role role, const char *sealed)
{
	unsigned char *plain;
	size_t bytes;
	char *fresh = NULL;
	int which = open_text(home, role, sealed, &plain, &bytes);

	if (which < 0)
		return NULL;
	if (which > 0)
		fresh = seal(home, role, plain, bytes);
	wipe(plain, bytes);
	return fresh;
}

bool hs_secret_same(const char *home, enum hs_role role, const char *one, const char *other)
{
	unsigned char *first, *second;
	size_t first_bytes, second_bytes;
	bool same = false;

	if (open_text(home, role, one, &first, &first_bytes) < 0)
		return false;
	if (open_text(home, role, other, &second, &second_bytes) >= 0) {
		same = first_bytes == second_bytes && sodium_memcmp(first, second, first_bytes) == 0;
		wipe(second, second_bytes);
	}
	wipe(first, first_bytes);
	return same;
}

bool hs_secret_is_sealed(const char *text)
{
	return text && strncmp(text, SEALED, strlen(SEALED)) == 0;
}

void hs_secret_wipe(char *value)
{
	if (!value)
		return;
	sodium_memzero(value, strlen(value));
	free(value);
}

/* ---- tokens ---- */

/* count letters of 5 bits each, most significant bit first; bits past the end are 0. */
static void to_base32(const unsigned char *bytes, size_t bytes_count, size_t count, char *ret_text)
{
	for (size_t i = 0; i < count; i++) {
		unsigned value = 0;

		for (size_t bit = 5 * i; bit < 5 * i + 5; bit++)
			value = value << 1 | (bit / 8 < bytes_count ? bytes[bit / 8] >> (7 - bit % 8) & 1U : 0U);
		ret_text[i] = alphabet[value];
	}
	ret_text[count] = 0;
}

static void token_check(const char *text, size_t length, char ret_check[TOKEN_CHECK + 1])
{
	unsigned char hash[crypto_generichash_BYTES_MIN];

	crypto_generichash(hash, sizeof(hash), (const unsigned char *)text, length, NULL, 0);
	to_base32(hash, sizeof(hash), TOKEN_CHECK, ret_check);
}

void hs_token_make(char ret_token[HS_TOKEN_TEXT])
{
	size_t used = strlen(TOKEN_PREFIX);
	unsigned char random[TOKEN_RANDOM];

	if (sodium_init() < 0)
		abort();
	randombytes_buf(random, sizeof(random));
	hs_copy(ret_token, HS_TOKEN_TEXT, TOKEN_PREFIX);
	to_base32(random, sizeof(random), TOKEN_DIGITS, ret_token + used);
	token_check(ret_token, used + TOKEN_DIGITS, ret_token + used + TOKEN_DIGITS);
	sodium_memzero(random, sizeof(random));
}

bool hs_token_plausible(const char *token)
{
	size_t length = strlen(TOKEN_PREFIX) + TOKEN_DIGITS;
	char check[TOKEN_CHECK + 1];

	if (!token || strnlen(token, HS_TOKEN_TEXT) != length + TOKEN_CHECK ||
	    strncmp(token, TOKEN_PREFIX, strlen(TOKEN_PREFIX)) != 0 ||
	    strspn(token + strlen(TOKEN_PREFIX), alphabet) != TOKEN_DIGITS + TOKEN_CHECK || sodium_init() < 0)
		return false;
	token_check(token, length, check);
	return sodium_memcmp(check, token + length, TOKEN_CHECK) == 0;
}

int hs_token_hash(const char *home, const char *token, char ret_hash[65])
{
	unsigned char hash[crypto_generichash_BYTES];
	struct hs_keys key;
	int result = hs_keys_read(home, HS_TOKEN_KEY, &key);

	if (result < 0)
		return result;
	crypto_generichash(hash, sizeof(hash), (const unsigned char *)token, strlen(token), key.keys[0], HS_KEY_BYTES);
	sodium_memzero(&key, sizeof(key));
	sodium_bin2hex(ret_hash, 65, hash, sizeof(hash));
	return 0;
}
