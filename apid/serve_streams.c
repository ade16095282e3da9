/* Requests about audio: operators' streams, and sounds to be played. */
#include "call_record.h"
#include "cleanup.h"
#include "id.h"
#include "serve.h"
#include <stdlib.h>

/* A visit that waits for mediad. */
struct opening {
	struct visit *visit;
	struct line *line;
	char id[HS_ID_BYTES]; /* of the grant, or of the play */
	char call[HS_ID_BYTES];
};

static void ask_mediad(struct opening *opening, enum hs_message_id message, const void *body,
		       void (*answered)(void *context, const struct hs_answer *answer))
{
	struct apid *apid = opening->visit->apid;
	struct hs_ask ask = {.to = HS_ROLE_MEDIAD,
			     .message = message,
			     .body = body,
			     .request_id = opening->visit->request->request_id,
			     .answered = answered,
			     .context = opening};

	hs_bus_ask(apid->house->bus, &ask);
}

static struct opening *make_opening(struct visit *visit, struct line *line, char kind)
{
	struct opening *opening = hs_zalloc(sizeof(*opening));

	opening->visit = visit;
	opening->line = line;
	hs_id_make(kind, visit->apid->house->config->node, opening->id);
	return opening;
}

/* ---- streams ---- */

static void stream_opened(void *context, const struct hs_answer *answer)
{
	AUTO(free) struct opening *opening = context;
	struct visit *visit = opening->visit;
	const struct hs_stream_open *body = visit->request->body;
	struct line *line = opening->line;
	struct hs_stream_open_answer reply;

	if (answer->error != HS_OK) {
		visit_pass_refusal(visit, answer);
		return;
	}
	streams_add(visit->apid->streams, opening->id, line, visit->request->from, body->via);
	reply = (struct hs_stream_open_answer){opening->id, line->state, line->call[0] ? line->call : NULL, true,
					       visit_may(visit, "digits")};
	visit_answer(visit, &reply);
}

static void stream_open(struct visit *visit)
{
	const struct hs_stream_open *body = visit->request->body;
	struct line *line = visit_line(visit, body->line);
	struct hs_media_open open = {.kind = HS_MEDIA_KIND_STREAM};
	struct opening *opening;

	if (!line)
		return;
	opening = make_opening(visit, line, 's');
	open.leg = opening->id;
	ask_mediad(opening, HS_MEDIA_OPEN, &open, stream_opened);
}

static void stream_call(struct visit *visit)
{
	const struct hs_stream_call *body = visit->request->body;
	struct line *line = visit_line(visit, body->line);
	const struct leg *leg = line ? calls_leg_of(visit->apid->calls, line) : NULL;
	struct hs_arena *arena = hs_arena_create();
	struct hs_stream_call_answer reply = {0};
	struct hs_call call;

	if (leg && leg->state == LEG_UP && leg->call->state == CALL_UP) {
		call_record_describe(leg->call, arena, &call);
		reply.call_id = call.id;
		if (visit_may(visit, "calls:read"))
			visit_parties(visit, &call, &reply.from_number, &reply.to_number);
	}
	if (line)
		visit_answer(visit, &reply);
	hs_arena_destroy(arena);
}

static void end_call(struct visit *visit, const char *id)
{
	struct call *call = calls_find(visit->apid->calls, id);

	if (call && call_is_active(call))
		calls_hang_up(call, HS_CAUSE_NORMAL, "api", NULL);
}

static void stream_close(struct visit *visit)
{
	const struct hs_stream_close *body = visit->request->body;
	struct line *line = visit_line(visit, body->line);

	if (!line)
		return;
	streams_close(visit->apid->streams, body, line);
	if (body->end_call && visit->request->from == HS_ROLE_HOOK_STREAM)
		end_call(visit, body->end_call);
	visit_answer(visit, NULL);
}

/* ---- sounds ---- */

static void play_ready(void *context, const struct hs_answer *answer)
{
	AUTO(free) struct opening *opening = context;
	struct visit *visit = opening->visit;
	struct hs_lines_audio_answer reply = {
		.play_id = opening->id, .line = opening->line->config->id, .call_id = opening->call};

	if (answer->error == HS_ERROR_NOT_FOUND) /* it ended meanwhile */
		visit_refuse(visit, HS_ERROR_WRONG_STATE, NULL, hs_enum_line_state.names[opening->line->state],
			     "the call has ended");
	else if (answer->error != HS_OK)
		visit_pass_refusal(visit, answer);
	else
		visit_answer(visit, &reply);
}

static void play_to(struct visit *visit, const struct leg *leg, enum hs_upload_format format)
{
	struct hs_media_play body = {.format = format};
	struct opening *opening = make_opening(visit, leg->line, 'p');

	hs_copy(opening->call, sizeof(opening->call), leg->call->id);
	body.leg = leg->id;
	body.play = opening->id;
	ask_mediad(opening, HS_MEDIA_PLAY, &body, play_ready);
}

static void play(struct visit *visit, struct line *line, enum hs_upload_format format)
{
	const struct leg *leg = line ? calls_leg_of(visit->apid->calls, line) : NULL;

	if (!line)
		return;
	if (!leg || leg->state != LEG_UP || leg->media != LEG_MEDIA_OPEN)
		visit_refuse(visit, HS_ERROR_WRONG_STATE, NULL, hs_enum_line_state.names[line->state],
			     "nobody listens: the line is in no answered call");
	else
		play_to(visit, leg, format);
}

static void calls_audio(struct visit *visit)
{
	const struct hs_calls_audio *body = visit->request->body;
	enum hs_upload_format format = body->format; /* a refusal frees the body */
	const struct leg *leg = visit_party(visit, body->call, body->line);

	if (leg && leg->line)
		play_to(visit, leg, format);
	else if (leg)
		visit_refuse(visit, HS_ERROR_NOT_FOUND, "line", NULL, "the line is configured no longer");
}

static void phone_audio(struct visit *visit)
{
	const struct hs_phone_audio *body = visit->request->body;
	enum hs_upload_format format = body->format;

	play(visit, visit_line(visit, NULL), format);
}

static void lines_audio(struct visit *visit)
{
	const struct hs_lines_audio *body = visit->request->body;
	enum hs_upload_format format = body->format; /* a refusal frees the body */

	play(visit, visit_line(visit, body->line), format);
}

const struct serve_row serve_stream_rows[] = {
	{.message = HS_STREAM_OPEN, .handle = stream_open, .changes = true, .inner = true},
	{.message = HS_STREAM_CLOSE, .handle = stream_close, .changes = true, .inner = true},
	{.message = HS_STREAM_CALL, .handle = stream_call, .inner = true},
	{.message = HS_PHONE_AUDIO, .handle = phone_audio, .changes = true},
	{.message = HS_LINES_AUDIO, .handle = lines_audio, .changes = true},
	{.message = HS_CALLS_AUDIO, .handle = calls_audio, .changes = true},
	{.handle = NULL},
};
