/* Requests of programs that were written for Twilio's REST API: one call, asked for and ended. */
#include "call_record.h"
#include "cleanup.h"
#include "serve.h"
#include "sid.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

#define TIME_BYTES 40

/* The two requests and their answers have the same members. */
struct answer {
	struct hs_twilio_call_answer body;
	char sid[HS_SID_BYTES], duration[24], uri[200];
	char created[TIME_BYTES], started[TIME_BYTES], ended[TIME_BYTES];
};

static const char *const live_words[HS_CALL_STATE_COUNT] = {
	[HS_CALL_STATE_DIALLING] = "queued", [HS_CALL_STATE_ROUTING] = "queued",  [HS_CALL_STATE_RINGING] = "ringing",
	[HS_CALL_STATE_UP] = "in-progress",  [HS_CALL_STATE_ENDED] = "completed",
};

/* Of calls that nobody answered. */
static const char *const cause_words[HS_CAUSE_COUNT] = {
	[HS_CAUSE_BUSY] = "busy",          [HS_CAUSE_DECLINED] = "busy",   [HS_CAUSE_NO_ANSWER] = "no-answer",
	[HS_CAUSE_CANCELLED] = "canceled", [HS_CAUSE_NORMAL] = "canceled",
};

static const char *word_of(const struct hs_call *call)
{
	if (call->state != HS_CALL_STATE_ENDED || call->answered_at)
		return live_words[call->state];
	return cause_words[call->cause] ? cause_words[call->cause] : "failed";
}

/* RFC 2822; NULL: it has not happened. */
static const char *write_time(int64_t at_ms, char ret_text[TIME_BYTES])
{
	time_t seconds = (time_t)(at_ms / 1000);
	struct tm parts;

	if (!at_ms || !gmtime_r(&seconds, &parts))
		return NULL;
	strftime(ret_text, TIME_BYTES, "%a, %d %b %Y %H:%M:%S +0000", &parts);
	return ret_text;
}

/* What reaches a line: its number, where it has one. */
static const char *number_of(const struct apid *apid, const char *line)
{
	const struct line *found = lines_find(apid->lines, line);

	return found && found->config->number ? found->config->number : line;
}

void visit_parties(const struct visit *visit, const struct hs_call *call, const char **ret_from, const char **ret_to)
{
	const struct apid *apid = visit->apid;
	const char *line = number_of(apid, call->line), *operator= apid->house->config->calls->operator_number;
	bool is_incoming = call->direction == HS_CALL_DIRECTION_INCOMING;

	*ret_from = call->caller_number ? call->caller_number : is_incoming ? line : operator;
	*ret_to = call->dialled ? call->dialled : is_incoming ? operator: line;
}

static void answer(struct visit *visit, const struct hs_call *call, const char *status)
{
	const struct hs_twilio_call *body = visit->request->body;
	struct answer made = {.body = {.account_sid = body->account, .status = status, .api_version = "2010-04-01"}};
	bool is_incoming = call->direction == HS_CALL_DIRECTION_INCOMING;

	hs_sid_make("CA", call->id, made.sid);
	snprintf(made.uri, sizeof(made.uri), "/2010-04-01/Accounts/%s/Calls/%s.json", body->account, made.sid);
	made.body.sid = made.sid;
	made.body.uri = made.uri;
	made.body.direction = is_incoming ? "inbound" : "outbound-api";
	made.body.caller_name = call->caller_name;
	made.body.date_created = write_time(call->created_at, made.created);
	made.body.start_time = write_time(call->answered_at, made.started);
	made.body.end_time = write_time(call->ended_at, made.ended);
	if (call->has_duration_ms) {
		snprintf(made.duration, sizeof(made.duration), "%lld", (long long)(call->duration_ms + 500) / 1000);
		made.body.duration = made.duration;
	}
	visit_parties(visit, call, &made.body.from, &made.body.to);
	visit_answer(visit, &made.body);
}

static void answer_found(struct visit *visit, const struct hs_call *call, struct hs_arena *arena)
{
	answer(visit, call, word_of(call));
	hs_arena_destroy(arena);
}

/* False, and the visit refused: no call of ours can have this name. */
static bool read_name(struct visit *visit, const char *sid, char ret_id[HS_SID_BYTES])
{
	if (hs_sid_read(sid, 'c', visit->apid->house->config->node, ret_id))
		return true;
	visit_refuse(visit, HS_ERROR_NOT_FOUND, "call", NULL, "there is no such call");
	return false;
}

static void twilio_call(struct visit *visit)
{
	const struct hs_twilio_call *body = visit->request->body;
	char id[HS_SID_BYTES];

	if (read_name(visit, body->call, id))
		visit_record(visit, id, answer_found);
}

static void end_call(struct visit *visit, struct call *call, const char *status)
{
	struct hs_arena *arena = hs_arena_create();
	struct hs_call record;

	calls_requested(call, visit->request->request_id);
	calls_hang_up(call, call->answered_at ? HS_CAUSE_NORMAL : HS_CAUSE_CANCELLED, "api", NULL);
	call_record_describe(call, arena, &record);
	answer(visit, &record, status);
	hs_arena_destroy(arena);
}

/* A call that is over is answered as it became: ending it again is no mistake. */
static void twilio_update(struct visit *visit)
{
	const struct hs_twilio_update *body = visit->request->body;
	bool is_cancel = strcmp(body->Status, "canceled") == 0;
	struct call *call;
	char id[HS_SID_BYTES];

	if (!is_cancel && strcmp(body->Status, "completed") != 0) {
		visit_refuse(visit, HS_ERROR_INVALID, "Status", NULL, "it can be completed, or canceled");
		return;
	}
	if (!read_name(visit, body->call, id))
		return;
	call = calls_find(visit->apid->calls, id);
	if (!call || call->shown == HS_CALL_STATE_ENDED)
		visit_record(visit, id, answer_found);
	else if (is_cancel && call->answered_at)
		visit_refuse(visit, HS_ERROR_INVALID, "Status", NULL, "it was answered: it can be completed");
	else
		end_call(visit, call, call->answered_at ? "completed" : "canceled");
}

const struct serve_row serve_twilio_rows[] = {
	{.message = HS_TWILIO_CALL, .handle = twilio_call},
	{.message = HS_TWILIO_UPDATE, .handle = twilio_update, .changes = true},
	{.handle = NULL},
};
