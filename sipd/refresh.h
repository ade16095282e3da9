/* Refresh: session timers (RFC 4028). What a dialog agreed to, when it is refreshed by us, and when a phone that
 * neither refreshes nor answers is gone. The times are in the dialog's record, so that a successor goes on with them.
 * Called by the call rooms with what headers said; calls change (re-INVITE), path, dialog. Owns each dialog's session
 * timer.
 */
#ifndef REFRESH_H
#define REFRESH_H

#include "dialog.h"

#define REFRESH_HEADERS 128

/* True: the request must be answered with 422 and these headers. */
bool refresh_is_too_brief(const struct sipd *sipd, const sip_t *sip, char ret_headers[REFRESH_HEADERS]);

/* Takes what an INVITE or UPDATE of theirs wants into the record, which is the caller's to write. */
void refresh_wanted(struct dialog *dialog, const sip_t *sip);

/* The headers of our 2xx to it: what we agreed to. */
void refresh_write_answer(const struct dialog *dialog, char ret_headers[REFRESH_HEADERS]);

/* The headers of a first INVITE. least_s: what a 422 asked for, or 0. */
void refresh_write_first(const struct sipd *sipd, int64_t least_s, char ret_headers[REFRESH_HEADERS]);

/* The headers of a re-INVITE or UPDATE of ours. */
void refresh_write_again(const struct dialog *dialog, char ret_headers[REFRESH_HEADERS]);

/* What a first INVITE asks for. */
int64_t refresh_first_s(const struct sipd *sipd, int64_t least_s);

/* Min-SE of a 422. 0: none. */
int64_t refresh_least_s(const sip_t *sip);

/* A 2xx to what we asked came: takes it into the record (the caller's to write), and time begins anew. */
void refresh_agreed(struct dialog *dialog, const sip_t *sip, int64_t asked_s);

/* Time begins anew: our 2xx is out, or confirmed. The record is the caller's to write. */
void refresh_begin(struct dialog *dialog);

/* How a re-INVITE that only refreshes went; sip may be NULL. 2xx is for refresh_agreed. */
void refresh_failed(struct dialog *dialog, int status, const sip_t *sip);

/* The re-INVITE is tried once more after so long: the session lives at least until that is answered. */
void refresh_waits(struct dialog *dialog, int ms);

/* Counts a refresh that changed nothing else; labels say whose. */
void refresh_count(const char *labels);

/* Goes on with a predecessor's dialog; true: its last request of ours was a refresh, which is sent again. */
bool refresh_restore(struct dialog *dialog);

/* An UPDATE without a description came in an established dialog. Returns the status to send, or that was sent. */
int refresh_arrived(struct dialog *dialog, nta_incoming_t *irq, const sip_t *sip);

#endif
