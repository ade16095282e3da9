#include "sign.h"
#include "cleanup.h"
#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
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

/* ---- Styles ---- */

/* With two secrets the older one, which all receivers still know. */
static const struct sign_secret *only_secret(const struct sign_secrets *secrets)
{
	return &secrets->secrets[secrets->count ? secrets->count - 1 : 0];
}

static void write_query(const struct sign_request *request, char ret_query[SIGN_QUERY])
{
	uint8_t hash[crypto_hash_sha256_BYTES];
	char hex[2 * sizeof(hash) + 1];

	crypto_hash_sha256(hash, (const uint8_t *)request->body, request->bytes);
	sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
	snprintf(ret_query, SIGN_QUERY, "%cbodySHA256=%s", strchr(request->url, '?') ? '&' : '?', hex);
}

/* The auth token is the whole text that its owner was shown. */
static void sign_twilio(const struct sign_request *request, struct sign_lines *ret)
{
	const struct sign_secret *secret = only_secret(request->secrets);
	AUTO(free) char *text = NULL;
	char token[SIGN_SECRET_TEXT], *line = ret->text[1];
	uint8_t mac[EVP_MAX_MD_SIZE];
	unsigned int bytes = 0;

	write_query(request, ret->query);
	text = hs_printf("%s%s", request->url, ret->query);
	sign_format_secret(secret->key, secret->bytes, token);
	HMAC(EVP_sha1(), token, (int)strlen(token), (const uint8_t *)text, strlen(text), mac, &bytes);
	sodium_memzero(token, sizeof(token));
	line += snprintf(line, SIGN_LINE, "X-Twilio-Signature: ");
	sodium_bin2base64(line, (size_t)(ret->text[1] + SIGN_LINE - line), mac, bytes, BASE64);
	ret->count = 2;
}

static void make_pair(const struct sign_secret *secret, uint8_t public_key[crypto_sign_PUBLICKEYBYTES],
		      uint8_t private_key[crypto_sign_SECRETKEYBYTES])
{
	uint8_t seed[crypto_sign_SEEDBYTES];

	crypto_generichash(seed, sizeof(seed), secret->key, secret->bytes, NULL, 0);
	crypto_sign_seed_keypair(public_key, private_key, seed);
	sodium_memzero(seed, sizeof(seed));
}

void sign_public(const struct sign_secrets *secrets, char ret_text[SIGN_PUBLIC_TEXT])
{
	uint8_t public_key[crypto_sign_PUBLICKEYBYTES], private_key[crypto_sign_SECRETKEYBYTES];

	make_pair(&secrets->secrets[0], public_key, private_key);
	sodium_memzero(private_key, sizeof(private_key));
	sodium_bin2base64(ret_text, SIGN_PUBLIC_TEXT, public_key, sizeof(public_key), BASE64);
}

static void sign_telnyx(const struct sign_request *request, struct sign_lines *ret)
{
	uint8_t public_key[crypto_sign_PUBLICKEYBYTES], private_key[crypto_sign_SECRETKEYBYTES];
	uint8_t signature[crypto_sign_BYTES];
	AUTO(free) char *text = sign_bytes(request);
	char *line = ret->text[2];

	make_pair(only_secret(request->secrets), public_key, private_key);
	crypto_sign_detached(signature, NULL, (const uint8_t *)text, strlen(text), private_key);
	sodium_memzero(private_key, sizeof(private_key));
	snprintf(ret->text[1], SIGN_LINE, "telnyx-timestamp: %" PRId64, request->timestamp_s);
	line += snprintf(line, SIGN_LINE, "telnyx-signature-ed25519: ");
	sodium_bin2base64(line, (size_t)(ret->text[2] + SIGN_LINE - line), signature, sizeof(signature), BASE64);
	ret->count = 3;
}

static void sign_standard(const struct sign_request *request, struct sign_lines *ret)
{
	char header[SIGN_HEADER_TEXT];

	sign_message(request->secrets, request->id, request->timestamp_s, request->body, request->bytes, header);
	snprintf(ret->text[1], SIGN_LINE, "webhook-timestamp: %" PRId64, request->timestamp_s);
	snprintf(ret->text[2], SIGN_LINE, "webhook-signature: %s", header);
	ret->count = 3;
}

void sign_attempt(const struct sign_request *request, struct sign_lines *ret)
{
	ret->query[0] = '\0';
	snprintf(ret->text[0], SIGN_LINE, "webhook-id: %s", request->id);
	if (request->style == HS_WEBHOOK_STYLE_TWILIO)
		sign_twilio(request, ret);
	else if (request->style == HS_WEBHOOK_STYLE_TELNYX)
		sign_telnyx(request, ret);
	else
		sign_standard(request, ret);
}

char *sign_bytes(const struct sign_request *request)
{
	char query[SIGN_QUERY];

	if (request->style == HS_WEBHOOK_STYLE_TELNYX)
		return hs_printf("%" PRId64 "|%.*s", request->timestamp_s, (int)request->bytes, request->body);
	if (request->style != HS_WEBHOOK_STYLE_TWILIO)
		return hs_printf("%s.%" PRId64 ".%.*s", request->id, request->timestamp_s, (int)request->bytes,
				 request->body);
	write_query(request, query);
	return hs_printf("%s%s", request->url, query);
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
