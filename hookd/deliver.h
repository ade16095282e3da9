/* Deliver: one HTTP request, made safely: name resolved and checked here, connection pinned to the checked addresses,
 * no redirects, no proxy, certificate verified, everything bounded. Called by dispatch; the only code that knows curl.
 * Calls resolve and egress. Owns connections and requests under way.
 */
#ifndef HOOKD_DELIVER_H
#define HOOKD_DELIVER_H

#include "egress.h"
#include "resolve.h"
#include "sign.h"
#include <uv.h>

#define DELIVER_RETRY_AFTER 64 /* longest Retry-After that is looked at, with NUL */
#define DELIVER_SHOWN 512      /* how much of an answer's head, and of its body, is kept to be looked at, with NUL */

struct deliver;

struct deliver_setup {
	uv_loop_t *loop;
	struct resolve *resolve;
	const struct egress_rules *rules;
	int timeout_ms;      /* for one request in all */
	const char *ca_file; /* PEM file of authorities trusted beside the system's; NULL: none */
};

/* How an attempt ended, for figures and words. */
enum deliver_outcome {
	DELIVER_ANSWERED, /* status says what */
	DELIVER_BLOCKED,  /* egress forbids it */
	DELIVER_UNRESOLVED,
	DELIVER_UNREACHABLE,
	DELIVER_TLS,
	DELIVER_TIMEOUT,
	DELIVER_BROKEN, /* what came is not an HTTP answer, or was cut off before one */
	DELIVER_OUTCOMES,
};

struct deliver_result {
	enum deliver_outcome outcome;
	int status;                            /* 0: no answer */
	const char *why;                       /* a sentence; "" when answered */
	char retry_after[DELIVER_RETRY_AFTER]; /* "" when absent */
	int64_t took_us;
	const struct sign_lines *lines; /* as they were sent; for the call */
	const char *head, *answer; /* beginnings of the answer: header lines without secrets, and body; for the call */
};

/* Certificates of an endpoint's own, as texts in PEM or as files; NULL: none. */
struct deliver_tls {
	const char *ca_file, *ca; /* whom it trusts, instead of the setup's */
	const char *cert_file, *key_file;
	const char *cert, *key;
};

/* A request. Lines are copied; the rest is borrowed until done was called. */
struct deliver_request {
	const struct egress_url *url;
	const struct deliver_tls *tls;
	const struct sign_lines *lines;
	const char *body;
	size_t bytes;
	int timeout_ms;                                                   /* 0: the setup's */
	void (*done)(void *context, const struct deliver_result *result); /* once, later */
	void *context;
};

struct deliver *deliver_create(const struct deliver_setup *setup);

/* Makes the request, in the loop's next turn or with deliver_flush. */
void deliver_start(struct deliver *deliver, const struct deliver_request *request);

/* Sends now what was started. May call done, so not from there. */
void deliver_flush(struct deliver *deliver);

/* Requests under way. */
size_t deliver_count(const struct deliver *deliver);

/* Classes of results, for figures: the outcomes, and the answers by their first digit. */
#define DELIVER_CLASSES (DELIVER_OUTCOMES + 4)
extern const char *const deliver_class_names[DELIVER_CLASSES];
int deliver_class(const struct deliver_result *result);

/* Cuts off what is under way without calling done. Handles close on the loop's next turns. NULL is fine. */
void deliver_destroy(struct deliver *deliver);

#endif
