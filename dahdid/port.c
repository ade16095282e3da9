#include "port.h"
#include "cleanup.h"
#include "clock.h"
#include "dahdid.h"
#include "exchange.h"
#include "log.h"
#include "table.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A record of another layout is of another version. */
#define LAYOUT ((uint32_t)(0x50000000 + sizeof(struct port_record)))
#define HAD 256

struct ports {
	struct dahdid *dahdid;
	uint64_t told; /* newest fact of the predecessor */
	struct hs_table *by_line, *by_leg, *by_grant;
	char had[HAD][65]; /* ring of legs that are over */
	size_t had_next;
};

static void make_port(struct ports *ports, const struct hs_config_line *line,
		      const struct hs_fsm *(*life)(enum hs_signalling signalling))
{
	struct port *port = hs_zalloc(sizeof(*port));
	uv_loop_t *loop = ports->dahdid->house->loop;
	uv_timer_t *timers[] = {&port->timer, &port->truth, &port->owed, &port->lamp};
	char why[200];

	port->dahdid = ports->dahdid;
	port->line = line;
	port->chan = (struct chan){.fd = -1, .number = (int)line->channel};
	port->r.layout = LAYOUT;
	port->r.channel = (int)line->channel;
	hs_copy(port->r.line, sizeof(port->r.line), line->id);
	taking_open(&port->taking, ports->dahdid->house->journal, line->id);
	if (settings_make(ports->dahdid->config, line, &port->settings, why) < 0)
		hs_log(ERROR, "port.bad_setting", LOG_LINE(line->id), LOG_WHY(why));
	port->life = life(port->settings.signalling);
	exchange_create(port);
	for (size_t i = 0; i < HS_COUNT(timers); i++) {
		uv_timer_init(loop, timers[i]);
		timers[i]->data = port;
	}
	hs_table_put(ports->by_line, line->id, port);
}

struct ports *ports_create(struct dahdid *dahdid, const struct hs_fsm *(*life)(enum hs_signalling signalling))
{
	struct ports *ports = hs_zalloc(sizeof(*ports));
	const struct hs_config *config = dahdid->house->config;

	ports->dahdid = dahdid;
	ports->told = hs_journal_newest(dahdid->house->journal);
	ports->by_line = hs_table_create();
	ports->by_leg = hs_table_create();
	ports->by_grant = hs_table_create();
	for (size_t i = 0; i < config->lines_count; i++)
		if (config->lines[i].driver == HS_DRIVER_DAHDI)
			make_port(ports, &config->lines[i], life);
	return ports;
}

struct port *ports_of_line(const struct ports *ports, const char *line)
{
	return hs_table_get(ports->by_line, line);
}

struct port *ports_of_leg(const struct ports *ports, const char *leg)
{
	return hs_table_get(ports->by_leg, leg);
}

struct port *ports_of_grant(const struct ports *ports, const char *grant)
{
	return hs_table_get(ports->by_grant, grant);
}

bool ports_had(const struct ports *ports, const char *leg)
{
	for (size_t i = 0; i < HAD; i++)
		if (!strcmp(ports->had[i], leg))
			return true;
	return false;
}

struct visiting {
	void (*visit)(void *context, struct port *port);
	void *context;
};

static bool visit_one(void *context, const char *key, void *object)
{
	const struct visiting *visiting = context;

	visiting->visit(visiting->context, object);
	return true;
}

void ports_each(struct ports *ports, void (*visit)(void *context, struct port *port), void *context)
{
	struct visiting visiting = {visit, context};

	hs_table_each(ports->by_line, visit_one, &visiting);
}

size_t ports_count(const struct ports *ports)
{
	return hs_table_count(ports->by_line);
}

int port_step(struct port *port, enum port_event event, const void *argument)
{
	return hs_fsm_step(port->life, port, (int)event, argument);
}

const char *port_state_name(const struct port *port)
{
	return port->life->states[port->r.state];
}

int port_save(struct port *port)
{
	char key[HS_JOURNAL_KEY];

	snprintf(key, sizeof(key), "port/%s", port->r.line);
	return hs_journal_put(port->dahdid->house->journal, key, &port->r, sizeof(port->r));
}

void port_tells(struct port *port)
{
	port->r.told = hs_journal_newest(port->dahdid->house->journal);
}

bool port_is_untold(const struct port *port)
{
	return port->r.told == port->dahdid->ports->told;
}

void port_take_leg(struct port *port, const char *leg, const char *call, bool outgoing)
{
	hs_copy(port->r.leg, sizeof(port->r.leg), leg);
	hs_copy(port->r.call, sizeof(port->r.call), call);
	port->r.outgoing = outgoing;
	port->r.answered = port->r.held = false;
	port->bursts = port->waited_ms = 0;
	port->wants_answer = false;
	hs_table_put(port->dahdid->ports->by_leg, leg, port);
}

void port_drop_leg(struct port *port)
{
	struct ports *ports = port->dahdid->ports;

	if (!port->r.leg[0])
		return;
	hs_table_remove(ports->by_leg, port->r.leg);
	hs_copy(ports->had[ports->had_next++ % HAD], sizeof(ports->had[0]), port->r.leg);
	port->r.leg[0] = port->r.call[0] = port->chan.request[0] = 0;
	port_forget_question(port);
}

void port_take_grant(struct port *port, const char *grant)
{
	struct ports *ports = port->dahdid->ports;

	if (port->r.grant[0])
		hs_table_remove(ports->by_grant, port->r.grant);
	hs_copy(port->r.grant, sizeof(port->r.grant), grant);
	if (grant[0])
		hs_table_put(ports->by_grant, grant, port);
}

void port_wait(struct port *port, int64_t ms, void (*due)(uv_timer_t *timer))
{
	uv_timer_start(&port->timer, due, ms > 0 ? (uint64_t)ms : 0, 0);
}

void port_forget_question(struct port *port)
{
	if (port->ticket)
		hs_bus_forget(port->dahdid->house->bus, port->ticket);
	port->ticket = 0;
}

/* ---- records of a predecessor ---- */

struct reading {
	struct ports *ports;
	void (*visit)(void *context, const struct port_record *record, struct port *port);
	void *context;
};

static bool ends_well(const char *text, size_t size)
{
	return memchr(text, 0, size) != NULL;
}

static bool is_sane(const struct port_record *r, size_t bytes)
{
	return bytes == sizeof(*r) && r->layout == LAYOUT && r->state >= 0 && r->state < PORT_STATES &&
	       ends_well(r->line, sizeof(r->line)) && ends_well(r->leg, sizeof(r->leg)) &&
	       ends_well(r->call, sizeof(r->call)) && ends_well(r->grant, sizeof(r->grant)) &&
	       ends_well(r->owed_leg, sizeof(r->owed_leg)) && r->owed_cause >= 0 && r->owed_cause < HS_CAUSE_COUNT;
}

static void read_record(void *context, const char *key, const void *value, size_t bytes)
{
	const struct reading *reading = context;
	struct port_record record = {0};

	memcpy(&record, value, bytes < sizeof(record) ? bytes : sizeof(record));
	if (is_sane(&record, bytes)) {
		reading->visit(reading->context, &record, ports_of_line(reading->ports, record.line));
		return;
	}
	hs_log(WARN, "port.unreadable", LOG_TEXT("record", key), LOG_WHY("left by another version"));
	hs_journal_drop(reading->ports->dahdid->house->journal, key);
}

void ports_left(struct ports *ports, void (*visit)(void *context, const struct port_record *record, struct port *port),
		void *context)
{
	struct reading reading = {ports, visit, context};

	hs_journal_each(ports->dahdid->house->journal, "port/", read_record, &reading);
}

/* ---- the end ---- */

static void stop_one(void *context, struct port *port)
{
	uv_close((uv_handle_t *)&port->timer, NULL);
	uv_close((uv_handle_t *)&port->truth, NULL);
	uv_close((uv_handle_t *)&port->owed, NULL);
	uv_close((uv_handle_t *)&port->lamp, NULL);
}

void ports_stop(struct ports *ports)
{
	if (ports)
		ports_each(ports, stop_one, NULL);
}

static bool free_one(void *context, const char *key, void *object)
{
	struct port *port = object;

	free(port->audio.sound);
	free(port->caller_sound);
	exchange_destroy(port->exchange);
	free(port);
	return true;
}

void ports_destroy(struct ports *ports)
{
	if (!ports)
		return;
	hs_table_each(ports->by_line, free_one, NULL);
	hs_table_destroy(ports->by_line);
	hs_table_destroy(ports->by_leg);
	hs_table_destroy(ports->by_grant);
	free(ports);
}
