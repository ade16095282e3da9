#include "calls.h"
#include "call_record.h"
#include "ceiling.h"
#include "cleanup.h"
#include "clock.h"
#include "gather.h"
#include "id.h"
#include "log.h"
#include "metrics.h"
#include "outside.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the table ---- */

struct call *calls_find(const struct calls *calls, const char *id)
{
	return id ? hs_table_get(calls->by_id, id) : NULL;
}

struct leg *calls_find_leg(const struct calls *calls, const char *id)
{
	return id ? hs_table_get(calls->legs, id) : NULL;
}

struct leg *calls_leg_of(const struct calls *calls, const struct line *line)
{
	struct call *call = line->call[0] ? calls_find(calls, line->call) : NULL;

	for (size_t i = 0; call && i < call->legs_count; i++)
		if (call->legs[i].line == line && leg_lives(&call->legs[i]))
			return &call->legs[i];
	return NULL;
}

size_t calls_count(const struct calls *calls)
{
	return hs_table_count(calls->by_id);
}

void calls_changed(struct call *call)
{
	struct calls *calls = call->calls;

	if (call->is_changed)
		return;
	call->is_changed = true;
	call->next_changed = calls->changed;
	calls->changed = call;
	store_touch(calls->setup.store);
}

static void adopt(struct calls *calls, struct call *call)
{
	call->calls = calls;
	uv_timer_init(calls->setup.loop, &call->timer);
	call->timer.data = call;
	hs_table_put(calls->by_id, call->id, call);
	hs_metric_add(calls->active[call->direction], 1);
}

static void call_closed(uv_handle_t *timer)
{
	struct call *call = timer->data;

	call_record_finish(call);
	free(call);
}

static void drop(struct call *call)
{
	struct calls *calls = call->calls;

	gather_drop(call);
	hs_table_remove(calls->by_id, call->id);
	for (size_t i = 0; i < call->legs_count; i++)
		hs_table_remove(calls->legs, call->legs[i].id);
	hs_metric_add(calls->active[call->direction], -1);
	uv_close((uv_handle_t *)&call->timer, call_closed);
}

void calls_save(struct calls *calls)
{
	struct call *call = calls->changed;

	calls->changed = NULL;
	while (call) {
		struct call *next = call->next_changed;

		call->is_changed = false;
		call_record_save(calls->setup.store, call);
		if (call->state == CALL_ENDED)
			drop(call);
		call = next;
	}
}

struct id_list {
	char (*ids)[65];
	size_t count;
};

static bool note_id(void *context, const char *key, void *object)
{
	struct id_list *list = context;

	hs_copy(list->ids[list->count++], sizeof(list->ids[0]), key);
	return true;
}

char (*calls_all(struct calls *calls, size_t *ret_count))[65]
{
	struct id_list list = {hs_zalloc(hs_table_count(calls->by_id) * sizeof(list.ids[0]) + 1), 0};

	hs_table_each(calls->by_id, note_id, &list);
	*ret_count = list.count;
	return list.ids;
}

/* ---- making ---- */

struct leg *calls_add_leg(struct call *call, struct line *line, const char *id, bool incoming)
{
	struct leg *leg = &call->legs[call->legs_count++];

	leg->call = call;
	leg->line = line;
	leg->driver = line_driver(line);
	leg->incoming = incoming;
	hs_copy(leg->line_id, sizeof(leg->line_id), line->config->id);
	if (id)
		hs_copy(leg->id, sizeof(leg->id), id);
	else
		hs_id_make('l', call->calls->setup.config->node, leg->id);
	if (!incoming && line_is_exchange(line))
		outside_number(leg);
	hs_table_put(call->calls->legs, leg->id, leg);
	line_engage(line, call->id);
	calls_changed(call);
	return leg;
}

static struct call *add_call(struct calls *calls, const char *id, enum hs_call_direction direction, struct line *line)
{
	struct call *call = hs_zalloc(sizeof(*call));

	if (id)
		hs_copy(call->id, sizeof(call->id), id);
	else
		hs_id_make('c', calls->setup.config->node, call->id);
	call->n = calls->next_n++;
	call->shown = HS_CALL_STATE_ROUTING;
	call->direction = direction;
	call->created_at = calls->at;
	call->ring_ms = calls->setup.config->calls->ring_timeout_s * 1000;
	hs_copy(call->line_id, sizeof(call->line_id), line->config->id);
	adopt(calls, call);
	return call;
}

static void tell_created(struct call *call)
{
	struct hs_call_created event = {call->direction, call->dialled, call->caller_number, call->caller_name};

	calls_tell(call, HS_CALL_CREATED, call->line_id, &event);
	hs_log(INFO, "call.created", LOG_CALL(call->id), LOG_LINE(call->line_id),
	       LOG_TEXT("direction", hs_enum_call_direction.names[call->direction]),
	       LOG_TEXT("request", call->request));
}

struct call *calls_ring(struct calls *calls, const struct calls_order *order)
{
	struct call *call;

	calls->at = hs_clock_wall_ms();
	call = add_call(calls, NULL, HS_CALL_DIRECTION_OUTGOING, order->line);
	call->target = order->to_line;
	call_set_group(call, order->to_group);
	call_set_route(call, order->route);
	call_set_to_route(call, order->to_route);
	call->dialled = hs_strdup(order->dialled);
	call->to_number = hs_strdup(order->to_number);
	call->caller_number = hs_strdup(order->caller_number);
	call->caller_name = hs_strdup(order->caller_name);
	call->cadence = hs_strdup(order->cadence);
	calls_requested(call, order->request);
	call->ring_ms = order->ring_ms;
	call->max_ms = order->max_ms;
	calls_add_leg(call, order->line, NULL, false);
	tell_created(call);
	call_step(call, CALL_PLACE, NULL);
	return call;
}

void calls_requested(struct call *call, const char *request)
{
	free(call->request);
	call->request = hs_strdup(request);
}

static void refuse_stray(struct calls *calls, enum hs_role from, const struct hs_leg_incoming *fact, const char *why)
{
	struct hs_leg_hangup body = {fact->leg, HS_CAUSE_REJECTED};
	struct calls_ask ask = {
		.to = from, .message = HS_LEG_HANGUP, .call = fact->call, .leg = fact->leg, .body = &body};

	hs_log(WARN, "call.stray", LOG_CALL(fact->call), LOG_LEG(fact->leg), LOG_LINE(fact->line), LOG_WHY(why));
	calls->setup.ask(calls->setup.context, &ask);
}

static enum call_event lead_out(struct call *call, struct call_step *ret_step)
{
	char number[HS_NUMBER_BYTES];

	const struct line *from = call_first(call)->line;

	ret_step->cause = HS_CAUSE_REJECTED;
	if (from && line_is_exchange(from) && !outside_may_connect(call->calls)) {
		ret_step->why = "the caller is outside, too: calls.outside_to_outside is off";
		hs_log(WARN, "call.forbidden", LOG_CALL(call->id), LOG_LINE(call->line_id),
		       LOG_TEXT("route", call->route->id), LOG_WHY(ret_step->why));
		return CALL_REFUSE;
	}
	if (!outside_may(call->route, from)) {
		ret_step->why = "the line may not dial this: its may_dial does not name the route";
		hs_log(WARN, "call.forbidden", LOG_CALL(call->id), LOG_LINE(call->line_id),
		       LOG_TEXT("route", call->route->id));
		return CALL_REFUSE;
	}
	ret_step->why = "what the route leaves of the number cannot be dialled on a line";
	if (routes_write(call->calls->setup.routes, call->route, call->dialled, number) < 0)
		return CALL_REFUSE;
	return ceiling_lets_out(call->calls, call->route, number, call->line_id, &ret_step->why) ? CALL_LINE
												 : CALL_REFUSE;
}

enum call_event calls_lead(struct call *call, struct call_step *ret_step)
{
	const struct calls_setup *setup = &call->calls->setup;
	struct leg *first = call_first(call);
	struct route route = routes_find(setup->routes, first->line ? first->line->config : NULL, call->dialled);

	*ret_step = (struct call_step){first, HS_CAUSE_UNREACHABLE, "system", "no such number"};
	call->to_operator = route.kind == ROUTE_OPERATOR;
	call->target = route.line ? lines_find(setup->lines, route.line->id) : NULL;
	call_set_group(call, route.group);
	call_set_route(call, route.out);
	switch (route.kind) {
	case ROUTE_HOTLINE:
		return CALL_LIFT;
	case ROUTE_OPERATOR:
		return CALL_OPERATOR;
	case ROUTE_OUT:
		return lead_out(call, ret_step);
	default:
		return call->target || call->group ? CALL_LINE : CALL_REFUSE;
	}
}

/* No limit stands before an emergency call. */
static enum call_event admit(struct call *call, struct call_step *ret_step)
{
	const struct calls *calls = call->calls;
	enum call_event event = calls_lead(call, ret_step);

	if ((call->route && call->route->emergency) ||
	    calls_count(calls) <= (size_t)calls->setup.config->calls->max_active)
		return event;
	ret_step->cause = HS_CAUSE_OVERLOADED;
	ret_step->why = "calls.max_active is reached";
	return CALL_REFUSE;
}

void calls_incoming(struct calls *calls, enum hs_role from, const struct hs_leg_incoming *fact, int64_t at_ms)
{
	struct line *line = lines_find(calls->setup.lines, fact->line);
	struct call_step step = {0};
	enum call_event event;
	struct call *call;
	struct leg *leg;

	calls->at = at_ms;
	if (!line || line_driver(line) != from) {
		refuse_stray(calls, from, fact, "the line is not this driver's");
		return;
	}
	leg = calls_find_leg(calls, fact->leg);
	if (leg && leg->incoming && leg->driver == from && strcmp(leg->call->id, fact->call) == 0)
		return; /* told again by a successor that does not know whether it was */
	if (calls_find(calls, fact->call) || leg) {
		refuse_stray(calls, from, fact, "the id is in use");
		return;
	}
	call = add_call(calls, fact->call, HS_CALL_DIRECTION_INCOMING, line);
	call->dialled = hs_strdup(fact->dialled);
	call->caller_number = hs_strdup(fact->caller_number ? fact->caller_number : line->config->number);
	call->caller_name = hs_strdup(fact->caller_number ? fact->caller_name : line->config->name);
	leg = calls_add_leg(call, line, fact->leg, true);
	leg->media = LEG_MEDIA_OPEN;
	leg->asked_at = leg->media_at = at_ms;
	event = admit(call, &step);
	tell_created(call);
	line->source = fact->measured ? HS_STATE_SOURCE_MEASURED : HS_STATE_SOURCE_INFERRED;
	line_step(line, LINE_LIFTED, at_ms, call->id);
	call_step(call, event, &step);
}

/* ---- telling and asking ---- */

void calls_tell(struct call *call, enum hs_message_id event, const char *line, const void *body)
{
	eventlog_add(call->calls->setup.log, event, call->calls->at, line, call->id, body);
}

static void ask(struct leg *leg, enum hs_role to, enum hs_message_id message, const void *body)
{
	const struct calls_setup *setup = &leg->call->calls->setup;
	struct calls_ask one = {to, message, leg->call->id, leg->id, body, leg->call->request};

	setup->ask(setup->context, &one);
}

void calls_ask_leg(struct leg *leg, enum hs_message_id message, const void *body)
{
	ask(leg, leg->driver, message, body);
}

void calls_ask_media(struct leg *leg, enum hs_message_id message, const void *body)
{
	ask(leg, HS_ROLE_MEDIAD, message, body);
}

bool calls_hang_up(struct call *call, enum hs_cause cause, const char *by, const char *why)
{
	struct call_step step = {NULL, cause, by, why};

	if (!call_is_active(call))
		return false;
	call->calls->at = hs_clock_wall_ms();
	call_step(call, CALL_HANGUP, &step);
	return true;
}

/* ---- the end ---- */

void calls_over(struct call *call)
{
	const char *direction = hs_enum_call_direction.names[call->direction];
	const char *cause = hs_enum_cause.names[call->cause ? call->cause : HS_CAUSE_NORMAL];
	char labels[96];

	snprintf(labels, sizeof(labels), "direction=\"%s\",result=\"%s\"", direction, cause);
	hs_metric_add(hs_metric_counter("hookswitch_calls_total", labels, "Calls that ended, by result."), 1);
	if (call->answered_at)
		hs_metric_observe_us(call->calls->duration_seconds, (call->ended_at - call->answered_at) * 1000);
	hs_log(INFO, "call.ended", LOG_CALL(call->id), LOG_LINE(call->line_id), LOG_TEXT("cause", cause),
	       LOG_TEXT("by", call->ended_by), LOG_WHY(call->why));
	calls_changed(call);
}

/* ---- restoring ---- */

static bool see_leg(void *context, const struct store_row *row)
{
	return call_record_load_leg(row, context);
}

struct restore {
	struct calls *calls;
	struct store_reader *reader;
};

static void restore_leg(struct calls *calls, struct leg *leg)
{
	leg->line = lines_find(calls->setup.lines, leg->line_id);
	hs_table_put(calls->legs, leg->id, leg);
	if (leg->line && leg_lives(leg))
		leg->line->legs++;
}

static bool see_call(void *context, const struct store_row *row)
{
	struct restore *restore = context;
	struct calls *calls = restore->calls;
	struct call *call = hs_zalloc(sizeof(*call));
	const struct store_value n = STORE_V_INT(store_int(row, 0));

	call_record_load(row, call);
	call->target = lines_find(calls->setup.lines, call_record_target(row));
	call->route = routes_of_id(calls->setup.routes, call->route_id);
	call->to_route = routes_of_id(calls->setup.routes, call->to_route_id);
	store_query(restore->reader, STORE_CALL_LEGS, &n, 1, see_leg, call);
	if (!call_record_knows_parties(row))
		call_find_parties(call);
	call->group = routes_group_of_id(calls->setup.routes, call->group_id);
	adopt(calls, call);
	for (size_t i = 0; i < call->legs_count; i++)
		restore_leg(calls, &call->legs[i]);
	gather_restore(call, call_record_gather(row));
	call_resume(call);
	return true;
}

static bool see_last(void *context, const struct store_row *row)
{
	((struct calls *)context)->next_n = store_int(row, 0) + 1;
	return false;
}

/* A line whose call is not there has no reason to be off hook. */
static void settle_lines(struct calls *calls)
{
	struct line *line;

	for (size_t i = 0; (line = lines_at(calls->setup.lines, i)); i++)
		if (line->legs == 0 && line->call[0])
			line_disengage(line, line->call, calls->at);
}

static void register_figures(struct calls *calls)
{
	for (int i = 1; i < HS_CALL_DIRECTION_COUNT; i++) {
		char labels[64];

		snprintf(labels, sizeof(labels), "direction=\"%s\"", hs_enum_call_direction.names[i]);
		calls->active[i] = hs_metric_gauge("hookswitch_calls_active", labels, "Calls that are not over.");
	}
	calls->setup_seconds =
		hs_metric_histogram("hookswitch_call_setup_seconds", "", "From a call's begin to its answer.");
	calls->duration_seconds = hs_metric_histogram("hookswitch_call_duration_seconds", "", "From answer to end.");
}

struct calls *calls_create(const struct calls_setup *setup)
{
	struct calls *calls = hs_zalloc(sizeof(*calls));
	struct restore restore = {calls, store_at_start(setup->store)};

	calls->setup = *setup;
	calls->at = hs_clock_wall_ms();
	calls->by_id = hs_table_create();
	calls->legs = hs_table_create();
	register_figures(calls);
	store_query(restore.reader, STORE_CALLS_LAST, NULL, 0, see_last, calls);
	store_query(restore.reader, STORE_CALLS_LIVE, NULL, 0, see_call, &restore);
	settle_lines(calls);
	if (calls_count(calls) > 0)
		hs_log(INFO, "calls.restored", LOG_INT("count", (int64_t)calls_count(calls)));
	return calls;
}

void calls_destroy(struct calls *calls)
{
	size_t count;

	if (!calls)
		return;
	AUTO(free) char(*ids)[65] = calls_all(calls, &count);

	for (size_t i = 0; i < count; i++)
		drop(calls_find(calls, ids[i]));
	uv_run(calls->setup.loop, UV_RUN_NOWAIT);
	hs_table_destroy(calls->by_id);
	hs_table_destroy(calls->legs);
	free(calls);
}
