#include "ask.h"
#include "channel.h"
#include "cleanup.h"
#include "dahdid.h"
#include <stdio.h>

#define MEDIA_MS 15000 /* a mediad that hangs is replaced by then: no call ends for it */

static void describe(struct port *port, enum hs_description_role role,
		     void (*answered)(void *context, const struct hs_answer *answer))
{
	struct hs_channel channel = {.codec = port->facts.law, .ptime_ms = (int)port->dahdid->config->block_ms};
	char text[HS_CHANNEL_BYTES];
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

	snprintf(channel.name, sizeof(channel.name), "dahdi/%d", port->chan.number);
	hs_copy(channel.grant, sizeof(channel.grant), port->r.grant);
	hs_channel_write(&channel, text);
	port_forget_question(port);
	port->ticket = hs_bus_ask(port->dahdid->house->bus, &ask);
}

static void fail(struct port *port, const char *why)
{
	struct port_end end = {HS_CAUSE_MEDIA_FAILED, why};

	port_step(port, PORT_MEDIA_FAILED, &end);
}

static const char *why_of(const struct hs_answer *answer)
{
	return answer->detail ? answer->detail : "the audio engine is away";
}

static void answer_described(void *context, const struct hs_answer *answer)
{
	struct port *port = context;

	port->ticket = 0;
	if (answer->error)
		fail(port, why_of(answer));
}

void ask_describe_answer(struct port *port)
{
	describe(port, HS_DESCRIPTION_ROLE_ANSWER, answer_described);
}

static void offer_described(void *context, const struct hs_answer *answer)
{
	struct port *port = context;
	const struct hs_media_describe_answer *body = answer->body;
	struct hs_channel channel;
	const char *why;

	port->ticket = 0;
	if (answer->error) {
		fail(port, why_of(answer));
		return;
	}
	if (hs_channel_read(body->description, &channel, &why) < 0 || !channel.grant[0]) {
		fail(port, "the audio engine gave no channel");
		return;
	}
	port_take_grant(port, channel.grant);
	port_save(port);
	port->opened(port);
	if (port->wants_answer)
		port_step(port, PORT_ANSWER, NULL);
}

void ask_describe_offer(struct port *port, void (*opened)(struct port *port))
{
	port->opened = opened;
	describe(port, HS_DESCRIPTION_ROLE_OFFER, offer_described);
}
