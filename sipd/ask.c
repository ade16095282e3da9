#include "ask.h"
#include "dialog.h"
#include "sipd.h"

#define MEDIA_MS 15000 /* a mediad that hangs is replaced by then, and a phone waits 32 s for its answer */

static uint64_t ask(struct dialog *dialog, enum hs_message_id message, const void *body, ask_answered *answered)
{
	struct hs_ask ask = {
		.to = HS_ROLE_MEDIAD,
		.message = message,
		.body = body,
		.deadline_ms = MEDIA_MS,
		.patient = true, /* mediad may be restarting */
		.answered = answered,
		.context = dialog,
	};
	return hs_bus_ask(dialog->sipd->house->bus, &ask);
}

uint64_t ask_describe(struct dialog *dialog, enum hs_description_role role, const char *description,
		      ask_answered *answered)
{
	struct hs_media_describe body = {
		.leg = dialog->r.leg,
		.call = dialog->r.call,
		.role = role,
		.description = description,
		.source = dialog->r.peer.host,
		.nat = dialog->r.nat,
	};
	return ask(dialog, HS_MEDIA_DESCRIBE, &body, answered);
}

uint64_t ask_offer(struct dialog *dialog, enum hs_direction direction, ask_answered *answered)
{
	struct hs_media_offer body = {.leg = dialog->r.leg, .direction = direction};
	return ask(dialog, HS_MEDIA_OFFER, &body, answered);
}

struct ask_media ask_read(enum hs_message_id asked, const struct hs_answer *answer)
{
	struct ask_media media = {.error = answer->error, .why = answer->detail};
	if (answer->error)
		return media;
	if (asked == HS_MEDIA_OFFER) {
		media.description = ((const struct hs_media_offer_answer *)answer->body)->description;
		return media;
	}
	const struct hs_media_describe_answer *body = answer->body;
	media.description = body->description;
	media.held = body->held;
	return media;
}
