/* Show: an attempt as the API shows it, made from what was sent and what came back.
 * Called by verdict (for the ledger: blotted) and trial (whole); calls blot. Pure. Owns the texts it makes.
 */
#ifndef HOOKD_SHOW_H
#define HOOKD_SHOW_H

#include "deliver.h"

/* What was sent. Borrowed. */
struct show_what {
	const char *delivery, *type, *cursor; /* cursor: "" when there is none */
	const char *url;
	const char *body;
	size_t bytes;
	int attempt; /* 1: the first */
};

struct show {
	struct hs_webhook_attempt attempt; /* its texts are borrowed from the rest, from what and from the result */
	const char *headers[SIGN_LINES];
	char *lines[SIGN_LINES], *body, *url, *error, *head, *answer;
};

/* Without what was dialled, whole numbers and signatures, and cut to what a slot of the ledger takes. */
void show_blotted(const struct show_what *what, const struct deliver_result *result, struct show *ret_show);

/* Whole, for who asked for it. */
void show_whole(const struct show_what *what, const struct deliver_result *result, struct show *ret_show);

void show_finish(struct show *show);

#endif
