/* Retry: when a message is tried again, and what an answer means.
 * Called by dispatch; calls nobody. Pure: time and randomness are arguments. Owns nothing.
 * After the first attempt come the configured quick tries, then 5 s, 30 s, 2 min, 10 min, 1 h, 4 h, 12 h, 24 h.
 */
#ifndef HOOKD_RETRY_H
#define HOOKD_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#define RETRY_NEVER (-1)                          /* the schedule is at its end */
#define RETRY_LONGEST_MS (29 * 3600 * 1000ll)     /* no retry is further away */
#define RETRY_AFTER_MAX_MS (24 * 3600 * 1000ll)   /* longest Retry-After that is honoured */
#define RETRY_DISABLE_MS (5 * 24 * 3600 * 1000ll) /* failing without a break for this long disables an endpoint */

struct retry_rules {
	int count;                      /* quick tries */
	int64_t delay_ms, max_delay_ms; /* before the first, doubled each time; never longer */
};

enum retry_verdict {
	RETRY_DELIVERED, /* 2xx */
	RETRY_AGAIN,
	RETRY_GONE, /* 410: the endpoint wants nothing more */
};

/* What an HTTP status means; 0: no answer came. */
enum retry_verdict retry_judge(int status);

/* How long to wait after so many tries (1: the first attempt was made). random: 32 random bits, for +-20 % on the long
 * schedule. after_ms: what the answer asked for (retry_read_after), or -1; the later of the two counts. RETRY_NEVER
 * when it was the last try. */
int64_t retry_delay_ms(const struct retry_rules *rules, int tries, uint32_t random, int64_t after_ms);

/* Reads a Retry-After header: seconds, or an HTTP date in any of its three forms. Milliseconds from now, 0 to
 * RETRY_AFTER_MAX_MS; -1 when it cannot be read. */
int64_t retry_read_after(const char *header, int64_t now_wall_ms);

#endif
