/* Chunks of doubling size; whatever a message needs fits the first one, so that most messages cost one allocation. */
#include "cleanup.h"
#include "wire.h"
#include "wire_inner.h"
#include <json-c/json.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CHUNK 880 /* with the arena itself under 1 KiB, which malloc keeps at hand */
#define NEXT_CHUNK 4096

struct chunk {
	struct chunk *older;
	size_t size, used;
	alignas(max_align_t) unsigned char bytes[];
};

struct held_json {
	struct held_json *next;
	struct json_object *json;
};

struct hs_arena {
	struct chunk *newest;
	struct held_json *held;
	struct chunk first; /* last: its bytes follow */
};

static void add_chunk(struct hs_arena *arena, size_t need)
{
	size_t size = arena->newest == &arena->first ? NEXT_CHUNK : arena->newest->size * 2;
	struct chunk *chunk;

	size = size > need ? size : need;
	chunk = hs_resize(NULL, 1, sizeof(*chunk) + size);
	*chunk = (struct chunk){.older = arena->newest, .size = size};
	arena->newest = chunk;
}

struct hs_arena *hs_arena_create(void)
{
	struct hs_arena *arena = hs_resize(NULL, 1, sizeof(*arena) + FIRST_CHUNK);

	*arena = (struct hs_arena){.newest = &arena->first, .first = {.size = FIRST_CHUNK}};
	return arena;
}

void *hs_arena_alloc(struct hs_arena *arena, size_t bytes)
{
	size_t need = (bytes + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	struct chunk *chunk = arena->newest;
	void *memory;

	if (chunk->size - chunk->used < need) {
		add_chunk(arena, need);
		chunk = arena->newest;
	}
	memory = chunk->bytes + chunk->used;
	chunk->used += need;
	return memset(memory, 0, need);
}

char *hs_arena_copy(struct hs_arena *arena, const char *text, size_t length)
{
	char *copy = hs_arena_alloc(arena, length + 1);

	memcpy(copy, text, length);
	return copy;
}

void hs_arena_hold(struct hs_arena *arena, struct json_object *json)
{
	struct held_json *held = hs_arena_alloc(arena, sizeof(*held));

	held->json = json_object_get(json);
	held->next = arena->held;
	arena->held = held;
}

void hs_arena_destroy(struct hs_arena *arena)
{
	if (!arena)
		return;
	for (struct held_json *held = arena->held; held; held = held->next)
		json_object_put(held->json);
	while (arena->newest != &arena->first) {
		struct chunk *older = arena->newest->older;

		free(arena->newest);
		arena->newest = older;
	}
	free(arena);
}
