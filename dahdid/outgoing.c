#include "outgoing.h"
#include "ceilings.h"
#include "cleanup.h"
#include "clock.h"
#include "config.h"
#include "dahdid.h"
#include "hour.h"
#include "journal.h"
#include "log.h"
#include <stdio.h>
#include <stdlib.h>

struct outgoing {
	struct dahdid *dahdid;
	struct hs_ceiling *file;
	struct hs_hour spare; /* of lines for which the journal has no room */
};

struct outgoing *outgoing_create(struct dahdid *dahdid)
{
	struct outgoing *outgoing = hs_zalloc(sizeof(*outgoing));

	outgoing->dahdid = dahdid;
	outgoing->file = hs_ceiling_create(dahdid->house);
	return outgoing;
}

static struct hs_hour *hour_of(struct outgoing *outgoing, const struct port *port)
{
	char key[HS_JOURNAL_KEY];
	struct hs_hour *hour;

	snprintf(key, sizeof(key), "hour/%s", port->r.line);
	hour = hs_journal_live(outgoing->dahdid->house->journal, key, sizeof(*hour));
	return hour ? hour : &outgoing->spare;
}

static void count_out(void *context, struct port *port)
{
	int64_t *count = context;

	*count += port->exchange && port->r.leg[0] && port->r.outgoing;
}

static bool is_below(struct outgoing *outgoing, const struct port *port, const char *number, char *ret_why)
{
	const struct hs_ceilings *now = hs_ceiling_now(outgoing->file);
	int64_t count = 0;

	ports_each(outgoing->dahdid->ports, count_out, &count);
	return hs_ceiling_number(outgoing->file, number, ret_why) &&
	       hs_ceiling_count(outgoing->file, "calls.at_once", count, now->calls->at_once, ret_why) &&
	       hs_ceiling_count(outgoing->file, "calls.per_hour", hs_hour_taken(hour_of(outgoing, port), hs_clock_ms()),
				now->calls->per_hour, ret_why);
}

bool outgoing_may(struct outgoing *outgoing, const struct port *port, const char *number, char *ret_why)
{
	bool may = hs_config_is_emergency(outgoing->dahdid->house->config, port->r.line, number) ||
		   is_below(outgoing, port, number, ret_why);

	if (!may)
		hs_log(WARN, "ceiling.reached", LOG_LINE(port->r.line), LOG_NUMBER("number", number), LOG_WHY(ret_why));
	return may;
}

void outgoing_taken(struct outgoing *outgoing, const struct port *port)
{
	hs_hour_take(hour_of(outgoing, port), hs_clock_ms());
}

void outgoing_destroy(struct outgoing *outgoing)
{
	if (!outgoing)
		return;
	hs_ceiling_destroy(outgoing->file);
	free(outgoing);
}
