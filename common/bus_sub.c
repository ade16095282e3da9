#include "bus_inner.h"
#include "cleanup.h"
#include "log.h"
#include <stdlib.h>
#include <string.h>

struct sub {
	struct bus_peer peer; /* first */
	bool is_known;
	uint64_t epoch, last;
	void (*published)(void *context, const struct hs_published *event);
	void (*missed)(void *context);
	void *context;
	struct sub *next;
};

struct bus_sub_room {
	struct sub *subs;
	struct hs_metric *heard, *missed;
};

/* Where the count stands after this one. The first contact counts as a gap: what was published between the moment the
 * subscriber read the log and this one was sent to nobody. */
static void count(struct sub *sub, uint64_t epoch, uint64_t before, uint64_t seq)
{
	bool is_gap = !sub->is_known || sub->epoch != epoch || before > sub->last;

	sub->is_known = true;
	sub->epoch = epoch;
	sub->last = seq;
	if (!is_gap)
		return;
	hs_metric_add(sub->peer.socket.bus->sub->missed, 1);
	if (sub->missed)
		sub->missed(sub->context);
}

static void hear_event(struct sub *sub, const struct hs_published *event)
{
	bool is_old = sub->is_known && event->epoch == sub->epoch && event->seq <= sub->last;

	if (strcmp(event->topic, "heartbeat") == 0) {
		if (!is_old)
			count(sub, event->epoch, event->seq, event->seq);
		return;
	}
	if (is_old || event->seq == 0)
		return;
	count(sub, event->epoch, event->seq - 1, event->seq);
	hs_metric_add(sub->peer.socket.bus->sub->heard, 1);
	sub->published(sub->context, event);
}

static void hear(struct bus_socket *socket, struct bus_message *message)
{
	struct sub *sub = (struct sub *)socket;
	struct hs_arena *arena = hs_arena_create();
	struct hs_envelope_published head;
	struct hs_published event;

	if (message->count != 3 || bus_envelope_published(message->frames, arena, &head, &event) < 0)
		bus_refused(sub->peer.socket.bus, BUS_WHY_ENVELOPE, hs_role_names[sub->peer.socket.binder],
			    "not a copy");
	else if (event.from != sub->peer.socket.binder || event.edge != sub->peer.socket.edge)
		bus_refused(sub->peer.socket.bus, BUS_WHY_SOURCE, head.source, head.edge);
	else
		hear_event(sub, &event);
	hs_arena_destroy(arena);
}

void hs_bus_subscribe(struct hs_bus *bus, enum hs_role binder, enum hs_edge edge,
		      void (*published)(void *context, const struct hs_published *event), void (*missed)(void *context),
		      void *context)
{
	struct sub *sub = bus_alloc(bus, sizeof(*sub));

	if (!bus->sub) {
		bus->sub = bus_alloc(bus, sizeof(*bus->sub));
		bus->sub->heard = hs_metric_counter("hookswitch_bus_copies_heard_total", "", "Published copies heard.");
		bus->sub->missed = hs_metric_counter("hookswitch_bus_gaps_total", "", "Gaps in published copies.");
	}
	sub->published = published;
	sub->missed = missed;
	sub->context = context;
	sub->next = bus->sub->subs;
	bus->sub->subs = sub;
	if (bus_peer_open(bus, &sub->peer, ZMTP_SUB, binder, edge, hear, NULL) < 0)
		hs_log(ERROR, "bus.cannot_subscribe", LOG_TEXT("peer", hs_role_names[binder]),
		       LOG_TEXT("edge", hs_edges[edge].name));
}

void bus_sub_destroy(struct hs_bus *bus)
{
	for (struct sub *sub = bus->sub ? bus->sub->subs : NULL; sub; sub = sub->next)
		bus_peer_close(&sub->peer);
}
