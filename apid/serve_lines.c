/* Requests about a line's telephone: its port, and the messages that wait for it. */
#include "cleanup.h"
#include "clock.h"
#include "serve.h"
#include "watch.h"
#include <stdlib.h>

/* ---- the port ---- */

/* The driver's answer has the same members as ours. */
static void pass_on(void *context, const struct hs_answer *answer)
{
	struct visit *visit = context;

	if (answer->error != HS_OK)
		visit_pass_refusal(visit, answer);
	else
		visit_answer(visit, answer->body);
}

static void ask_port(struct visit *visit, const struct line *line)
{
	struct hs_line_port question = {line->config->id};
	struct hs_ask ask = {.to = line_driver(line),
			     .message = HS_LINE_PORT,
			     .body = &question,
			     .request_id = visit->request->request_id,
			     .answered = pass_on,
			     .context = visit};

	hs_bus_ask(visit->apid->house->bus, &ask);
}

static void lines_port(struct visit *visit)
{
	const struct hs_lines_port *body = visit->request->body;
	const struct line *line = visit_line(visit, body->line);

	if (line && line_has_port(line))
		ask_port(visit, line);
	else if (line)
		visit_refuse(visit, HS_ERROR_WRONG_STATE, "line", hs_enum_driver.names[line->config->driver],
			     "the line has no port: its telephone is reached over the network");
}

/* ---- messages ---- */

/* Told again when the driver starts: an absent one is not waited for. */
static void tell_driver(struct apid *apid, const struct line *line, const char *request_id)
{
	struct hs_line_messages body = {line->config->id, line->messages};
	struct hs_ask ask = {
		.to = line_driver(line), .message = HS_LINE_MESSAGES, .body = &body, .request_id = request_id};

	hs_bus_ask(apid->house->bus, &ask);
}

void serve_lines_driver_started(struct apid *apid, enum hs_role driver)
{
	struct line *line;

	for (size_t i = 0; (line = lines_at(apid->lines, i)); i++)
		if (line->has_messages && line_driver(line) == driver)
			tell_driver(apid, line, NULL);
}

static void lines_messages(struct visit *visit)
{
	const struct hs_lines_messages *body = visit->request->body;
	struct line *line = visit_line(visit, body->line);

	if (!line)
		return;
	line_set_messages(line, body->waiting);
	tell_driver(visit->apid, line, visit->request->request_id);
	visit_answer(visit, &(struct hs_lines_messages_answer){line->config->id, line->messages});
}

/* ---- what it does with its calls ---- */

static void change(struct line *line, const struct hs_lines_settings *body)
{
	const char *const numbers[LINE_FORWARDS] = {[LINE_FORWARD_ALWAYS] = body->forward_always,
						    [LINE_FORWARD_BUSY] = body->forward_busy,
						    [LINE_FORWARD_NO_ANSWER] = body->forward_no_answer};

	if (body->has_do_not_disturb)
		line_set_undisturbed(line, body->do_not_disturb);
	if (body->has_call_waiting)
		line_set_call_waiting(line, body->call_waiting);
	for (int i = 0; i < LINE_FORWARDS; i++)
		if (numbers[i])
			line_set_forward(line, (enum line_forward)i, numbers[i]);
	if (body->has_forward_after_s)
		line_set_forward_after(line, body->forward_after_s);
}

static void tell_settings(const struct visit *visit, const struct line *line)
{
	struct hs_line_settings event = {
		.do_not_disturb = line->do_not_disturb,
		.call_waiting = line->call_waiting,
		.forward_always = line->forwards[LINE_FORWARD_ALWAYS],
		.forward_busy = line->forwards[LINE_FORWARD_BUSY],
		.forward_no_answer = line->forwards[LINE_FORWARD_NO_ANSWER],
		.has_forward_after_s = line->forwards[LINE_FORWARD_NO_ANSWER] != NULL,
		.forward_after_s = line->forward_after_s,
	};

	eventlog_add(visit->apid->log, HS_LINE_SETTINGS, hs_clock_wall_ms(), line->config->id, NULL, &event);
}

/* A number that leads nowhere is no forward: who calls would hear it, and nobody else know. */
static bool leads_somewhere(struct visit *visit, const struct line *line, const char *field, const char *number)
{
	struct route route;

	if (!number || !number[0])
		return true;
	route = routes_find(visit->apid->routes, line->config, number);
	if (route.kind == ROUTE_NOTHING || route.kind == ROUTE_HOTLINE)
		visit_refuse(visit, HS_ERROR_INVALID, field, NULL, "there is no such number");
	else if (route.kind == ROUTE_OUT &&
		 !routes_may(route.out, line->config->may_dial, line->config->may_dial_count))
		visit_refuse(visit, HS_ERROR_INVALID, field, NULL,
			     "the line may not dial this: its may_dial does not name the route %s", route.out->id);
	else if (route.line == line->config)
		visit_refuse(visit, HS_ERROR_INVALID, field, NULL, "this is the line itself");
	else
		return true;
	return false;
}

static void lines_settings(struct visit *visit)
{
	const struct hs_lines_settings *body = visit->request->body;
	struct line *line = visit_line(visit, body->line);
	struct hs_line shown;

	if (!line)
		return;
	if (line_is_exchange(line)) {
		visit_refuse(visit, HS_ERROR_INVALID, "line", NULL, "nobody can be rung at an exchange line");
		return;
	}
	if (!leads_somewhere(visit, line, "forward_always", body->forward_always) ||
	    !leads_somewhere(visit, line, "forward_busy", body->forward_busy) ||
	    !leads_somewhere(visit, line, "forward_no_answer", body->forward_no_answer))
		return;
	change(line, body);
	tell_settings(visit, line);
	line_describe(line, &shown);
	visit_answer(visit, &(struct hs_lines_settings_answer){&shown});
}

const struct serve_row serve_line_rows[] = {
	{.message = HS_LINES_SETTINGS, .handle = lines_settings, .changes = true},
	{.message = HS_LINES_PORT, .handle = lines_port},
	{.message = HS_LINES_MESSAGES, .handle = lines_messages, .changes = true},
	{.handle = NULL},
};
