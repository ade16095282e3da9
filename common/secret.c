#include "secret.h"
#include "cleanup.h"
#include "log.h"
#include "metrics.h"
#include "privs.h"
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEALED "sealed:"
#define SEALED_MAX 65536
#define TOKEN_KEY "token.key"
#define TOKEN_RANDOM 32
#define TOKEN_DIGITS 52 /* 256 bits, 5 a letter */
#define TOKEN_CHECK 7   /* 35 bits of a hash over what stands before */
#define TOKEN_PREFIX "hs_"

static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

/* ---- key files ---- */

static int open_keys(const char *home, bool make)
{
	AUTO(free) char *path = hs_printf("%s/keys", home);
	mode_t mode = hs_privs_separate() ? 0711 : 0700;
	bool made = make && mkdir(path, 0700) == 0;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && !make) /* a daemon's user may pass through the folder, not read it */
		fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (made && fchmod(fd, mode) < 0) {
		int result = -errno;

		close(fd);
		return result;
	}
	return fd;
}

/* Exactly that many bytes of a key file. */
static int read_key(int keys, const char *name, unsigned char *ret_key, size_t bytes)
{
	AUTO(close) int fd = openat(keys, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	ssize_t got;

	if (fd < 0)
		return -errno;
	got = read(fd, ret_key, bytes);
	if (got < 0)
		return -errno;
	return got == (ssize_t)bytes ? 0 : -EINVAL;
}

/* A new file that appears whole, or -EEXIST: whoever comes first has made it. */
static int write_key(int keys, const char *name, const unsigned char *key, size_t bytes, mode_t mode, uid_t owner,
		     gid_t group)
{
	AUTO(free) char *fresh = hs_printf(".%s.%d", name, (int)getpid());
	AUTO(close) int fd = -1;
	int result = 0;

	unlinkat(keys, fresh, 0);
	fd = openat(keys, fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (write(fd, key, bytes) != (ssize_t)bytes || (hs_privs_separate() && fchown(fd, owner, group) < 0) ||
	    fchmod(fd, mode) < 0 || fsync(fd) < 0 || linkat(keys, fresh, keys, name, 0) < 0)
		result = -errno;
	unlinkat(keys, fresh, 0);
	return result;
}

static bool key_exists(int keys, const char *name)
{
	return faccessat(keys, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The private half is made first; the public one is computed from it, so that a death between the two is mended. */
static int make_pair(int keys, enum hs_role role)
{
	AUTO(free) char *private_name = hs_printf("%s.key", hs_role_names[role]);
	AUTO(free) char *public_name = hs_printf("%s.pub", hs_role_names[role]);
	unsigned char public[crypto_box_PUBLICKEYBYTES], private[crypto_box_SECRETKEYBYTES];
	uid_t owner = hs_privs_uid(role);
	int result = 0;

	if (key_exists(keys, public_name) && key_exists(keys, private_name))
		return 0;
	crypto_box_keypair(public, private);
	result = write_key(keys, private_name, private, sizeof(private), 0400, owner, owner);
	if (result == -EEXIST) {
		result = read_key(keys, private_name, private, sizeof(private));
		crypto_scalarmult_base(public, private);
	}
	sodium_memzero(private, sizeof(private));
	if (result == 0)
		result = write_key(keys, public_name, public, sizeof(public), 0644, owner, owner);
	return result == -EEXIST ? 0 : result;
}

/* Root's, readable by apid's group: who can read the database cannot change the key. */
static int make_token_key(int keys)
{
	unsigned char key[crypto_generichash_KEYBYTES];
	int result;

	if (key_exists(keys, TOKEN_KEY))
		return 0;
	randombytes_buf(key, sizeof(key));
	result = write_key(keys, TOKEN_KEY, key, sizeof(key), 0440, geteuid(), (gid_t)hs_privs_uid(HS_ROLE_APID));
	sodium_memzero(key, sizeof(key));
	return result == -EEXIST ? 0 : result;
}

int hs_secret_make_keys(const char *home, enum hs_role role)
{
	AUTO(close) int keys = open_keys(home, true);

	if (keys < 0)
		return keys;
	if (sodium_init() < 0)
		return -ENOTSUP;
	return role == HS_ROLE_APID ? make_token_key(keys) : make_pair(keys, role);
}

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

char *hs_secret_seal(const char *home, enum hs_role role, const char *destination, const char *value)
{
	AUTO(close) int keys = open_keys(home, false);
	AUTO(free) char *name = hs_printf("%s.pub", hs_role_names[role]);
	AUTO(free) unsigned char *sealed = NULL;
	unsigned char public[crypto_box_PUBLICKEYBYTES], *plain;
	size_t bytes;

	if (keys < 0 || sodium_init() < 0 || read_key(keys, name, public, sizeof(public)) < 0)
		return NULL;
	plain = join(destination, value, &bytes);
	sealed = hs_zalloc(bytes + crypto_box_SEALBYTES);
	crypto_box_seal(sealed, plain, bytes, public);
	sodium_memzero(plain, bytes);
	free(plain);
	return to_text(sealed, bytes + crypto_box_SEALBYTES);
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

static int open_box(int keys, enum hs_role role, const unsigned char *sealed, size_t bytes, unsigned char *ret_plain)
{
	AUTO(free) char *name = hs_printf("%s.key", hs_role_names[role]);
	unsigned char public[crypto_box_PUBLICKEYBYTES], private[crypto_box_SECRETKEYBYTES];
	int result = read_key(keys, name, private, sizeof(private));

	if (result < 0)
		return result;
	crypto_scalarmult_base(public, private);
	result = crypto_box_seal_open(ret_plain, sealed, bytes, public, private);
	sodium_memzero(private, sizeof(private));
	return result == 0 ? 0 : -EACCES;
}

/* destination NUL value of a sealed text, to be wiped: the length of destination, or -errno. */
static int open_text(const char *home, enum hs_role role, const char *sealed, unsigned char **ret_plain,
		     size_t *ret_bytes)
{
	AUTO(close) int keys = open_keys(home, false);
	AUTO(free) unsigned char *box = NULL;
	unsigned char *plain;
	size_t bytes = 0;
	int result;

	if (keys < 0 || sodium_init() < 0)
		return keys < 0 ? keys : -ENOTSUP;
	box = from_text(sealed, &bytes);
	if (!box)
		return -EACCES;
	plain = hs_zalloc(bytes + 1);
	result = open_box(keys, role, box, bytes, plain);
	bytes -= crypto_box_SEALBYTES;
	if (result == 0 && !memchr(plain, 0, bytes))
		result = -EACCES;
	if (result < 0) {
		sodium_memzero(plain, bytes);
		free(plain);
		return result;
	}
	*ret_plain = plain;
	*ret_bytes = bytes;
	return (int)strlen((char *)plain);
}

static void wipe(unsigned char *plain, size_t bytes)
{
	sodium_memzero(plain, bytes);
	free(plain);
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
	if ((size_t)result + 1 == prefix && sodium_memcmp(plain, destination, prefix) == 0) {
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
	AUTO(close) int keys = open_keys(home, false);
	unsigned char key[crypto_generichash_KEYBYTES], hash[crypto_generichash_BYTES];
	int result;

	if (sodium_init() < 0)
		return -ENOTSUP;
	result = keys < 0 ? keys : read_key(keys, TOKEN_KEY, key, sizeof(key));
	if (result == -ENOENT) {
		AUTO(close) int made = open_keys(home, true);

		result = made < 0 ? made : make_token_key(made);
		if (result == 0)
			result = read_key(made, TOKEN_KEY, key, sizeof(key));
	}
	if (result < 0)
		return result;
	crypto_generichash(hash, sizeof(hash), (const unsigned char *)token, strlen(token), key, sizeof(key));
	sodium_memzero(key, sizeof(key));
	sodium_bin2hex(ret_hash, 65, hash, sizeof(hash));
	return 0;
}
