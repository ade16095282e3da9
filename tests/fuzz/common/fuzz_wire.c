/* Any bytes as JSON, then as the body or answer of any message. What was taken must be written so that it is taken
 * again, and the same. */
#include "cleanup.h"
#include "wire.h"
#include <json-c/json.h>
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
	AUTO(json_put) struct json_object *written = hs_wire_encode(shape, structure);
	AUTO(json_put) struct json_object *read = NULL, *second = NULL;
	const char *text =
		json_object_to_json_string_ext(written, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	void *copy = hs_arena_alloc(arena, shape->size);
	struct hs_wire_fault fault;

	if (strlen(text) > HS_WIRE_MAX_BYTES)
		return; /* defaults made it longer */
	if (hs_wire_parse(text, strlen(text), &read, &fault) < 0 ||
	    hs_wire_decode(shape, read, true, arena, copy, &fault) < 0)
		abort();
	second = hs_wire_encode(shape, copy);
	if (strcmp(text, json_object_to_json_string_ext(second,
							JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(json_put) struct json_object *json = NULL;
	const struct hs_shape *shape;
	struct hs_wire_fault fault;
	struct hs_arena *arena;
	void *structure;

	if (size < 2 || hs_wire_parse((const char *)data + 2, size - 2, &json, &fault) < 0)
		return 0;
	shape = choose(data[0], data[1]);
	arena = hs_arena_create();
	structure = hs_arena_alloc(arena, shape->size);
	if (hs_wire_decode(shape, json, data[1] & 4, arena, structure, &fault) == 0)
		again(shape, structure, arena);
	else if (!memchr(fault.field, '\0', sizeof(fault.field)) || !memchr(fault.why, '\0', sizeof(fault.why)))
		abort();
	hs_arena_destroy(arena);
	return 0;
}
