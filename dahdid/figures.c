#include "figures.h"
#include "cleanup.h"
#include "clock.h"
#include "dahdid.h"
#include "lamp.h"
#include "log.h"
#include "metrics.h"
#include "slow.h"
#include "trouble.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- line.port ---- */

static void fill_channel(const struct port *port, struct hs_port *ret_port)
{
	ret_port->name = port->facts.name;
	ret_port->has_span = port->span.number > 0;
	ret_port->span = port->span.number;
	ret_port->card = port->span.number > 0 ? port->span.description : NULL;
	ret_port->signalling = port->facts.signalling;
	ret_port->law = port->facts.law;
	ret_port->has_off_hook = true;
	ret_port->off_hook = port->facts.off_hook;
	ret_port->has_alarms = true;
	ret_port->alarms = port->facts.alarms;
}

static void fill_voltages(const struct port *port, struct hs_port *ret_port)
{
	ret_port->voltage_source = port->measured_at_ms ? HS_VALUE_SOURCE_MEASURED : HS_VALUE_SOURCE_UNKNOWN;
	ret_port->has_tip_mv = ret_port->has_ring_mv = ret_port->has_battery_mv = port->measured_at_ms != 0;
	ret_port->tip_mv = port->voltages_mv[0];
	ret_port->ring_mv = port->voltages_mv[1];
	ret_port->battery_mv = port->voltages_mv[2];
	ret_port->measured_at = port->measured_at_ms;
}

/* What the channel was set up with, as long as it is. */
static void fill_settings(const struct port *port, struct hs_port *ret_port)
{
	bool is_set_up = port->chan.fd >= 0;

	ret_port->settings_source = is_set_up ? HS_VALUE_SOURCE_CONFIGURED : HS_VALUE_SOURCE_UNKNOWN;
	ret_port->has_rx_gain_db = ret_port->has_tx_gain_db = ret_port->has_echo_taps = is_set_up;
	ret_port->has_flash_ms = is_set_up && !port->exchange;
	ret_port->rx_gain_db = port->settings.rx_gain_db;
	ret_port->tx_gain_db = port->settings.tx_gain_db;
	ret_port->echo_taps = port->settings.echo_taps;
	ret_port->flash_ms = port->settings.flash_ms;
}

static void answer_port(struct port *port, struct hs_request *request)
{
	const struct port_counts *counts = &port->counts;
	char why[200];
	struct hs_port body = {
		.line = port->r.line,
		.channel = port->chan.number,
		.driver = port->dahdid->version[0] ? port->dahdid->version : NULL,
		.state = port_state_name(port),
		.trouble = port->trouble,
		.messages_waiting = port->r.messages,
		.lifted = counts->lifted,
		.rung = counts->rung,
		.flashes = counts->flashes,
		.pulses = counts->pulses,
		.opened = counts->opened,
		.blocks_in = counts->blocks_in,
		.blocks_out = counts->blocks_out,
		.overruns = counts->overruns,
		.underruns = counts->underruns,
		.errors = counts->errors + port->chan.failures,
	};

	trouble_explain(port->trouble, port->chan.number, port->dahdid->config->device, why, sizeof(why));
	body.why = port->trouble ? why : NULL;
	if (port->chan.fd >= 0 && chan_ask(&port->chan, &port->facts) == 0)
		fill_channel(port, &body);
	fill_voltages(port, &body);
	fill_settings(port, &body);
	hs_bus_answer(request, &(struct hs_line_port_answer){.port = &body});
}

/* ---- voltages ---- */

static int measure(struct chan *chan, struct slow_call *call)
{
	return chan_voltages(chan, call->mv);
}

static void measured(void *context, struct port *port, const struct slow_call *call)
{
	if (call->result == 0) {
		memcpy(port->voltages_mv, call->mv, sizeof(port->voltages_mv));
		port->measured_at_ms = hs_clock_wall_ms();
	} else {
		port->cannot_measure = call->result == -ENOTTY || call->result == -EINVAL;
		port->counts.errors += !port->cannot_measure;
	}
	if (context)
		answer_port(port, context);
}

static const struct slow_call measuring = {.work = measure};

void figures_port(void *context, struct hs_request *request)
{
	struct dahdid *dahdid = context;
	const struct hs_line_port *body = request->body;
	struct port *port = ports_of_line(dahdid->ports, body->line);

	if (!port) {
		hs_bus_refuse(request, HS_ERROR_NOT_FOUND, "line", NULL, "no analog line has this name");
		return;
	}
	if (port->cannot_measure || slow_begin(port, &measuring, measured, request) < 0)
		answer_port(port, request);
}

static void measure_one(void *context, struct port *port)
{
	if (port->chan.fd >= 0 && !port->cannot_measure && !port->slow)
		slow_begin(port, &measuring, measured, NULL);
}

static void due(uv_timer_t *timer)
{
	struct dahdid *dahdid = timer->data;

	ports_each(dahdid->ports, measure_one, NULL);
}

void figures_begin(struct dahdid *dahdid)
{
	uint64_t every_ms = (uint64_t)dahdid->config->voltage_s * 1000;

	if (every_ms)
		uv_timer_start(&dahdid->voltages, due, 0, every_ms);
}

/* ---- line.messages ---- */

void figures_messages(void *context, struct hs_request *request)
{
	struct dahdid *dahdid = context;
	const struct hs_line_messages *body = request->body;
	struct port *port = ports_of_line(dahdid->ports, body->line);

	if (!port) {
		hs_bus_refuse(request, HS_ERROR_NOT_FOUND, "line", NULL, "no analog line has this name");
		return;
	}
	hs_copy(port->chan.request, sizeof(port->chan.request), request->request_id);
	port->r.messages = (int)body->waiting;
	port_save(port);
	lamp_show(port);
	hs_bus_answer(request, NULL);
}
