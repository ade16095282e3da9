#include "early.h"
#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include "metrics.h"
#include "table.h"
#include "wire.h"
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 30000
#define COUNT_MAX 10000 /* a mediad that tells nonsense does not fill us */

struct waiting {
	int64_t n, since;
	char leg[65];
	struct hs_fact fact;  /* without body */
	char *body;           /* JSON */
	struct waiting *next; /* of the leg, in order */
	struct waiting *newer;
};

struct early {
	struct store *store;
	uv_timer_t timer;
	struct hs_table *legs; /* first waiting fact of each leg */
	struct waiting *oldest, *newest;
	int64_t next_n;
	size_t count;
	struct hs_metric *dropped;
};

static void waiting_free(struct waiting *waiting)
{
	free(waiting->body);
	free(waiting);
}

static void chain(struct early *early, struct waiting *waiting)
{
	struct waiting *first = hs_table_get(early->legs, waiting->leg);

	if (!first)
		hs_table_put(early->legs, waiting->leg, waiting);
	while (first && first->next)
		first = first->next;
	if (first)
		first->next = waiting;
	if (early->newest)
		early->newest->newer = waiting;
	else
		early->oldest = waiting;
	early->newest = waiting;
	early->count++;
}

/* Takes the oldest out of everything. It is the first of its leg. */
static struct waiting *take_oldest(struct early *early)
{
	struct waiting *waiting = early->oldest;

	early->oldest = waiting->newer;
	if (!early->oldest)
		early->newest = NULL;
	if (waiting->next)
		hs_table_put(early->legs, waiting->leg, waiting->next);
	else
		hs_table_remove(early->legs, waiting->leg);
	early->count--;
	store_write(early->store, STORE_EARLY_DROP, STORE_V_INT(waiting->n));
	return waiting;
}

static void take_out(struct early *early, struct waiting *waiting)
{
	struct waiting *before = NULL, *at = early->oldest;

	while (at != waiting) {
		before = at;
		at = at->newer;
	}
	if (before)
		before->newer = waiting->newer;
	else
		early->oldest = waiting->newer;
	if (early->newest == waiting)
		early->newest = before;
	early->count--;
	store_write(early->store, STORE_EARLY_DROP, STORE_V_INT(waiting->n));
}

static void purge(uv_timer_t *timer)
{
	struct early *early = timer->data;
	int64_t now = hs_clock_lasting_ms();

	while (early->oldest && now - early->oldest->since >= WAIT_MS) {
		struct waiting *waiting = take_oldest(early);

		hs_metric_add(early->dropped, 1);
		hs_log(DEBUG, "fact.leg_never_came", LOG_LEG(waiting->leg),
		       LOG_TEXT("message", hs_messages[waiting->fact.message].name));
		waiting_free(waiting);
	}
	if (early->oldest)
		uv_timer_start(timer, purge, WAIT_MS, 0);
}

void early_add(struct early *early, const char *leg, const struct hs_fact *fact)
{
	struct waiting *waiting;
	size_t bytes;

	if (early->count >= COUNT_MAX) {
		hs_metric_add(early->dropped, 1);
		return;
	}
	waiting = hs_zalloc(sizeof(*waiting));
	waiting->n = early->next_n++;
	waiting->since = hs_clock_lasting_ms();
	hs_copy(waiting->leg, sizeof(waiting->leg), leg);
	waiting->fact = *fact;
	waiting->fact.body = NULL;
	waiting->body = hs_wire_text(hs_messages[fact->message].body, fact->body, &bytes);
	chain(early, waiting);
	store_write(early->store, STORE_EARLY_PUT, STORE_V_INT(waiting->n), STORE_V_TEXT(leg),
		    STORE_V_TEXT(hs_messages[fact->message].name), STORE_V_INT(fact->from), STORE_V_INT(fact->at_ms),
		    STORE_V_INT(waiting->since), STORE_V_TEXT(waiting->body));
	if (!uv_is_active((uv_handle_t *)&early->timer))
		uv_timer_start(&early->timer, purge, WAIT_MS, 0);
}

static void hand_on(struct waiting *waiting, void (*hear)(void *context, const struct hs_fact *fact), void *context)
{
	const struct hs_shape *shape = hs_messages[waiting->fact.message].body;
	struct hs_arena *arena = hs_arena_create();
	void *body = hs_arena_alloc(arena, shape->size);
	const struct hs_json *json;
	struct hs_wire_fault fault;

	waiting->fact.body = body;
	if (hs_wire_parse(waiting->body, strlen(waiting->body), arena, &json, &fault) == 0 &&
	    hs_wire_decode(shape, json, false, arena, body, &fault) == 0)
		hear(context, &waiting->fact);
	hs_arena_destroy(arena);
}

void early_replay(struct early *early, const char *leg, void (*hear)(void *context, const struct hs_fact *fact),
		  void *context)
{
	struct waiting *waiting = hs_table_remove(early->legs, leg);

	while (waiting) {
		struct waiting *next = waiting->next;

		take_out(early, waiting);
		hand_on(waiting, hear, context);
		waiting_free(waiting);
		waiting = next;
	}
}

static bool see_early(void *context, const struct store_row *row)
{
	struct early *early = context;
	int message = hs_wire_find(store_text(row, 2));
	struct waiting *waiting;

	early->next_n = store_int(row, 0) + 1;
	if (message < 0)
		return true;
	waiting = hs_zalloc(sizeof(*waiting));
	waiting->n = store_int(row, 0);
	hs_copy(waiting->leg, sizeof(waiting->leg), store_text(row, 1));
	waiting->fact.message = (enum hs_message_id)message;
	waiting->fact.from = (enum hs_role)store_int(row, 3);
	waiting->fact.at_ms = store_int(row, 4);
	waiting->since = store_int(row, 5);
	waiting->body = hs_strdup(store_text(row, 6));
	chain(early, waiting);
	return true;
}

struct early *early_create(struct store *store, uv_loop_t *loop)
{
	struct early *early = hs_zalloc(sizeof(*early));

	early->store = store;
	early->next_n = 1;
	early->legs = hs_table_create();
	early->dropped =
		hs_metric_counter("hookswitch_early_facts_dropped_total", "", "Facts about legs that never came.");
	uv_timer_init(loop, &early->timer);
	early->timer.data = early;
	store_query(store_at_start(store), STORE_EARLY, NULL, 0, see_early, early);
	if (early->oldest)
		uv_timer_start(&early->timer, purge, WAIT_MS, 0);
	return early;
}

static void timer_closed(uv_handle_t *timer)
{
	free(timer->data);
}

void early_destroy(struct early *early)
{
	if (!early)
		return;
	while (early->oldest) {
		struct waiting *next = early->oldest->newer;

		waiting_free(early->oldest);
		early->oldest = next;
	}
	hs_table_destroy(early->legs);
	uv_close((uv_handle_t *)&early->timer, timer_closed);
}
