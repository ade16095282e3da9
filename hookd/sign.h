/* Signatures and ids of messages, in three styles: Standard Webhooks (HMAC-SHA256 over "id.timestamp.body"), Twilio's
 * (HMAC-SHA1 over the URL, which has the body's SHA-256) and Telnyx's (Ed25519 over "timestamp|body").
 * Called by endpoint (secrets), dispatch and trial (each attempt). Pure: time and randomness are arguments.
 * Owns nothing.
 */
#ifndef HOOKD_SIGN_H
#define HOOKD_SIGN_H

#include "hs_proto.h"

#define SIGN_SECRETS 2       /* valid at once, during a rotation */
#define SIGN_KEY_MIN 24      /* bytes */
#define SIGN_KEY_MAX 64      /* bytes */
#define SIGN_SECRET_TEXT 96  /* longest "whsec_..." text, with NUL */
#define SIGN_HEADER_TEXT 128 /* longest webhook-signature, with NUL */
#define SIGN_MESSAGE_ID 65   /* longest message id, with NUL */
#define SIGN_PUBLIC_TEXT 45  /* a public key as text, with NUL */
#define SIGN_LINES 3         /* header lines of an attempt */
#define SIGN_LINE 176        /* longest of them, with NUL */
#define SIGN_QUERY 80        /* longest addition to a URL, with NUL */

struct sign_secret {
	uint8_t key[SIGN_KEY_MAX];
	size_t bytes;
};

/* The keys a message is signed with, newest first. */
struct sign_secrets {
	struct sign_secret secrets[SIGN_SECRETS];
	size_t count;
};

/* Reads one or two "whsec_<base64>" with blanks or line ends between, newest first. -EINVAL; untouched then. */
int sign_read_secrets(const char *text, struct sign_secrets *ret_secrets);

/* Writes random bytes (SIGN_KEY_MIN to SIGN_KEY_MAX of them) as "whsec_...". */
void sign_format_secret(const uint8_t *random, size_t bytes, char ret_text[SIGN_SECRET_TEXT]);

/* Wipes the keys. */
void sign_wipe(struct sign_secrets *secrets);

/* Writes the value of webhook-signature: "v1,..." for each secret, a blank between. */
void sign_message(const struct sign_secrets *secrets, const char *id, int64_t timestamp_s, const void *body,
		  size_t bytes, char ret_header[SIGN_HEADER_TEXT]);

/* An attempt that is to be signed. Borrowed. */
struct sign_request {
	enum hs_webhook_style style;
	const struct sign_secrets *secrets;
	const char *url; /* as the owner of the endpoint gave it: Twilio's receivers check that spelling */
	const char *id;
	int64_t timestamp_s;
	const char *body;
	size_t bytes;
};

/* What an attempt carries. */
struct sign_lines {
	size_t count;
	char text[SIGN_LINES][SIGN_LINE]; /* "name: value"; the signature is the last */
	char query[SIGN_QUERY];           /* "?bodySHA256=..." or "&bodySHA256=...": goes behind the URL; or "" */
};

/* Signs. A style with one signature uses the older secret while there are two: its time ends, then the new one is the
 * only one. */
void sign_attempt(const struct sign_request *request, struct sign_lines *ret_lines);

/* What sign_attempt signs, byte for byte: new text (free). */
char *sign_bytes(const struct sign_request *request);

/* The public key that belongs to the newest secret in Telnyx's style, base64. */
void sign_public(const struct sign_secrets *secrets, char ret_text[SIGN_PUBLIC_TEXT]);

/* The id of the message that an event makes for an endpoint. The same for the same two, so that an event that is taken
 * twice (a restored disk) is a duplicate that the receiver knows. Has no dot, as Standard Webhooks wants. */
void sign_message_id(const char *cursor, const char *endpoint, char ret_id[SIGN_MESSAGE_ID]);

#endif
