/* An endpoint: where messages go, which, and what they are signed with.
 * Called by dispatch, declare and serve; calls outbox for its row, secret and sign. Owns its secrets while they are
 * open. Every secret at rest is sealed to hookd for this URL, in the outbox, and is opened when it is first used. Those
 * of the configuration stand there too, or, made by hookd, in the file secret-<id> (0400) of its folder.
 */
#ifndef HOOKD_ENDPOINT_H
#define HOOKD_ENDPOINT_H

#include "egress.h"
#include "match.h"
#include "outbox.h"
#include "sign.h"

struct endpoint {
	int64_t number; /* in the outbox */
	char *id, *given_url;
	struct egress_url url;
	enum match_kind kind;
	char *words_text; /* blanks between */
	char **words;
	size_t words_count;
	bool declared, enabled;
	char *sealed;        /* secret, for given_url */
	const char *ca_file; /* the configuration's, of this endpoint alone; NULL: none */
	struct sign_secrets secrets;
	int64_t failing_since_ms; /* 0: it works */
	int64_t waiting, delivered, dead;
	int last_status;
	char last_error[OUTBOX_ERROR];
};

/* From its row; NULL with a log line when the URL cannot be read. */
struct endpoint *endpoint_create(const struct outbox_endpoint *row);

/* Replaces URL and secret as the configuration has them now, and begins anew: enabled, secrets closed. What waits goes
 * to the new URL: the receiver has moved. -EINVAL: the URL cannot be read (with a log line); unchanged then. */
int endpoint_move(struct endpoint *endpoint, const char *url, const char *sealed);

/* Seals its secret, and the file it may stand in, to our newest key. 1: an older one was in use, 0, or -errno. */
int endpoint_reseal(struct endpoint *endpoint, const char *home);

/* Replaces the filter. words: blanks between. */
void endpoint_set_words(struct endpoint *endpoint, const char *words);

/* The filter, borrowed. */
struct match_filter endpoint_filter(const struct endpoint *endpoint);

/* Writes its row. */
void endpoint_save(struct endpoint *endpoint, struct outbox *outbox);

/* The open secrets; opens them at first use. -EACCES, -EXDEV, -EINVAL or a file's error: nothing can be signed. */
int endpoint_open_secrets(struct endpoint *endpoint, const char *home);

/* The sealed text of the file secret-<id>; made anew when it is not there, or is for another URL. New text (free); NULL
 * with errno set. */
char *endpoint_make_secret(const char *home, const char *id, const char *url);

/* Fills the contract's form; texts are borrowed from the endpoint. */
void endpoint_describe(const struct endpoint *endpoint, struct hs_webhook *ret_webhook);

/* "state", "dtmf" or "api": label of the figures. */
const char *endpoint_label(const struct endpoint *endpoint);

/* Wipes and frees. NULL is fine. */
void endpoint_destroy(struct endpoint *endpoint);

#endif
