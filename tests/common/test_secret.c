#include "keys_home.h"

static void keys_are_kept(void **state)
{
	AUTO(free) char *private = hs_printf("%s/keys/sipd.key", home);
	AUTO(free) char *public = hs_printf("%s/keys/sipd.pub", home);
	AUTO(free) char *sealed = hs_secret_seal(home, HS_ROLE_SIPD, "d", "value");
	char *value = NULL;
	struct stat status;

	assert_int_equal(stat(private, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0400);
	assert_int_equal(status.st_uid, hs_privs_uid(HS_ROLE_SIPD));
	assert_int_equal(status.st_size, 32);
	assert_int_equal(stat(public, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0644);
	assert_int_equal(hs_keys_make(home, HS_ROLE_SIPD), 0); /* changes nothing */
	assert_int_equal(hs_secret_open(home, HS_ROLE_SIPD, "d", sealed, &value), 0);
	hs_secret_wipe(value);
	/* A lost public half is made again from the private one. */
	assert_int_equal(unlink(public), 0);
	assert_null(hs_secret_seal(home, HS_ROLE_SIPD, "d", "value"));
	assert_int_equal(hs_keys_make(home, HS_ROLE_SIPD), 0);
	free(TAKE(sealed));
	sealed = hs_secret_seal(home, HS_ROLE_SIPD, "d", "another");
	assert_int_equal(hs_secret_open(home, HS_ROLE_SIPD, "d", sealed, &value), 0);
	assert_string_equal(value, "another");
	hs_secret_wipe(value);
}

static void opens_only_for_role_and_destination(void **state)
{
	AUTO(free) char *sealed = hs_secret_seal(home, HS_ROLE_HOOKD, "url:https://a/", "whsec");
	AUTO(free) char *empty = hs_secret_seal(home, HS_ROLE_HOOKD, "", "");
	char *value = NULL;

	assert_memory_equal(sealed, "sealed:", 7);
	assert_null(strstr(sealed, "whsec"));
	assert_int_equal(hs_secret_open(home, HS_ROLE_HOOKD, "url:https://a/", sealed, &value), 0);
	assert_string_equal(value, "whsec");
	hs_secret_wipe(TAKE(value));
	assert_int_equal(hs_secret_open(home, HS_ROLE_HOOKD, "url:https://b/", sealed, &value), -EXDEV);
	assert_int_equal(hs_secret_open(home, HS_ROLE_HOOKD, "url:https://a/w", sealed, &value), -EXDEV);
	assert_int_equal(hs_secret_open(home, HS_ROLE_HOOKD, "url:https://a", sealed, &value), -EXDEV);
	assert_int_equal(
		hs_secret_open(home, HS_ROLE_HOOKD, "a destination longer than all of the sealed text", sealed, &value),
		-EXDEV);
	assert_int_equal(hs_secret_open(home, HS_ROLE_SIPD, "url:https://a/", sealed, &value), -EACCES);
	assert_null(value);
	assert_int_equal(hs_secret_open(home, HS_ROLE_HOOKD, "", empty, &value), 0);
	assert_string_equal(value, "");
	hs_secret_wipe(value);
	hs_secret_wipe(NULL);
}

static void damage_is_noticed(void **state)
{
	static const char *const rubbish[] = {"", "sealed:", "sealed:AAAA", "sealed:***", "plain"};
	AUTO(free) char *sealed = hs_secret_seal(home, HS_ROLE_SIPD, "d", "value");
	char *value = NULL;

	for (size_t i = 7; sealed[i] && sealed[i] != '='; i++) {
		char old = sealed[i];

		sealed[i] = old == 'A' ? 'B' : 'A';
		assert_int_equal(hs_secret_open(home, HS_ROLE_SIPD, "d", sealed, &value), -EACCES);
		sealed[i] = old;
	}
	for (size_t i = 0; i < HS_COUNT(rubbish); i++)
		assert_int_equal(hs_secret_open(home, HS_ROLE_SIPD, "d", rubbish[i], &value), -EACCES);
	assert_null(value);
	assert_true(hs_secret_open("/nonexistent", HS_ROLE_SIPD, "d", sealed, &value) < 0);
}

static void tokens_have_a_checksum(void **state)
{
	char token[HS_TOKEN_TEXT], other[HS_TOKEN_TEXT];

	hs_token_make(token);
	hs_token_make(other);
	assert_string_not_equal(token, other);
	assert_int_equal(strlen(token), 3 + 52 + 7);
	assert_true(hs_token_plausible(token));
	for (size_t i = 0; i < strlen(token); i++) {
		char old = token[i];

		token[i] = old == '0' ? '1' : '0';
		assert_false(hs_token_plausible(token));
		token[i] = old;
	}
	assert_false(hs_token_plausible(NULL));
	assert_false(hs_token_plausible(""));
	assert_false(hs_token_plausible("hs_"));
	token[strlen(token) - 1] = 0;
	assert_false(hs_token_plausible(token));
}

static void hashes_are_keyed(void **state)
{
	AUTO(free) char *path = hs_printf("%s/keys/token.key", home);
	char first[65], second[65];
	struct stat status;

	assert_int_equal(hs_token_hash(home, "hs_x", first), -ENOENT);
	assert_int_equal(hs_keys_make(home, HS_ROLE_APID), 0);
	assert_int_equal(hs_token_hash(home, "hs_x", first), 0);
	assert_int_equal(strlen(first), 64);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0440);
	assert_int_equal(hs_keys_make(home, HS_ROLE_APID), 0);
	assert_int_equal(hs_token_hash(home, "hs_x", second), 0);
	assert_string_equal(first, second);
	assert_int_equal(hs_token_hash(home, "hs_y", second), 0);
	assert_string_not_equal(first, second);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(hs_keys_make(home, HS_ROLE_APID), 0);
	assert_int_equal(hs_token_hash(home, "hs_x", second), 0);
	assert_string_not_equal(first, second); /* another key */
	assert_true(hs_token_hash("/nonexistent", "hs_x", second) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HOME_TEST(keys_are_kept),     HOME_TEST(opens_only_for_role_and_destination),
		HOME_TEST(damage_is_noticed), HOME_TEST(tokens_have_a_checksum),
		HOME_TEST(hashes_are_keyed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
