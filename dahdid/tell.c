#include "tell.h"
#include "cleanup.h"
#include "dahdid.h"
#include "log.h"
#include "metrics.h"
#include "trace.h"
#include "trouble.h"
#include <stdio.h>
#include <string.h>

#define NEW_CALLS_PERCENT 75 /* of the journal's ring; above it only what runs may tell */
#define AGAIN_MS 1000

int tell_fact(struct dahdid *dahdid, enum hs_message_id fact, const void *body)
{
	int result = hs_bus_tell(dahdid->house->bus, fact, body);

	if (result)
		hs_log(ERROR, "fact.not_told", LOG_TEXT("fact", hs_messages[fact].name),
		       LOG_WHY("the journal is full: apid has not taken facts for long"));
	return result;
}

bool tell_was_told(const struct dahdid *dahdid, enum hs_message_id fact, const char *leg)
{
	char head[80], member[80];
	uint64_t seq = 0;
	const void *data;
	size_t bytes;

	snprintf(head, sizeof(head), "{\"type\":\"%s\",", hs_messages[fact].name);
	snprintf(member, sizeof(member), "\"leg\":\"%s\"", leg);
	while (hs_journal_next(dahdid->house->journal, seq, &seq, &data, &bytes))
		if (bytes > strlen(head) && memcmp(data, head, strlen(head)) == 0 &&
		    memmem(data, bytes, member, strlen(member)))
			return true;
	return false;
}

bool tell_has_room(const struct dahdid *dahdid)
{
	size_t used, size;

	hs_journal_fill(dahdid->house->journal, &used, &size);
	return used / 100 < size / 100 * NEW_CALLS_PERCENT / 100;
}

/* ---- ends ---- */

static void owed_due(uv_timer_t *timer)
{
	tell_owed(timer->data);
}

void tell_owed(struct port *port)
{
	struct hs_leg_ended fact = {
		.leg = port->r.owed_leg,
		.cause = (enum hs_cause)port->r.owed_cause,
		.by_far_end = port->r.owed_by_far_end,
	};

	if (!port->r.owed_leg[0])
		return;
	if (tell_fact(port->dahdid, HS_LEG_ENDED, &fact)) {
		uv_timer_start(&port->owed, owed_due, AGAIN_MS, 0);
		return;
	}
	port->r.owed_leg[0] = 0;
	port_save(port);
}

static void count_end(const struct port *port, enum hs_cause cause)
{
	char labels[96];

	snprintf(labels, sizeof(labels), "direction=\"%s\",cause=\"%s\"", port->r.outgoing ? "outgoing" : "incoming",
		 hs_enum_cause.names[cause]);
	hs_metric_add(hs_metric_counter("hookswitch_analog_legs_ended_total", labels, "Legs by how they ended."), 1);
}

void tell_ended(struct port *port, enum hs_cause cause, bool by_far_end, const char *why)
{
	struct hs_leg_ended fact = {.leg = port->r.leg, .cause = cause, .by_far_end = by_far_end, .why = why};

	if (!port->r.leg[0])
		return;
	hs_log(INFO, "leg.ended", LOG_LINE(port->r.line), LOG_CALL(port->r.call), LOG_LEG(port->r.leg),
	       LOG_TEXT("cause", hs_enum_cause.names[cause]), LOG_WHY(why));
	count_end(port, cause);
	if (tell_fact(port->dahdid, HS_LEG_ENDED, &fact)) {
		hs_copy(port->r.owed_leg, sizeof(port->r.owed_leg), port->r.leg);
		port->r.owed_cause = (int)cause;
		port->r.owed_by_far_end = by_far_end;
		uv_timer_start(&port->owed, owed_due, AGAIN_MS, 0);
	}
	port_take_grant(port, "");
	port_drop_leg(port);
	port_save(port);
}

/* ---- lines ---- */

static void describe_device(const struct port *port, char ret_text[128])
{
	if (port->span.number)
		snprintf(ret_text, 128, "%s, %s", port->facts.name, port->span.description);
	else
		hs_copy(ret_text, 128, port->facts.name);
}

void tell_line(struct port *port)
{
	char address[32], device[128], why[200] = "";
	bool is_reachable = !port->trouble;
	struct hs_line_changed fact = {
		.line = port->r.line,
		.reachable = is_reachable,
		.contacts = is_reachable,
		.address = address,
		.device = is_reachable ? device : NULL,
		.why = is_reachable ? NULL : why,
		.trouble = port->trouble,
	};

	if (port->is_told && port->told_reachable == is_reachable)
		return;
	snprintf(address, sizeof(address), "dahdi/%d", port->chan.number);
	describe_device(port, device);
	if (!is_reachable)
		trouble_explain(port->trouble, port->chan.number, port->dahdid->config->device, why, sizeof(why));
	if (tell_fact(port->dahdid, HS_LINE_CHANGED, &fact))
		return;
	port->is_told = true;
	port->told_reachable = is_reachable;
}
