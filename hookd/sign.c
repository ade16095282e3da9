#include "sign.h"
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "whsec_"
#define BASE64 sodium_base64_VARIANT_ORIGINAL

static int read_secret(const char *text, size_t length, struct sign_secret *ret_secret)
{
	size_t prefix = strlen(PREFIX);

	if (length <= prefix || memcmp(text, PREFIX, prefix) != 0)
		return -EINVAL;
	if (sodium_base642bin(ret_secret->key, sizeof(ret_secret->key), text + prefix, length - prefix, NULL,
			      &ret_secret->bytes, NULL, BASE64) < 0)
		return -EINVAL;
	return ret_secret->bytes < SIGN_KEY_MIN ? -EINVAL : 0;
}

int sign_read_secrets(const char *text, struct sign_secrets *ret_secrets)
{
	struct sign_secrets found = {0};
	int error = 0;

	for (const char *at = text + strspn(text, " \r\n"); *at && !error; at += strspn(at, " \r\n")) {
		size_t length = strcspn(at, " \r\n");

		if (found.count == SIGN_SECRETS)
			error = -EINVAL;
		else
			error = read_secret(at, length, &found.secrets[found.count++]);
		at += length;
	}
	if (!error && !found.count)
		error = -EINVAL;
	if (!error)
		*ret_secrets = found;
	sign_wipe(&found);
	return error;
}

void sign_format_secret(const uint8_t *random, size_t bytes, char ret_text[SIGN_SECRET_TEXT])
{
	memcpy(ret_text, PREFIX, sizeof(PREFIX));
	sodium_bin2base64(ret_text + strlen(PREFIX), SIGN_SECRET_TEXT - strlen(PREFIX), random, bytes, BASE64);
}

void sign_wipe(struct sign_secrets *secrets)
{
	sodium_memzero(secrets, sizeof(*secrets));
}

void sign_message(const struct sign_secrets *secrets, const char *id, int64_t timestamp_s, const void *body,
		  size_t bytes, char ret_header[SIGN_HEADER_TEXT])
{
	char head[SIGN_MESSAGE_ID + 32];
	int head_bytes = snprintf(head, sizeof(head), "%.*s.%" PRId64 ".", SIGN_MESSAGE_ID - 1, id, timestamp_s);
	char *at = ret_header;

	*at = '\0';
	for (size_t i = 0; i < secrets->count; i++) {
		crypto_auth_hmacsha256_state state;
		uint8_t mac[crypto_auth_hmacsha256_BYTES];

		crypto_auth_hmacsha256_init(&state, secrets->secrets[i].key, secrets->secrets[i].bytes);
		crypto_auth_hmacsha256_update(&state, (const uint8_t *)head, (unsigned long long)head_bytes);
		crypto_auth_hmacsha256_update(&state, body, bytes);
		crypto_auth_hmacsha256_final(&state, mac);
		at += snprintf(at, (size_t)(ret_header + SIGN_HEADER_TEXT - at), "%sv1,", i ? " " : "");
		sodium_bin2base64(at, (size_t)(ret_header + SIGN_HEADER_TEXT - at), mac, sizeof(mac), BASE64);
		at += strlen(at);
	}
}

void sign_message_id(const char *cursor, const char *endpoint, char ret_id[SIGN_MESSAGE_ID])
{
	crypto_generichash_state state;
	uint8_t hash[16];

	crypto_generichash_init(&state, NULL, 0, sizeof(hash));
	crypto_generichash_update(&state, (const uint8_t *)endpoint, strlen(endpoint) + 1);
	crypto_generichash_update(&state, (const uint8_t *)cursor, strlen(cursor));
	crypto_generichash_final(&state, hash, sizeof(hash));
	snprintf(ret_id, SIGN_MESSAGE_ID, "msg_");
	sodium_bin2hex(ret_id + 4, SIGN_MESSAGE_ID - 4, hash, sizeof(hash));
}
