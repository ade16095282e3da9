/* hookctl's connection to the suite: the bus, used one question at a time.
 * Called by the commands that need the running suite; calls bus. Owns the loop and the bus.
 */
#ifndef HOOKCTL_LINK_H
#define HOOKCTL_LINK_H

#include "bus.h"
#include "hookctl.h"

/* Opens the bus unless it is open. False, said on standard error, when this user may not. */
bool link_open(struct hookctl *ctl);

/* The bus, after link_open; for subscriptions. */
struct hs_bus *link_bus(struct hookctl *ctl);

/* An answer that outlives its callback. */
struct reply {
	enum hs_error error;      /* HS_OK */
	struct json_object *body; /* answer, or NULL */
	char *text;               /* the same as it came */
	char *detail, *field, *state;
};

/* Asks and waits, at most deadline_ms (0: 2000). body may be NULL (no members); token NULL for what needs none.
 * ret_reply is filled in every case; reply_finish frees it. */
void link_ask(struct hookctl *ctl, enum hs_role to, enum hs_message_id message, struct json_object *body,
	      const char *token, int deadline_ms, struct reply *ret_reply);

/* Asks every daemon of the suite the same, at once, and waits for all. replies: HS_ROLES of them, by role; roles that
 * do not take the message, or are not part of this suite, get HS_ERROR_UNKNOWN_MESSAGE. */
void link_ask_all(struct hookctl *ctl, enum hs_message_id message, struct json_object *body, struct reply *replies);

/* Runs the loop until link_stop, SIGINT or SIGTERM (true), or for max_ms (false; 0: for ever). */
bool link_run(struct hookctl *ctl, int64_t max_ms);
void link_stop(struct hookctl *ctl);

/* Prints why a reply failed; the exit code that fits. */
int link_explain(const struct hookctl *ctl, enum hs_role to, const struct reply *reply);

void reply_finish(struct reply *reply);

void link_close(struct hookctl *ctl); /* NULL link is fine */

#endif
