/* Any bytes as a request, a fact or a published copy, by any sender to any receiver. What is let through must be
 * something that this sender may send here. */
#include "bus_inner.h"
#include "cleanup.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void as_request(enum hs_role self, enum hs_role stamped, const uint8_t *data, size_t size,
		       struct hs_arena *arena)
{
	struct hs_wire_fault fault;
	const struct hs_json *json = bus_envelope_parse(data, size, arena, &fault);
	struct bus_incoming incoming;

	if (!json)
		return;
	bus_envelope_is(json, "request");
	if (bus_envelope_request(self, stamped, json, arena, &incoming) < 0)
		return;
	if (hs_messages[incoming.message].kind != HS_REQUEST || !incoming.body ||
	    !(hs_messages[incoming.message].from & 1u << incoming.from) ||
	    !(hs_messages[incoming.message].to & 1u << self) || (stamped != HS_ROLES && stamped != incoming.from))
		abort();
}

static void as_fact(enum hs_role self, enum hs_role from, const uint8_t *data, size_t size, struct hs_arena *arena)
{
	struct hs_wire_fault fault;
	struct hs_fact fact = {0};
	int result = bus_envelope_fact(self, from, data, size, arena, &fact, &fault);

	if (result != -EBADMSG && fact.seq == 0)
		abort();
	if (result == 0 &&
	    (hs_messages[fact.message].kind != HS_FACT || !(hs_messages[fact.message].from & 1u << from)))
		abort();
}

/* The three frames are divided by two zeros. */
static void as_published(const uint8_t *data, size_t size, struct hs_arena *arena)
{
	struct bus_part parts[3] = {{data, size}, {data + size, 0}, {data + size, 0}};
	struct hs_envelope_published head;
	struct hs_published event;

	for (int i = 0; i < 2; i++) {
		const uint8_t *start = parts[i].data, *zero = memchr(start, '\0', parts[i].bytes);

		if (!zero)
			break;
		parts[i + 1] = (struct bus_part){zero + 1, parts[i].bytes - (size_t)(zero - start) - 1};
		parts[i].bytes = (size_t)(zero - start);
	}
	if (bus_envelope_published(parts, arena, &head, &event) == 0 && strlen(event.body) != event.bytes)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hs_arena *arena;
	enum hs_role self, stamped;

	if (size < 3)
		return 0;
	arena = hs_arena_create();
	self = (enum hs_role)(1 + data[1] % (HS_ROLES - 1));
	stamped = (enum hs_role)(1 + data[2] % HS_ROLES);
	if (data[0] % 3 == 0)
		as_request(self, stamped, data + 3, size - 3, arena);
	else if (data[0] % 3 == 1)
		as_fact(self, stamped == HS_ROLES ? HS_ROLE_SIPD : stamped, data + 3, size - 3, arena);
	else
		as_published(data + 3, size - 3, arena);
	hs_arena_destroy(arena);
	return 0;
}
