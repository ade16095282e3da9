/* An endpoint: where messages go, which, and what they are signed with.
 * Called by dispatch, declare and serve; calls outbox for its row, secret and sign. Owns its secrets while they are
 * open. Every secret at rest is sealed to hookd for this URL, in the outbox, and is opened when it is first used. Those
 * of the configuration stand there too, or, made by hookd, in the file secret-<id> (0400) of its folder.
 */
#ifndef HOOKD_ENDPOINT_H
#define HOOKD_ENDPOINT_H

#include "deliver.h"
#include "match.h"
#include "outbox.h"
#include "sign.h"

/* Words of a filter. */
struct endpoint_words {
	char *text; /* blanks between */
	char **list;
	size_t count;
};

struct endpoint {
	int64_t number; /* in the outbox */
	char *id, *given_url;
	struct egress_url url;
	enum match_kind kind;
	struct endpoint_words words, lines, calls;
	enum hs_webhook_style style;
	bool declared, enabled, paused, failing;
	char *sealed;           /* secret, or two, for given_url */
	char *ca, *cert;        /* PEM; NULL: none */
	char *sealed_key, *key; /* of the certificate, for given_url; the open one is wiped */
	struct deliver_tls tls; /* what of these, or of the configuration's files, is used */
	int64_t old_until_ms;   /* wall clock; then the older of two secrets ends; 0: it has no end */
	struct sign_secrets secrets;
	char public_key[SIGN_PUBLIC_TEXT]; /* while the secrets are open, in Telnyx's style */
	int64_t failing_since_ms;          /* 0: it works */
	int64_t waiting, delivered, dead, skipped;
	char skipped_from[65];
	int last_status;
	char last_error[OUTBOX_ERROR];
};

/* From its row; NULL with a log line when the URL cannot be read. */
struct endpoint *endpoint_create(const struct outbox_endpoint *row);

/* Its row; texts are borrowed. */
struct outbox_endpoint endpoint_row(const struct endpoint *endpoint);

/* Replaces URL and secret as the configuration has them now, and begins anew: enabled, secrets closed. What waits goes
 * to the new URL: the receiver has moved. -EINVAL: the URL cannot be read (with a log line); unchanged then. */
int endpoint_move(struct endpoint *endpoint, const char *url, const char *sealed);

/* Takes URL, filters, style, secrets and certificates of another one, which it destroys. Enabled when the URL is new.
 */
void endpoint_become(struct endpoint *endpoint, struct endpoint *draft);

/* Replaces the filter of types or lines. words: blanks between. */
void endpoint_set_words(struct endpoint_words *kind, const char *words);

/* The filter, borrowed. */
struct match_filter endpoint_filter(const struct endpoint *endpoint);

/* Writes its row. */
void endpoint_save(struct endpoint *endpoint, struct outbox *outbox);

/* Fills the contract's form; texts are borrowed from the endpoint. */
void endpoint_describe(const struct endpoint *endpoint, struct hs_webhook *ret_webhook);

/* "state", "dtmf" or "api": label of the figures. */
const char *endpoint_label(const struct endpoint *endpoint);

/* Wipes and frees. NULL is fine. */
void endpoint_destroy(struct endpoint *endpoint);

/* ---- endpoint_secret.c ---- */

/* The open secrets; opens them and the certificate's key at first use. -EACCES, -EXDEV, -EINVAL or a file's error:
 * nothing can be signed. */
int endpoint_open_secrets(struct endpoint *endpoint, const char *home);

/* Closes them. */
void endpoint_close_secrets(struct endpoint *endpoint);

/* A new secret, sealed for its URL, is the first from now on; the newest of before is the second until a time (wall
 * clock; in the past: there is none). -EINVAL and the errors of endpoint_open_secrets: unchanged then. */
int endpoint_rotate(struct endpoint *endpoint, const char *home, const char *sealed, int64_t until_ms, int64_t now_ms);

/* The older secret whose time is over is gone. True when the row is to be written. */
bool endpoint_end_rotation(struct endpoint *endpoint, const char *home, int64_t now_ms);

/* Seals its secrets, and the file one may stand in, to our newest key. 1: an older one was in use, 0, or -errno. */
int endpoint_reseal(struct endpoint *endpoint, const char *home);

/* The sealed text of the file secret-<id>; made anew when it is not there, or is for another URL. New text (free); NULL
 * with errno set. */
char *endpoint_make_secret(const char *home, const char *id, const char *url);

#endif
