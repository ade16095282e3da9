/* Requests that give a party of a call somebody else to talk to: answer, transfer, bridge. */
#include "cleanup.h"
#include "clock.h"
#include "serve.h"
#include "transfer.h"
#include <string.h>

static void refuse_state(struct visit *visit, const struct call *call, const char *why)
{
	visit_refuse(visit, HS_ERROR_WRONG_STATE, NULL, hs_enum_call_state.names[call->shown], "%s", why);
}

static void calls_answer(struct visit *visit)
{
	const struct hs_calls_answer *body = visit->request->body;
	struct call *call = visit_call(visit, body->call);

	if (!call)
		return;
	if (call->state != CALL_OFFERED) {
		refuse_state(visit, call, "only a call that waits for it can be answered (call.offered)");
		return;
	}
	if (visit_is_away(visit, call_first(call)->driver) || visit_is_away(visit, HS_ROLE_MEDIAD))
		return;
	calls_requested(call, visit->request->request_id);
	call->calls->at = hs_clock_wall_ms();
	call_step(call, CALL_ACCEPT, NULL);
	visit_answer_call(visit, call);
}

/* ---- which party ---- */

/* A call whose parties talk. Refuses the visit and returns NULL when it is none. */
static struct call *talking(struct visit *visit, const char *id)
{
	struct call *call = visit_call(visit, id);

	if (!call || call->state == CALL_UP)
		return call;
	refuse_state(visit, call, "the call is not answered, or its party is being connected to somebody");
	return NULL;
}

static bool is_in(struct call *call, const char *line)
{
	struct leg *parties[CALL_LEGS] = {0};
	size_t count = transfer_parties(call, parties);

	for (size_t i = 0; i < count; i++)
		if (strcmp(parties[i]->line_id, line) == 0)
			return true;
	return false;
}

/* The party of a call that is to be connected with somebody of another call: its only one, or the one whose line is not
 * in both. NULL: nobody can say which. */
static struct leg *only_here(struct call *call, struct call *other)
{
	struct leg *parties[CALL_LEGS] = {0}, *found = NULL;
	size_t count = transfer_parties(call, parties), fit = 0;

	for (size_t i = 0; i < count; i++)
		if (count == 1 || !is_in(other, parties[i]->line_id)) {
			found = parties[i];
			fit++;
		}
	return fit == 1 ? found : NULL;
}

/* The two to be connected are there, and so are all who have to do it. */
static bool can_bridge(struct visit *visit, struct call *call, struct leg *one, struct leg *other)
{
	if (!one || !other)
		refuse_state(visit, call, "it is not clear which parties are meant: name the one that stays by line");
	else if (one->state != LEG_UP || other->state != LEG_UP)
		refuse_state(visit, call, "one of the parties has not answered");
	else
		return !visit_is_away(visit, HS_ROLE_MEDIAD);
	return false;
}

static void bridge(struct visit *visit, struct call *call, struct leg *one, struct leg *other)
{
	if (!can_bridge(visit, call, one, other))
		return;
	calls_requested(call, visit->request->request_id);
	calls_requested(other->call, visit->request->request_id);
	transfer_bridge(one, other);
	visit_answer_call(visit, call);
}

/* ---- bridge ---- */

static void calls_bridge(struct visit *visit)
{
	const struct hs_calls_bridge *body = visit->request->body;
	const char *with = body->with;
	struct call *call = talking(visit, body->call);
	struct call *other = call ? talking(visit, with) : NULL;

	if (!other)
		return;
	if (call == other)
		visit_refuse(visit, HS_ERROR_INVALID, "with", NULL, "a call cannot be bridged with itself");
	else if (transfer_parties(call, NULL) != 1 || transfer_parties(other, NULL) != 1)
		refuse_state(visit, call, "each of the calls must have one party; to let the others go use transfer");
	else
		bridge(visit, call, only_here(call, other), only_here(other, call));
}

static void calls_unbridge(struct visit *visit)
{
	const struct hs_calls_unbridge *body = visit->request->body;
	struct call *call = visit_call(visit, body->call);

	if (!call || visit_is_away(visit, HS_ROLE_MEDIAD))
		return;
	calls_requested(call, visit->request->request_id);
	if (transfer_part(call))
		visit_answer_call(visit, call);
	else
		refuse_state(visit, call, "the call is bridged with none");
}

/* ---- transfer ---- */

static void attended(struct visit *visit)
{
	const struct hs_calls_transfer *body = visit->request->body;
	bool is_named = body->line != NULL; /* a refusal frees the body */
	struct call *call = talking(visit, body->call);
	struct call *other = call ? talking(visit, body->to_call) : NULL;
	struct leg *stays;

	if (!other)
		return;
	if (call == other) {
		visit_refuse(visit, HS_ERROR_INVALID, "to_call", NULL, "this is the same call");
		return;
	}
	stays = is_named ? visit_party(visit, body->call, body->line) : only_here(call, other);
	if (stays || !is_named)
		bridge(visit, call, stays, only_here(other, call));
}

/* Who stays; it need not have answered where the call is only offered to the operator. */
static struct leg *who_stays(struct visit *visit, const struct hs_calls_transfer *body)
{
	struct call *call = visit_call(visit, body->call);

	if (!call)
		return NULL;
	if (call->state == CALL_OFFERED && (!body->line || strcmp(body->line, call_first(call)->line_id) == 0))
		return call_first(call);
	if (call->state == CALL_UP)
		return visit_party(visit, body->call, body->line);
	refuse_state(visit, call, "the call is not answered, or its party is being connected to somebody");
	return NULL;
}

static void blind(struct visit *visit)
{
	const struct hs_calls_transfer *body = visit->request->body;
	struct leg *stays = who_stays(visit, body);
	struct party to = {0};
	struct transfer_order order = {.ring_ms = 0};

	if (!stays || !visit_find_party(visit, body->to_line, body->to_number, &to))
		return;
	if (to.line == stays->line && to.line) {
		visit_refuse(visit, HS_ERROR_INVALID, body->to_line ? "to_line" : "to_number", NULL,
			     "a line cannot be connected to itself");
		return;
	}
	if (to.route && stays->line && line_is_exchange(stays->line) &&
	    !visit->apid->house->config->calls->outside_to_outside) {
		visit_refuse(visit, HS_ERROR_INVALID, "to_number", NULL,
			     "both are outside, and calls.outside_to_outside is off");
		return;
	}
	if (visit_is_away(visit, stays->driver) || visit_is_away(visit, HS_ROLE_MEDIAD))
		return;
	calls_requested(stays->call, visit->request->request_id);
	order = (struct transfer_order){.line = to.line,
					.group = to.group,
					.route = to.route,
					.number = body->to_number,
					.ring_ms = visit_ring_ms(visit, body->has_timeout_s, body->timeout_s)};
	transfer_blind(stays, &order);
	visit_answer_call(visit, stays->call);
}

static void calls_transfer(struct visit *visit)
{
	const struct hs_calls_transfer *body = visit->request->body;
	int given = (body->to_line != NULL) + (body->to_number != NULL) + (body->to_call != NULL);

	if (given != 1)
		visit_refuse(visit, HS_ERROR_INVALID, "to_line", NULL, "give one of to_line, to_number and to_call");
	else if (body->to_call)
		attended(visit);
	else
		blind(visit);
}

const struct serve_row serve_transfer_rows[] = {
	{.message = HS_CALLS_ANSWER, .handle = calls_answer, .changes = true},
	{.message = HS_CALLS_TRANSFER, .handle = calls_transfer, .changes = true},
	{.message = HS_CALLS_BRIDGE, .handle = calls_bridge, .changes = true},
	{.message = HS_CALLS_UNBRIDGE, .handle = calls_unbridge, .changes = true},
	{.handle = NULL},
};
