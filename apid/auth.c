#include "auth.h"
#include "cleanup.h"
#include "log.h"
#include "metrics.h"
#include "secret.h"
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define HASH_TEXT 65

/* Thousandths of a request, so that whole numbers do. */
struct bucket {
	int64_t level_milli, filled_at_ms;
};

/* A digest by which a token that was good is known again without reading the key's file: of this process only. */
struct seen {
	bool is_set;
	unsigned char digest[crypto_generichash_BYTES];
};

struct auth {
	const struct hs_config_api *config;
	char *home;
	unsigned char key[crypto_generichash_KEYBYTES];
	struct seen *seen;      /* by number of the token */
	struct bucket *buckets; /* by number of the token */
	int *reads;             /* in work, by number of the token */
	int reads_of_role[HS_ROLES];
	struct hs_metric *reads_refused;
};

struct auth *auth_create(const struct hs_config *config, const char *home)
{
	struct auth *auth = hs_zalloc(sizeof(*auth));

	auth->config = config->api;
	auth->home = hs_strdup(home);
	if (sodium_init() < 0)
		abort();
	randombytes_buf(auth->key, sizeof(auth->key));
	auth->seen = hs_zalloc(auth->config->tokens_count * sizeof(*auth->seen) + 1);
	auth->buckets = hs_zalloc(auth->config->tokens_count * sizeof(*auth->buckets) + 1);
	auth->reads = hs_zalloc(auth->config->tokens_count * sizeof(*auth->reads) + 1);
	auth->reads_refused = hs_metric_counter("hookswitch_reads_refused_total", "",
						"Reads refused because who asked had too many in work.");
	for (size_t i = 0; i < auth->config->tokens_count; i++)
		auth->buckets[i].level_milli = auth->config->requests_per_s * 1000;
	return auth;
}

/* Number of the token with this digest, or -1. */
static int find_seen(const struct auth *auth, const unsigned char digest[crypto_generichash_BYTES])
{
	int found = -1;

	for (size_t i = 0; i < auth->config->tokens_count; i++)
		if (sodium_memcmp(auth->seen[i].digest, digest, sizeof(auth->seen[i].digest)) == 0 &&
		    auth->seen[i].is_set)
			found = (int)i;
	return found;
}

static int find_hash(const struct auth *auth, const char *token)
{
	char hash[HASH_TEXT] = "";
	int found = -1;

	if (hs_token_hash(auth->home, token, hash) != 0)
		return -1;
	for (size_t i = 0; i < auth->config->tokens_count; i++) {
		char known[HASH_TEXT] = "";

		hs_copy(known, sizeof(known), auth->config->tokens[i].hash);
		if (sodium_memcmp(known, hash, sizeof(known)) == 0)
			found = (int)i;
	}
	return found;
}

const struct hs_config_token *auth_find(struct auth *auth, const char *token)
{
	unsigned char digest[crypto_generichash_BYTES];
	int found;

	if (!hs_token_plausible(token))
		return NULL;
	crypto_generichash(digest, sizeof(digest), (const unsigned char *)token, strlen(token), auth->key,
			   sizeof(auth->key));
	found = find_seen(auth, digest);
	if (found < 0 && (found = find_hash(auth, token)) >= 0) {
		memcpy(auth->seen[found].digest, digest, sizeof(digest));
		auth->seen[found].is_set = true;
	}
	return found >= 0 ? &auth->config->tokens[found] : NULL;
}

bool auth_has_scope(const struct hs_config_token *token, const char *scope)
{
	if (!scope)
		return true;
	for (size_t i = 0; token && i < token->scopes_count; i++)
		if (strcmp(token->scopes[i], scope) == 0)
			return true;
	return false;
}

bool auth_admit(struct auth *auth, const struct hs_config_token *token, int64_t now_ms)
{
	struct bucket *bucket = &auth->buckets[token - auth->config->tokens];
	int64_t rate = auth->config->requests_per_s;
	int64_t passed_ms = now_ms - bucket->filled_at_ms;

	if (passed_ms > 1000)
		passed_ms = 1000; /* the bucket holds one second */
	bucket->filled_at_ms = now_ms;
	bucket->level_milli += passed_ms * rate;
	if (bucket->level_milli > rate * 1000)
		bucket->level_milli = rate * 1000;
	if (bucket->level_milli < 1000)
		return false;
	bucket->level_milli -= 1000;
	return true;
}

static int *reads_of(struct auth *auth, const struct hs_config_token *token, enum hs_role from)
{
	return token ? &auth->reads[token - auth->config->tokens] : &auth->reads_of_role[from];
}

int auth_begin_read(struct auth *auth, const struct hs_config_token *token, enum hs_role from)
{
	int *reads = reads_of(auth, token, from);

	if (*reads < AUTH_READS_MAX)
		return ++*reads;
	hs_metric_add(auth->reads_refused, 1);
	return -EBUSY;
}

void auth_end_read(struct auth *auth, const struct hs_config_token *token, enum hs_role from)
{
	(*reads_of(auth, token, from))--;
}

void auth_destroy(struct auth *auth)
{
	if (!auth)
		return;
	free(auth->home);
	free(auth->seen);
	sodium_memzero(auth->key, sizeof(auth->key));
	free(auth->buckets);
	free(auth->reads);
	free(auth);
}
