/* Copies of key files that only the offline recovery key opens, that key itself, and how all of them are. */
#include "cleanup.h"
#include "keys_inner.h"
#include "privs.h"
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define RECOVERY_PUBLIC "recovery.pub"
#define RECOVERY_PREFIX "hsr"
#define RECOVERY_GROUP 8 /* digits between dashes */
#define RECOVERY_CHECK 4 /* bytes of a hash over the key */
#define PLAIN_BYTES (HS_KEYS_READ * HS_KEY_BYTES)
#define COPY_BYTES (HS_KEY_BYTES + PLAIN_BYTES + crypto_box_SEALBYTES)

/* ---- copies ---- */

/* What a copy holds, oldest key first, and the stamp before it: a hash by which one sees that it is up to date. */
static size_t lay_out(const struct hs_keys *keys, const unsigned char *recovery, unsigned char *ret_plain,
		      unsigned char ret_stamp[HS_KEY_BYTES])
{
	size_t bytes = keys->count * HS_KEY_BYTES;

	for (size_t i = 0; i < keys->count; i++)
		memcpy(ret_plain + i * HS_KEY_BYTES, keys->keys[keys->count - 1 - i], HS_KEY_BYTES);
	crypto_generichash(ret_stamp, HS_KEY_BYTES, ret_plain, bytes, recovery, HS_KEY_BYTES);
	return bytes;
}

static ssize_t read_copy(int folder, const char *name, unsigned char ret_copy[COPY_BYTES])
{
	AUTO(close) int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, ret_copy, COPY_BYTES);

	return got < 0 ? -errno : got;
}

static bool is_stamped(int folder, const char *name, const unsigned char *stamp)
{
	unsigned char copy[COPY_BYTES];

	return read_copy(folder, name, copy) > HS_KEY_BYTES && memcmp(copy, stamp, HS_KEY_BYTES) == 0;
}

/* Brings a copy up to date. Without a recovery key there are none. */
int keys_mend_copy(int folder, const struct key_names *names, const struct hs_keys *keys)
{
	unsigned char plain[PLAIN_BYTES], copy[COPY_BYTES];
	struct hs_keys recovery;
	int result = keys_read(folder, RECOVERY_PUBLIC, &recovery);
	size_t bytes;

	if (result < 0)
		return result == -ENOENT ? 0 : result;
	bytes = lay_out(keys, recovery.keys[0], plain, copy);
	if (!is_stamped(folder, names->copy, copy)) {
		crypto_box_seal(copy + HS_KEY_BYTES, plain, bytes, recovery.keys[0]);
		result = keys_write(folder, names->copy, copy, HS_KEY_BYTES + bytes + crypto_box_SEALBYTES, 0600,
				    hs_privs_uid(HS_ROLE_OPS), (gid_t)hs_privs_uid(HS_ROLE_OPS));
	}
	sodium_memzero(plain, sizeof(plain));
	return result;
}

void hs_keys_status(const char *home, int key, struct hs_keys_status *ret_status)
{
	AUTO(close) int folder = keys_open(home, false);
	struct key_names names = keys_names(key);
	unsigned char plain[PLAIN_BYTES], stamp[HS_KEY_BYTES], mark[crypto_generichash_BYTES_MIN];
	struct hs_keys keys, recovery;

	*ret_status = (struct hs_keys_status){0};
	if (folder < 0 || sodium_init() < 0 || keys_read(folder, names.private, &keys) < 0)
		return;
	ret_status->is_there = true;
	ret_status->has_old = keys.count > 1;
	crypto_generichash(mark, sizeof(mark), keys.keys[0], HS_KEY_BYTES, NULL, 0);
	sodium_bin2hex(ret_status->mark, sizeof(ret_status->mark), mark, sizeof(ret_status->mark) / 2);
	if (keys_read(folder, RECOVERY_PUBLIC, &recovery) == 0) {
		lay_out(&keys, recovery.keys[0], plain, stamp);
		ret_status->has_copy = is_stamped(folder, names.copy, stamp);
	}
	sodium_memzero(plain, sizeof(plain));
	sodium_memzero(&keys, sizeof(keys));
}

/* ---- recovery ---- */

static void check_of(const unsigned char *key, unsigned char ret_check[crypto_generichash_BYTES_MIN])
{
	crypto_generichash(ret_check, crypto_generichash_BYTES_MIN, key, HS_KEY_BYTES, NULL, 0);
}

/* hsr-01234567-...: eight groups of the key and one that shows a slip of the pen. */
static void to_text(const unsigned char *key, char ret_text[HS_RECOVERY_TEXT])
{
	unsigned char bytes[HS_KEY_BYTES + crypto_generichash_BYTES_MIN];
	char digits[2 * (HS_KEY_BYTES + RECOVERY_CHECK) + 1], *at = ret_text;

	memcpy(bytes, key, HS_KEY_BYTES);
	check_of(key, bytes + HS_KEY_BYTES);
	sodium_bin2hex(digits, sizeof(digits), bytes, HS_KEY_BYTES + RECOVERY_CHECK);
	at += snprintf(at, HS_RECOVERY_TEXT, "%s", RECOVERY_PREFIX);
	for (size_t i = 0; digits[i]; i += RECOVERY_GROUP)
		at += snprintf(at, (size_t)(ret_text + HS_RECOVERY_TEXT - at), "-%.*s", RECOVERY_GROUP, digits + i);
	sodium_memzero(bytes, sizeof(bytes));
	sodium_memzero(digits, sizeof(digits));
}

static int from_text(const char *text, unsigned char ret_key[HS_KEY_BYTES])
{
	unsigned char bytes[HS_KEY_BYTES + RECOVERY_CHECK], check[crypto_generichash_BYTES_MIN];
	size_t got = 0, prefix = strlen(RECOVERY_PREFIX);
	bool fits =
		strnlen(text, HS_RECOVERY_TEXT) < HS_RECOVERY_TEXT && strncmp(text, RECOVERY_PREFIX, prefix) == 0 &&
		sodium_hex2bin(bytes, sizeof(bytes), text + prefix, strlen(text + prefix), "- \r\n", &got, NULL) == 0 &&
		got == sizeof(bytes);

	if (fits) {
		check_of(bytes, check);
		fits = memcmp(check, bytes + HS_KEY_BYTES, RECOVERY_CHECK) == 0;
	}
	if (fits)
		memcpy(ret_key, bytes, HS_KEY_BYTES);
	sodium_memzero(bytes, sizeof(bytes));
	return fits ? 0 : -EACCES;
}

int hs_keys_make_recovery(const char *home, char ret_text[HS_RECOVERY_TEXT])
{
	AUTO(close) int folder = keys_open(home, true);
	unsigned char public[HS_KEY_BYTES], private[HS_KEY_BYTES];
	struct hs_keys keys;
	int result;

	if (folder < 0 || sodium_init() < 0)
		return folder < 0 ? folder : -ENOTSUP;
	crypto_box_keypair(public, private);
	result = keys_write(folder, RECOVERY_PUBLIC, public, sizeof(public), 0644, hs_privs_uid(HS_ROLE_OPS),
			    (gid_t)hs_privs_uid(HS_ROLE_OPS));
	for (int key = HS_ROLE_NONE + 1; key < HS_KEYS_ALL && result == 0; key++) {
		struct key_names names;

		if (key == HS_KEYS_CURVE(HS_ROLE_NONE))
			continue;
		names = keys_names(key);
		if (keys_exist(folder, names.private))
			result = keys_make(folder, key, &keys);
	}
	if (result == 0)
		to_text(private, ret_text);
	sodium_memzero(&keys, sizeof(keys));
	sodium_memzero(private, sizeof(private));
	return result;
}

/* The keys of a sealed copy, as its file is to be written: how many bytes, or -errno. */
static int open_copy(int folder, const struct key_names *names, const unsigned char *private,
		     unsigned char ret_plain[PLAIN_BYTES])
{
	unsigned char public[HS_KEY_BYTES], copy[COPY_BYTES];
	ssize_t got = read_copy(folder, names->copy, copy);
	size_t head = HS_KEY_BYTES + crypto_box_SEALBYTES, bytes = (size_t)got - head;

	if (got < 0)
		return (int)got;
	if ((size_t)got <= head || bytes % HS_KEY_BYTES != 0)
		return -EINVAL;
	crypto_scalarmult_base(public, private);
	if (crypto_box_seal_open(ret_plain, copy + HS_KEY_BYTES, (size_t)got - HS_KEY_BYTES, public, private) != 0)
		return -EACCES;
	return (int)bytes;
}

static int restore(int folder, int key, const unsigned char *plain, size_t bytes)
{
	struct key_names names = keys_names(key);
	struct hs_keys keys;
	int result = keys_read(folder, names.private, &keys);
	bool is_same = result == 0 && memcmp(keys.keys[0], plain + bytes - HS_KEY_BYTES, HS_KEY_BYTES) == 0;

	if (result != -ENOENT) {
		sodium_memzero(&keys, sizeof(keys));
		return is_same ? 0 : -EEXIST;
	}
	result = keys_write(folder, names.private, plain, bytes, names.mode, names.owner, names.group);
	if (result == 0)
		result = keys_make(folder, key, &keys);
	sodium_memzero(&keys, sizeof(keys));
	return result < 0 ? result : 1;
}

int hs_keys_recover(const char *home, int key, const char *text)
{
	AUTO(close) int folder = keys_open(home, true);
	struct key_names names = keys_names(key);
	unsigned char private[HS_KEY_BYTES], plain[PLAIN_BYTES];
	int result;

	if (folder < 0 || sodium_init() < 0)
		return folder < 0 ? folder : -ENOTSUP;
	result = from_text(text, private);
	if (result == 0)
		result = open_copy(folder, &names, private, plain);
	if (result > 0)
		result = restore(folder, key, plain, (size_t)result);
	sodium_memzero(private, sizeof(private));
	sodium_memzero(plain, sizeof(plain));
	return result;
}
