/* A ring of records, each one block of memory cut to what it says. */
#include "trace.h"
#include "bus.h"
#include "cleanup.h"
#include "clock.h"
#include "id.h"
#include "wire.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORDS 4096
#define WHAT_BYTES 256
#define LEGS 1024 /* of which the call is remembered, by hash; a newer leg takes an older one's place */

struct record {
	struct hs_trace trace; /* its texts lie behind it */
	char texts[];
};

static struct {
	struct hs_bus *bus;
	char daemon[33];
	struct record *ring[RECORDS];
	size_t next; /* where the next one goes */
	struct {
		char leg[HS_ID_BYTES], call[HS_ID_BYTES];
	} legs[LEGS];
} state;

void hs_trace_setup(const char *daemon, struct hs_bus *bus)
{
	hs_copy(state.daemon, sizeof(state.daemon), daemon);
	state.bus = bus;
}

static size_t space_of(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

static const char *put(char **at, const char *text)
{
	char *copy = *at;

	if (!text)
		return NULL;
	memcpy(copy, text, strlen(text) + 1);
	*at += strlen(text) + 1;
	return copy;
}

static struct record *make_record(const struct hs_trace *trace)
{
	struct record *record = hs_zalloc(sizeof(*record) + space_of(trace->call) + space_of(trace->leg) +
					  space_of(trace->from) + space_of(trace->to) + space_of(trace->what));
	char *at = record->texts;

	record->trace = *trace;
	record->trace.call = put(&at, trace->call);
	record->trace.leg = put(&at, trace->leg);
	record->trace.from = put(&at, trace->from);
	record->trace.to = put(&at, trace->to);
	record->trace.what = put(&at, trace->what);
	return record;
}

static void publish(const struct hs_trace *trace)
{
	AUTO(free) char *text = NULL;
	size_t bytes;

	if (!state.bus || !hs_bus_is_heard(state.bus, HS_EDGE_OPERATIONS))
		return;
	text = hs_wire_text(&hs_shape_trace, trace, &bytes);
	hs_bus_publish(state.bus, HS_EDGE_OPERATIONS, "trace", text, bytes);
}

/* Many messages name only a leg: its call is known from those that named both. */
static const char *call_of(const char *call, const char *leg)
{
	uint32_t hash = 2166136261u;

	if (!leg)
		return call;
	for (const char *at = leg; *at; at++)
		hash = (hash ^ (uint8_t)*at) * 16777619u;
	hash %= LEGS;
	if (call) {
		hs_copy(state.legs[hash].leg, sizeof(state.legs[hash].leg), leg);
		hs_copy(state.legs[hash].call, sizeof(state.legs[hash].call), call);
		return call;
	}
	return strcmp(state.legs[hash].leg, leg) == 0 ? state.legs[hash].call : NULL;
}

void hs_trace_add(enum hs_trace_kind kind, const char *call, const char *leg, const char *from, const char *to,
		  const char *format, ...)
{
	char what[WHAT_BYTES];
	int64_t now = hs_clock_wall_us();
	struct hs_trace trace = {
		.at = now / 1000,
		.at_us = now,
		.daemon = state.daemon,
		.kind = kind,
		.call = call_of(call, leg),
		.leg = leg,
		.from = from ? from : "",
		.to = to ? to : "",
		.what = what,
	};
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(what, sizeof(what), format, arguments);
	va_end(arguments);
	free(state.ring[state.next]);
	state.ring[state.next] = make_record(&trace);
	state.next = (state.next + 1) % RECORDS;
	publish(&trace);
}

static bool is_wanted(const struct record *record, const char *call)
{
	return record && (!call || (record->trace.call && strcmp(record->trace.call, call) == 0));
}

size_t hs_trace_read(const char *call, struct hs_trace *ret_records, size_t max)
{
	size_t found = 0, skipped = 0;

	for (size_t i = 0; i < RECORDS; i++)
		found += is_wanted(state.ring[i], call);
	skipped = found > max ? found - max : 0;
	found = 0;
	for (size_t i = 0; i < RECORDS; i++) {
		const struct record *record = state.ring[(state.next + i) % RECORDS];

		if (!is_wanted(record, call))
			continue;
		if (skipped > 0)
			skipped--;
		else
			ret_records[found++] = record->trace;
	}
	return found;
}
