#include "users.h"
#include "cleanup.h"
#include "log.h"
#include "secret.h"
#include "table.h"
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef char ha1_pair[DIGEST_ALGORITHMS][DIGEST_HEX];

struct users {
	struct user *all;
	size_t count, locked;
	ha1_pair *secrets; /* sodium_malloc: locked, guarded, wiped */
	struct hs_table *by_name, *by_line;
	uint8_t fake_key[crypto_generichash_KEYBYTES];
	struct user fake;
	ha1_pair fake_secret;
};

static int take_hex(const char *text, const char *label, size_t digits, char *ret_hex)
{
	const char *at = strstr(text, label);
	if (!at)
		return -EINVAL;
	at += strlen(label);
	if (strspn(at, "0123456789abcdef") != digits)
		return -EINVAL;
	memcpy(ret_hex, at, digits);
	ret_hex[digits] = 0;
	return 0;
}

int users_read_secret(const char *text, char ret_ha1[DIGEST_ALGORITHMS][DIGEST_HEX])
{
	if (take_hex(text, "md5:", 32, ret_ha1[DIGEST_MD5]) || take_hex(text, "sha256:", 64, ret_ha1[DIGEST_SHA256]))
		return -EINVAL;
	return 0;
}

static int open_secret(const struct hs_config *config, const struct hs_config_line *line, const char *name,
		       const char *home, ha1_pair secret)
{
	char *value = NULL;
	if (!line->secret)
		return -ENOENT;
	AUTO(free) char *destination = hs_printf("sip:%s:%s", config->server->domain, name);
	int result = hs_secret_open(home, HS_ROLE_SIPD, destination, line->secret, &value);
	if (!result)
		result = users_read_secret(value, secret);
	hs_secret_wipe(value);
	return result;
}

static const char *why(int result)
{
	switch (result) {
	case -ENOENT:
		return "no secret is configured; make one with: hookctl seal sip USER";
	case -EXDEV:
		return "the secret was sealed for another user or domain; seal it again";
	case -EINVAL:
		return "the sealed value is not md5:<hex> sha256:<hex>";
	default:
		return "the secret was not sealed to this suite's key; seal it again";
	}
}

static void add_user(struct users *users, const struct hs_config *config, const struct hs_config_line *line,
		     const char *home)
{
	struct user *user = &users->all[users->count];
	ha1_pair *secret = &users->secrets[users->count];
	const char *name = line->user ? line->user : line->id;
	int result = open_secret(config, line, name, home, *secret);
	if (result) {
		users->locked += result != -ENOENT;
		hs_log(ERROR, "line.no_secret", LOG_LINE(line->id), LOG_TEXT("user", name), LOG_WHY(why(result)));
		return;
	}
	hs_copy(user->name, sizeof(user->name), name);
	hs_copy(user->line, sizeof(user->line), line->id);
	hs_copy(user->caller_name, sizeof(user->caller_name), line->name);
	hs_copy(user->number, sizeof(user->number), line->number);
	user->digest = line->digest;
	user->known = true;
	for (int i = 0; i < DIGEST_ALGORITHMS; i++)
		user->ha1[i] = (*secret)[i];
	hs_table_put(users->by_name, user->name, user);
	hs_table_put(users->by_line, user->line, user);
	users->count++;
}

struct users *users_create(const struct hs_config *config, const char *home)
{
	struct users *users = hs_zalloc(sizeof(*users));
	users->by_name = hs_table_create();
	users->by_line = hs_table_create();
	users->all = hs_zalloc((config->lines_count + 1) * sizeof(*users->all));
	users->secrets = sodium_allocarray(config->lines_count + 1, sizeof(*users->secrets));
	if (!users->secrets) {
		hs_log(ERROR, "sipd.memory", LOG_WHY("no memory for secrets"));
		abort();
	}
	sodium_memzero(users->secrets, (config->lines_count + 1) * sizeof(*users->secrets));
	randombytes_buf(users->fake_key, sizeof(users->fake_key));
	for (size_t i = 0; i < config->lines_count; i++)
		if (config->lines[i].driver == HS_DRIVER_SIP)
			add_user(users, config, &config->lines[i], home);
	return users;
}

size_t users_locked(const struct users *users)
{
	return users->locked;
}

static const struct user *make_fake(struct users *users, const char *name)
{
	uint8_t hash[32];
	crypto_generichash(hash, sizeof(hash), (const uint8_t *)name, strlen(name), users->fake_key,
			   sizeof(users->fake_key));
	sodium_bin2hex(users->fake_secret[DIGEST_MD5], 33, hash, 16);
	sodium_bin2hex(users->fake_secret[DIGEST_SHA256], 65, hash, 32);
	users->fake = (struct user){.digest = HS_DIGEST_MD5};
	hs_copy(users->fake.name, sizeof(users->fake.name), name);
	for (int i = 0; i < DIGEST_ALGORITHMS; i++)
		users->fake.ha1[i] = users->fake_secret[i];
	return &users->fake;
}

const struct user *users_find(struct users *users, const char *name)
{
	/* made in both cases, so that both take the same time */
	const struct user *fake = make_fake(users, name ? name : "");
	const struct user *user = name ? hs_table_get(users->by_name, name) : NULL;
	return user ? user : fake;
}

const struct user *users_of_line(const struct users *users, const char *line)
{
	return hs_table_get(users->by_line, line);
}

void users_each(struct users *users, void (*visit)(void *context, const struct user *user), void *context)
{
	for (size_t i = 0; i < users->count; i++)
		visit(context, &users->all[i]);
}

bool users_offered(const struct user *user, enum digest_algorithm algorithm)
{
	if (user->digest == HS_DIGEST_BOTH)
		return true;
	return (user->digest == HS_DIGEST_SHA256) == (algorithm == DIGEST_SHA256);
}

void users_destroy(struct users *users)
{
	if (!users)
		return;
	hs_table_destroy(users->by_name);
	hs_table_destroy(users->by_line);
	sodium_free(users->secrets);
	sodium_memzero(users->fake_key, sizeof(users->fake_key));
	free(users->all);
	free(users);
}
