#include "keys_home.h"
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <unistd.h>

static char *sealed_now(void)
{
	return hs_secret_seal(home, HS_ROLE_SIPD, "d", "value");
}

static void opens(const char *sealed)
{
	char *value = NULL;

	assert_int_equal(hs_secret_open(home, HS_ROLE_SIPD, "d", sealed, &value), 0);
	assert_string_equal(value, "value");
	hs_secret_wipe(value);
}

static void does_not_open(const char *sealed)
{
	char *value = NULL;

	assert_int_equal(hs_secret_open(home, HS_ROLE_SIPD, "d", sealed, &value), -EACCES);
}

static off_t size_of(const char *name)
{
	AUTO(free) char *path = hs_printf("%s/keys/%s", home, name);
	struct stat status;

	return stat(path, &status) < 0 ? -1 : status.st_size;
}

/* Makes a file this long: cut, or filled with bytes that are no key. */
static void make_length(const char *name, off_t bytes)
{
	AUTO(free) char *path = hs_printf("%s/keys/%s", home, name);
	AUTO(close) int fd = -1;

	assert_int_equal(chmod(path, 0600), 0);
	fd = open(path, O_WRONLY);
	assert_true(fd >= 0);
	for (off_t at = size_of(name); at < bytes; at++)
		assert_int_equal(pwrite(fd, "x", 1, at), 1);
	assert_int_equal(ftruncate(fd, bytes), 0);
	assert_int_equal(fchmod(fd, 0400), 0);
}

static void drop(const char *name)
{
	AUTO(free) char *path = hs_printf("%s/keys/%s", home, name);

	assert_int_equal(unlink(path), 0);
}

static void old_keys_open_until_they_are_wiped(void **state)
{
	AUTO(free) char *old = sealed_now();
	AUTO(free) char *resealed = NULL;
	AUTO(free) char *fresh = NULL;
	struct hs_keys_status status;

	assert_null(hs_secret_reseal(home, HS_ROLE_SIPD, old));
	assert_int_equal(hs_keys_rotate(home, HS_ROLE_SIPD), 1);
	assert_int_equal(hs_keys_rotate(home, HS_ROLE_SIPD), 0); /* one at a time */
	opens(old);
	fresh = sealed_now();
	opens(fresh);
	assert_null(hs_secret_reseal(home, HS_ROLE_SIPD, fresh));
	resealed = hs_secret_reseal(home, HS_ROLE_SIPD, old);
	opens(resealed);
	assert_true(hs_secret_same(home, HS_ROLE_SIPD, old, resealed));
	assert_false(hs_secret_same(home, HS_ROLE_SIPD, old, "sealed:x"));
	hs_keys_status(home, HS_ROLE_SIPD, &status);
	assert_true(status.has_old && !status.has_copy);
	assert_int_equal(hs_keys_forget_old(home, HS_ROLE_SIPD), 0);
	opens(resealed);
	opens(fresh);
	does_not_open(old);
	hs_keys_status(home, HS_ROLE_SIPD, &status);
	assert_false(status.has_old);
	assert_int_equal(hs_keys_rotate(home, HS_ROLE_SIPD), 1);
	opens(resealed);
}

/* Every state that a death can leave: any part of the new key, with the public half and the copy as they were. */
static void no_death_loses_a_key(void **state)
{
	char recovery[HS_RECOVERY_TEXT];

	assert_int_equal(hs_keys_make_recovery(home, recovery), 0);
	for (off_t bytes = 0; bytes <= HS_KEY_BYTES; bytes++) {
		AUTO(free) char *old = sealed_now();
		AUTO(free) char *fresh = NULL;
		struct hs_keys_status status;
		off_t private = size_of("sipd.key"), public = size_of("sipd.pub");

		make_length("sipd.key", private + bytes);
		opens(old);
		assert_int_equal(hs_keys_make(home, HS_ROLE_SIPD), 0);
		opens(old);
		assert_int_equal(size_of("sipd.pub"), public + (bytes == HS_KEY_BYTES ? HS_KEY_BYTES : 0));
		fresh = sealed_now();
		opens(fresh);
		hs_keys_status(home, HS_ROLE_SIPD, &status);
		assert_true(status.has_copy);
		assert_true(hs_keys_rotate(home, HS_ROLE_SIPD) >= 0); /* over what is left */
		opens(old);
		opens(fresh);
		assert_int_equal(hs_keys_forget_old(home, HS_ROLE_SIPD), 0);
	}
}

static void what_is_lost_is_not_made_anew(void **state)
{
	drop("sipd.key");
	assert_int_equal(hs_keys_make(home, HS_ROLE_SIPD), -ENOKEY);
	assert_int_equal(size_of("sipd.key"), -1);
	drop("sipd.pub");
	assert_int_equal(hs_keys_make(home, HS_ROLE_SIPD), 0);
}

static void open_keys_are_refused(void **state)
{
	static const mode_t modes[] = {0440, 0404, 0420, 0666};
	AUTO(free) char *path = hs_printf("%s/keys/sipd.key", home);

	for (size_t i = 0; i < HS_COUNT(modes); i++) {
		assert_int_equal(chmod(path, modes[i]), 0);
		assert_int_equal(hs_keys_make(home, HS_ROLE_SIPD), -EPERM);
	}
	assert_int_equal(chmod(path, 0400), 0);
	assert_int_equal(hs_keys_make(home, HS_ROLE_SIPD), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 12345, 12345), 0);
		assert_int_equal(hs_keys_make(home, HS_ROLE_SIPD), -EPERM);
	}
}

static void the_recovery_key_restores_all(void **state)
{
	AUTO(free) char *old = sealed_now();
	AUTO(free) char *fresh = NULL;
	char earlier[HS_RECOVERY_TEXT], recovery[HS_RECOVERY_TEXT], before[65], after[65];

	assert_int_equal(hs_keys_make(home, HS_ROLE_APID), 0);
	assert_int_equal(hs_token_hash(home, "hs_x", before), 0);
	assert_int_equal(hs_keys_recover(home, HS_ROLE_SIPD, "hsr-00"), -EACCES);
	assert_int_equal(hs_keys_make_recovery(home, earlier), 0);
	assert_int_equal(hs_keys_make_recovery(home, recovery), 0);
	assert_int_equal(hs_keys_rotate(home, HS_ROLE_SIPD), 1);
	fresh = sealed_now();
	assert_int_equal(hs_keys_recover(home, HS_ROLE_SIPD, recovery), 0); /* it is there */
	drop("sipd.key");
	drop("sipd.pub"); /* which comes with it */
	drop("token.key");
	assert_int_equal(hs_keys_make(home, HS_ROLE_SIPD), -ENOKEY);
	assert_int_equal(hs_keys_recover(home, HS_ROLE_SIPD, earlier), -EACCES);
	assert_int_equal(hs_keys_recover(home, HS_ROLE_SIPD, recovery), 1);
	assert_int_equal(hs_keys_recover(home, HS_ROLE_APID, recovery), 1);
	opens(old);
	opens(fresh);
	assert_int_equal(hs_token_hash(home, "hs_x", after), 0);
	assert_string_equal(before, after);
	assert_int_equal(hs_keys_make(home, HS_ROLE_SIPD), 0); /* mode and owner are right */
	recovery[10] = recovery[10] == '0' ? '1' : '0';
	assert_int_equal(hs_keys_recover(home, HS_ROLE_SIPD, recovery), -EACCES);
	assert_int_equal(hs_keys_recover(home, HS_ROLE_DAHDID, earlier), -ENOENT);
}

static void another_key_is_not_overwritten(void **state)
{
	char recovery[HS_RECOVERY_TEXT];

	assert_int_equal(hs_keys_make_recovery(home, recovery), 0);
	drop("sipd.key");
	drop("sipd.pub");
	{
		AUTO(free) char *copy = hs_printf("%s/keys/sipd.key.sealed", home);
		AUTO(free) char *aside = hs_printf("%s/keys/aside", home);

		assert_int_equal(rename(copy, aside), 0);
		assert_int_equal(hs_keys_make(home, HS_ROLE_SIPD), 0);
		assert_int_equal(rename(aside, copy), 0);
	}
	assert_int_equal(hs_keys_recover(home, HS_ROLE_SIPD, recovery), -EEXIST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HOME_TEST(old_keys_open_until_they_are_wiped), HOME_TEST(no_death_loses_a_key),
		HOME_TEST(what_is_lost_is_not_made_anew),      HOME_TEST(open_keys_are_refused),
		HOME_TEST(the_recovery_key_restores_all),      HOME_TEST(another_key_is_not_overwritten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
