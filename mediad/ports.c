#include "ports.h"
#include "cleanup.h"
#include <stdlib.h>
#include <string.h>

struct ports {
	uint16_t first; /* even */
	size_t pairs;
	size_t head, waiting; /* ring of pairs not in use, longest unused first */
	uint16_t *ring;       /* pair numbers */
	int64_t *ready_at_ms; /* by pair: rests until then */
	bool *taken;          /* by pair */
};

struct ports *ports_create(uint16_t first, uint16_t last)
{
	uint32_t even = (first + 1u) & ~1u;
	if (even + 1 > last)
		return NULL;
	struct ports *ports = hs_zalloc(sizeof *ports);
	ports->first = (uint16_t)even;
	ports->pairs = (last + 1u - even) / 2;
	ports->ring = hs_zalloc(ports->pairs * sizeof *ports->ring);
	ports->ready_at_ms = hs_zalloc(ports->pairs * sizeof *ports->ready_at_ms);
	ports->taken = hs_zalloc(ports->pairs * sizeof *ports->taken);
	ports->waiting = ports->pairs;
	for (size_t i = 0; i < ports->pairs; i++) {
		ports->ring[i] = (uint16_t)i;
		ports->ready_at_ms[i] = INT64_MIN;
	}
	return ports;
}

static uint16_t *slot(struct ports *ports, size_t n)
{
	return &ports->ring[(ports->head + n) % ports->pairs];
}

/* How many pairs at the ring's begin have rested enough: they stand in the order in which they were given back. */
static size_t rested(struct ports *ports, int64_t now_ms)
{
	size_t low = 0, high = ports->waiting;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (ports->ready_at_ms[*slot(ports, middle)] <= now_ms)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint16_t ports_take(struct ports *ports, int64_t now_ms, uint32_t random)
{
	if (ports->waiting == 0)
		return 0;
	/* The chosen one changes places with the first. Among the rested ones that spoils no order that matters; the
	 * resting ones stay behind them, by age. */
	size_t ready = rested(ports, now_ms);
	uint16_t *chosen = slot(ports, ready ? random % ready : 0), *head = slot(ports, 0);
	uint16_t pair = *chosen;
	*chosen = *head;
	ports->head = (ports->head + 1) % ports->pairs;
	ports->waiting--;
	ports->taken[pair] = true;
	return (uint16_t)(ports->first + 2 * pair);
}

bool ports_claim(struct ports *ports, uint16_t port)
{
	uint16_t pair = (uint16_t)((port - ports->first) / 2);
	size_t at = 0;
	if (!ports_has(ports, port) || (port - ports->first) % 2 || ports->taken[pair])
		return false;
	while (*slot(ports, at) != pair)
		at++;
	for (; at > 0; at--) /* those before it keep their order */
		*slot(ports, at) = *slot(ports, at - 1);
	ports->head = (ports->head + 1) % ports->pairs;
	ports->waiting--;
	ports->taken[pair] = true;
	return true;
}

void ports_give(struct ports *ports, uint16_t port, int64_t now_ms)
{
	if (!ports_has(ports, port))
		return;
	uint16_t pair = (uint16_t)((port - ports->first) / 2);
	if (!ports->taken[pair])
		return;
	ports->taken[pair] = false;
	ports->ready_at_ms[pair] = now_ms + PORTS_REST_MS;
	*slot(ports, ports->waiting++) = pair;
}

bool ports_has(const struct ports *ports, uint16_t port)
{
	return port >= ports->first && (size_t)(port - ports->first) < 2 * ports->pairs;
}

bool ports_is_taken(const struct ports *ports, uint16_t port)
{
	return ports_has(ports, port) && ports->taken[(port - ports->first) / 2];
}

size_t ports_used(const struct ports *ports)
{
	return ports->pairs - ports->waiting;
}

void ports_destroy(struct ports *ports)
{
	if (!ports)
		return;
	free(ports->ring);
	free(ports->ready_at_ms);
	free(ports->taken);
	free(ports);
}
