/* seal, token and webhook-secret: secrets are made here, and leave only sealed or hashed. */
#include "cleanup.h"
#include "hookctl.h"
#include "id.h"
#include "keys.h"
#include "secret.h"
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <sodium.h>
#include <sofia-sip/su_md5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PASSWORD_LETTERS 24
#define WEBHOOK_KEY_BYTES 32

static const char *const scopes[] = {"calls:read", "calls:control", "audio", "digits", "webhooks", "metrics"};

/* Letters that cannot be taken for one another on a phone's small screen: 31 of them, so 118 bits in 24. */
static void make_password(char ret_password[PASSWORD_LETTERS + 1])
{
	static const char letters[] = "abcdefghjkmnpqrstuvwxyz23456789";
	for (int i = 0; i < PASSWORD_LETTERS; i++)
		ret_password[i] = letters[randombytes_uniform(sizeof(letters) - 1)];
	ret_password[PASSWORD_LETTERS] = '\0';
}

/* "md5:<HA1> sha256:<HA1>" of RFC 7616; the caller wipes and frees it. */
static char *digest_value(const char *user, const char *realm, const char *password)
{
	char *text = hs_printf("%s:%s:%s", user, realm, password);
	su_md5_t md5;
	char md5_hex[SU_MD5_DIGEST_SIZE * 2 + 1];
	unsigned char sha256[crypto_hash_sha256_BYTES];
	char sha256_hex[crypto_hash_sha256_BYTES * 2 + 1];
	su_md5_init(&md5);
	su_md5_update(&md5, text, strlen(text));
	su_md5_hexdigest(&md5, md5_hex);
	su_md5_deinit(&md5);
	crypto_hash_sha256(sha256, (const unsigned char *)text, strlen(text));
	sodium_bin2hex(sha256_hex, sizeof(sha256_hex), sha256, sizeof(sha256));
	hs_secret_wipe(text);
	char *value = hs_printf("md5:%s sha256:%s", md5_hex, sha256_hex);
	sodium_memzero(md5_hex, sizeof(md5_hex));
	sodium_memzero(sha256_hex, sizeof(sha256_hex));
	return value;
}

/* sealed NULL: there is none. */
static void print_pair(const struct hookctl *ctl, const char *shown, const char *plain, const char *sealed)
{
	if (!ctl->json) {
		printf("%-9s %s\n", shown, plain);
		if (sealed)
			printf("%-9s %s\n", "secret", sealed);
		return;
	}
	AUTO(json_put) struct json_object *out = json_object_new_object();
	json_object_object_add(out, shown, json_object_new_string(plain));
	if (sealed)
		json_object_object_add(out, "secret", json_object_new_string(sealed));
	puts(json_object_to_json_string_ext(out, JSON_C_TO_STRING_NOSLASHESCAPE));
}

static int seal_to(struct hookctl *ctl, enum hs_role role, const char *destination, const char *value,
		   const char *shown, const char *plain)
{
	int error = hookctl_is_elsewhere(ctl, role) ? 0 : hs_keys_make(ctl->home, role);
	if (error)
		return hookctl_fail(ctl, "cannot make the key of %s in %s/keys: %s", hs_role_names[role], ctl->home,
				    strerror(-error));
	AUTO(free) char *sealed = hs_secret_seal(ctl->home, role, destination, value);
	if (!sealed)
		return hookctl_fail(ctl, "cannot read %s/keys/%s.pub", ctl->home, hs_role_names[role]);
	print_pair(ctl, shown, plain, sealed);
	return HOOKCTL_OK;
}

static int seal_sip(struct hookctl *ctl, const char *user, const char *realm, const char *password)
{
	char made[PASSWORD_LETTERS + 1];
	if (!hs_id_valid(user))
		return hookctl_usage(ctl, "%s is no SIP user: 1 to 64 of letters, digits and _ . ~ -", user);
	if (!password)
		make_password(made);
	const char *chosen = password ? password : made;
	if (strlen(chosen) < 8 || strlen(chosen) > 128)
		return hookctl_usage(ctl, "a password has 8 to 128 characters");
	AUTO(free) char *destination = hs_printf("sip:%s:%s", realm, user);
	char *value = digest_value(user, realm, chosen);
	int code = seal_to(ctl, HS_ROLE_SIPD, destination, value, "password", chosen);
	hs_secret_wipe(value);
	sodium_memzero(made, sizeof(made));
	return code;
}

/* The key of Standard Webhooks: whsec_ and 24 to 64 bytes in base 64. */
static bool is_webhook_secret(const char *secret)
{
	unsigned char key[64];
	size_t bytes;
	return !strncmp(secret, "whsec_", 6) &&
	       !sodium_base642bin(key, sizeof(key), secret + 6, strlen(secret + 6), NULL, &bytes, NULL,
				  sodium_base64_VARIANT_ORIGINAL) &&
	       bytes >= 24;
}

static void make_webhook_secret(char *ret_secret, size_t size)
{
	unsigned char key[WEBHOOK_KEY_BYTES];
	randombytes_buf(key, sizeof(key));
	memcpy(ret_secret, "whsec_", 6);
	sodium_bin2base64(ret_secret + 6, size - 6, key, sizeof(key), sodium_base64_VARIANT_ORIGINAL);
	sodium_memzero(key, sizeof(key));
}

/* previous: is good as well, after the new one, until the other side knows the new one. */
static int seal_signing(struct hookctl *ctl, const char *destination, const char *secret, const char *previous)
{
	char made[64] = "";
	if ((secret && !is_webhook_secret(secret)) || (previous && !is_webhook_secret(previous)))
		return hookctl_usage(ctl, "a webhook secret is whsec_ and 24 to 64 bytes in base 64");
	if (!secret)
		make_webhook_secret(made, sizeof(made));
	const char *newest = secret ? secret : made;
	char *value = hs_printf("%s%s%s", newest, previous ? " " : "", previous ? previous : "");
	int code = seal_to(ctl, HS_ROLE_HOOKD, destination, value, "signing", newest);
	hs_secret_wipe(value);
	sodium_memzero(made, sizeof(made));
	return code;
}

static int seal_webhook(struct hookctl *ctl, const char *url, const char *secret, const char *previous)
{
	if (strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0)
		return hookctl_usage(ctl, "%s is no http or https URL", url);
	AUTO(free) char *destination = hs_printf("url:%s", url);
	return seal_signing(ctl, destination, secret, previous);
}

/* Of webhooks.incoming: who calls the hook signs with it. */
static int seal_hook(struct hookctl *ctl, const char *id, const char *secret, const char *previous)
{
	if (!hs_id_valid(id))
		return hookctl_usage(ctl, "%s is no id", id);
	AUTO(free) char *destination = hs_printf("hook:%s", id);
	return seal_signing(ctl, destination, secret, previous);
}

/* What the operator's application wants to see; the URL as operator.websocket_url has it. */
static int seal_operator(struct hookctl *ctl, const char *url, const char *token)
{
	char made[HS_TOKEN_TEXT];
	if (strncmp(url, "wss://", 6) != 0 && strncmp(url, "ws://", 5) != 0)
		return hookctl_usage(ctl, "%s is no ws or wss URL", url);
	if (token && !*token)
		return hookctl_usage(ctl, "the token is empty");
	if (!token)
		hs_token_make(made);
	AUTO(free) char *destination = hs_printf("url:%s", url);
	int code = seal_to(ctl, HS_ROLE_HOOK_STREAM, destination, token ? token : made, "token", token ? token : made);
	sodium_memzero(made, sizeof(made));
	return code;
}

/* A password should not stand in the list of processes: "-" reads it from standard input. */
static const char *read_line(char *ret_line, int size)
{
	if (!fgets(ret_line, size, stdin))
		return "";
	ret_line[strcspn(ret_line, "\r\n")] = '\0';
	return ret_line;
}

int seal_run(struct hookctl *ctl, int count, char **words)
{
	const char *realm = hookctl_option(&count, words, "realm");
	const char *password = hookctl_option(&count, words, "password");
	const char *secret = hookctl_option(&count, words, "secret");
	const char *previous = hookctl_option(&count, words, "previous");
	const char *token = hookctl_option(&count, words, "token");
	const char **given[] = {&password, &secret, &token};
	char typed[1024] = "";
	int code;
	if (count != 2)
		return hookctl_usage(ctl, "what is to be sealed?");
	for (size_t i = 0; i < HS_COUNT(given); i++)
		if (*given[i] && !strcmp(*given[i], "-"))
			*given[i] = read_line(typed, sizeof(typed));
	if (!strcmp(words[0], "sip"))
		code = seal_sip(ctl, words[1], realm ? realm : ctl->config->server->domain, password);
	else if (!strcmp(words[0], "webhook"))
		code = seal_webhook(ctl, words[1], secret, previous);
	else if (!strcmp(words[0], "hook"))
		code = seal_hook(ctl, words[1], secret, previous);
	else if (!strcmp(words[0], "operator"))
		code = seal_operator(ctl, words[1], token);
	else
		code = hookctl_usage(ctl, "%s cannot be sealed", words[0]);
	sodium_memzero(typed, sizeof(typed));
	return code;
}

static bool is_scope(const char *word)
{
	for (size_t i = 0; i < HS_COUNT(scopes); i++)
		if (!strcmp(scopes[i], word))
			return true;
	return false;
}

static void print_token(const struct hookctl *ctl, const char *token, const char *name, const char *hash, int count,
			char **words)
{
	if (ctl->json) {
		AUTO(json_put) struct json_object *out = json_object_new_object();
		struct json_object *list = json_object_new_array();
		for (int i = 0; i < count; i++)
			json_object_array_add(list, json_object_new_string(words[i]));
		json_object_object_add(out, "token", json_object_new_string(token));
		json_object_object_add(out, "name", json_object_new_string(name));
		json_object_object_add(out, "hash", json_object_new_string(hash));
		json_object_object_add(out, "scopes", list);
		puts(json_object_to_json_string_ext(out, JSON_C_TO_STRING_NOSLASHESCAPE));
		return;
	}
	printf("token %s\n\n- name: %s\n  hash: %s\n  scopes: [", token, name, hash);
	for (int i = 0; i < count; i++)
		printf("%s\"%s\"", i ? ", " : "", words[i]);
	puts("]");
}

int token_run(struct hookctl *ctl, int count, char **words)
{
	if (count < 2)
		return hookctl_usage(ctl, "a name and at least one scope are needed");
	if (!hs_id_valid(words[0]))
		return hookctl_usage(ctl, "%s is no name: 1 to 64 of letters, digits and _ . ~ -", words[0]);
	for (int i = 1; i < count; i++)
		if (!is_scope(words[i]))
			return hookctl_usage(ctl, "there is no scope %s", words[i]);
	char token[HS_TOKEN_TEXT], hash[65];
	hs_token_make(token);
	int error = hs_keys_make(ctl->home, HS_ROLE_APID);
	error = error ? error : hs_token_hash(ctl->home, token, hash);
	if (error)
		return hookctl_fail(ctl, "cannot use %s/keys/token.key: %s", ctl->home, strerror(-error));
	print_token(ctl, token, words[0], hash, count - 1, words + 1);
	sodium_memzero(token, sizeof(token));
	return HOOKCTL_OK;
}

/* Where a webhook of the configuration is; NULL: it has none of this name. */
static const char *webhook_url(const struct hs_config_webhooks *webhooks, const char *id)
{
	if (!strcmp(id, "state"))
		return webhooks->outgoing->state ? webhooks->outgoing->state->url : NULL;
	if (!strcmp(id, "dtmf"))
		return webhooks->outgoing->dtmf ? webhooks->outgoing->dtmf->url : NULL;
	for (size_t i = 0; i < webhooks->endpoints_count; i++)
		if (!strcmp(webhooks->endpoints[i].id, id))
			return webhooks->endpoints[i].url;
	return NULL;
}

/* hookd keeps what it made in a file of its own folder, sealed to itself for the endpoint's URL. */
int webhook_secret_run(struct hookctl *ctl, int count, char **words)
{
	char sealed[8192] = "", *text = NULL;
	if (count != 1 || !hs_id_valid(words[0]))
		return hookctl_usage(ctl, "state, dtmf, or the id of one of webhooks.endpoints?");
	const char *url = webhook_url(ctl->config->webhooks, words[0]);
	AUTO(free) char *path = hs_printf("%s/hookd/secret-%s", ctl->home, words[0]);
	AUTO(close) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return hookctl_fail(ctl,
				    "none was made: the configuration has no webhook %s, gives its secret, or hookd "
				    "never started",
				    words[0]);
	if (fd < 0 || read(fd, sealed, sizeof(sealed) - 1) <= 0)
		return hookctl_fail(ctl, "cannot read %s: %s", path, strerror(errno));
	AUTO(free) char *destination = hs_printf("url:%s", url ? url : "");
	int error = hs_secret_open(ctl->home, HS_ROLE_HOOKD, destination, sealed, &text);
	if (error)
		return hookctl_fail(
			ctl, "cannot open %s: %s", path,
			error == -EXDEV ? "it was made for another URL; hookd makes a new one when it is started anew"
					: strerror(-error));
	print_pair(ctl, "signing", text, NULL);
	hs_secret_wipe(text);
	return HOOKCTL_OK;
}
