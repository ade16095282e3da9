#include "leg.h"
#include "ceilings.h"
#include "cleanup.h"
#include "dahdid.h"
#include "exchange.h"
#include "number.h"
#include "outgoing.h"
#include "ring.h"
#include "tell.h"
#include "trouble.h"
#include <errno.h>
#include <string.h>

/* The port of a leg; what is done for it from now on belongs to this request. */
static struct port *find(struct dahdid *dahdid, struct hs_request *request, const char *leg)
{
	struct port *port = ports_of_leg(dahdid->ports, leg);

	if (port)
		hs_copy(port->chan.request, sizeof(port->chan.request), request->request_id);
	else
		hs_bus_refuse(request, HS_ERROR_NOT_FOUND, "leg", NULL, "no such leg here: it has ended");
	return port;
}

static void refuse_state(struct hs_request *request, const struct port *port, const char *wanted)
{
	hs_bus_refuse(request, HS_ERROR_WRONG_STATE, NULL, port_state_name(port),
		      "%s is not possible while the port is %s", wanted, port_state_name(port));
}

/* ---- originate ---- */

static void refuse_trouble(struct hs_request *request, const struct port *port)
{
	char why[200];

	trouble_explain(port->trouble, port->chan.number, port->dahdid->config->device, why, sizeof(why));
	hs_bus_refuse(request, HS_ERROR_WRONG_STATE, "line", "offline", "%s", why);
}

/* The attempt is taken, and over: what a caller hears of a lifted handset is busy, not an error. */
static void refuse_busy(const struct port *port, struct hs_request *request)
{
	const struct hs_leg_originate *body = request->body;
	struct hs_leg_ended fact = {.leg = body->leg, .cause = HS_CAUSE_BUSY, .by_far_end = true};

	fact.why = port->exchange ? "the exchange line is in use" : "the handset is off the hook";
	if (tell_fact(port->dahdid, HS_LEG_ENDED, &fact))
		hs_bus_refuse(request, HS_ERROR_OVERLOADED, NULL, NULL, "the journal is full");
	else
		hs_bus_answer(request, NULL);
}

static int go_out(struct port *port, const struct hs_leg_originate *body)
{
	int result = exchange_begin(port, body);

	if (result == 0)
		outgoing_taken(port->dahdid->outgoing, port);
	return result;
}

/* What is keyed in on a line that was only seized, no ceiling sees. */
static bool may_go_out(const struct port *port, struct hs_request *request)
{
	const struct hs_leg_originate *body = request->body;
	char why[HS_CEILING_WHY], keys[HS_NUMBER_BYTES];

	if (!port->exchange)
		return true;
	hs_number_keys(body->number ? body->number : "", keys);
	if (!keys[0])
		hs_bus_refuse(request, HS_ERROR_INVALID, "number", NULL, "an exchange line is taken for a number only");
	else if (!outgoing_may(port->dahdid->outgoing, port, body->number, why))
		hs_bus_refuse(request, HS_ERROR_CEILING, "number", NULL, "%s", why);
	else
		return true;
	return false;
}

static void ring(struct port *port, struct hs_request *request)
{
	int result;

	if (port->r.state == PORT_LIGHTING)
		port_step(port, PORT_PREEMPTED, NULL);
	hs_copy(port->chan.request, sizeof(port->chan.request), request->request_id);
	result = port->exchange ? go_out(port, request->body) : ring_begin(port, request->body);
	if (result == -EINVAL)
		hs_bus_refuse(request, HS_ERROR_INVALID, "description", NULL,
			      "an analog port needs the offer of a channel (media.open), and a cadence of "
			      "dahdi.cadences or a number of digits if any");
	else if (result)
		hs_bus_refuse(request, HS_ERROR_OVERLOADED, NULL, NULL, "the journal is full");
	else
		hs_bus_answer(request, NULL);
}

void leg_originate(void *context, struct hs_request *request)
{
	struct dahdid *dahdid = context;
	const struct hs_leg_originate *body = request->body;
	struct port *port = ports_of_line(dahdid->ports, body->line);

	/* asked again: it is under way, or over and told */
	if (ports_of_leg(dahdid->ports, body->leg) || ports_had(dahdid->ports, body->leg))
		hs_bus_answer(request, NULL);
	else if (!port)
		hs_bus_refuse(request, HS_ERROR_NOT_FOUND, "line", NULL, "no analog line has this name");
	else if (dahdid->stopping || !tell_has_room(dahdid) || port->r.owed_leg[0])
		hs_bus_refuse(request, HS_ERROR_OVERLOADED, NULL, NULL, "%s",
			      dahdid->stopping ? "the suite stops" : "the journal is full");
	else if (port->r.state == PORT_AWAY || port->r.state == PORT_ALARM)
		refuse_trouble(request, port);
	else if (port->r.state != PORT_IDLE && port->r.state != PORT_LIGHTING)
		refuse_busy(port, request);
	else if (may_go_out(port, request))
		ring(port, request);
}

/* ---- the others ---- */

static void step(struct dahdid *dahdid, struct hs_request *request, const char *leg, enum port_event event,
		 const char *wanted)
{
	struct port *port = find(dahdid, request, leg);

	if (!port)
		return;
	if (port_step(port, event, NULL) < 0)
		refuse_state(request, port, wanted);
	else
		hs_bus_answer(request, NULL);
}

void leg_progress(void *context, struct hs_request *request)
{
	struct dahdid *dahdid = context;
	const struct hs_leg_progress *body = request->body;

	step(dahdid, request, body->leg, PORT_PROGRESS, "progress");
}

void leg_answer(void *context, struct hs_request *request)
{
	struct dahdid *dahdid = context;
	const struct hs_leg_answer *body = request->body;
	const struct port *port = ports_of_leg(dahdid->ports, body->leg);

	if (port && !port->r.outgoing && port->r.state == PORT_UP) /* asked again */
		hs_bus_answer(request, NULL);
	else
		step(dahdid, request, body->leg, PORT_ANSWER, "answer");
}

void leg_hangup(void *context, struct hs_request *request)
{
	struct dahdid *dahdid = context;
	const struct hs_leg_hangup *body = request->body;
	struct port *port = ports_of_leg(dahdid->ports, body->leg);
	struct port_end end = {.cause = body->cause};

	if (port) {
		hs_copy(port->chan.request, sizeof(port->chan.request), request->request_id);
		port_step(port, PORT_HANGUP, &end);
	}
	hs_bus_answer(request, NULL);
}

/* A held telephone hears what is played to it; what it says goes nowhere. */
void leg_hold(void *context, struct hs_request *request)
{
	struct dahdid *dahdid = context;
	const struct hs_leg_hold *body = request->body;
	struct hs_leg_held fact = {.leg = body->leg, .held = body->held};
	struct port *port = find(dahdid, request, body->leg);

	if (!port)
		return;
	if (port->r.state != PORT_UP) {
		refuse_state(request, port, "hold");
		return;
	}
	if (port->r.held != body->held) {
		port->r.held = body->held;
		port_save(port);
		tell_fact(dahdid, HS_LEG_HELD, &fact);
	}
	hs_bus_answer(request, NULL);
}

void leg_digits(void *context, struct hs_request *request)
{
	struct dahdid *dahdid = context;
	const struct hs_leg_digits *body = request->body;
	struct port *port = find(dahdid, request, body->leg);

	if (port)
		hs_bus_refuse(request, HS_ERROR_WRONG_STATE, NULL, "analog",
			      "an analog telephone takes digits in the audio only: use media.digits");
}

void leg_recall(void *context, struct hs_request *request)
{
	struct dahdid *dahdid = context;
	const struct hs_leg_recall *body = request->body;
	struct port *port = find(dahdid, request, body->leg);
	int result;

	if (!port)
		return;
	result = port->exchange ? exchange_recall(port) : -EPROTO;
	if (result == -EPROTO)
		refuse_state(request, port, port->exchange ? "a recall" : "a recall, which is for exchange lines,");
	else if (result < 0)
		hs_bus_refuse(request, HS_ERROR_WRONG_STATE, NULL, port_state_name(port),
			      "the driver does not flash now: %s", strerror(-result));
	else
		hs_bus_answer(request, NULL);
}
