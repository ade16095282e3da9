#include "ask.h"
#include "cleanup.h"
#include "dahdid.h"
#include "words.h"
#include <stdio.h>

#define MEDIA_MS 3000 /* people notice two */

void ask_describe(struct port *port, enum hs_description_role role, ask_answered *answered)
{
	struct words words = {.codec = port->facts.law, .ptime_ms = (int)port->dahdid->config->block_ms};
	char text[WORDS_BYTES];
	struct hs_media_describe body = {
		.leg = port->r.leg,
		.call = port->r.call,
		.role = role,
		.description = text,
	};
	struct hs_ask ask = {
		.to = HS_ROLE_MEDIAD,
		.message = HS_MEDIA_DESCRIBE,
		.body = &body,
		.deadline_ms = MEDIA_MS,
		.patient = true, /* mediad may be restarting */
		.answered = answered,
		.context = port,
	};

	snprintf(words.name, sizeof(words.name), "dahdi/%d", port->chan.number);
	hs_copy(words.grant, sizeof(words.grant), port->r.grant);
	words_write(&words, text);
	port_forget_question(port);
	port->ticket = hs_bus_ask(port->dahdid->house->bus, &ask);
}
