/* The facts mediad tells apid, each beside its log line. */
#include "log.h"
#include "mediad.h"
#include "trace.h"

static void tell(struct mediad *mediad, enum hs_message_id fact, const void *body, const struct end *end)
{
	if (hs_bus_tell(mediad->house->bus, fact, body) < 0)
		hs_log(ERROR, "fact.lost", LOG_CALL(end_call(end)), LOG_LEG(end->id),
		       LOG_WHY("the journal is full: apid does not acknowledge facts"));
}

static void trace(const struct end *end, const char *what)
{
	hs_trace_add(HS_TRACE_KIND_MEDIA, end_call(end), end->id, "mediad", "apid", "%s", what);
}

static void tell_started(void *context, const struct end *end, enum hs_codec codec, const char *remote, bool latched)
{
	struct hs_media_started fact = {.leg = end->id, .codec = codec, .remote = remote, .latched = latched};
	hs_log(INFO, "media.started", LOG_CALL(end_call(end)), LOG_LEG(end->id), LOG_TEXT("remote", remote),
	       LOG_TEXT("codec", hs_enum_codec.names[codec]), LOG_INT("latched", latched));
	trace(end, codec == HS_CODEC_PCMA ? "media.started pcma" : "media.started pcmu");
	tell(context, HS_MEDIA_STARTED, &fact, end);
}

static void tell_silent(void *context, const struct end *end, int64_t silent_ms)
{
	struct hs_media_silent fact = {.leg = end->id, .silent_ms = silent_ms};
	hs_log(WARN, "media.silent", LOG_CALL(end_call(end)), LOG_LEG(end->id), LOG_INT("silent_ms", silent_ms));
	trace(end, "media.silent");
	tell(context, HS_MEDIA_SILENT, &fact, end);
}

static void tell_flash(void *context, const struct end *end)
{
	struct hs_leg_flash fact = {.leg = end->id};
	trace(end, "leg.flash");
	tell(context, HS_LEG_FLASH, &fact, end);
}

static void tell_digit(void *context, const struct end *end, enum digits_edge edge, char digit, uint32_t duration_ms)
{
	char text[2] = {digit, 0};
	if (edge == DIGITS_FLASHED) {
		tell_flash(context, end);
		return;
	}
	struct hs_leg_digit fact = {
		.leg = end->id,
		.digit = text,
		.phase = edge == DIGITS_BEGIN ? HS_DIGIT_PHASE_BEGIN : HS_DIGIT_PHASE_END,
		.duration_ms = duration_ms > 65535 ? 65535 : duration_ms,
		.source = end->kind->keys,
	};
	trace(end, edge == DIGITS_BEGIN ? "leg.digit begin" : "leg.digit end");
	tell(context, HS_LEG_DIGIT, &fact, end);
}

static void tell_played(void *context, const struct end *end, const char *play, int64_t played_ms, bool completed)
{
	struct hs_media_played fact = {.leg = end->id, .play = play, .played_ms = played_ms, .completed = completed};
	hs_log(INFO, "media.played", LOG_CALL(end_call(end)), LOG_LEG(end->id), LOG_TEXT("play", play),
	       LOG_INT("played_ms", played_ms), LOG_INT("completed", completed));
	trace(end, "media.played");
	tell(context, HS_MEDIA_PLAYED, &fact, end);
}

static void tell_detached(void *context, const struct end *end)
{
	struct hs_media_detached fact = {.stream = end->id};
	hs_log(WARN, "media.detached", LOG_CALL(end_call(end)), LOG_LEG(end->id),
	       LOG_WHY("the front is gone, or never came"));
	trace(end, "media.detached");
	tell(context, HS_MEDIA_DETACHED, &fact, end);
}

static void tell_closed(void *context, const struct end *end, const struct hs_media_figures *figures)
{
	struct hs_media_closed fact = {.leg = end->id, .figures = (struct hs_media_figures *)figures};
	hs_log(INFO, "media.closed", LOG_CALL(end_call(end)), LOG_LEG(end->id), LOG_TEXT("remote", figures->remote),
	       LOG_INT("received", figures->packets_received), LOG_INT("sent", figures->packets_sent),
	       LOG_INT("lost", figures->packets_lost), LOG_INT("refused", figures->packets_refused));
	trace(end, "media.closed");
	tell(context, HS_MEDIA_CLOSED, &fact, end);
}

/* A stream that is lost is one whose front must ask anew. */
static void tell_lost(void *context, const char *id, enum hs_media_kind kind)
{
	struct mediad *mediad = context;
	struct hs_media_figures none = {0};
	struct hs_media_closed closed = {.leg = id, .figures = &none, .has_lost = true, .lost = true};
	struct hs_media_detached detached = {.stream = id};
	bool is_stream = kind == HS_MEDIA_KIND_STREAM;
	if (hs_bus_tell(mediad->house->bus, is_stream ? HS_MEDIA_DETACHED : HS_MEDIA_CLOSED,
			is_stream ? (const void *)&detached : &closed) < 0)
		hs_log(ERROR, "fact.lost", LOG_LEG(id), LOG_WHY("the journal is full"));
}

const struct report tell_report = {
	.started = tell_started,
	.silent = tell_silent,
	.digit = tell_digit,
	.played = tell_played,
	.detached = tell_detached,
	.closed = tell_closed,
	.lost = tell_lost,
};
