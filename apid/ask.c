#include "ask.h"
#include "cleanup.h"
#include "clock.h"
#include "id.h"
#include "log.h"
#include "wire.h"
#include <stdlib.h>
#include <string.h>

#define PATIENCE_MS 10000 /* then it is asked again, with the same id */

struct intent {
	struct asks *asks;
	int64_t n;
	char id[HS_ID_BYTES];
	enum hs_role to;
	enum hs_message_id message;
	char *call, *leg;
	char *body;                     /* JSON */
	char *request;                  /* id of the client's request; not stored: a successor's go by their own ids */
	uint64_t ticket;                /* 0: not sent yet */
	bool queued;                    /* its commit will send it */
	bool dropped;                   /* and then only free it */
	struct intent *next, *previous; /* of the leg */
};

struct asks {
	struct apid *apid;
	struct hs_table *legs; /* first intent of each leg */
	int64_t next_n;
};

static void intent_link(struct intent *intent)
{
	struct intent *first = hs_table_put(intent->asks->legs, intent->leg, intent);

	intent->next = first;
	if (first)
		first->previous = intent;
}

static void intent_unlink(struct intent *intent)
{
	if (intent->next)
		intent->next->previous = intent->previous;
	if (intent->previous)
		intent->previous->next = intent->next;
	else if (intent->next)
		hs_table_put(intent->asks->legs, intent->leg, intent->next);
	else
		hs_table_remove(intent->asks->legs, intent->leg);
}

static void intent_free(struct intent *intent)
{
	free(intent->body);
	free(intent->call);
	free(intent->leg);
	free(intent->request);
	free(intent);
}

/* Takes the intent out of memory and, with this turn, out of the store. */
static void intent_done(struct intent *intent)
{
	struct asks *asks = intent->asks;

	store_write(asks->apid->store, STORE_INTENT_DROP, STORE_V_INT(intent->n));
	intent_unlink(intent);
	hs_bus_forget(asks->apid->house->bus, intent->ticket);
	if (intent->queued)
		intent->dropped = true;
	else
		intent_free(intent);
}

/* ---- what answers mean ---- */

/* An answered request, with what its error means for a leg. */
struct outcome {
	struct apid *apid;
	const struct intent *intent;
	const struct hs_answer *answer;
	enum hs_cause cause;
	struct leg *leg; /* that it was about, if it is still known */
};

static const enum hs_cause causes[HS_ERRORS] = {
	[HS_ERROR_NOT_FOUND] = HS_CAUSE_UNREACHABLE,
	[HS_ERROR_UNAVAILABLE] = HS_CAUSE_UNREACHABLE,
	[HS_ERROR_OVERLOADED] = HS_CAUSE_OVERLOADED,
	[HS_ERROR_CEILING] = HS_CAUSE_REJECTED,
};

static void end_leg(const struct outcome *outcome)
{
	struct call_step step = {outcome->leg, outcome->cause, "system", outcome->answer->detail};

	outcome->leg->call->calls->at = hs_clock_wall_ms();
	calls_leg_over(outcome->leg, &step);
}

static void media_opened(const struct outcome *outcome)
{
	const struct hs_media_open_answer *body = outcome->answer->body;
	const char *description = body && body->description ? body->description : "";

	if (outcome->leg)
		calls_media_opened(outcome->leg, outcome->answer->error == HS_OK ? description : NULL,
				   outcome->cause == HS_CAUSE_OVERLOADED ? HS_CAUSE_OVERLOADED : HS_CAUSE_MEDIA_FAILED);
	else if (outcome->answer->error != HS_OK)
		streams_lost(outcome->apid->streams, outcome->intent->leg, outcome->answer->detail);
}

static void originated(const struct outcome *outcome)
{
	if (outcome->answer->error != HS_OK && outcome->leg)
		end_leg(outcome);
}

/* wrong_state: the caller hung up in the same moment, which the driver tells too. */
static void answered(const struct outcome *outcome)
{
	if (outcome->answer->error != HS_OK && outcome->answer->error != HS_ERROR_WRONG_STATE && outcome->leg)
		end_leg(outcome);
}

/* What was asked, in the arena; NULL when it is damaged. */
static const void *asked(const struct intent *intent, struct hs_arena *arena)
{
	const struct hs_shape *shape = hs_messages[intent->message].body;
	void *body = hs_arena_alloc(arena, shape->size);
	const struct hs_json *json;
	struct hs_wire_fault fault;

	if (hs_wire_parse(intent->body, strlen(intent->body), arena, &json, &fault) < 0 ||
	    hs_wire_decode(shape, json, false, arena, body, &fault) < 0)
		return NULL;
	return body;
}

/* A stream may go at any time; two lines that cannot hear each other are no call. */
static void joined(const struct outcome *outcome)
{
	struct hs_arena *arena;
	const struct hs_media_join *join;
	struct leg *other;

	if (outcome->answer->error == HS_OK)
		return;
	arena = hs_arena_create();
	join = asked(outcome->intent, arena);
	other = join ? calls_find_leg(outcome->apid->calls, join->b) : NULL;
	hs_arena_destroy(arena);
	if (outcome->leg && leg_lives(outcome->leg) && other && leg_lives(other))
		calls_media_failed(outcome->leg, outcome->answer->detail);
}

static void held(const struct outcome *outcome)
{
	const struct hs_answer *answer = outcome->answer;
	struct hs_arena *arena;
	const struct hs_leg_hold *hold;

	if (answer->error == HS_OK || !outcome->leg || !leg_lives(outcome->leg))
		return;
	arena = hs_arena_create();
	hold = asked(outcome->intent, arena);
	calls_leg_not_held(outcome->leg, hold && hold->held,
			   answer->detail ? answer->detail : hs_errors[answer->error].title, hs_clock_wall_ms());
	hs_arena_destroy(arena);
}

static const struct {
	enum hs_message_id message;
	void (*done)(const struct outcome *outcome);
} outcomes[] = {
	{HS_MEDIA_OPEN, media_opened}, {HS_LEG_ORIGINATE, originated}, {HS_LEG_ANSWER, answered},
	{HS_LEG_HOLD, held},           {HS_MEDIA_JOIN, joined},
};

static void conclude(struct apid *apid, const struct intent *intent, const struct hs_answer *answer)
{
	struct outcome outcome = {apid, intent, answer, HS_CAUSE_FAILED, calls_find_leg(apid->calls, intent->leg)};

	if (causes[answer->error])
		outcome.cause = causes[answer->error];
	if (answer->error != HS_OK)
		hs_log(WARN, "ask.refused", LOG_TEXT("message", hs_messages[intent->message].name),
		       LOG_TEXT("to", hs_role_names[intent->to]), LOG_CALL(intent->call), LOG_LEG(intent->leg),
		       LOG_TEXT("error", hs_errors[answer->error].name), LOG_WHY(answer->detail));
	for (size_t i = 0; i < HS_COUNT(outcomes); i++)
		if (outcomes[i].message == intent->message)
			outcomes[i].done(&outcome);
}

/* ---- sending ---- */

static void intent_send(struct intent *intent);

static void intent_answered(void *context, const struct hs_answer *answer)
{
	struct intent *intent = context;
	struct apid *apid = intent->asks->apid;

	intent->ticket = 0;
	if (apid->stopping)
		return;
	if (answer->error == HS_ERROR_TIMEOUT) {
		intent_send(intent);
		return;
	}
	/* Out of the table first: what the answer leads to may ask and forget for the same leg. */
	store_write(apid->store, STORE_INTENT_DROP, STORE_V_INT(intent->n));
	intent_unlink(intent);
	conclude(apid, intent, answer);
	intent_free(intent);
}

static void intent_send(struct intent *intent)
{
	struct hs_ask ask = {.to = intent->to,
			     .message = intent->message,
			     .body_text = intent->body,
			     .call = intent->call,
			     .leg = intent->leg,
			     .request_id = intent->request,
			     .deadline_ms = PATIENCE_MS,
			     .patient = true,
			     .id = intent->id,
			     .answered = intent_answered,
			     .context = intent};

	intent->ticket = hs_bus_ask(intent->asks->apid->house->bus, &ask);
}

static void intent_committed(void *context)
{
	struct intent *intent = context;

	intent->queued = false;
	if (intent->dropped)
		intent_free(intent);
	else
		intent_send(intent);
}

void asks_add(void *context, const struct calls_ask *ask)
{
	struct apid *apid = context;
	struct intent *intent = hs_zalloc(sizeof(*intent));
	size_t bytes;

	intent->asks = apid->asks;
	intent->n = apid->asks->next_n++;
	hs_id_make('r', apid->house->config->node, intent->id);
	intent->to = ask->to;
	intent->message = ask->message;
	intent->call = hs_strdup(ask->call);
	intent->leg = hs_strdup(ask->leg ? ask->leg : "");
	intent->body = hs_wire_text(hs_messages[ask->message].body, ask->body, &bytes);
	intent->request = hs_strdup(ask->request);
	intent->queued = true;
	intent_link(intent);
	store_write(apid->store, STORE_INTENT_PUT, STORE_V_INT(intent->n), STORE_V_TEXT(intent->id),
		    STORE_V_TEXT(hs_role_names[intent->to]), STORE_V_TEXT(hs_messages[intent->message].name),
		    STORE_V_TEXT(intent->call), STORE_V_TEXT(intent->leg),
		    STORE_V_INT(apid->calls ? apid->calls->at : 0), STORE_V_TEXT(intent->body));
	store_after(apid->store, intent_committed, intent);
}

void asks_forget(void *context, enum hs_role to, const char *leg)
{
	struct apid *apid = context;
	struct intent *intent = hs_table_get(apid->asks->legs, leg);

	while (intent) {
		struct intent *next = intent->next;

		if (intent->to == to)
			intent_done(intent);
		intent = next;
	}
}

/* ---- restoring ---- */

static enum hs_role role_of(const char *name)
{
	for (int i = 1; name && i < HS_ROLES; i++)
		if (strcmp(hs_role_names[i], name) == 0)
			return i;
	return HS_ROLE_NONE;
}

static bool see_intent(void *context, const struct store_row *row)
{
	struct asks *asks = context;
	struct intent *intent;
	int message = hs_wire_find(store_text(row, 3));

	asks->next_n = store_int(row, 0) + 1;
	if (message < 0 || role_of(store_text(row, 2)) == HS_ROLE_NONE)
		return true;
	intent = hs_zalloc(sizeof(*intent));
	intent->asks = asks;
	intent->n = store_int(row, 0);
	hs_copy(intent->id, sizeof(intent->id), store_text(row, 1));
	intent->to = role_of(store_text(row, 2));
	intent->message = (enum hs_message_id)message;
	intent->call = hs_strdup(store_text(row, 4));
	intent->leg = hs_strdup(store_text(row, 5));
	intent->body = hs_strdup(store_text(row, 7));
	intent->queued = true;
	intent_link(intent);
	store_after(asks->apid->store, intent_committed, intent);
	return true;
}

struct asks *asks_create(struct apid *apid)
{
	struct asks *asks = hs_zalloc(sizeof(*asks));

	asks->apid = apid;
	asks->next_n = 1;
	asks->legs = hs_table_create();
	store_query(store_at_start(apid->store), STORE_INTENTS, NULL, 0, see_intent, asks);
	return asks;
}

static bool destroy_of_leg(void *context, const char *key, void *object)
{
	struct intent *intent = object;

	while (intent) {
		struct intent *next = intent->next;

		hs_bus_forget(intent->asks->apid->house->bus, intent->ticket);
		intent_free(intent);
		intent = next;
	}
	return true;
}

void asks_destroy(struct asks *asks)
{
	if (!asks)
		return;
	hs_table_each(asks->legs, destroy_of_leg, NULL);
	hs_table_destroy(asks->legs);
	free(asks);
}
