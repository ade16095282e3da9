#include "bus_inner.h"
#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include "trace.h"
#include <stdlib.h>
#include <string.h>

#define LOG_EVERY_MS 1000
#define DRAIN_MS 1000

static const char *const why_names[BUS_WHYS] = {
	[BUS_WHY_ENVELOPE] = "envelope",
	[BUS_WHY_SOURCE] = "source",
	[BUS_WHY_STRANGER] = "stranger",
	[BUS_WHY_UNKNOWN] = "unknown",
	[BUS_WHY_PERMISSION] = "not_permitted",
	[BUS_WHY_INVALID] = "invalid",
	[BUS_WHY_EXPIRED] = "expired",
	[BUS_WHY_OVERLOAD] = "overload",
	[BUS_WHY_GAP] = "gap",
	[BUS_WHY_ANSWER] = "answer",
	[BUS_WHY_UNREACHED] = "unreached",
};

static void create_figures(struct hs_bus *bus)
{
	for (int i = 0; i < BUS_WHYS; i++) {
		AUTO(free) char *labels = hs_printf("why=\"%s\"", why_names[i]);

		bus->refused[i] =
			hs_metric_counter("hookswitch_bus_refused_total", labels, "Messages refused, by reason.");
		bus->refused_logged_at[i] = hs_clock_ms() - LOG_EVERY_MS;
	}
}

void bus_refused(struct hs_bus *bus, enum bus_why why, const char *from, const char *detail)
{
	int64_t now = hs_clock_ms();

	hs_metric_add(bus->refused[why], 1);
	if (now - bus->refused_logged_at[why] < LOG_EVERY_MS) {
		bus->refused_unlogged[why]++;
		return;
	}
	hs_log(WARN, "bus.refused", LOG_TEXT("reason", why_names[why]), LOG_TEXT("from", from), LOG_WHY(detail),
	       LOG_INT("more", bus->refused_unlogged[why]));
	bus->refused_logged_at[why] = now;
	bus->refused_unlogged[why] = 0;
}

/* Which members name a call or a leg, so that tracing a message costs no search. */
static void find_names(struct hs_bus *bus)
{
	for (int id = 0; id < HS_MESSAGES; id++) {
		const struct hs_shape *body = hs_messages[id].body;

		for (size_t i = 0; i < body->fields_count; i++) {
			const struct hs_field *field = &body->fields[i];

			if (field->type != HS_TYPE_ID || field->list)
				continue;
			if (strcmp(field->name, "call") == 0)
				bus->call_field[id] = field;
			else if (strcmp(field->name, "leg") == 0 ||
				 (id == HS_MEDIA_JOIN && strcmp(field->name, "a") == 0))
				bus->leg_field[id] = field;
		}
	}
}

static const char *name_in(const void *body, const struct hs_field *field)
{
	return field ? *(const char *const *)((const char *)body + field->offset) : NULL;
}

void bus_trace(struct hs_bus *bus, int message, const void *body, const char *from, const char *to)
{
	const char *call = name_in(body, bus->call_field[message]), *leg = name_in(body, bus->leg_field[message]);

	if (call || leg)
		hs_trace_add(HS_TRACE_KIND_BUS, call, leg, from, to, "%s", hs_messages[message].name);
}

void bus_log_request(const struct hs_bus *bus, const struct hs_request *request)
{
	hs_log(DEBUG, "bus.request", LOG_TEXT("message", hs_messages[request->message].name),
	       LOG_TEXT("from", hs_role_names[request->from]),
	       LOG_CALL(name_in(request->body, bus->call_field[request->message])),
	       LOG_LEG(name_in(request->body, bus->leg_field[request->message])),
	       LOG_TEXT("request", request->request_id));
}

static int start(struct hs_bus *bus)
{
	int result;

	bus_loop_start(bus);
	if (bus->far)
		bus_keys_create(bus);
	bus_serve_create(bus);
	bus_hear_create(bus);
	bus_ask_create(bus);
	result = bus_pub_create(bus);
	if (result < 0)
		return result;
	if (hs_edges[HS_EDGE_REQUESTS].connect[bus->role])
		result = bus_serve_bind(bus);
	if (result == 0)
		bus_tell_create(bus);
	return result;
}

struct hs_bus *hs_bus_create(const struct hs_bus_setup *setup)
{
	struct hs_bus *bus = hs_zalloc(sizeof(*bus));
	int result;

	bus->loop = setup->loop;
	bus->role = setup->role;
	bus->home = hs_strdup(setup->home);
	bus->incarnation = hs_strdup(setup->incarnation);
	bus->journal = setup->journal;
	bus->far = hs_bus_is_far(setup->far, setup->role) ? setup->far : NULL;
	bus->keep = setup->keep;
	create_figures(bus);
	find_names(bus);
	result = start(bus);
	if (result == 0)
		return bus;
	hs_log(ERROR, "bus.cannot_start", LOG_TEXT("role", hs_role_names[bus->role]), LOG_WHY(strerror(-result)));
	hs_bus_destroy(bus);
	return NULL;
}

void hs_bus_destroy(struct hs_bus *bus)
{
	if (!bus)
		return;
	bus_socket_drain(bus, DRAIN_MS);
	bus_audio_destroy(bus);
	bus_sub_destroy(bus);
	bus_tell_destroy(bus);
	bus_ask_destroy(bus);
	for (int i = 0; i < HS_ROLES; i++)
		bus_link_close(bus->links[i]);
	bus_serve_destroy(bus);
	bus_pub_destroy(bus);
	bus_keys_destroy(bus);
	free(bus->home);
	free(bus->incarnation);
	free(bus->out.bytes);
	bus_loop_stop(bus);
}
