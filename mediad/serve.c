#include "serve.h"
#include "cleanup.h"
#include "hs_proto.h"
#include "kept.h"
#include "leg_channel.h"
#include "leg_player.h"
#include "leg_rtp.h"
#include "leg_stream.h"
#include "log.h"
#include "mediad.h"
#include <errno.h>
#include <string.h>

enum { STREAMS_MAX = 4096 };

/* ---- Help ---- */

static void refuse_unknown(struct hs_request *request, const char *field)
{
	hs_bus_refuse(request, HS_ERROR_NOT_FOUND, field, NULL, "there is no such end of audio; it may have ended");
}

/* The end, or NULL and the request is refused. */
static struct end *find(struct mediad *mediad, struct hs_request *request, const char *id, const char *field)
{
	struct end *end = session_find(mediad->session, id);
	if (!end)
		refuse_unknown(request, field);
	return end;
}

/* Same, and it must be a leg. */
static struct end *find_leg(struct mediad *mediad, struct hs_request *request, const char *id)
{
	struct end *end = find(mediad, request, id, "leg");
	if (!end || end_is_leg(end))
		return end;
	refuse_unknown(request, "leg");
	return NULL;
}

static bool is_driver(enum hs_role role)
{
	return role == HS_ROLE_SIPD || role == HS_ROLE_DAHDID;
}

/* A driver may touch its own legs only: those it described, and those nobody has described yet. */
static bool may_touch(const struct hs_request *request, const struct end *end)
{
	return !is_driver(request->from) || (end_is_leg(end) && (!end->owner || end->owner == request->from));
}

static void refuse_open(struct hs_request *request, int error)
{
	if (error == -EAGAIN)
		hs_bus_refuse(request, HS_ERROR_OVERLOADED, NULL, NULL,
			      "no free RTP ports, or no room for more: widen media.port_min to media.port_max");
	else
		hs_bus_refuse(request, HS_ERROR_OVERLOADED, NULL, NULL, "no RTP sockets: %s", strerror(-error));
}

static void log_opened(const struct end *end)
{
	hs_log(INFO, "media.opened", LOG_CALL(end_call(end)), LOG_LEG(end->id),
	       LOG_TEXT("kind", hs_enum_media_kind.names[end->kind->kind]));
}

/* ---- Requests ---- */

static void answer_offer(struct hs_request *request, struct end *end)
{
	char text[OFFER_BYTES];
	if (leg_rtp_offer(end, 0, text, sizeof text) < 0) {
		hs_bus_refuse(request, HS_ERROR_INTERNAL, NULL, NULL, "the offer does not fit");
		return;
	}
	hs_bus_answer(request, &(struct hs_media_open_answer){.description = text});
}

static void open_rtp(struct mediad *mediad, struct hs_request *request, const struct hs_media_open *body)
{
	struct address peer = {0};
	struct end *end = NULL;
	if (body->peer && address_parse(body->peer, &peer) < 0)
		hs_log(WARN, "media.bad_peer", LOG_LEG(body->leg), LOG_WHY("not a numeric address; ignored"));
	peer.port = 0;
	int error = leg_rtp_create(&mediad->world, body->leg, body->call ? body->call : "", &peer, body->prefer, &end);
	if (error < 0) {
		refuse_open(request, error);
		return;
	}
	session_add(mediad->session, end);
	log_opened(end);
	answer_offer(request, end);
}

/* Frames name their end by a grant, which is shorter than an id may be. False: the request is refused. */
static bool fits_grant(struct hs_request *request, const char *id, const char *field)
{
	if (strlen(id) <= HS_FRAME_GRANT_BYTES)
		return true;
	hs_bus_refuse(request, HS_ERROR_INVALID, field, NULL, "a grant has at most %d letters", HS_FRAME_GRANT_BYTES);
	return false;
}

static void open_stream(struct mediad *mediad, struct hs_request *request, const struct hs_media_open *body)
{
	if (!fits_grant(request, body->leg, "leg"))
		return;
	if (session_count(mediad->session, HS_MEDIA_KIND_STREAM) >= STREAMS_MAX) {
		hs_bus_refuse(request, HS_ERROR_OVERLOADED, NULL, NULL, "%d streams are open", STREAMS_MAX);
		return;
	}
	struct end *end = NULL;
	int error = leg_stream_create(&mediad->world, body->leg, body->call ? body->call : "", &end);
	if (error < 0) {
		refuse_open(request, error);
		return;
	}
	session_add(mediad->session, end);
	log_opened(end);
	hs_bus_answer(request, &(struct hs_media_open_answer){0});
}

static void answer_grant(struct hs_request *request, struct end *end)
{
	struct hs_channel channel = {0};
	char text[HS_CHANNEL_BYTES];
	hs_copy(channel.grant, sizeof channel.grant, end->id);
	hs_channel_write(&channel, text);
	hs_bus_answer(request, &(struct hs_media_open_answer){.description = text});
}

static void open_channel(struct mediad *mediad, struct hs_request *request, const struct hs_media_open *body)
{
	if (!fits_grant(request, body->leg, "leg"))
		return;
	struct end *end = NULL;
	int error = leg_channel_create(&mediad->world, body->leg, body->call ? body->call : "", &end);
	if (error < 0) {
		refuse_open(request, error);
		return;
	}
	session_add(mediad->session, end);
	log_opened(end);
	answer_grant(request, end);
}

static void answer_opened(struct hs_request *request, struct end *end)
{
	hs_bus_answer(request, &(struct hs_media_open_answer){0});
}

/* What media.open does: makes an end of a kind, or answers for one that is there. */
static const struct {
	void (*open)(struct mediad *mediad, struct hs_request *request, const struct hs_media_open *body);
	void (*answer)(struct hs_request *request, struct end *end);
} kinds[HS_MEDIA_KIND_COUNT] = {
	[HS_MEDIA_KIND_RTP] = {open_rtp, answer_offer},
	[HS_MEDIA_KIND_STREAM] = {open_stream, answer_opened},
	[HS_MEDIA_KIND_CHANNEL] = {open_channel, answer_grant},
};

static void serve_open(void *context, struct hs_request *request)
{
	struct mediad *mediad = context;
	const struct hs_media_open *body = request->body;
	struct end *known = session_find(mediad->session, body->leg);
	if (known && known->kind->kind != body->kind)
		hs_bus_refuse(request, HS_ERROR_WRONG_STATE, "kind", hs_enum_media_kind.names[known->kind->kind],
			      "this end is open already, as something else");
	else if (known)
		kinds[body->kind].answer(request, known);
	else
		kinds[body->kind].open(mediad, request, body);
}

/* The leg a description is for; an offer makes a new one, which is not in the session yet. NULL: the request is
 * refused. */
static struct end *described_leg(struct mediad *mediad, struct hs_request *request,
				 const struct hs_media_describe *body, const struct address *source, bool *ret_is_new)
{
	struct end *end = session_find(mediad->session, body->leg);
	*ret_is_new = !end;
	if (end && (!leg_rtp_is(end) || !may_touch(request, end)))
		end = NULL;
	else if (!end && body->role == HS_DESCRIPTION_ROLE_OFFER) {
		int error = leg_rtp_create(&mediad->world, body->leg, body->call, source, 0, &end);
		if (error < 0) {
			refuse_open(request, error);
			return NULL;
		}
		return end;
	}
	if (!end)
		refuse_unknown(request, "leg");
	return end;
}

static void refuse_description(struct hs_request *request, const char *why)
{
	const struct hs_media_describe *body = request->body;
	hs_log(WARN, "media.refused", LOG_CALL(body->call), LOG_LEG(body->leg), LOG_WHY(why));
	hs_bus_refuse(request, HS_ERROR_INVALID, "description", NULL, "%s", why);
}

static void note_described(struct hs_request *request, struct end *end)
{
	const struct hs_media_describe *body = request->body;
	if (!end->call[0])
		hs_copy(end->call, sizeof end->call, body->call);
	end->owner = is_driver(request->from) ? request->from : end->owner;
	kept_note(end);
}

static void describe_rtp(struct mediad *mediad, struct hs_request *request, const struct hs_media_describe *body)
{
	struct address source;
	struct offer offer;
	char why[OFFER_WHY], answer[OFFER_BYTES];
	bool is_new;
	if (!body->source || address_parse(body->source, &source) < 0) {
		hs_bus_refuse(request, HS_ERROR_INVALID, "source", NULL, "it must be a numeric address");
		return;
	}
	source.port = 0;
	if (offer_read(body->description, &offer, why) < 0) {
		refuse_description(request, why);
		return;
	}
	struct end *end = described_leg(mediad, request, body, &source, &is_new);
	if (!end)
		return;
	if (leg_rtp_describe(end, body->role, &offer, &source, body->nat, answer, sizeof answer, why) < 0) {
		refuse_description(request, why);
		if (is_new)
			end->kind->destroy(end); /* nobody heard of it yet */
		return;
	}
	if (is_new)
		session_add(mediad->session, end);
	note_described(request, end);
	hs_bus_answer(request, &(struct hs_media_describe_answer){
				       .description = body->role == HS_DESCRIPTION_ROLE_OFFER ? answer : NULL,
				       .held = !offer_may_send(offer.direction),
			       });
}

/* The channel leg a description is for; an offer makes a new one. NULL: the request is refused. */
static struct end *described_channel(struct mediad *mediad, struct hs_request *request,
				     const struct hs_media_describe *body)
{
	struct end *end = session_find(mediad->session, body->leg);
	if (end && leg_channel_is(end) && may_touch(request, end))
		return end;
	if (end || body->role == HS_DESCRIPTION_ROLE_ANSWER) {
		refuse_unknown(request, "leg");
		return NULL;
	}
	if (!fits_grant(request, body->leg, "leg"))
		return NULL;
	int error = leg_channel_create(&mediad->world, body->leg, body->call, &end);
	if (error < 0) {
		refuse_open(request, error);
		return NULL;
	}
	session_add(mediad->session, end);
	log_opened(end);
	return end;
}

/* What a driver must say of its channel. */
static int read_channel(const char *text, struct hs_channel *ret_channel, const char **ret_why)
{
	if (hs_channel_read(text, ret_channel, ret_why) < 0)
		return -EINVAL;
	*ret_why = "codec, ptime and name are needed";
	return ret_channel->codec && ret_channel->ptime_ms && ret_channel->name[0] ? 0 : -EINVAL;
}

static void describe_channel(struct mediad *mediad, struct hs_request *request, const struct hs_media_describe *body)
{
	struct hs_channel channel;
	char text[HS_CHANNEL_BYTES];
	const char *why;
	if (read_channel(body->description, &channel, &why) < 0) {
		refuse_description(request, why);
		return;
	}
	struct end *end = described_channel(mediad, request, body);
	if (!end)
		return;
	leg_channel_describe(end, &channel);
	note_described(request, end);
	hs_copy(channel.grant, sizeof channel.grant, end->id);
	hs_channel_write(&channel, text);
	hs_bus_answer(request, &(struct hs_media_describe_answer){
				       .description = body->role == HS_DESCRIPTION_ROLE_OFFER ? text : NULL});
}

/* Each driver describes its own sort of leg. */
static void serve_describe(void *context, struct hs_request *request)
{
	if (request->from == HS_ROLE_DAHDID)
		describe_channel(context, request, request->body);
	else
		describe_rtp(context, request, request->body);
}

static void serve_offer(void *context, struct hs_request *request)
{
	struct mediad *mediad = context;
	const struct hs_media_offer *body = request->body;
	char text[OFFER_BYTES];
	struct end *end = find_leg(mediad, request, body->leg);
	if (!end)
		return;
	if (!may_touch(request, end))
		refuse_unknown(request, "leg");
	else if (!leg_rtp_is(end))
		hs_bus_refuse(request, HS_ERROR_WRONG_STATE, NULL, "channel", "a channel has no offers");
	else if (!leg_rtp_is_described(end))
		hs_bus_refuse(request, HS_ERROR_WRONG_STATE, NULL, "new", "the far end has not described itself yet");
	else if (leg_rtp_offer(end, body->direction, text, sizeof text) < 0)
		hs_bus_refuse(request, HS_ERROR_INTERNAL, NULL, NULL, "the offer does not fit");
	else
		hs_bus_answer(request, &(struct hs_media_offer_answer){.description = text});
}

static void refuse_join(struct hs_request *request, int error)
{
	static const struct {
		int error;
		const char *state, *why;
	} rows[] = {
		{-EBUSY, "joined", "a leg has one partner leg; part it first"},
		{-ENOSPC, "joined", "the leg has all the streams it can have"},
		{-EINVAL, "open", "two streams, or an end and itself, cannot be joined"},
	};
	for (size_t i = 0; i < HS_COUNT(rows); i++)
		if (rows[i].error == error)
			hs_bus_refuse(request, HS_ERROR_WRONG_STATE, NULL, rows[i].state, "%s", rows[i].why);
}

/* A joined leg is in use, and its tone has done its work. */
static void begin_use(struct end *end)
{
	if (!end_is_leg(end))
		return;
	player_tone(end->player, HS_TONE_NONE);
	end->kind->use(end);
}

static void serve_join(void *context, struct hs_request *request)
{
	struct mediad *mediad = context;
	const struct hs_media_join *body = request->body;
	struct end *a = find(mediad, request, body->a, "a");
	struct end *b = a ? find(mediad, request, body->b, "b") : NULL;
	if (!b)
		return;
	int error = session_join(mediad->session, a, b);
	if (error < 0) {
		refuse_join(request, error);
		return;
	}
	begin_use(a);
	begin_use(b);
	hs_log(INFO, "media.joined", LOG_CALL(end_call(a) ? end_call(a) : end_call(b)), LOG_LEG(a->id),
	       LOG_TEXT("with", b->id));
	hs_bus_answer(request, NULL);
}

static void serve_part(void *context, struct hs_request *request)
{
	struct mediad *mediad = context;
	const struct hs_media_part *body = request->body;
	struct end *end = session_find(mediad->session, body->leg);
	if (end)
		session_part(mediad->session, end);
	hs_bus_answer(request, NULL);
}

static void serve_tone(void *context, struct hs_request *request)
{
	const struct hs_media_tone *body = request->body;
	struct end *end = find_leg(context, request, body->leg);
	if (!end)
		return;
	player_tone(end->player, body->tone);
	end->kind->use(end);
	hs_bus_answer(request, NULL);
}

static void serve_play(void *context, struct hs_request *request)
{
	const struct hs_media_play *body = request->body;
	struct end *end = find_leg(context, request, body->leg);
	if (!end)
		return;
	if (!fits_grant(request, body->play, "play"))
		return;
	int error = player_expect(end->player, body->play, body->format);
	if (error == -EBUSY)
		hs_bus_refuse(request, HS_ERROR_OVERLOADED, NULL, NULL, "too many sounds wait to be played");
	else if (error < 0)
		hs_bus_refuse(request, HS_ERROR_INVALID, "play", NULL, "another leg has this grant");
	else {
		end->kind->use(end);
		hs_bus_answer(request, NULL);
	}
}

static void serve_stop(void *context, struct hs_request *request)
{
	struct mediad *mediad = context;
	const struct hs_media_stop *body = request->body;
	struct end *end = session_find(mediad->session, body->leg);
	if (end && end_is_leg(end))
		player_stop(end->player);
	hs_bus_answer(request, NULL);
}

static void serve_mute(void *context, struct hs_request *request)
{
	const struct hs_media_mute *body = request->body;
	struct end *end = find_leg(context, request, body->leg);
	if (!end)
		return;
	end->record->is_muted = body->muted;
	hs_log(INFO, "media.muted", LOG_CALL(end_call(end)), LOG_LEG(end->id),
	       LOG_TEXT("muted", body->muted ? "yes" : "no"));
	hs_bus_answer(request, NULL);
}

static void serve_digits(void *context, struct hs_request *request)
{
	const struct hs_media_digits *body = request->body;
	struct end *end = find_leg(context, request, body->leg);
	if (!end)
		return;
	int error = end->kind->digits(end, body->digits, body->duration_ms);
	if (error == -ENOTSUP)
		hs_bus_refuse(request, HS_ERROR_WRONG_STATE, NULL, "no telephone-event",
			      "the far end did not agree to telephone-event; send them by SIP INFO");
	else if (error < 0)
		hs_bus_refuse(request, HS_ERROR_WRONG_STATE, "digits", "busy", "too many digits wait to be sent");
	else
		hs_bus_answer(request, NULL);
}

static void serve_close(void *context, struct hs_request *request)
{
	struct mediad *mediad = context;
	const struct hs_media_close *body = request->body;
	struct end *end = session_find(mediad->session, body->leg);
	if (end && may_touch(request, end))
		session_close(mediad->session, end);
	hs_bus_answer(request, NULL);
}

static void serve_status(void *context, struct hs_request *request)
{
	const struct hs_media_status *body = request->body;
	struct hs_media_figures figures;
	char remote[ADDRESS_TEXT];
	struct end *end = find(context, request, body->leg, "leg");
	if (!end)
		return;
	end->kind->measure(end, &figures, remote);
	hs_bus_answer(request, &(struct hs_media_status_answer){.figures = &figures});
}

const struct hs_door serve_doors[SERVE_DOORS] = {
	{HS_MEDIA_OPEN, serve_open},   {HS_MEDIA_DESCRIBE, serve_describe}, {HS_MEDIA_OFFER, serve_offer},
	{HS_MEDIA_JOIN, serve_join},   {HS_MEDIA_PART, serve_part},         {HS_MEDIA_TONE, serve_tone},
	{HS_MEDIA_PLAY, serve_play},   {HS_MEDIA_STOP, serve_stop},         {HS_MEDIA_DIGITS, serve_digits},
	{HS_MEDIA_CLOSE, serve_close}, {HS_MEDIA_STATUS, serve_status},     {HS_MEDIA_MUTE, serve_mute},
};
