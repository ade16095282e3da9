/* Chunks of doubling size; whatever a message needs fits the first one, so that most messages cost no allocation:
 * arenas that were given back wait for the next message of their thread. */
#include "cleanup.h"
#include "wire.h"
#include "wire_inner.h"
#include <sanitizer/asan_interface.h> /* nothing but in builds with it: what waits must not be touched */
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CHUNK 3000
#define NEXT_CHUNK 8192
#define KEPT 16

struct chunk {
	struct chunk *older;
	size_t size, used;
	alignas(max_align_t) unsigned char bytes[];
};

struct hs_arena {
	struct chunk *newest;
	struct hs_arena *next_kept;
	struct chunk first; /* last: its bytes follow */
};

static _Thread_local struct hs_arena *kept;
static _Thread_local int kept_count;

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
	struct hs_arena *arena = kept;

	if (arena) {
		kept = arena->next_kept;
		kept_count--;
		ASAN_UNPOISON_MEMORY_REGION(arena->first.bytes, FIRST_CHUNK);
		return arena;
	}
	arena = hs_resize(NULL, 1, sizeof(*arena) + FIRST_CHUNK);
	*arena = (struct hs_arena){.newest = &arena->first, .first = {.size = FIRST_CHUNK}};
	return arena;
}

static void *take(struct hs_arena *arena, size_t bytes)
{
	struct chunk *chunk = arena->newest;
	void *memory;

	if (chunk->size - chunk->used < bytes) {
		add_chunk(arena, bytes);
		chunk = arena->newest;
	}
	memory = chunk->bytes + chunk->used;
	chunk->used += bytes;
	return memory;
}

static void align(struct hs_arena *arena)
{
	struct chunk *chunk = arena->newest;
	size_t used = (chunk->used + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);

	chunk->used = used < chunk->size ? used : chunk->size;
}

void *hs_arena_raw(struct hs_arena *arena, size_t bytes)
{
	return take(arena, bytes);
}

void *hs_arena_alloc(struct hs_arena *arena, size_t bytes)
{
	align(arena);
	return memset(take(arena, bytes), 0, bytes);
}

void *hs_arena_grow(struct hs_arena *arena, void *memory, size_t bytes, size_t more)
{
	struct chunk *chunk = arena->newest;
	void *larger;

	if (memory && chunk->size - chunk->used >= more) {
		chunk->used += more;
		return memory;
	}
	align(arena);
	larger = take(arena, bytes + more);
	return memory ? memcpy(larger, memory, bytes) : larger;
}

char *hs_arena_copy(struct hs_arena *arena, const char *text, size_t length)
{
	char *copy = take(arena, length + 1);

	copy[length] = '\0';
	return memcpy(copy, text, length);
}

void hs_arena_destroy(struct hs_arena *arena)
{
	if (!arena)
		return;
	while (arena->newest != &arena->first) {
		struct chunk *older = arena->newest->older;

		free(arena->newest);
		arena->newest = older;
	}
	if (kept_count == KEPT) {
		free(arena);
		return;
	}
	arena->first.used = 0;
	ASAN_POISON_MEMORY_REGION(arena->first.bytes, FIRST_CHUNK);
	arena->next_kept = kept;
	kept = arena;
	kept_count++;
}
