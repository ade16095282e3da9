/* A ring of bytes in which each record lies with its texts in one piece: adding one allocates nothing and copies what
 * it says, once. It is read when somebody asks. */
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
#define RING_BYTES (1 << 20)
#define WHAT_BYTES 256
#define LEGS 1024 /* of which the call is remembered, by hash; a newer leg takes an older one's place */

struct record {
	struct hs_trace trace; /* its texts lie behind it */
	char texts[];
};

static struct {
	struct hs_bus *bus;
	char daemon[33];
	_Alignas(max_align_t) char ring[RING_BYTES];
	size_t at;                /* where the next one goes */
	uint32_t starts[RECORDS]; /* of the records in the ring */
	size_t oldest, count;
	struct {
		char leg[HS_ID_BYTES], call[HS_ID_BYTES];
	} legs[LEGS];
} state;

void hs_trace_setup(const char *daemon, struct hs_bus *bus)
{
	hs_copy(state.daemon, sizeof(state.daemon), daemon);
	state.bus = bus;
}

static struct record *record_at(size_t number)
{
	return (struct record *)(void *)(state.ring + state.starts[(state.oldest + number) % RECORDS]);
}

static void forget_oldest(void)
{
	state.oldest = (state.oldest + 1) % RECORDS;
	state.count--;
}

/* Bytes for a record behind the newest one; the oldest ones make room. */
static struct record *make_room(size_t bytes)
{
	size_t end = state.at + bytes;

	if (end > RING_BYTES) { /* what lies between here and the end is older than what begins the ring */
		while (state.count && state.starts[state.oldest] >= state.at)
			forget_oldest();
		state.at = 0;
		end = bytes;
	}
	while (state.count &&
	       (state.count == RECORDS || (state.starts[state.oldest] >= state.at && state.starts[state.oldest] < end)))
		forget_oldest();
	state.starts[(state.oldest + state.count++) % RECORDS] = (uint32_t)state.at;
	state.at = end;
	return record_at(state.count - 1);
}

/* A text with its length, NUL included; NULL has 0. */
struct text {
	const char *at;
	size_t bytes;
};

static struct text measure(const char *text)
{
	return (struct text){text, text ? strlen(text) + 1 : 0};
}

static const char *put(char **at, struct text text)
{
	char *copy = *at;

	if (!text.at)
		return NULL;
	memcpy(copy, text.at, text.bytes);
	*at += text.bytes;
	return copy;
}

static void keep(const struct hs_trace *trace)
{
	struct text call = measure(trace->call), leg = measure(trace->leg), from = measure(trace->from),
		    to = measure(trace->to), what = measure(trace->what);
	size_t align = _Alignof(struct record);
	size_t bytes = sizeof(struct record) + call.bytes + leg.bytes + from.bytes + to.bytes + what.bytes;
	struct record *record;
	char *at;

	bytes = (bytes + align - 1) / align * align;
	if (bytes > RING_BYTES)
		return;
	record = make_room(bytes);
	at = record->texts;
	record->trace = *trace;
	record->trace.call = put(&at, call);
	record->trace.leg = put(&at, leg);
	record->trace.from = put(&at, from);
	record->trace.to = put(&at, to);
	record->trace.what = put(&at, what);
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
	if (call && (strcmp(state.legs[hash].leg, leg) != 0 || strcmp(state.legs[hash].call, call) != 0)) {
		hs_copy(state.legs[hash].leg, sizeof(state.legs[hash].leg), leg);
		hs_copy(state.legs[hash].call, sizeof(state.legs[hash].call), call);
	}
	if (call)
		return call;
	return strcmp(state.legs[hash].leg, leg) == 0 ? state.legs[hash].call : NULL;
}

/* Most are made of words and small numbers: %s and %d are written here, and anything else is left to the C library. */
static bool write_plain(char ret_what[WHAT_BYTES], const char *format, va_list arguments)
{
	size_t used = 0;

	for (; *format; format++) {
		char digits[16];
		const char *piece = digits;
		size_t bytes = 1;

		if (*format != '%') {
			piece = format;
		} else if (*++format == 's') {
			piece = va_arg(arguments, const char *);
			piece = piece ? piece : "(null)";
			bytes = strlen(piece);
		} else if (*format == 'd') {
			bytes = (size_t)snprintf(digits, sizeof(digits), "%d", va_arg(arguments, int));
		} else {
			return false;
		}
		if (bytes > WHAT_BYTES - 1 - used)
			bytes = WHAT_BYTES - 1 - used;
		memcpy(ret_what + used, piece, bytes);
		used += bytes;
	}
	ret_what[used] = 0;
	return true;
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
	if (!write_plain(what, format, arguments)) {
		va_end(arguments);
		va_start(arguments, format);
		vsnprintf(what, sizeof(what), format, arguments);
	}
	va_end(arguments);
	keep(&trace);
	publish(&trace);
}

static bool is_wanted(const struct record *record, const char *call)
{
	return !call || (record->trace.call && strcmp(record->trace.call, call) == 0);
}

size_t hs_trace_read(const char *call, struct hs_trace *ret_records, size_t max)
{
	size_t found = 0, skipped = 0;

	for (size_t i = 0; i < state.count; i++)
		found += is_wanted(record_at(i), call);
	skipped = found > max ? found - max : 0;
	found = 0;
	for (size_t i = 0; i < state.count; i++) {
		const struct record *record = record_at(i);

		if (!is_wanted(record, call))
			continue;
		if (skipped > 0)
			skipped--;
		else
			ret_records[found++] = record->trace;
	}
	return found;
}
