/* Path: the way a request of ours takes to the far end of a dialog or to a contact.
 * Called by the rooms that send requests; calls agent. Owns nothing.
 */
#ifndef PATH_H
#define PATH_H

#include "dialog.h"

/* Valid until the loop goes on. */
struct path {
	char url[AGENT_URL];
	const url_string_t *route; /* where to send, whatever the target says */
	tport_t *flow;             /* open connection to use, or NULL */
	char contact[AGENT_CONTACT];
	char cseq[16]; /* for ACK */
};

/* To the far end of an established dialog. */
void path_of(struct dialog *dialog, struct path *ret_path);

/* To a contact of a line: the address of its registration. user: of our Contact. */
void path_to(struct agent *agent, const struct peer *peer, const char *user, struct path *ret_path);

/* Notes in the record, before it is sent, that the dialog's next request of ours has one more CSeq, and a branch to be
 * found by (r.asked_branch). What a predecessor had asked gets the same ones: it is the same request, sent again. */
void path_count(struct dialog *dialog, int method);

/* It has its final answer; a successor does not send it again. */
void path_answered(struct dialog *dialog, int method);

#endif
