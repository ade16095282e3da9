#include "session.h"
#include "cleanup.h"
#include "clock.h"
#include "kept.h"
#include "leg_channel.h"
#include "leg_player.h"
#include "leg_rtp.h"
#include "leg_stream.h"
#include "log.h"
#include "metrics.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { TICK_MS = 200 };

struct session {
	struct world *world;
	struct hs_table *ends;
	size_t counts[HS_MEDIA_KIND_COUNT];
	uv_timer_t tick;  /* runs while there are ends */
	int64_t now_us;   /* of the present tick */
	struct end *gone; /* found by the present tick */
};

struct session *session_create(struct world *world)
{
	struct session *session = hs_zalloc(sizeof *session);
	session->world = world;
	session->ends = hs_table_create();
	uv_timer_init(world->loop, &session->tick);
	session->tick.data = session;
	return session;
}

struct end *session_find(const struct session *session, const char *id)
{
	return hs_table_get(session->ends, id);
}

static bool tick_end(void *context, const char *key, void *object)
{
	struct session *session = context;
	struct end *end = object;
	if (end->kind->tick)
		end->kind->tick(end, session->now_us);
	if (end->is_gone)
		session->gone = end;
	return true;
}

/* One vanished stream a tick is closed: the table is not changed while it is walked. */
static void ticked(uv_timer_t *timer)
{
	struct session *session = timer->data;
	session->gone = NULL;
	session->now_us = hs_clock_us();
	hs_metric_set(session->world->meters.queued, 0); /* each stream adds its own */
	hs_table_each(session->ends, tick_end, session);
	if (!session->gone)
		return;
	session->world->report->detached(session->world->report_context, session->gone);
	session_close(session, session->gone);
}

static void count(struct session *session, enum hs_media_kind kind, int more)
{
	session->counts[kind] += (size_t)more;
	hs_metric_set(session->world->meters.ends[kind], (int64_t)session->counts[kind]);
	if (hs_table_count(session->ends) == 0)
		uv_timer_stop(&session->tick);
	else if (!uv_is_active((uv_handle_t *)&session->tick))
		uv_timer_start(&session->tick, ticked, TICK_MS, TICK_MS);
}

void session_add(struct session *session, struct end *end)
{
	hs_table_put(session->ends, end->id, end);
	kept_note(end);
	count(session, end->kind->kind, 1);
}

size_t session_count(const struct session *session, enum hs_media_kind kind)
{
	return session->counts[kind];
}

static void stir(struct end *end)
{
	if (end && end->kind->stir)
		end->kind->stir(end);
}

static void drop_stream(struct end *leg, const struct end *stream)
{
	for (int i = 0; i < leg->streams_count; i++) {
		if (leg->streams[i] != stream)
			continue;
		leg->streams[i] = leg->streams[--leg->streams_count];
		return;
	}
}

static void part_stream(struct end *stream)
{
	struct end *leg = stream->partner;
	if (!leg)
		return;
	stream->partner = NULL;
	kept_note(stream);
	drop_stream(leg, stream);
	stir(stream);
	stir(leg);
}

static int join_stream(struct end *leg, struct end *stream)
{
	if (stream->partner == leg)
		return 0;
	if (leg->streams_count == END_STREAMS)
		return -ENOSPC;
	part_stream(stream);
	stream->partner = leg;
	leg->streams[leg->streams_count++] = stream;
	return 0;
}

static int join_legs(struct end *a, struct end *b)
{
	if (a->partner == b)
		return 0;
	if (a->partner || b->partner)
		return -EBUSY;
	a->partner = b;
	b->partner = a;
	return 0;
}

int session_join(struct session *session, struct end *a, struct end *b)
{
	bool a_streams = !end_is_leg(a), b_streams = !end_is_leg(b);
	if (a == b || (a_streams && b_streams))
		return -EINVAL;
	int error = a_streams ? join_stream(b, a) : b_streams ? join_stream(a, b) : join_legs(a, b);
	if (error < 0)
		return error;
	kept_note(a);
	kept_note(b);
	stir(a);
	stir(b);
	return 0;
}

void session_part(struct session *session, struct end *end)
{
	struct end *partner = end->partner;
	if (!end_is_leg(end)) {
		part_stream(end);
		return;
	}
	while (end->streams_count > 0)
		part_stream(end->streams[0]);
	end->partner = NULL;
	kept_note(end);
	if (partner) {
		partner->partner = NULL;
		kept_note(partner);
	}
	stir(partner);
	stir(end);
}

void session_close(struct session *session, struct end *end)
{
	struct hs_media_figures figures = {0};
	char remote[ADDRESS_TEXT];
	enum hs_media_kind kind = end->kind->kind;
	session_part(session, end);
	hs_table_remove(session->ends, end->id);
	end->kind->measure(end, &figures, remote);
	session->world->report->closed(session->world->report_context, end, &figures);
	end->kind->destroy(end);
	count(session, kind, -1);
}

static bool take_first(void *context, const char *key, void *object)
{
	*(struct end **)context = object;
	return false;
}

void session_close_all(struct session *session)
{
	for (;;) {
		struct end *end = NULL;
		hs_table_each(session->ends, take_first, &end);
		if (!end)
			return;
		session_close(session, end);
	}
}

static void closed(uv_handle_t *handle)
{
	free(handle->data);
}

void session_destroy(struct session *session)
{
	if (!session)
		return;
	hs_table_destroy(session->ends);
	uv_close((uv_handle_t *)&session->tick, closed);
}

/* ---- What a predecessor left ---- */

static int (*const restorers[HS_MEDIA_KIND_COUNT])(struct world *world, const char *id, struct end_record *found,
						   size_t bytes, struct end **ret_end) = {
	[HS_MEDIA_KIND_RTP] = leg_rtp_restore,
	[HS_MEDIA_KIND_STREAM] = leg_stream_restore,
	[HS_MEDIA_KIND_CHANNEL] = leg_channel_restore,
};

/* Its record is left as it is until all are there: an end that is added writes down that it is joined to nobody. */
static void take_up(void *context, const char *id, struct end_record *record, size_t bytes)
{
	struct session *session = context;
	enum hs_media_kind kind = (enum hs_media_kind)record->kind;
	struct end *end = NULL;
	int error = restorers[kind](session->world, id, record, bytes, &end);
	if (error == 0) {
		hs_table_put(session->ends, end->id, end);
		count(session, kind, 1);
		return;
	}
	hs_log(ERROR, "media.lost", LOG_LEG(id), LOG_TEXT("kind", hs_enum_media_kind.names[kind]),
	       LOG_TEXT("error", strerror(-error)), LOG_WHY("mediad died and could not keep it"));
	session->world->report->lost(session->world->report_context, id, kind);
	kept_drop(session->world, id);
}

/* Both know each other, or only the stream its leg. */
static bool join_again(void *context, const char *key, void *object)
{
	struct session *session = context;
	struct end *end = object, *partner = session_find(session, end->record->partner);
	if (partner && partner != end && end_is_leg(partner))
		session_join(session, end, partner);
	kept_note(end);
	return true;
}

static bool stir_one(void *context, const char *key, void *object)
{
	stir(object);
	return true;
}

static struct end *find_leg(void *context, const char *id)
{
	struct end *end = session_find(context, id);
	return end && end_is_leg(end) ? end : NULL;
}

void session_restore(struct session *session)
{
	kept_each(session->world, take_up, session);
	hs_table_each(session->ends, join_again, session);
	player_restore(session->world, find_leg, session);
	hs_table_each(session->ends, stir_one, NULL);
	if (hs_table_count(session->ends))
		hs_log(INFO, "media.restored", LOG_INT("ends", (int64_t)hs_table_count(session->ends)));
}
