/* Questions we ask mediad about our own legs, with deadlines.
 * Called by callee, caller and change; calls the bus. Owns nothing; a ticket can be forgotten with hs_bus_forget.
 */
#ifndef ASK_H
#define ASK_H

#include "bus.h"

struct dialog;

/* What mediad said. */
struct ask_media {
	enum hs_error error;     /* HS_OK */
	const char *description; /* our SDP, where one was asked for; else NULL */
	bool held;               /* the far end's description holds us */
	const char *why;         /* on error */
};

typedef void ask_answered(void *context, const struct hs_answer *answer);

/* Hands over the far end's SDP of the dialog's leg. */
uint64_t ask_describe(struct dialog *dialog, enum hs_description_role role, const char *description,
		      ask_answered *answered);

/* Asks for a new offer for the dialog's leg. */
uint64_t ask_offer(struct dialog *dialog, enum hs_direction direction, ask_answered *answered);

/* Reads the answer of one of these: to is the message that was asked. */
struct ask_media ask_read(enum hs_message_id asked, const struct hs_answer *answer);

#endif
