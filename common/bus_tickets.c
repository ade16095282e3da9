#include "bus_tickets.h"
#include "cleanup.h"
#include "table.h"
#include <stdlib.h>

/* ---- Heap ---- */

/* Due earlier, or asked earlier. */
static bool is_before(const struct bus_ticket *a, const struct bus_ticket *b)
{
	return a->due_at < b->due_at || (a->due_at == b->due_at && a->serial < b->serial);
}

static void heap_set(struct bus_tickets *tickets, size_t at, struct bus_ticket *ticket)
{
	tickets->heap[at] = ticket;
	ticket->heap_at = at;
}

static void heap_up(struct bus_tickets *tickets, struct bus_ticket *ticket)
{
	size_t at = ticket->heap_at;

	for (; at > 0 && is_before(ticket, tickets->heap[(at - 1) / 2]); at = (at - 1) / 2)
		heap_set(tickets, at, tickets->heap[(at - 1) / 2]);
	heap_set(tickets, at, ticket);
}

static void heap_down(struct bus_tickets *tickets, struct bus_ticket *ticket)
{
	size_t at = ticket->heap_at;

	for (;;) {
		size_t child = at * 2 + 1;

		if (child + 1 < tickets->count && is_before(tickets->heap[child + 1], tickets->heap[child]))
			child++;
		if (child >= tickets->count || !is_before(tickets->heap[child], ticket))
			break;
		heap_set(tickets, at, tickets->heap[child]);
		at = child;
	}
	heap_set(tickets, at, ticket);
}

static void heap_add(struct bus_tickets *tickets, struct bus_ticket *ticket)
{
	if (tickets->count == tickets->heap_size) {
		tickets->heap_size = tickets->heap_size ? tickets->heap_size * 2 : 64;
		tickets->heap = hs_resize(tickets->heap, tickets->heap_size, sizeof(struct bus_ticket *));
	}
	heap_set(tickets, tickets->count++, ticket);
	heap_up(tickets, ticket);
}

static void heap_remove(struct bus_tickets *tickets, struct bus_ticket *ticket)
{
	struct bus_ticket *last = tickets->heap[--tickets->count];

	if (last == ticket)
		return;
	heap_set(tickets, ticket->heap_at, last);
	heap_up(tickets, last);
	heap_down(tickets, last);
}

/* ---- Tickets ---- */

static uint64_t slot_take(struct bus_tickets *tickets, struct bus_ticket *ticket)
{
	uint32_t at;

	if (tickets->free_count == 0) {
		size_t more = tickets->slots_count ? tickets->slots_count : 64;

		tickets->slots = hs_resize(tickets->slots, tickets->slots_count + more, sizeof(struct bus_ticket_slot));
		tickets->free_slots = hs_resize(tickets->free_slots, tickets->slots_count + more, sizeof(uint32_t));
		for (size_t i = 0; i < more; i++) {
			tickets->slots[tickets->slots_count + i] = (struct bus_ticket_slot){NULL, 1};
			tickets->free_slots[tickets->free_count++] = (uint32_t)(tickets->slots_count + i);
		}
		tickets->slots_count += more;
	}
	at = tickets->free_slots[--tickets->free_count];
	tickets->slots[at].ticket = ticket;
	return (uint64_t)tickets->slots[at].generation << 32 | at;
}

static void slot_give(struct bus_tickets *tickets, uint64_t number)
{
	uint32_t at = (uint32_t)number;

	tickets->slots[at].ticket = NULL;
	tickets->slots[at].generation++;
	tickets->free_slots[tickets->free_count++] = at;
}

struct bus_ticket *bus_tickets_find(const struct bus_tickets *tickets, uint64_t number)
{
	uint32_t at = (uint32_t)number;

	if (at >= tickets->slots_count || tickets->slots[at].generation != number >> 32)
		return NULL;
	return tickets->slots[at].ticket;
}

void bus_ticket_free(struct bus_ticket *ticket)
{
	bus_parcel_drop(ticket->parcel);
	free(ticket->call);
	free(ticket->leg);
	free(ticket);
}

/* A twin that waits under the same id stays known. */
void bus_tickets_remove(struct bus_tickets *tickets, struct bus_ticket *ticket)
{
	struct bus_ticket *first = hs_table_get(tickets->by_key, ticket->key);

	heap_remove(tickets, ticket);
	slot_give(tickets, ticket->number);
	if (first == ticket) {
		if (ticket->twin)
			hs_table_put(tickets->by_key, ticket->key, ticket->twin);
		else
			hs_table_remove(tickets->by_key, ticket->key);
		return;
	}
	for (; first; first = first->twin)
		if (first->twin == ticket)
			first->twin = ticket->twin;
}

void bus_tickets_init(struct bus_tickets *tickets)
{
	tickets->by_key = hs_table_create();
}

void bus_tickets_add(struct bus_tickets *tickets, struct bus_ticket *ticket)
{
	ticket->serial = ++tickets->serial;
	ticket->number = slot_take(tickets, ticket);
	heap_add(tickets, ticket);
	ticket->twin = hs_table_put(tickets->by_key, ticket->key, ticket);
}

struct bus_ticket *bus_tickets_waiting(const struct bus_tickets *tickets, const char *key, uint64_t serial)
{
	struct bus_ticket *ticket = hs_table_get(tickets->by_key, key);

	while (ticket && ticket->serial > serial)
		ticket = ticket->twin;
	return ticket;
}

struct bus_ticket *bus_tickets_first(const struct bus_tickets *tickets)
{
	return tickets->count ? tickets->heap[0] : NULL;
}

void bus_tickets_move(struct bus_tickets *tickets, struct bus_ticket *ticket, int64_t due_at)
{
	ticket->due_at = due_at;
	heap_up(tickets, ticket);
	heap_down(tickets, ticket);
}

static int by_serial(const void *a, const void *b)
{
	uint64_t first = (*(struct bus_ticket *const *)a)->serial, second = (*(struct bus_ticket *const *)b)->serial;

	return first < second ? -1 : first > second;
}

struct bus_ticket **bus_tickets_of(const struct bus_tickets *tickets, enum hs_role to, size_t *ret_count)
{
	struct bus_ticket **found = hs_zalloc((tickets->count + 1) * sizeof(struct bus_ticket *));

	*ret_count = 0;
	for (size_t i = 0; i < tickets->count; i++)
		if (tickets->heap[i]->to == to)
			found[(*ret_count)++] = tickets->heap[i];
	qsort((void *)found, *ret_count, sizeof(void *), by_serial);
	return found;
}

void bus_tickets_finish(struct bus_tickets *tickets)
{
	for (size_t i = 0; i < tickets->slots_count; i++)
		if (tickets->slots[i].ticket)
			bus_ticket_free(tickets->slots[i].ticket);
	free(tickets->slots);
	free(tickets->free_slots);
	free(tickets->heap);
	hs_table_destroy(tickets->by_key);
}
