/* Any bytes as JSON, then as the body or answer of any message. What was taken must say the same to another reader, and
 * must be written so that it is taken again, and the same. */
#include "cleanup.h"
#include "same_json.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct hs_shape *choose(uint8_t number, uint8_t kind)
{
	const struct hs_message *message = &hs_messages[number % HS_MESSAGES];

	if (kind % 4 == 3)
		return &hs_shape_config;
	return kind % 4 == 2 && message->answer ? message->answer : message->body;
}

static void again(const struct hs_shape *shape, const void *structure, struct hs_arena *arena)
{
	size_t bytes, second_bytes;
	AUTO(free) char *text = hs_wire_text(shape, structure, &bytes), *second = NULL;
	void *copy = hs_arena_alloc(arena, shape->size);
	const struct hs_json *json;
	struct hs_wire_fault fault;

	if (bytes > HS_WIRE_MAX_BYTES)
		return; /* defaults made it longer */
	if (hs_wire_parse(text, bytes, arena, &json, &fault) < 0 ||
	    hs_wire_decode(shape, json, true, arena, copy, &fault) < 0)
		abort();
	second = hs_wire_text(shape, copy, &second_bytes);
	if (bytes != second_bytes || memcmp(text, second, bytes) != 0)
		abort();
}

static void try_shape(const uint8_t *data, const struct hs_json *json, struct hs_arena *arena)
{
	const struct hs_shape *shape = choose(data[0], data[1]);
	void *structure = hs_arena_alloc(arena, shape->size);
	struct hs_wire_fault fault;

	if (hs_wire_decode(shape, json, data[1] & 4, arena, structure, &fault) == 0)
		again(shape, structure, arena);
	else if (!memchr(fault.field, '\0', sizeof(fault.field)) || !memchr(fault.why, '\0', sizeof(fault.why)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data + 2;
	struct json_object *other;
	struct hs_wire_fault fault;
	struct hs_arena *arena;
	const struct hs_json *json;

	if (size < 2)
		return 0;
	arena = hs_arena_create();
	if (hs_wire_parse(text, size - 2, arena, &json, &fault) == 0) {
		other = read_by_other(text, size - 2);
		if (!other || !same_json(json, other, arena))
			abort();
		json_object_put(other);
		try_shape(data, json, arena);
	}
	hs_arena_destroy(arena);
	return 0;
}
