/* Requests about a line's telephone: its port, and the messages that wait for it. */
#include "cleanup.h"
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

const struct serve_row serve_line_rows[] = {
	{.message = HS_LINES_PORT, .handle = lines_port},
	{.message = HS_LINES_MESSAGES, .handle = lines_messages, .changes = true},
	{.handle = NULL},
};
