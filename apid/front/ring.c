#include "ring.h"
#include "cleanup.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct slot {
	struct ring_event event; /* its texts lie behind it in the same memory */
	uint64_t hash;           /* of the cursor */
	char texts[];
};

struct ring {
	struct slot *slots[RING_EVENTS];
	uint64_t first, next;
	char before[RING_CURSOR]; /* cursor of the event before the first */
};

static uint64_t hash(const char *text)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
	for (; *text; text++)
		sum = (sum ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return sum;
}

struct ring *ring_create(void)
{
	struct ring *ring = hs_zalloc(sizeof(*ring));
	ring->first = ring->next = 1;
	return ring;
}

static void drop_first(struct ring *ring)
{
	struct slot **slot = &ring->slots[ring->first++ % RING_EVENTS];
	hs_copy(ring->before, sizeof(ring->before), (*slot)->event.cursor);
	free(*slot);
	*slot = NULL;
}

void ring_begin(struct ring *ring, const char *cursor)
{
	while (ring->first < ring->next)
		drop_first(ring);
	/* A number no subscriber has: who was at the end has lost his place, too. */
	ring->first = ring->next = ring->next + 1;
	hs_copy(ring->before, sizeof(ring->before), cursor);
}

void ring_destroy(struct ring *ring)
{
	if (!ring)
		return;
	ring_begin(ring, "");
	free(ring);
}

static const char *keep(char **at, const char *text, size_t bytes)
{
	char *kept = *at;
	memcpy(kept, text, bytes);
	kept[bytes] = '\0';
	*at += bytes + 1;
	return kept;
}

void ring_add(struct ring *ring, const struct ring_event *event)
{
	size_t cursor = strlen(event->cursor), line = strlen(event->line), call = strlen(event->call);
	struct slot *slot = hs_zalloc(sizeof(*slot) + cursor + line + call + event->bytes + 4);
	char *at = slot->texts;
	slot->event = *event;
	slot->event.cursor = keep(&at, event->cursor, cursor);
	slot->event.line = keep(&at, event->line, line);
	slot->event.call = keep(&at, event->call, call);
	slot->event.text = keep(&at, event->text, event->bytes);
	slot->hash = hash(event->cursor);
	if (ring->next - ring->first == RING_EVENTS)
		drop_first(ring);
	ring->slots[ring->next++ % RING_EVENTS] = slot;
}

uint64_t ring_first(const struct ring *ring)
{
	return ring->first;
}

uint64_t ring_next(const struct ring *ring)
{
	return ring->next;
}

const struct ring_event *ring_get(const struct ring *ring, uint64_t number)
{
	if (number < ring->first || number >= ring->next)
		return NULL;
	return &ring->slots[number % RING_EVENTS]->event;
}

bool ring_after(const struct ring *ring, const char *cursor, uint64_t *ret_number)
{
	uint64_t sum = hash(cursor);
	for (uint64_t number = ring->next; number > ring->first; number--) {
		const struct slot *slot = ring->slots[(number - 1) % RING_EVENTS];
		if (slot->hash != sum || strcmp(slot->event.cursor, cursor) != 0)
			continue;
		*ret_number = number;
		return true;
	}
	if (!*cursor || strcmp(ring->before, cursor) != 0)
		return false;
	*ret_number = ring->first;
	return true;
}

const char *ring_cursor(const struct ring *ring)
{
	const struct ring_event *last = ring_get(ring, ring->next - 1);
	return last ? last->cursor : ring->before;
}

/* ---- What a subscription wants ---- */

static int find_event(const char *name, size_t length)
{
	for (int i = 0; i < HS_MESSAGES; i++)
		if (hs_messages[i].kind == HS_EVENT && strlen(hs_messages[i].name) == length &&
		    strncmp(hs_messages[i].name, name, length) == 0)
			return i;
	return -ENOENT;
}

int filter_types(struct filter *filter, const char *list)
{
	for (;;) {
		size_t length = strcspn(list, ",");
		int message = find_event(list, length);
		if (message < 0)
			return -EINVAL;
		filter->types[message / 64] |= UINT64_C(1) << message % 64;
		filter->has_types = true;
		if (!list[length])
			return 0;
		list += length + 1;
	}
}

bool filter_wants(const struct filter *filter, const struct ring_event *event)
{
	if (event->is_digits && !filter->digits)
		return false;
	if (filter->has_types &&
	    (event->message < 0 || !(filter->types[event->message / 64] >> event->message % 64 & 1)))
		return false;
	if (filter->line[0] && strcmp(filter->line, event->line) != 0)
		return false;
	return !filter->call[0] || strcmp(filter->call, event->call) == 0;
}
