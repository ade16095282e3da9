/* Tickets of the questions that wait for an answer: found by number and by role/id, in the order of what is due.
 * Used by bus_ask.c only. Owns the tickets in it.
 */
#ifndef HS_BUS_TICKETS_H
#define HS_BUS_TICKETS_H

#include "bus_inner.h"

struct bus_ticket {
	uint64_t number; /* index of its slot, and above it the slot's generation */
	uint64_t serial; /* counts all tickets */
	enum hs_role to;
	enum hs_message_id message;
	struct bus_parcel *parcel;                      /* what is sent, maybe again */
	int64_t asked_us, deadline_at, due_at, wait_ms; /* wait_ms: before it is sent again */
	size_t heap_at;
	bool patient;
	bool is_held;         /* it found no room; it goes before all that is asked later */
	int sent;             /* times */
	enum hs_error failed; /* to be told at the next turn */
	char *call, *leg;     /* for the trace; NULL: none */
	void (*answered)(void *context, const struct hs_answer *answer);
	void *context;
	struct bus_ticket *twin; /* asked under the same id while this one waits */
	char key[BUS_KEY_BYTES]; /* role/id */
};

struct bus_tickets {
	struct bus_ticket_slot {
		struct bus_ticket *ticket;
		uint32_t generation;
	} * slots;
	uint32_t *free_slots;
	size_t slots_count, free_count;
	struct bus_ticket **heap; /* smallest due_at first */
	size_t count, heap_size;
	struct hs_table *by_key;
	uint64_t serial;
};

void bus_tickets_init(struct bus_tickets *tickets);

/* Adds a ticket that has key and due_at; gives it number and serial. */
void bus_tickets_add(struct bus_tickets *tickets, struct bus_ticket *ticket);

/* The ticket of a number, or NULL. */
struct bus_ticket *bus_tickets_find(const struct bus_tickets *tickets, uint64_t number);

/* A ticket that waits under the key and is not younger than serial, or NULL. */
struct bus_ticket *bus_tickets_waiting(const struct bus_tickets *tickets, const char *key, uint64_t serial);

/* The ticket that is due first, or NULL. */
struct bus_ticket *bus_tickets_first(const struct bus_tickets *tickets);

/* Changes when it is due. */
void bus_tickets_move(struct bus_tickets *tickets, struct bus_ticket *ticket, int64_t due_at);

/* All that wait for a role, in the order in which they were asked. The caller frees the array. */
struct bus_ticket **bus_tickets_of(const struct bus_tickets *tickets, enum hs_role to, size_t *ret_count);

/* Takes it out; it is the caller's now, for bus_ticket_free. */
void bus_tickets_remove(struct bus_tickets *tickets, struct bus_ticket *ticket);
void bus_ticket_free(struct bus_ticket *ticket);

void bus_tickets_finish(struct bus_tickets *tickets); /* frees all tickets */

#endif
